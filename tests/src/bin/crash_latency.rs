//! What the crashes of some stations' actors cost the others: latencies of the others' messages in one
//! run, without crashes and with forty a second, and their ratio.
//!
//! `cargo build -p hub --features chaos && cargo run -p tests --bin crash_latency`

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tests::{Charger, Dialect, HubProcess};

const NEIGHBOURS: u32 = 50;
/// Each crashes five times, which is as often as it may before it has to rest.
const CRASHING: u32 = 40;
const CRASHES_EACH: u32 = 5;
const PHASE: Duration = Duration::from_secs(5);
/// Of each neighbour, so that the hub is busy and not saturated.
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let hub = HubProcess::start(&[]);
    let mut neighbours = connect(&hub, "NEXT", NEIGHBOURS).await;
    let crashing = connect(&hub, "CRASHES", CRASHING).await;
    // Twice, for what the run itself makes of the same work.
    let quiet = talk(&mut neighbours, tokio::time::sleep(PHASE)).await;
    let again = talk(&mut neighbours, tokio::time::sleep(PHASE)).await;
    let crashed = talk(&mut neighbours, crash(crashing)).await;
    let (_, metrics) = hub.api("viewer").page("/metrics").await;
    let name = "switchyard_actor_crashes_total{kind=\"charger\"} ";
    let crashes = metrics.lines().find_map(|line| line.strip_prefix(name));
    println!("{} crashes", crashes.expect("some crashed"));
    println!("milliseconds     messages     p50     p99");
    for (name, all) in [
        ("quiet", &quiet),
        ("quiet again", &again),
        ("crashes", &crashed),
    ] {
        let (p50, p99) = (at(all, 0.5), at(all, 0.99));
        println!("{name:<15}{:>10}{p50:>8.2}{p99:>8.2}", all.len());
    }
    for (name, all) in [("quiet again", &again), ("crashes", &crashed)] {
        let of = |quantile| at(all, quantile) / at(&quiet, quantile);
        println!(
            "{name:<15}{:>18.2}{:>8.2}  times the first",
            of(0.5),
            of(0.99)
        );
    }
}

async fn connect(hub: &HubProcess, name: &str, count: u32) -> Vec<Charger> {
    let mut chargers = Vec::new();
    for number in 0..count {
        let identity = format!("{name}{number}");
        let mut charger = Charger::connect(&hub.chargers, &identity, Dialect::V16).await;
        charger.boot(Dialect::V16).await;
        chargers.push(charger);
    }
    chargers
}

/// Lets all send durable messages until `over`; gives their latencies, sorted.
async fn talk(neighbours: &mut Vec<Charger>, over: impl Future<Output = ()>) -> Vec<Duration> {
    let ended = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = neighbours
        .drain(..)
        .map(|charger| tokio::spawn(send_values(charger, Arc::clone(&ended))))
        .collect();
    over.await;
    ended.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for task in tasks {
        let (charger, latencies) = task.await.expect("each message is answered");
        neighbours.push(charger);
        all.extend(latencies);
    }
    all.sort();
    all
}

async fn send_values(mut charger: Charger, ended: Arc<AtomicBool>) -> (Charger, Vec<Duration>) {
    let mut latencies = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let values = json!({"connectorId": 1, "meterValue": [{
            "timestamp": "2026-11-24T10:10:00Z",
            "sampledValue": [{"value": latencies.len().to_string()}]}]});
        let sent = Instant::now();
        charger.call("MeterValues", values).await;
        latencies.push(sent.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    (charger, latencies)
}

/// Crashes the actor of each, one after the other, for about a phase.
async fn crash(mut chargers: Vec<Charger>) {
    for _ in 0..CRASHES_EACH {
        for charger in &mut chargers {
            let answer = charger
                .ask("Authorize", json!({"idTag": "!panic-charger"}))
                .await;
            assert_eq!(answer[0], 4, "{answer}");
            tokio::time::sleep(PHASE / (CRASHING * CRASHES_EACH)).await;
        }
    }
}

fn at(sorted: &[Duration], quantile: f64) -> f64 {
    let place = ((sorted.len() - 1) as f64 * quantile) as usize;
    sorted[place].as_secs_f64() * 1000.0
}
