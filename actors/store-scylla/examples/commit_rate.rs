//! Session commits a second, against the bare driver making the same inserts: a row of `sessions` and a row
//! of `retry_keys` for each message. What a commit does besides is two reads: whether the message is a
//! repeat, and whether the session is still ours.
//!
//! `env $(deploy/dev/cql env) cargo run --release -p store-scylla --features server --example commit_rate`
//!
//! All take turns, three times. CPU is that of this process; the server has the rest.
//!
//! With `rows [SECONDS]` only the bare driver has a turn, with all that a whole hub inserts in the loop of
//! `loadtest sessions`, which takes this command as `--yardstick`: of 12 messages each call and its answer in
//! `messages`, and of the 10 that belong to the transaction the two rows of the commit. It makes as many
//! calls at once as that loop, and its last line is the messages a second.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use model::Session;
use scylla::{
    client::{session::Session as Cql, session_builder::SessionBuilder},
    statement::prepared::PreparedStatement,
};
use store::{
    Committed, SessionCommit, SessionStore,
    contract::sample::{commit, session},
};
use store_scylla::{Options, ScyllaStore};
use uuid::Uuid;

/// The hub's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TURN: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;
/// As many statements as the driver was measured with elsewhere.
const WRITERS: usize = 256;
/// As many as run sessions in `loadtest sessions`.
const CHARGERS: usize = 200;
const KEYSPACE: &str = "commit_rate";

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let points = std::env::var("CQL_CONTACT_POINTS")?;
    let contact_points: Vec<String> = points.split(',').map(str::to_owned).collect();
    let options = Options {
        create_with_replicas: Some(u32::try_from(contact_points.len())?),
        contact_points: contact_points.clone(),
        keyspace: KEYSPACE.to_owned(),
        request_timeout: Duration::from_secs(10),
        in_flight: WRITERS,
        ..Options::default()
    };
    let store = Arc::new(ScyllaStore::open(&options).await?);
    let driver = Arc::new(Driver::connect(contact_points).await?);
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => compare(store, driver).await,
        Some("rows") => {
            let seconds = arguments
                .next()
                .map_or(Ok(TURN.as_secs()), |it| it.parse())?;
            rows_of_a_hub(driver, Duration::from_secs(seconds)).await
        }
        Some(other) => Err(format!("no turn is called {other:?}: `rows`, or nothing").into()),
    }
}

/// The driver and the store by turns.
async fn compare(store: Arc<ScyllaStore>, driver: Arc<Driver>) -> Outcome<()> {
    let mut out = std::io::stdout();
    let mut rates = [0.0, 0.0];
    for _ in 0..ROUNDS {
        let insert = |writer| insert(Arc::clone(&driver), writer, Rows::OfCommit, TURN);
        let bare = turn(WRITERS, insert).await?;
        let commits = turn(WRITERS, |writer| commits(Arc::clone(&store), writer)).await?;
        writeln!(out, "bare driver:  {bare}")?;
        writeln!(out, "commits:      {commits}")?;
        rates[0] += bare.rate;
        rates[1] += commits.rate;
    }
    writeln!(
        out,
        "commits reach {:.2} of the bare driver's rate",
        rates[1] / rates[0]
    )?;
    Ok(())
}

/// The driver with all that a hub inserts.
async fn rows_of_a_hub(driver: Arc<Driver>, time: Duration) -> Outcome<()> {
    let mut out = std::io::stdout();
    let insert = |writer| insert(Arc::clone(&driver), writer, Rows::OfHub, time);
    let measured = turn(CHARGERS, insert).await?;
    writeln!(out, "bare driver:  {measured}")?;
    writeln!(out, "{:.1}", measured.rate)?;
    Ok(())
}

/// What a turn has shown.
struct Measured {
    rate: f64,
    cpu_us: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            to,
            "{:.0} messages/s, {:.0} µs of our CPU each, p50 {:.1} ms, p99 {:.1} ms",
            self.rate, self.cpu_us, self.p50_ms, self.p99_ms
        )
    }
}

/// All writers for the time of a turn. A writer returns how long each message took.
async fn turn<F>(writers: usize, write: impl Fn(usize) -> F) -> Outcome<Measured>
where
    F: Future<Output = Outcome<Vec<Duration>>> + Send + 'static,
{
    let (began, cpu) = (Instant::now(), cpu_time()?);
    let tasks: Vec<_> = (0..writers)
        .map(|writer| tokio::spawn(write(writer)))
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    let (elapsed, cpu) = (began.elapsed(), cpu_time()?.saturating_sub(cpu));
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    Ok(Measured {
        rate: took.len() as f64 / elapsed.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / took.len() as f64,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
    })
}

/// Which rows the driver writes for a message.
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    OfCommit,
    OfHub,
}

/// The driver alone, with the inserts of a message.
struct Driver {
    cql: Cql,
    session: PreparedStatement,
    key: PreparedStatement,
    message: PreparedStatement,
}

