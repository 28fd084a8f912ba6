//! What a session commit costs: commits a second against bare inserts of as many rows by the driver, on
//! the same cluster, one after the other, several times.
//!
//! `deploy/dev/cql up`, then
//! `env $(deploy/dev/cql env) cargo run --release -p store-scylla --example commits [writers] [seconds]`
//!
//! A commit writes two rows (the key's, and snapshot with entry) and reads two; the bare inserts are of two
//! rows of the same sizes. A session has 12 messages.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use model::RetryKey;
use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    statement::prepared::PreparedStatement,
};
use store::{
    Committed, SessionStore,
    contract::sample::{commit, ended, session},
};
use store_scylla::{Options, ScyllaStore};
use uuid::Uuid;

const ROUNDS: usize = 3;
const MESSAGES_IN_SESSION: usize = 12;
const KEYSPACE: &str = "bench";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let points = std::env::var("CQL_CONTACT_POINTS")?;
    let contact_points: Vec<String> = points.split(',').map(str::to_owned).collect();
    let mut arguments = std::env::args().skip(1);
    let mut number = |or: u64| arguments.next().map_or(Ok(or), |text| text.parse());
    let (writers, run) = (number(256)?, Duration::from_secs(number(10)?));
    let options = Options {
        create_with_replicas: Some(u32::try_from(contact_points.len())?),
        contact_points,
        keyspace: KEYSPACE.into(),
        ..Options::default()
    };
    let store = Arc::new(ScyllaStore::open(&options).await?);
    let bare = Arc::new(Bare::open(&options).await?);
    let mut out = std::io::stdout();
    for _ in 0..ROUNDS {
        let (mut times, lasted) = measure(writers, run, |writer, until| {
            charge(store.clone(), writer, until)
        })
        .await?;
        let commits = times.len() as f64 / lasted.as_secs_f64();
        writeln!(out, "{}", line("session commits", commits, &mut times))?;
        let (mut times, lasted) =
            measure(writers, run, |_, until| insert(bare.clone(), until)).await?;
        let pairs = times.len() as f64 / lasted.as_secs_f64();
        writeln!(out, "{}", line("two bare inserts", pairs, &mut times))?;
        writeln!(out, "ratio {:.2}", commits / pairs)?;
    }
    Ok(())
}

type Times = Result<Vec<Duration>, String>;

async fn measure<F: Future<Output = Times> + Send + 'static>(
    writers: u64,
    run: Duration,
    work: impl Fn(u64, Instant) -> F,
) -> Result<(Vec<Duration>, Duration), String> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| tokio::spawn(work(writer, begun + run)))
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.map_err(|error| error.to_string())??);
    }
    Ok((times, begun.elapsed()))
}

/// One writer: sessions, one after the other, each message of it a commit.
async fn charge(store: Arc<ScyllaStore>, writer: u64, until: Instant) -> Times {
    let mut times = Vec::new();
    while Instant::now() < until {
        let name = Uuid::now_v7().to_string();
        let mut current = session(&format!("DE*SWY*E{writer:06}"), &name);
        for step in 0..MESSAGES_IN_SESSION {
            if step == MESSAGES_IN_SESSION - 1 {
                current = ended(&current);
            }
            current.energy_wh += 183.25;
            let key = RetryKey::of("tx", &[&name, &step.to_string()]);
            let begun = Instant::now();
            let outcome = store.commit_session(commit(&current, &key.0)).await;
            times.push(begun.elapsed());
            match outcome {
                Ok(Committed::Written) => {}
                other => return Err(format!("{other:?}")),
            }
        }
    }
    Ok(times)
}

/// The driver alone.
struct Bare {
    session: Session,
    key: PreparedStatement,
    entry: PreparedStatement,
    texts: (String, String),
}

impl Bare {
    async fn open(options: &Options) -> Result<Self, Box<dyn std::error::Error>> {
        let session = SessionBuilder::new()
            .known_nodes(&options.contact_points)
            .use_keyspace(KEYSPACE, true)
            .build()
            .await?;
        for table in [
            "bare_keys (station text, retry_key text, session uuid, no int,
                 PRIMARY KEY ((station, retry_key), session))",
            "bare_entries (session uuid, no int, snapshot text static, entry text,
                 PRIMARY KEY (session, no))",
        ] {
            let create = format!("CREATE TABLE IF NOT EXISTS {table}");
            session.query_unpaged(create, ()).await?;
        }
        let key = "INSERT INTO bare_keys (station, retry_key, session, no) VALUES (?, ?, ?, ?)";
        let entry = "INSERT INTO bare_entries (session, no, snapshot, entry) VALUES (?, ?, ?, ?)";
        let sample = commit(&session_of_sample(), "key");
        let mut prepared = [session.prepare(key).await?, session.prepare(entry).await?];
        for statement in &mut prepared {
            statement.set_is_idempotent(true);
            statement.set_consistency(scylla::statement::Consistency::LocalQuorum);
        }
        let [key, entry] = prepared;
        Ok(Self {
            session,
            key,
            entry,
            texts: (
                serde_json::to_string(&sample.session)?,
                serde_json::to_string(&sample.event)?,
            ),
        })
    }
}

fn session_of_sample() -> model::Session {
    session("DE*SWY*E000000", &Uuid::now_v7().to_string())
}

async fn insert(bare: Arc<Bare>, until: Instant) -> Times {
    let mut times = Vec::new();
    while Instant::now() < until {
        let id = Uuid::now_v7();
        for no in 0..MESSAGES_IN_SESSION as i32 {
            let begun = Instant::now();
            let key = RetryKey::of("tx", &[&id.to_string(), &no.to_string()]);
            let key = ("DE*SWY*E000000", key.0, id, no);
            let entry = (id, no, &bare.texts.0, &bare.texts.1);
            let key = bare.session.execute_unpaged(&bare.key, key);
            let entry = bare.session.execute_unpaged(&bare.entry, entry);
            tokio::try_join!(key, entry).map_err(|error| error.to_string())?;
            times.push(begun.elapsed());
        }
    }
    Ok(times)
}

fn line(what: &str, rate: f64, times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    format!(
        "{what:17} {rate:8.0}/s   p50 {:6.2} ms   p99 {:6.2} ms",
        at(0.5),
        at(0.99)
    )
}
