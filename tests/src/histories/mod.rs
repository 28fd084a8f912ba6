//! Seeded fault histories: the real actors under a store, links and a clock that fail. (The same with the
//! real binary, sockets and kill -9: `real/`.)
//!
//! A history is a handful of stations that each charge a few times, and several lives of a hub. In each
//! life stations connect, send their queue, lose answers, send twice, out of order; the store is slow,
//! refuses, or does not know whether it wrote; actors panic; then the hub is killed where it stands. The
//! last life has no faults, so that every queue drains. Then an independent checker compares what the
//! stations were told, and what their meters really counted, with what the store holds.
//!
//! Time is simulated, so a history takes milliseconds, and the same seed gives the same history.

mod checker;
mod faulty_store;
mod in_process;
mod message;
mod real;
mod station;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actors::{Actors, ManualClock, Settings};
use model::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::{MemoryStore, StationStore, Store};

pub use self::{
    checker::Findings,
    real::{Played, RealHistory},
};
use self::{
    faulty_store::{Faults, FaultyStore},
    in_process::LivingHub,
    station::{Conditions, SimStation},
};

/// Which hub a history is played with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hub {
    /// The one we ship.
    Honest,
    /// One that acknowledges before it has stored: the checker has to find it out.
    AcknowledgesEarly,
    /// One that knows a repeat by its message id, which a retry does not keep: the checker has to find it out.
    DedupesByMessageId,
}

const BEGIN: Timestamp = Timestamp(1_790_000_000_000);

/// Plays the history of a seed and returns what the checker found.
pub fn play(seed: u64, hub: Hub) -> Findings {
    let mut chance = StdRng::seed_from_u64(seed);
    let truth = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(BEGIN));
    let mut stations: Vec<SimStation> = (0..chance.random_range(1..=4))
        .map(|number| station(number, &mut chance))
        .collect();
    on_runtime(async {
        for station in &stations {
            let known = truth.create_station(station.known(BEGIN)).await;
            known.expect("memory takes what it is given");
        }
    });
    let mut findings = Findings::default();
    for life in 0..chance.random_range(2..=5) {
        let faults = Faults::of(&mut chance, hub == Hub::AcknowledgesEarly);
        let within = Duration::from_millis(chance.random_range(5..400));
        stations = live(
            stations,
            &truth,
            &clock,
            hub,
            faults,
            Some(within),
            seed ^ (life + 1),
        );
        // Nothing acknowledged may be missing, whenever the hub was killed.
        on_runtime(checker::acknowledged(&stations, &*truth, &mut findings));
        // Clocks are set back, too.
        clock.advance_ms(chance.random_range(-5_000..60_000));
    }
    let none = Faults::none(hub == Hub::AcknowledgesEarly);
    stations = live(stations, &truth, &clock, hub, none, None, seed);
    on_runtime(async {
        checker::acknowledged(&stations, &*truth, &mut findings).await;
        checker::totals(&stations, &*truth, &mut findings).await;
    });
    findings
}

/// A station with all that it will ever have to say.
fn station(number: u32, chance: &mut StdRng) -> SimStation {
    let mut station = SimStation::new(number, BEGIN, chance);
    for transaction in 0..chance.random_range(1..=3) {
        let token = match chance.random_range(0..10) {
            0 => format!(
                "!panic-session-once-{number}-{transaction}-{}",
                chance.random::<u32>()
            ),
            _ => format!("TAG{transaction}"),
        };
        station.charge(token, chance);
    }
    station
}

/// One life of a hub: killed after `within`, or run until every queue is empty.
fn live(
    stations: Vec<SimStation>,
    truth: &Arc<MemoryStore>,
    clock: &Arc<ManualClock>,
    kind: Hub,
    faults: Faults,
    within: Option<Duration>,
    seed: u64,
) -> Vec<SimStation> {
    let stations = stations
        .into_iter()
        .map(|station| Arc::new(tokio::sync::Mutex::new(station)));
    let stations: Vec<_> = stations.collect();
    let runtime = runtime();
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(FaultyStore::new(Arc::clone(truth), faults, seed));
        let settings = Settings {
            event_deadline_ms: 2_000,
            ..Settings::default()
        };
        let actors = Actors::start(store.clone(), Arc::clone(clock) as _, settings).await;
        let actors = actors.expect("the tree starts");
        let hub = LivingHub {
            actors,
            store,
            clock: Arc::clone(clock),
            goes_by_message_ids: kind == Hub::DedupesByMessageId,
        };
        let conditions = Arc::new(Conditions {
            calm: AtomicBool::new(within.is_none()),
            charges_on: false,
            between_messages_ms: 0..0,
            before_reconnect_ms: 1..50,
        });
        let mut living = tokio::task::JoinSet::new();
        for (number, station) in stations.iter().enumerate() {
            let (station, hub) = (Arc::clone(station), hub.clone());
            let conditions = Arc::clone(&conditions);
            let chance = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(number as u64));
            living.spawn(async move { station.lock().await.live(&hub, chance, &conditions).await });
        }
        let all_done = async { while living.join_next().await.is_some() {} };
        match within {
            Some(within) => {
                let _ = tokio::time::timeout(within, all_done).await;
            }
            None => all_done.await,
        }
    });
    // kill -9: whatever was under way ends where it stands.
    drop(runtime);
    let ours = stations.into_iter().map(|station| {
        Arc::into_inner(station)
            .expect("the life is over")
            .into_inner()
    });
    ours.collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

fn on_runtime<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}
