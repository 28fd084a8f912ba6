//! Lives of sites in which stations, network, hub and controller fail, by the million; see `tests/interleavings/world/`.
//!
//! - the controller: `cargo run --release -p power --example interleavings -- --count 1000000`
//! - controllers that are wrong in one way, which must be found out: add `--mutants`

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

#[path = "../tests/interleavings/world/mod.rs"]
mod world;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use world::{Mutant, live};

/// Plays seeded lives of sites in which all fails, and judges them.
#[derive(Parser)]
struct Arguments {
    /// How many.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// The seed of the first; the others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many at once.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Play controllers that are wrong, too.
    #[arg(long)]
    mutants: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut sound = report(&arguments, Mutant::None) == 0;
    if arguments.mutants {
        for mutant in Mutant::ALL {
            sound &= report(&arguments, mutant) > 0;
        }
    }
    if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays all lives with this controller; returns how many broke a limit.
fn report(arguments: &Arguments, mutant: Mutant) -> u64 {
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let [violations, applied, events] = [const { AtomicU64::new(0) }; 3];
    let play = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= arguments.count {
                return;
            }
            let seed = arguments.seed.wrapping_add(number);
            let life = live(seed, mutant);
            applied.fetch_add(life.applied, Ordering::Relaxed);
            events.fetch_add(life.events, Ordering::Relaxed);
            if let Some(words) = life.violation
                && violations.fetch_add(1, Ordering::Relaxed) < 3
            {
                println!("{mutant:?}, seed {seed}: {words}");
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(play);
        }
    });
    let broken = violations.into_inner();
    println!(
        "controller {mutant:?}: {} interleavings, seeds {}..{}, {} events, {} grants applied, {broken} violations, {:.0} s",
        arguments.count,
        arguments.seed,
        arguments.seed.wrapping_add(arguments.count),
        events.into_inner(),
        applied.into_inner(),
        started.elapsed().as_secs_f64()
    );
    broken
}
