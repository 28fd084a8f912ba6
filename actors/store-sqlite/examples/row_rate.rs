//! The bare SQLite with all the rows that a whole hub writes in the loop of `loadtest sessions`, which takes this
//! command as `--yardstick`: its last line is the messages a second.
//!
//! `cargo run --release -p store-sqlite --example row_rate [SECONDS]`
//!
//! Of the 12 messages of a session each has its call and its answer in `messages`, and the 10 of the transaction
//! a row of `session_events` and the session's row made or written again. Nothing is looked up. All chargers
//! speak at once and share a commit; the schema and how it is synced are the store's.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, Transaction, params};
use store::contract::sample::{commit, session};
use store_sqlite::{Options, SqliteStore};
use uuid::Uuid;

/// The hub's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// As many as run sessions in `loadtest sessions`.
const CHARGERS: i64 = 200;
/// Messages of a session.
const MESSAGES: i64 = 12;
/// Those of them that belong to the transaction: not Authorize and StatusNotification.
const OF_TRANSACTION: i64 = 10;
/// Of the length of a call with one meter value.
const CALL: &str = r#"[2,"19223201","MeterValues",{"connectorId":1,"transactionId":170021345,"meterValue":[{"timestamp":"2026-11-24T10:10:00Z","sampledValue":[{"value":"12345","measurand":"Energy.Active.Import.Register","unit":"Wh"},{"value":"11040","measurand":"Power.Active.Import","unit":"W"}]}]}]"#;
const ANSWER: &str = r#"[3,"19223201",{}]"#;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(5), |it| it.parse())?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("hub.sqlite");
    SqliteStore::open(&path, &Options::default())?.close().await;
    let mut db = open(&path)?;
    let begun = Instant::now();
    let mut messages = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let all = db.transaction()?;
        for charger in 1..=CHARGERS {
            message(&all, charger, messages)?;
        }
        all.commit()?;
        messages += 1;
    }
    let rate = (messages * CHARGERS) as f64 / begun.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{rate:.1}")?;
    Ok(())
}

/// Another connection, as the store's writer has it.
fn open(path: &Path) -> Outcome<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.set_prepared_statement_cache_capacity(8);
    for charger in 1..=CHARGERS {
        let identity = format!("CP-{charger}");
        db.execute(
            "INSERT INTO identities (no, identity) VALUES (?1, ?2)",
            (charger, identity),
        )?;
    }
    Ok(db)
}

/// All rows of a charger's message of that number.
fn message(all: &Transaction<'_>, charger: i64, number: i64) -> Outcome<()> {
    let mut log = all.prepare_cached(
        "INSERT INTO messages (station, at, direction, action, frame) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    log.execute((charger, number, "in", "MeterValues", CALL))?;
    log.execute((charger, number, "out", "MeterValues", ANSWER))?;
    let (of_session, name) = (number % MESSAGES, (number / MESSAGES).to_string());
    if of_session >= OF_TRANSACTION {
        return Ok(());
    }
    // Numbered, so that the row need not be looked for.
    let no = (number / MESSAGES) * CHARGERS + charger;
    let made = commit(&session("CP", &name), &format!("tx:{charger}:{number}"));
    let snapshot = serde_json::to_string(&made.session)?;
    if of_session == 0 {
        all.prepare_cached(
            "INSERT INTO sessions (no, id, station, transaction_name, token, open, epoch, snapshot)
             VALUES (?1, ?2, ?3, ?4, '04a1b2', 1, 1, ?5)",
        )?
        .execute((no, Uuid::now_v7().as_bytes(), charger, &name, snapshot))?;
    } else {
        all.prepare_cached("UPDATE sessions SET epoch = 1, snapshot = ?2 WHERE no = ?1")?
            .execute((no, snapshot))?;
    }
    let event = made.event;
    all.prepare_cached(
        "INSERT INTO session_events (session, station, retry_key, kind, at, received_at, cause,
             offline, samples, raw)
         VALUES (?1, ?2, ?3, 'updated', ?4, ?4, ?5, 0, ?6, ?7)",
    )?
    .execute(params![
        no,
        charger,
        event.retry_key.0,
        number,
        event.trigger,
        serde_json::to_string(&event.samples)?,
        event.raw,
    ])?;
    Ok(())
}
