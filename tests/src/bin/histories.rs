//! Plays seeded fault histories and judges them; see `tests::histories`.
//!
//! `cargo run --release -p tests --bin histories -- --count 10000 --seed 1`

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use clap::Parser;
use tests::histories::{Findings, Hub, play};

/// Plays seeded fault histories and judges them.
#[derive(Parser)]
struct Arguments {
    /// How many.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// The seed of the first; the others follow it. A failing history prints its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let Arguments { count, seed } = Arguments::parse();
    // The panics of a history are asked for.
    std::panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<(u64, Findings)> = std::thread::scope(|scope| {
        let judge = || {
            let mut found = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return found;
                }
                let seed = seed.wrapping_add(number);
                let findings = play(seed, Hub::Honest);
                if !findings.is_clean() {
                    found.push((seed, findings));
                }
            }
        };
        let judges: Vec<_> = (0..threads).map(|_| scope.spawn(judge)).collect();
        judges
            .into_iter()
            .flat_map(|judge| judge.join().expect("a judge does not panic"))
            .collect()
    });
    for (seed, findings) in found.iter().take(20) {
        eprintln!("seed {seed} (again: --count 1 --seed {seed}):");
        for words in &findings.words {
            eprintln!("  {words}");
        }
    }
    let sum = |of: fn(&Findings) -> usize| {
        found
            .iter()
            .map(|(_, findings)| of(findings))
            .sum::<usize>()
    };
    println!(
        "seeds {seed}..{} in {:.1} s",
        seed.wrapping_add(count),
        started.elapsed().as_secs_f64()
    );
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
