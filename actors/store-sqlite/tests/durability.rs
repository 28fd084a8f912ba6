//! What is left after a close, a kill, a full disk.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use model::{Session, Timestamp};
use store::{
    ApiKeyStore, Committed, MessageFilter, MessageStore, PageRequest, SessionStore, StationStore,
    WriteError, contract::sample,
};
use store_sqlite::{OpenError, Options, SqliteStore};

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, &Options::default()).expect("the database opens")
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let session = sample::session("CP1", "7");
    let first = open(&path);
    first.create_station(sample::station("CP1")).await.unwrap();
    sample::write(&first, &session, "k").await;
    first.close().await;

    let second = open(&path);
    let hydration = second.hydrate(&session.station).await.unwrap();
    assert_eq!(hydration.station, Some(sample::station("CP1")));
    assert_eq!(hydration.open_sessions, vec![session.clone()]);
    assert_eq!(hydration.last_number, Some(7));
    let again = second.commit_session(sample::commit(&session, "k")).await;
    assert_eq!(again, Ok(Committed::Repeat(Box::new(session))));
}

#[tokio::test]
async fn a_closed_store_says_so_and_leaves_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let store = open(&path);
    let session = sample::session("CP1", "7");
    sample::write(&store, &session, "k").await;
    store.close().await;
    store.close().await;
    let late = store.commit_session(sample::commit(&session, "l")).await;
    assert_eq!(
        late,
        Err(WriteError::NotWritten("the store is closed".into()))
    );
    assert!(store.session(session.id).await.is_err());
    let files: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, ["hub.db"], "the log is folded into the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_store_completes_what_is_queued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let store = Arc::new(open(&path));
    // Fewer than tokio lets one task do without a pause (128).
    let sessions: Vec<Session> = (0..100)
        .map(|n| sample::session("CP1", &n.to_string()))
        .collect();
    // Polled once: each write is queued, and nobody waits for its answer.
    for session in &sessions {
        let mut write = store.commit_session(sample::commit(session, &session.transaction));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = write.as_mut().poll(&mut context);
    }
    drop(store);
    let store = open(&path);
    for session in sessions {
        assert_eq!(store.session(session.id).await, Ok(Some(session)));
    }
}

#[tokio::test]
async fn two_may_have_the_file_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let (hub, command_line) = (open(&path), open(&path));
    for n in 0..20 {
        let session = sample::session("CP1", &n.to_string());
        let write = hub.commit_session(sample::commit(&session, &n.to_string()));
        let key = sample::api_key(&format!("key{n}"), n);
        let (written, created) = tokio::join!(write, command_line.create_api_key(key));
        assert_eq!((written, created), (Ok(Committed::Written), Ok(())));
    }
    assert_eq!(hub.api_keys().await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let options = Options {
        max_bytes: Some(512 * 1024),
        ..Options::default()
    };
    let store = SqliteStore::open(&path, &options).unwrap();
    let frame = "x".repeat(1000);
    let mut kept = 0;
    let refused = loop {
        let batch = vec![sample::message("CP1", kept, "A", &frame); 16];
        match store.append_messages(batch).await {
            Ok(()) => kept += 16,
            Err(error) => break error,
        }
        assert!(kept < 10_000, "the file grows without bound");
    };
    assert!(matches!(refused, WriteError::NotWritten(_)), "{refused:?}");

    // Nothing of the refused batch is there, and what was kept can be read.
    let id = sample::station_id("CP1");
    let all = PageRequest::first(10_000);
    let page = store.messages(&id, MessageFilter::default(), all).await;
    assert_eq!(page.unwrap().items.len() as i64, kept);

    let freed = store
        .prune_messages(Timestamp(i64::MAX), 200)
        .await
        .unwrap();
    assert!(freed > 0);
    sample::write(&store, &sample::session("CP1", "1"), "k").await;
}

#[tokio::test]
async fn a_bounded_database_and_its_log_together_keep_within_the_bound() {
    let directory = tempfile::tempdir().unwrap();
    let most = 4 * 1024 * 1024;
    let options = Options {
        max_bytes: Some(most),
        ..Options::default()
    };
    let store = SqliteStore::open(&directory.path().join("hub.db"), &options).unwrap();
    let on_disk = || -> u64 {
        let files = std::fs::read_dir(directory.path()).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum()
    };
    let frame = "x".repeat(1000);
    let mut largest = 0;
    for position in 0.. {
        let batch = vec![sample::message("CP1", position, "A", &frame); 16];
        let outcome = store.append_messages(batch).await;
        largest = largest.max(on_disk());
        if outcome.is_err() {
            break;
        }
    }
    // The group that fills the log, and the index of the log, come on top.
    assert!(largest <= most + 256 * 1024, "{largest} bytes on disk");
    assert!(largest > most / 2, "{largest} bytes on disk");
}

#[test]
fn a_database_that_cannot_be_opened_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let error = |path: &Path| match SqliteStore::open(path, &Options::default()) {
        Ok(_) => panic!("{path:?} opened"),
        Err(error) => error,
    };

    let missing = error(&directory.path().join("none").join("hub.db"));
    assert!(matches!(missing, OpenError::NoDirectory(_)), "{missing}");

    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "no database, ".repeat(100)).unwrap();
    let no_database = error(&text);
    assert!(
        matches!(no_database, OpenError::NotOurs(_)),
        "{no_database}"
    );

    let foreign = directory.path().join("browser.db");
    let db = rusqlite::Connection::open(&foreign).unwrap();
    db.execute_batch("CREATE TABLE bookmarks (url)").unwrap();
    let others = error(&foreign);
    assert!(matches!(others, OpenError::NotOurs(_)), "{others}");

    let unwritable = error(directory.path());
    assert!(
        matches!(unwritable, OpenError::Unwritable(_)),
        "{unwritable}"
    );
    for shown in [missing, no_database, others, unwritable] {
        let line = shown.to_string();
        assert!(!line.contains('\n') && line.contains(": "), "{line}");
    }
}

const CHILD: &str = "STORE_SQLITE_TEST_DATABASE";
const KILLS: usize = 5;
/// How many acknowledged commits to wait for before each kill.
const ACKNOWLEDGED: usize = 200;

/// The test runs itself once more as a child that writes, and kills it while it does.
#[test]
fn a_kill_loses_nothing_acknowledged() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = env::var_os(CHILD) {
        runtime.block_on(write_for_ever(Path::new(&path)));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let mut acknowledged = Vec::new();
    for _ in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "a_kill_loses_nothing_acknowledged",
                "--nocapture",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let keys = lines.filter_map(|line| line.unwrap().strip_prefix("ack ").map(str::to_owned));
        let before = acknowledged.len();
        acknowledged.extend(keys.take(ACKNOWLEDGED));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(
            acknowledged.len() - before,
            ACKNOWLEDGED,
            "the child ended early"
        );

        let store = open(&path);
        let id = sample::station_id("CP1");
        runtime.block_on(async {
            for key in &acknowledged {
                let found = store.session_by_key(&id, &sample::key(key)).await;
                assert!(
                    found.unwrap().is_some(),
                    "{key} was acknowledged and is lost"
                );
            }
        });
    }
}

async fn write_for_ever(path: &Path) {
    let store = Arc::new(open(path));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let session = sample::session("CP1", &model::SessionId::fresh().to_string());
                    sample::write(&*store, &session, &session.transaction).await;
                    // One write call: the lines of several tasks must not mix.
                    let line = format!("ack {}\n", session.transaction);
                    if std::io::stdout().write_all(line.as_bytes()).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
