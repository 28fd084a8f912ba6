//! A hub that finds another one changing the schema, or its lock where that one was killed.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use tests::{CqlServer, HubProcess};

/// Longer than the case may take.
const LOCKED_S: u64 = 120;

#[tokio::test]
async fn who_waits_for_the_schema_says_for_whom_and_how_long_and_stops_when_it_is_told_to() {
    let mut hub = HubProcess::start(&[("LOG__FILTER", "warn")]);
    hub.kill();
    let session = CqlServer.session().await;
    let keyspace = hub.keyspace().keyspace;
    // A change to do, and a lock that another one holds.
    for statement in [
        format!("TRUNCATE {keyspace}.migrations"),
        format!(
            "INSERT INTO {keyspace}.migration_lock (bucket, owner) VALUES (0, 'process 7 on a') IF NOT EXISTS
             USING TTL {LOCKED_S}"
        ),
    ] {
        session.query_unpaged(statement, ()).await.unwrap();
    }
    let began = Instant::now();
    let mut written = hub.start_unready();
    let waits = written.find(|line| line.contains("being changed by another hub"));
    let waits = waits.expect("it says so");
    assert!(
        waits.contains("process 7 on a") && waits.contains("its lock ends at 20"),
        "{waits}"
    );
    assert_eq!(hub.terminate().await, Some(0));

    // The tools say it too.
    let listing = hub
        .command()
        .args(["api-key", "list"])
        .stderr(Stdio::piped())
        .spawn();
    let mut listing = listing.unwrap();
    let written = BufReader::new(listing.stderr.take().unwrap()).lines();
    let waits = written
        .map_while(Result::ok)
        .find(|line| line.contains("being changed by another hub"));
    listing.kill().unwrap();
    listing.wait().unwrap();
    assert!(waits.unwrap().contains("process 7 on a"));
    assert!(began.elapsed() < Duration::from_secs(LOCKED_S), "it waited");

    let unlock = format!("DELETE FROM {keyspace}.migration_lock WHERE bucket = 0 IF EXISTS");
    session.query_unpaged(unlock, ()).await.unwrap();
    hub.start_again();
}
