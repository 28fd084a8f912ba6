//! How long one allocation takes for a large site: `cargo run --release -p power --example allocator_speed`.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::time::{Duration, Instant};

use power::{Ask, Limits, Method, Need, Rules, Steps, Term, allocate};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const OUTLETS: usize = 200;
const SEED: u64 = 1;
const TIMES: usize = 500;

fn main() {
    let limits = site();
    println!(
        "{OUTLETS} EVSEs with a car each, {} limits, seed {SEED}",
        limits.len()
    );
    for method in [Method::Fair, Method::Urgent] {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut times: Vec<Duration> = (0..TIMES)
            .map(|_| {
                let asks: Vec<Ask> = (0..OUTLETS)
                    .map(|outlet| ask(outlet, &mut random))
                    .collect();
                let started = Instant::now();
                let grants = allocate(
                    &limits,
                    &[0.0; OUTLETS],
                    &asks,
                    &Rules {
                        method,
                        ..Rules::default()
                    },
                );
                assert_eq!(grants.len(), OUTLETS);
                started.elapsed()
            })
            .collect();
        times.sort();
        let at = |part: usize| times[(TIMES - 1) * part / 100].as_secs_f64() * 1e3;
        println!(
            "{method:?}: median {:.2} ms, p99 {:.2} ms, most {:.2} ms",
            at(50),
            at(99),
            at(100)
        );
    }
}

/// Twenty circuits of ten outlets, on two panels, behind one connection, three phases each.
fn site() -> Limits {
    let mut limits = Limits::new(OUTLETS);
    for phase in 0..3 {
        let mut push = |name: &str, most: f64, members: &dyn Fn(usize) -> bool| {
            let terms: Vec<Term> = (0..OUTLETS)
                .filter(|outlet| members(*outlet) && (outlet % 4 == 0 || outlet % 3 == phase))
                .map(|outlet| Term {
                    outlet,
                    re: 1.0,
                    im: 0.0,
                })
                .collect();
            limits.push(name, most, &terms);
        };
        push("grid", 1_000.0, &|_| true);
        for panel in 0..2 {
            push("panel", 630.0, &|outlet| outlet % 2 == panel);
        }
        for circuit in 0..20 {
            push("circuit", 80.0, &|outlet| outlet / 10 == circuit);
        }
    }
    limits
}

fn ask(outlet: usize, random: &mut StdRng) -> Ask {
    Ask {
        outlet,
        least_a: 0.0,
        most_a: random.random_range(10.0..32.0),
        steps: Steps::From(6.0),
        weight: 1.0,
        need: Some(Need {
            ah: random.random_range(5.0..200.0),
            hours: random.random_range(0.5..9.0),
        }),
        served: false,
        now_a: if random.random_bool(0.5) { 16.0 } else { 0.0 },
        since_h: random.random_range(0.0..3.0),
    }
}
