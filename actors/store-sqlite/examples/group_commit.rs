//! What a session commit and a line of the message log cost: rows a second and CPU a row, at several
//! numbers of writers at once.
//!
//! `cargo run --release -p store-sqlite --example group_commit [directory]`
//!
//! CPU is that of the whole process: making the JSON, the hop to the writer and back, SQLite, the log
//! folded into the file. Twice as many sessions as writers are open at once, each of 12 messages.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use model::{MessageEntry, Session};
use store::{
    Committed, MessageStore, SessionStore,
    contract::sample::{commit, ended, message, session},
};
use store_sqlite::{Options, SqliteStore};

/// The hub's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const RUN: Duration = Duration::from_secs(5);
const MESSAGES_IN_SESSION: usize = 12;
const STATIONS: usize = 20_000;
const LOG_BATCH: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir_in(
        std::env::args()
            .nth(1)
            .map_or_else(std::env::temp_dir, PathBuf::from),
    )?;
    let mut out = std::io::stdout();
    for writers in [1, 100, 1000] {
        let path = directory.path().join(format!("{writers}.db"));
        let store = Arc::new(SqliteStore::open(&path, &Options::default())?);
        let measured = Measured::begin()?;
        let tasks: Vec<_> = (0..writers)
            .map(|writer| tokio::spawn(charge(store.clone(), writer)))
            .collect();
        let mut rows = 0;
        for task in tasks {
            rows += task.await??;
        }
        writeln!(
            out,
            "session commits, {writers:4} at once: {}",
            measured.end(rows)?
        )?;
        let reads = Measured::begin()?;
        let read = look_up(&store, rows.min(20_000)).await?;
        writeln!(out, "look-ups one by one:            {}", reads.end(read)?)?;
        store.close().await;
    }
    let rows = log_messages(&directory.path().join("messages.db"), &mut out).await?;
    writeln!(out, "({rows} lines)")?;
    Ok(())
}

/// One writer: sessions, one after the other, each message of it a commit.
async fn charge(store: Arc<SqliteStore>, writer: usize) -> Result<usize, store::WriteError> {
    let end = Instant::now() + RUN;
    let mut rows = 0;
    let mut sessions: [Option<Session>; 2] = [None, None];
    while Instant::now() < end {
        let turn = rows % 2;
        let step = rows / 2 % MESSAGES_IN_SESSION;
        let station = format!(
            "DE*SWY*E{:06}",
            (writer * 7919 + rows / 24 * 131 + turn) % STATIONS
        );
        let name = format!("{writer}-{rows}");
        let current = match sessions[turn].take() {
            None => session(&station, &name),
            Some(current) if step == MESSAGES_IN_SESSION - 1 => ended(&current),
            Some(mut current) => {
                current.energy_wh += 183.25;
                current
            }
        };
        let key = model::RetryKey::of("tx", &[&name]);
        let outcome = store.commit_session(commit(&current, &key.0)).await?;
        assert_eq!(outcome, Committed::Written);
        if step < MESSAGES_IN_SESSION - 1 {
            sessions[turn] = Some(current);
        }
        rows += 1;
    }
    Ok(rows)
}

async fn look_up(store: &SqliteStore, times: usize) -> Result<usize, store::ReadError> {
    let some = store
        .sessions(
            store::SessionFilter::default(),
            store::PageRequest::first(500),
        )
        .await?;
    for n in 0..times {
        let id = some.items[n % some.items.len()].id;
        store.session(id).await?;
    }
    Ok(times)
}

async fn log_messages(
    path: &Path,
    out: &mut impl Write,
) -> Result<usize, Box<dyn std::error::Error>> {
    let store = SqliteStore::open(path, &Options::default())?;
    let frame = format!(
        "[2,\"8f14e45f\",\"MeterValues\",{{{}}}]",
        "\"v\":1,".repeat(50)
    );
    let measured = Measured::begin()?;
    let end = Instant::now() + RUN;
    let mut rows = 0;
    while Instant::now() < end {
        let batch: Vec<MessageEntry> = (0..LOG_BATCH)
            .map(|n| {
                let station = format!("DE*SWY*E{:06}", (rows + n) * 7919 % STATIONS);
                message(&station, (rows + n) as i64, "MeterValues", &frame)
            })
            .collect();
        store.append_messages(batch).await?;
        rows += LOG_BATCH;
    }
    writeln!(
        out,
        "message log, {LOG_BATCH} a batch:     {}",
        measured.end(rows)?
    )?;
    store.close().await;
    Ok(rows)
}

struct Measured {
    begun: Instant,
    cpu: Duration,
}

impl Measured {
    fn begin() -> std::io::Result<Self> {
        Ok(Self {
            begun: Instant::now(),
            cpu: cpu_time()?,
        })
    }

    fn end(&self, rows: usize) -> std::io::Result<String> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let cpu = (cpu_time()? - self.cpu).as_secs_f64();
        let rows = rows as f64;
        Ok(format!(
            "{:8.0} rows/s, {:6.1} µs CPU a row",
            rows / seconds,
            cpu / rows * 1e6
        ))
    }
}

/// User and system time of this process (Linux counts them in hundredths of a second).
fn cpu_time() -> std::io::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}
