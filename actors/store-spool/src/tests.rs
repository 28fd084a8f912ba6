//! The spool in front of a store that goes away and comes back.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use model::{Session, SessionEventRecord, SessionState};
use store::{
    Committed, DeadLetterStore, MemoryStore, PageRequest, ReadError, SessionCommit, SessionFilter,
    SessionStore, StationStore, TokenStore, WriteError, contract::sample,
};

use crate::{Directory, Files, Options, SimDisk, Spooled};

/// A store somewhere else.
#[derive(Clone, Default)]
struct Remote {
    truth: Arc<MemoryStore>,
    away: Arc<AtomicBool>,
    /// Writes take for ever, for now.
    hangs: Arc<AtomicBool>,
    /// The next write is told that another owner has written.
    outdates: Arc<AtomicBool>,
    /// How many were answered.
    reads: Arc<AtomicUsize>,
    /// Not more writes than this, where it is set.
    takes_only: Arc<Mutex<Option<usize>>>,
}

impl Remote {
    fn takes_only(&self, writes: Option<usize>) {
        *self.takes_only.lock().unwrap() = writes;
    }

    fn takes_one_more(&self) -> bool {
        match &mut *self.takes_only.lock().unwrap() {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn set_hanging(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    async fn write(&self) -> Result<&MemoryStore, WriteError> {
        while self.hangs.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if self.away.load(Ordering::SeqCst) || !self.takes_one_more() {
            return Err(WriteError::Unknown("away".to_owned()));
        }
        match self.outdates.swap(false, Ordering::SeqCst) {
            true => Err(WriteError::Outdated),
            false => Ok(&self.truth),
        }
    }

    fn read(&self) -> Result<&MemoryStore, ReadError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(ReadError("away".to_owned()));
        }
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(&self.truth)
    }

    async fn log_of(&self, session: &Session) -> Vec<String> {
        let page = self
            .truth
            .session_events(session.id, PageRequest::first(1000));
        let keys = |event: SessionEventRecord| event.retry_key.0;
        page.await.unwrap().items.into_iter().map(keys).collect()
    }
}

store::delegate! {
    StationStore, SiteStore, PowerStore, CdrStore, TokenStore, NoticeStore, CommandStore, DeadLetterStore, MessageStore,
    ApiKeyStore, SessionStore for Remote;
    read |this| this.read()?;
    write |this| this.write().await?;
}

fn spooled(remote: &Remote, disk: &Arc<impl Files>) -> Spooled {
    Spooled::open(
        Arc::new(remote.clone()),
        Arc::clone(disk) as Arc<dyn Files>,
        rebase,
        &Options::default(),
    )
    .expect("the disk can be read")
}

/// As much of a rebase as these tests see.
fn rebase(held: &Session, alone: SessionCommit, epoch: i64) -> SessionCommit {
    let session = Session {
        energy_wh: held.energy_wh + alone.session.energy_wh,
        ..held.clone()
    };
    SessionCommit {
        session,
        epoch,
        ..alone
    }
}

fn commit(session: &Session, key: &str, energy_wh: f64) -> SessionCommit {
    let session = Session {
        energy_wh,
        ..session.clone()
    };
    sample::commit(&session, key)
}

async fn until(reached: impl AsyncFn() -> bool) {
    tokio::time::timeout(Duration::from_secs(60), async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it comes about within a minute");
}

async fn drained(spooled: &Spooled) {
    until(async || spooled.waiting() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_while_the_remote_is_away_and_arrives_in_order() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    let session = sample::session("CP1", "7");
    store
        .commit_session(commit(&session, "start", 0.0))
        .await
        .unwrap();
    remote.set_away(true);
    for (key, energy_wh) in [("a", 100.0), ("b", 200.0)] {
        let told = store.commit_session(commit(&session, key, energy_wh)).await;
        assert_eq!(told, Ok(Committed::Written));
    }
    let seen = store.session_by_transaction(&session.station, "7").await;
    assert_eq!(seen.unwrap().unwrap().energy_wh, 200.0);
    remote.set_away(false);
    drained(&store).await;
    assert_eq!(remote.log_of(&session).await, ["start", "a", "b"]);
    let kept = remote.truth.session(session.id).await.unwrap().unwrap();
    assert_eq!(kept.energy_wh, 200.0);
    store
        .commit_session(commit(&session, "c", 300.0))
        .await
        .unwrap();
    assert_eq!(store.waiting(), 0, "it goes to the remote again");
    assert_eq!(remote.log_of(&session).await, ["start", "a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn what_another_hub_wrote_meanwhile_is_kept_below_what_waited() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    let session = sample::session("CP1", "7");
    let start = commit(&session, "start", 0.0);
    store.commit_session(start).await.unwrap();
    remote.set_away(true);
    let waits = commit(&session, "waits", 100.0);
    store.commit_session(waits).await.unwrap();
    let elsewhere = commit(&session, "elsewhere", 50.0);
    remote.truth.commit_session(elsewhere).await.unwrap();
    remote.outdates.store(true, Ordering::SeqCst);
    remote.set_away(false);
    drained(&store).await;
    assert_eq!(
        remote.log_of(&session).await,
        ["start", "elsewhere", "waits"]
    );
    let kept = remote.truth.session(session.id).await.unwrap().unwrap();
    assert_eq!(kept.energy_wh, 150.0);
}

#[tokio::test(start_paused = true)]
async fn who_is_outdated_is_told_and_nothing_is_spooled() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    remote.outdates.store(true, Ordering::SeqCst);
    let start = commit(&sample::session("CP1", "7"), "start", 0.0);
    let told = store.commit_session(start).await;
    assert_eq!((told, store.waiting()), (Err(WriteError::Outdated), 0));
}

#[tokio::test(start_paused = true)]
async fn a_spooled_session_keeps_the_contract_towards_whoever_writes_it() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    remote.set_away(true);
    let session = sample::session("CP1", "7");
    let mut first = commit(&session, "start", 0.0);
    first.epoch = 5;
    assert_eq!(
        store.commit_session(first.clone()).await,
        Ok(Committed::Written)
    );
    let again = store.commit_session(first.clone()).await;
    assert_eq!(again, Ok(Committed::Repeat(Box::new(session.clone()))));
    let mut stale = commit(&session, "late", 0.0);
    stale.epoch = 4;
    assert_eq!(store.commit_session(stale).await, Err(WriteError::Stale));
    let other = sample::session("CP1", "7");
    let taken = store.commit_session(commit(&other, "other", 0.0)).await;
    assert_eq!(taken, Ok(Committed::Taken(Box::new(session.clone()))));
    let by_key = store
        .session_by_key(&session.station, &sample::key("start"))
        .await;
    assert_eq!(by_key.unwrap(), Some(session));
}

#[tokio::test(start_paused = true)]
async fn what_was_spooled_survives_a_kill_and_is_seen_before_it_is_replayed() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let session = sample::session("CP1", "7");
    remote
        .truth
        .create_station(sample::station("CP1"))
        .await
        .unwrap();
    {
        let store = spooled(&remote, &disk);
        remote.set_away(true);
        store
            .commit_session(commit(&session, "start", 0.0))
            .await
            .unwrap();
        store
            .commit_session(commit(&session, "a", 100.0))
            .await
            .unwrap();
        store
            .record_reading(&session.station, sample::reading("r", 1))
            .await
            .unwrap();
        store
            .record_dead_letter(sample::dead_letter("CP1", "d"))
            .await
            .unwrap();
    }
    disk.crash(0.5);
    let store = spooled(&remote, &disk);
    assert_eq!(store.waiting(), 4);
    let seen = store.session(session.id).await.unwrap().unwrap();
    assert_eq!(seen.energy_wh, 100.0);
    let again = store.commit_session(commit(&session, "a", 0.0)).await;
    assert!(matches!(again, Ok(Committed::Repeat(_))));
    remote.set_away(false);
    let hydration = store.hydrate(&session.station).await.unwrap();
    assert_eq!(hydration.open_sessions, [seen]);
    assert_eq!(hydration.last_number, Some(7));
    drained(&store).await;
    assert_eq!(remote.log_of(&session).await, ["start", "a"]);
    let readings = remote
        .truth
        .readings(&session.station, PageRequest::first(9));
    assert_eq!(readings.await.unwrap().items.len(), 1);
    let letters = remote.truth.dead_letters(PageRequest::first(9)).await;
    assert_eq!(letters.unwrap().items.len(), 1);
}

fn measured(metrics: &PrometheusHandle, name: &str) -> f64 {
    let shown = metrics.render();
    let mut lines = shown.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {shown}"))
        .parse()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_counted_write_by_write_and_what_is_on_the_disk_apart_from_it() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let shown = || {
        [
            "switchyard_spool_records",
            "switchyard_spool_bytes",
            "switchyard_spool_disk_bytes",
        ]
        .map(|name| measured(&metrics, name))
    };
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    assert_eq!(shown(), [0.0; 3]);
    remote.takes_only(Some(0));
    for name in ["10", "11", "12", "13", "14"] {
        let session = sample::session("CP1", name);
        let told = store.commit_session(commit(&session, name, 0.0)).await;
        assert_eq!(told, Ok(Committed::Written));
    }
    let [records, bytes, disk_bytes] = shown();
    assert_eq!(records, 5.0);
    assert!(bytes > 0.0 && disk_bytes > bytes, "{bytes} {disk_bytes}");
    let each = bytes / 5.0;

    remote.takes_only(Some(3));
    until(async || store.waiting() == 2).await;
    let [records, bytes, disk_bytes] = shown();
    assert_eq!((records, bytes), (2.0, each * 2.0));
    assert!(
        disk_bytes > each * 3.0,
        "the rest of its segment is there still: {disk_bytes}"
    );

    // The next life cannot know of that, and replays all that is there.
    drop(store);
    let store = spooled(&remote, &disk);
    let [records, bytes, _] = shown();
    assert!(records > 2.0, "{records}");
    assert_eq!(bytes, each * records);
    remote.takes_only(None);
    drained(&store).await;
    until(async || shown() == [0.0; 3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_is_refused_when_neither_the_remote_nor_the_disk_takes_it() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    remote.set_away(true);
    let session = sample::session("CP1", "7");
    disk.set_full(true);
    let refused = store.commit_session(commit(&session, "start", 0.0)).await;
    assert!(
        matches!(refused, Err(WriteError::NotWritten(_))),
        "{refused:?}"
    );
    disk.set_full(false);
    store
        .commit_session(commit(&session, "start", 0.0))
        .await
        .unwrap();
    disk.set_syncs_fail(true);
    let unknown = store.commit_session(commit(&session, "a", 1.0)).await;
    assert!(
        matches!(unknown, Err(WriteError::Unknown(_))),
        "{unknown:?}"
    );
    disk.set_syncs_fail(false);
    store
        .commit_session(commit(&session, "a", 1.0))
        .await
        .unwrap();
    remote.set_away(false);
    drained(&store).await;
    assert_eq!(remote.log_of(&session).await, ["start", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_refuses() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let options = Options {
        max_bytes: 5_000,
        ..Options::default()
    };
    let store = Spooled::open(Arc::new(remote.clone()), disk, rebase, &options).unwrap();
    remote.set_away(true);
    let session = sample::session("CP1", "7");
    let mut kept = Vec::new();
    let refused = loop {
        let key = format!("k{}", kept.len());
        match store.commit_session(commit(&session, &key, 0.0)).await {
            Ok(_) => kept.push(key),
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("spool.max_bytes"), "{refused}");
    remote.set_away(false);
    drained(&store).await;
    assert!(!kept.is_empty());
    assert_eq!(remote.log_of(&session).await, kept);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_segment_costs_what_is_damaged_and_is_kept() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let sessions: Vec<Session> = ["1", "2", "3"]
        .map(|name| sample::session("CP1", name))
        .into();
    {
        let store = spooled(&remote, &disk);
        remote.set_away(true);
        for session in &sessions {
            store
                .commit_session(commit(session, &session.transaction, 0.0))
                .await
                .unwrap();
        }
        store.close().await;
    }
    let segment = disk.names().unwrap().pop().unwrap();
    let middle = disk.read(&segment).unwrap().len() / 2;
    disk.flip_bit(&segment, middle);
    remote.set_away(false);
    let store = spooled(&remote, &disk);
    drained(&store).await;
    let mut arrived = 0;
    for session in &sessions {
        arrived += remote.log_of(session).await.len();
    }
    assert_eq!(arrived, 2);
    tokio::time::timeout(Duration::from_secs(60), async {
        while disk.names().unwrap() != [format!("{segment}.damaged")] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the damaged segment is kept for a person");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_remote_will_never_take_is_set_aside_and_holds_nobody_up() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    let (moved, fine) = (sample::session("CP1", "7"), sample::session("CP2", "8"));
    remote
        .truth
        .commit_session(commit(&moved, "start", 0.0))
        .await
        .unwrap();
    remote.set_away(true);
    let elsewhere = Session {
        station: sample::station_id("CP3"),
        ..moved.clone()
    };
    store
        .commit_session(commit(&elsewhere, "a", 1.0))
        .await
        .unwrap();
    store.commit_session(commit(&fine, "b", 1.0)).await.unwrap();
    remote.set_away(false);
    drained(&store).await;
    assert_eq!(remote.log_of(&moved).await, ["start"]);
    assert_eq!(remote.log_of(&fine).await, ["b"]);
    let aside = String::from_utf8(disk.read("set-aside.jsonl").unwrap()).unwrap();
    assert!(aside.contains("cannot change its station") && aside.contains(&moved.id.to_string()));
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_without_sight_of_the_remote_is_decided_again_on_top_of_it() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    let held = sample::session("CP1", "tx");
    remote
        .truth
        .commit_session(commit(&held, "first", 100.0))
        .await
        .unwrap();
    remote.set_away(true);
    let alone = sample::session("CP1", "tx");
    for (key, energy_wh) in [("start", 0.0), ("a", 10.0)] {
        let told = store.commit_session(commit(&alone, key, energy_wh)).await;
        assert_eq!(told, Ok(Committed::Written));
    }
    remote.set_away(false);
    drained(&store).await;
    assert_eq!(remote.log_of(&held).await, ["first", "start", "a"]);
    let kept = remote.truth.session(held.id).await.unwrap().unwrap();
    assert_eq!(kept.energy_wh, 110.0);
    // Whoever goes on with what it knew is stopped, then told of the other.
    let told = store.commit_session(commit(&alone, "b", 20.0)).await;
    assert_eq!(told, Err(WriteError::Stale));
    let told = store.commit_session(commit(&alone, "b", 20.0)).await;
    assert_eq!(told, Ok(Committed::Taken(Box::new(kept))));
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_write_counts_though_a_newer_owner_has_written_since() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    let session = sample::session("CP1", "7");
    remote.set_away(true);
    store
        .commit_session(commit(&session, "ours", 1.0))
        .await
        .unwrap();
    // Another hub was faster.
    let mut theirs = commit(&session, "theirs", 2.0);
    theirs.epoch += 1;
    remote.truth.commit_session(theirs).await.unwrap();
    remote.set_away(false);
    drained(&store).await;
    assert_eq!(remote.log_of(&session).await, ["theirs", "ours"]);
}

#[tokio::test(start_paused = true)]
async fn lists_of_sessions_show_what_waits_in_its_place() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let sessions: Vec<Session> = (0..10)
        .map(|number| sample::session("CP1", &number.to_string()))
        .collect();
    let over = Session {
        state: SessionState::Ended,
        ..sessions[4].clone()
    };
    {
        let store = spooled(&remote, &disk);
        let begin = async |session: &Session| {
            let told = store.commit_session(commit(session, &session.transaction, 0.0));
            told.await.unwrap();
        };
        for there in sessions.iter().step_by(2) {
            begin(there).await;
        }
        remote.set_away(true);
        for only_here in sessions.iter().skip(1).step_by(2) {
            begin(only_here).await;
        }
        let told = store.commit_session(commit(&over, "stop", 9.0));
        told.await.unwrap();
        store.close().await;
    }
    remote.set_away(false);
    remote.set_hanging(true);
    let store = spooled(&remote, &disk);
    let listed = async |state, limit| {
        let mut names = Vec::new();
        let filter = SessionFilter {
            state,
            ..SessionFilter::default()
        };
        let mut request = PageRequest::first(limit);
        loop {
            let page = store
                .sessions(filter.clone(), request.clone())
                .await
                .unwrap();
            assert!(page.items.len() <= limit as usize);
            names.extend(page.items.into_iter().map(|session| session.transaction));
            match page.next {
                Some(next) => request.after = Some(next),
                None => return names.join(" "),
            }
        }
    };
    for limit in [1, 2, 3, 4, 100] {
        assert_eq!(listed(None, limit).await, "9 8 7 6 5 4 3 2 1 0", "{limit}");
        assert_eq!(
            listed(Some(SessionState::Active), limit).await,
            "9 8 7 6 5 3 2 1 0"
        );
        assert_eq!(listed(Some(SessionState::Ended), limit).await, "4");
    }
    remote.set_hanging(false);
    drained(&store).await;
    assert_eq!(listed(None, 3).await, "9 8 7 6 5 4 3 2 1 0");
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_is_back_is_known_to_be_though_nobody_writes_any_more() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    remote.set_away(true);
    let session = sample::session("CP1", "7");
    store
        .commit_session(commit(&session, "start", 0.0))
        .await
        .unwrap();
    let reads = async || store.station(&session.station).await.is_ok();
    until(async || store.trouble().is_some() && !reads().await).await;
    let told = store.trouble();
    assert!(
        told.as_ref().is_some_and(|why| why.contains("away")),
        "{told:?}"
    );
    remote.set_away(false);
    drained(&store).await;
    assert!(reads().await, "it is asked as soon as it answers again");
    assert!(
        store.trouble().is_some(),
        "and believed when it has for a while"
    );
    until(async || store.trouble().is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_former_life_left_of_a_session_is_decided_again_with_one_look_a_segment() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let session = sample::session("CP1", "7");
    {
        let store = spooled(&remote, &disk);
        let told = store.commit_session(commit(&session, "start", 5.0));
        told.await.unwrap();
        remote.set_away(true);
        for number in 0..50 {
            let told = store.commit_session(commit(&session, &format!("k{number}"), 1.0));
            told.await.unwrap();
        }
        store.close().await;
    }
    let segments = disk.names().unwrap().len();
    remote.set_away(false);
    let reads = remote.reads.load(Ordering::SeqCst);
    let store = spooled(&remote, &disk);
    drained(&store).await;
    let kept = remote.truth.session(session.id).await.unwrap().unwrap();
    assert_eq!(kept.energy_wh, 55.0, "each on top of the one before");
    assert_eq!(remote.log_of(&session).await.len(), 51);
    let looks = remote.reads.load(Ordering::SeqCst) - reads;
    assert!(
        looks <= 2 * segments,
        "{looks} reads for {segments} segments"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_read_is_known_while_the_remote_is_away() {
    let (remote, disk) = (Remote::default(), Arc::new(SimDisk::new()));
    let store = spooled(&remote, &disk);
    let token = sample::token("04A1", None);
    remote.truth.put_token(token.clone()).await.unwrap();
    assert_eq!(store.token(&token.uid).await, Ok(Some(token.clone())));
    remote.set_away(true);
    assert_eq!(store.token(&sample::uid("04a1")).await, Ok(Some(token)));
    assert!(store.token(&sample::uid("99")).await.is_err());
}

#[tokio::test]
async fn a_directory_holds_segments_and_one_hub_at_a_time() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("spool");
    let remote = Remote::default();
    remote.set_away(true);
    let sessions: Vec<Session> = (0..50)
        .map(|number| sample::session(&format!("CP{number}"), "7"))
        .collect();
    {
        let disk = Arc::new(Directory::open(&path).unwrap());
        let second = Directory::open(&path).unwrap_err();
        assert_eq!(second.kind(), std::io::ErrorKind::WouldBlock);
        let store = spooled(&remote, &disk);
        let writes = sessions
            .iter()
            .map(|session| store.commit_session(commit(session, "k", 1.5)));
        for told in futures_util::future::join_all(writes).await {
            assert_eq!(told, Ok(Committed::Written));
        }
        store.close().await;
    }
    remote.set_away(false);
    let mut tries = 0;
    let disk = loop {
        // The writer of the former life lets go of it in its own time.
        match Directory::open(&path) {
            Ok(disk) => break Arc::new(disk),
            Err(_) if tries < 500 => tries += 1,
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let store = spooled(&remote, &disk);
    drained(&store).await;
    for session in &sessions {
        let kept = remote.truth.session(session.id).await.unwrap().unwrap();
        assert_eq!(kept.energy_wh, 1.5);
    }
}

mod with_the_remote_there {
    use super::*;

    async fn open() -> Box<Spooled> {
        Box::new(spooled(&Remote::default(), &Arc::new(SimDisk::new())))
    }

    store::contract_tests!(open);
}
