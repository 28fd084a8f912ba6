//! Plays seeded fault histories and judges them; see `tests::histories`.
//!
//! - of the actors, under a faulty store and a simulated clock, thousands a minute:
//!   `cargo run --release -p tests --bin histories -- --count 10000 --seed 1`
//! - of the real binary, over sockets, with kill -9:
//!   `cargo run --release -p tests --bin histories -- --count 10 --seed 1 --real`
//! - of several real hubs that act as one: built with `--features cql,redis`, a CQL server up (`deploy/dev/cql up`), add
//!   `--hubs 3`.
//! - 500 chargers that charge while the hub is killed 100 times: add `--chargers 500 --kills 100` to one of these.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use clap::Parser;
use tests::{
    HubProcess,
    histories::{Findings, Hub, RealHistory, play},
};

/// Plays seeded fault histories and judges them.
#[derive(Parser)]
struct Arguments {
    /// How many.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// The seed of the first; the others follow it. A failing history prints its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plays them with the real binary: build it first (`cargo build --release -p hub`).
    #[arg(long)]
    real: bool,
    /// The binary, if not the one beside this program.
    #[arg(long, requires = "real")]
    hub: Option<PathBuf>,
    /// How many chargers charge; 20 to 50, by the seed, if not given.
    #[arg(long, requires = "real", value_parser = clap::value_parser!(u32).range(1..))]
    chargers: Option<u32>,
    /// How many hubs act as one (build with `--features cql,redis`, start a CQL server with `deploy/dev/cql up`).
    #[arg(long, requires = "real", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=9))]
    hubs: u32,
    /// How often a hub is killed; 3 to 8 times, by the seed, if not given.
    #[arg(long, requires = "real")]
    kills: Option<u32>,
    /// How often the hub's CQL server is killed (build with `--features cql`, start it with `deploy/dev/cql up`).
    #[arg(long, requires = "real", default_value_t = 0)]
    outages: u32,
    /// For how long each time, in s; 1 to 5, by the seed, if not given.
    #[arg(long, requires = "real")]
    outage_s: Option<u64>,
}

fn main() -> ExitCode {
    let Arguments {
        count,
        seed,
        real,
        hub,
        chargers,
        hubs,
        kills,
        outages,
        outage_s,
    } = Arguments::parse();
    if hubs > 1 && cfg!(not(all(feature = "cql", feature = "redis"))) {
        eprintln!(
            "several hubs share a CQL server and a Redis; build this with --features cql,redis"
        );
        return ExitCode::FAILURE;
    }
    if outages > 0 && cfg!(not(feature = "cql")) {
        eprintln!("there is no CQL server to kill; build this with --features cql");
        return ExitCode::FAILURE;
    }
    let hub = hub.or_else(HubProcess::beside);
    if real && !hub.as_ref().is_some_and(|hub| hub.is_file()) {
        eprintln!(
            "there is no hub to play with; build it (cargo build --release -p hub) or name one that exists (--hub PATH)"
        );
        return ExitCode::FAILURE;
    }
    let started = Instant::now();
    let found = if real {
        let history = RealHistory {
            hub,
            chargers,
            hubs,
            kills,
            outages,
            outage: outage_s.map(Duration::from_secs),
            forgetful_disk: false,
        };
        // One after the other: a hub and its chargers want the machine for themselves.
        judged(count, seed, 1, |seed| told(&history, seed))
    } else {
        // The panics of a history are asked for.
        std::panic::set_hook(Box::new(|_| {}));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        judged(count, seed, threads, |seed| play(seed, Hub::Honest))
    };
    for (seed, findings) in found.iter().take(20) {
        eprintln!("seed {seed} (again: --count 1 --seed {seed}):");
        for words in &findings.words {
            eprintln!("  {words}");
        }
    }
    println!(
        "seeds {seed}..{} in {:.1} s",
        seed.wrapping_add(count),
        started.elapsed().as_secs_f64()
    );
    let sum = |of: fn(&Findings) -> usize| {
        found
            .iter()
            .map(|(_, findings)| of(findings))
            .sum::<usize>()
    };
    println!(
        "{count} histories, {} lost, {} duplicated, {} mismatched",
        sum(|f| f.lost),
        sum(|f| f.duplicated),
        sum(|f| f.mismatched)
    );
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays `count` histories on so many threads; returns those in which something was found.
fn judged(
    count: u64,
    first_seed: u64,
    threads: usize,
    play: impl Fn(u64) -> Findings + Sync,
) -> Vec<(u64, Findings)> {
    let next = AtomicU64::new(0);
    let judge = || {
        let mut found = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return found;
            }
            let seed = first_seed.wrapping_add(number);
            let findings = play(seed);
            if !findings.is_clean() {
                found.push((seed, findings));
            }
        }
    };
    std::thread::scope(|scope| {
        let judges: Vec<_> = (0..threads).map(|_| scope.spawn(judge)).collect();
        judges
            .into_iter()
            .flat_map(|judge| judge.join().expect("a judge does not panic"))
            .collect()
    })
}

/// Plays a history of the real binary and tells what it was made of.
fn told(history: &RealHistory, seed: u64) -> Findings {
    let played = history.play(seed);
    println!(
        "seed {seed}: {} chargers, {} kills (ready again within {:.2} s), {} transactions, {} messages acknowledged ({} of them in {} outages of the CQL server)",
        played.chargers,
        played.kills,
        played.longest_restart.as_secs_f64(),
        played.transactions,
        played.acknowledged,
        played.acknowledged_in_outages,
        history.outages
    );
    played.findings
}