impl Driver {
    async fn connect(contact_points: Vec<String>) -> Outcome<Self> {
        let cql = SessionBuilder::new()
            .known_nodes(contact_points)
            .build()
            .await?;
        let prepare = async |text: String| {
            let mut statement = cql.prepare(text).await?;
            statement.set_is_idempotent(true);
            Outcome::Ok(statement)
        };
        let session = format!(
            "INSERT INTO {KEYSPACE}.sessions (session, no, snapshot, last, stamp, owner, entry) \
             VALUES (?, ?, ?, ?, ?, (1, 1, 'bare'), ?) USING TIMESTAMP ?"
        );
        let key = format!(
            "INSERT INTO {KEYSPACE}.retry_keys (station, retry_key, session, no) VALUES (?, ?, ?, ?)"
        );
        let message = format!(
            "INSERT INTO {KEYSPACE}.messages (station, day, at, no, heading, body) \
             VALUES (?, ?, ?, ?, ?, ?) USING TTL 1382400"
        );
        Ok(Self {
            session: prepare(session).await?,
            key: prepare(key).await?,
            message: prepare(message).await?,
            cql,
        })
    }

    async fn log(&self, station: &str, at: usize, heading: &str, body: &str) -> Outcome<()> {
        let (day, at) = (i32::try_from(at / 1_000)?, i64::try_from(at)?);
        let row = (station, day, at, at, heading, body);
        self.cql.execute_unpaged(&self.message, row).await?;
        Ok(())
    }
}

/// Of the length of a call with one meter value.
const CALL: &str = r#"[2,"19223201","MeterValues",{"connectorId":1,"transactionId":170021345,"meterValue":[{"timestamp":"2026-11-24T10:10:00Z","sampledValue":[{"value":"12345","measurand":"Energy.Active.Import.Register","unit":"Wh"},{"value":"11040","measurand":"Power.Active.Import","unit":"W"}]}]}]"#;
const ANSWER: &str = r#"[3,"19223201",{}]"#;

async fn insert(
    driver: Arc<Driver>,
    writer: usize,
    rows: Rows,
    time: Duration,
) -> Outcome<Vec<Duration>> {
    let end = Instant::now() + time;
    let mut took = Vec::new();
    let (mut id, sample) = (Uuid::new_v4(), session("CP", "bare"));
    while Instant::now() < end {
        let no = i32::try_from(took.len() % MESSAGES)?;
        if no == 0 {
            id = Uuid::new_v4();
        }
        let began = Instant::now();
        let station = format!("CP-{writer}");
        if rows == Rows::OfHub {
            let at = 2 * took.len();
            driver.log(&station, at, "in MeterValues", CALL).await?;
            driver
                .log(&station, at + 1, "out MeterValues", ANSWER)
                .await?;
        }
        if rows == Rows::OfCommit || no < OF_TRANSACTION {
            let commit = message(&sample, writer, took.len());
            let snapshot = serde_json::to_string(&commit.session)?;
            let entry = serde_json::to_string(&commit.event)?;
            let key = (station, commit.event.retry_key.0.clone(), id, no);
            driver.cql.execute_unpaged(&driver.key, key).await?;
            let stamp = 1_000_000 + i64::from(no);
            let row = (id, no, snapshot, no, stamp, entry, stamp);
            driver.cql.execute_unpaged(&driver.session, row).await?;
        }
        took.push(began.elapsed());
    }
    Ok(took)
}

/// Messages of a session.
const MESSAGES: usize = 12;
/// Those of them that belong to the transaction, in the loop of `loadtest sessions`: not Authorize and
/// StatusNotification.
const OF_TRANSACTION: i32 = 10;

/// Sessions of so many messages, one after the other.
async fn commits(store: Arc<ScyllaStore>, writer: usize) -> Outcome<Vec<Duration>> {
    let end = Instant::now() + TURN;
    let mut took = Vec::new();
    let mut current = session(&format!("CP-{writer}"), "none");
    while Instant::now() < end {
        if took.len() % MESSAGES == 0 {
            current = session(&format!("CP-{writer}"), &Uuid::new_v4().to_string());
        }
        let began = Instant::now();
        let commit = message(&current, writer, took.len());
        let committed = store.commit_session(commit).await?;
        assert_eq!(committed, Committed::Written);
        took.push(began.elapsed());
    }
    Ok(took)
}

fn message(of: &Session, writer: usize, number: usize) -> SessionCommit {
    commit(of, &format!("{writer}-{}-{number}", of.id))
}

/// User and system time of this process.
fn cpu_time() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let ticks = |field: usize| -> Outcome<u64> {
        Ok(fields
            .split_whitespace()
            .nth(field)
            .ok_or("too short")?
            .parse()?)
    };
    // 100 ticks a second on every Linux that Rust runs on.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}
