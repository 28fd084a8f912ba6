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
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use actors::{Actors, Clock, ManualClock, Settings};
use model::Timestamp;
use placement::LocalPlacement;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::{MemoryStore, StationStore, Store};
use store_spool::{SimDisk, Spooled};

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
    /// One whose spool forgets, with a crash, the last group it said it had kept: the checker has to
    /// find it out.
    DropsSpoolTail,
}

const BEGIN: Timestamp = Timestamp(1_790_000_000_000);

/// Plays the history of a seed and returns what the checker found.
pub fn play(seed: u64, hub: Hub) -> Findings {
    let mut chance = StdRng::seed_from_u64(seed);
    let truth = Arc::new(MemoryStore::new());
    // Half of the hubs have a spool before their store, as those with a remote one do.
    let disk = (chance.random_bool(0.5) || hub == Hub::DropsSpoolTail).then(|| {
        let disk = SimDisk::new();
        disk.set_forgets_on_crash(hub == Hub::DropsSpoolTail);
        Arc::new(disk)
    });
    let world = World {
        truth: Arc::clone(&truth),
        disk,
        clock: Arc::new(ManualClock::at(BEGIN)),
        hub,
    };
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
        stations = live(stations, &world, faults, Some(within), seed ^ (life + 1));
        if let Some(disk) = &world.disk {
            disk.crash(chance.random());
        }
        // Nothing acknowledged may be missing, whenever the hub was killed.
        let holds = world.holds();
        on_runtime(checker::acknowledged(&stations, &holds, &mut findings));
        // Clocks are set back, too.
        world.clock.advance_ms(chance.random_range(-5_000..60_000));
    }
    let none = Faults::none(hub == Hub::AcknowledgesEarly);
    stations = live(stations, &world, none, None, seed);
    on_runtime(async {
        checker::acknowledged(&stations, &*truth, &mut findings).await;
        checker::totals(&stations, &*truth, &mut findings).await;
    });
    findings
}

/// What outlives a hub.
struct World {
    truth: Arc<MemoryStore>,
    /// The disk of its spool, if it has one.
    disk: Option<Arc<SimDisk>>,
    clock: Arc<ManualClock>,
    hub: Hub,
}

impl World {
    /// What is in the store, and would be there when the spool is replayed.
    fn holds(&self) -> MemoryStore {
        let store = Arc::new(self.truth.fork());
        if let Some(disk) = &self.disk {
            on_runtime(async {
                let disk = Arc::new(disk.fork());
                drained(&spool(Arc::clone(&store), disk, Duration::from_secs(1))).await;
            });
        }
        store.fork()
    }
}

fn spool(remote: Arc<impl Store>, disk: Arc<SimDisk>, patience: Duration) -> Arc<Spooled> {
    let options = store_spool::Options {
        patience,
        seed: 0,
        ..store_spool::Options::default()
    };
    Arc::new(
        Spooled::open(remote, disk, actors::rebase, &options)
            .expect("a simulated disk can be read"),
    )
}

async fn drained(spool: &Spooled) {
    while spool.waiting() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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
    world: &World,
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
        let faulty = Arc::new(FaultyStore::new(Arc::clone(&world.truth), faults, seed));
        let spool = world.disk.as_ref().map(|disk| {
            let patience = Duration::from_millis(StdRng::seed_from_u64(seed).random_range(5..100));
            if within.is_some() {
                tokio::spawn(fail_now_and_then(Arc::clone(disk), seed));
            } else {
                disk.set_full(false);
                disk.set_syncs_fail(false);
            }
            spool(Arc::clone(&faulty), Arc::clone(disk), patience)
        });
        let store: Arc<dyn Store> = match &spool {
            Some(spool) => Arc::clone(spool) as _,
            None => faulty,
        };
        let settings = Settings {
            event_deadline_ms: 2_000,
            ..Settings::default()
        };
        let placement = Arc::new(LocalPlacement::new("hub", world.clock.now().0));
        let clock = Arc::clone(&world.clock) as _;
        let actors = Actors::start(store.clone(), clock, placement, settings).await;
        let actors = actors.expect("the tree starts");
        let hub = LivingHub {
            actors,
            store,
            clock: Arc::clone(&world.clock),
            goes_by_message_ids: world.hub == Hub::DedupesByMessageId,
        };
        let conditions = Arc::new(Conditions {
            calm: AtomicBool::new(within.is_none()),
            charges_on: false,
            between_messages_ms: 0..0,
            before_reconnect_ms: 1..50,
            acknowledged: AtomicUsize::new(0),
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
            None => {
                all_done.await;
                if let Some(spool) = spool {
                    drained(&spool).await;
                }
            }
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

/// A disk that is full for a while, or does not sync.
async fn fail_now_and_then(disk: Arc<SimDisk>, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed.rotate_left(17));
    loop {
        disk.set_full(chance.random_bool(0.1));
        disk.set_syncs_fail(chance.random_bool(0.1));
        tokio::time::sleep(Duration::from_millis(chance.random_range(1..50))).await;
    }
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
