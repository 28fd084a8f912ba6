//! Seeded fault histories of the real binary: real processes, real sockets, real files, kill -9.
//!
//! Stations charge again and again while the hub is killed at seeded moments and started again, at times
//! while it is still starting. Links break, answers get lost, messages are sent twice. Then all is calm:
//! the stations finish what they are charging and empty their queues. The hub is killed once more, and the
//! checker reads the file it left.
//!
//! With a hub that remembers in a CQL server (feature `cql`) that is killed, too, for a while: charging and
//! acknowledging have to go on. Several hubs that share it act as one (feature `redis`): stations come back at
//! any of them, and besides kills it befalls them that one is frozen, that Redis is away, or forgets everything.
//!
//! The moments are seeded; what the hub is doing at such a moment is up to the machine.

#[cfg(all(feature = "cql", feature = "redis"))]
mod cluster;
mod line;
#[cfg(feature = "cql")]
mod outage;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use model::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::task::JoinSet;

use self::line::RealHubs;
use super::{
    Findings, checker,
    station::{Conditions, SimStation},
};
use crate::HubProcess;

/// How long the last queue may take to drain.
const DRAINS_WITHIN: Duration = Duration::from_secs(120);
/// Station clocks begin so far back: they run a minute a message, and none may get ahead of the hub's.
const STATIONS_BEGIN_AGO: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a history of the real binary is made of.
#[derive(Debug, Clone, Default)]
pub struct RealHistory {
    /// The binary; absent: the one beside the program that runs.
    pub hub: Option<PathBuf>,
    /// How many chargers; absent: by the seed, 20 to 50.
    pub chargers: Option<u32>,
    /// How many hubs act as one; 0 is one, without Redis. Several want features `cql` and `redis`.
    pub hubs: u32,
    /// How often a hub is killed; absent: by the seed, 3 to 8 times.
    pub kills: Option<u32>,
    /// How often its CQL server is killed, if it has one.
    pub outages: u32,
    /// For how long; absent: by the seed, 1 to 5 s.
    pub outage: Option<Duration>,
    /// At the last kill the disk forgets all that was written since the first: the checker has to find it
    /// out.
    pub forgetful_disk: bool,
}

/// A history that was played.
#[derive(Debug, Clone)]
pub struct Played {
    /// What the checker found.
    pub findings: Findings,
    /// How many chargers charged.
    pub chargers: usize,
    /// How often the hub was killed.
    pub kills: u32,
    /// The messages it had acknowledged, all told.
    pub acknowledged: usize,
    /// Those of them that it acknowledged while its CQL server was away.
    pub acknowledged_in_outages: usize,
    /// The transactions of all chargers.
    pub transactions: usize,
    /// The longest time from a kill until the hub was ready again.
    pub longest_restart: Duration,
}

impl RealHistory {
    /// Plays the history of a seed and returns what the checker found.
    ///
    /// # Panics
    /// When the hub cannot be started or its file cannot be read.
    pub fn play(&self, seed: u64) -> Played {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(self.play_here(seed))
    }

    async fn play_here(&self, seed: u64) -> Played {
        let mut chance = StdRng::seed_from_u64(seed);
        let chargers = self.chargers.unwrap_or(chance.random_range(20..=50));
        let kills = self.kills.unwrap_or(chance.random_range(3..=8));
        let hubs = self.start();
        let conditions = Arc::new(Conditions {
            calm: AtomicBool::new(false),
            charges_on: true,
            // About one message a charger in 150 ms of a small history, in a second of a large one.
            between_messages_ms: 0..u64::from(chargers.clamp(50, 500)) * 4,
            before_reconnect_ms: 20..400,
            acknowledged: AtomicUsize::new(0),
        });
        let living = bring_to_life(chargers, &hubs, &conditions, &mut chance);

        let ordeal = Ordeal {
            history: self,
            kills,
            conditions: &conditions,
            longest_restart: Duration::ZERO,
            acknowledged_in_outages: 0,
        };
        let (mut hubs, ordeal) = ordeal.befall(hubs, &mut chance).await;
        let (longest_restart, acknowledged_in_outages) =
            (ordeal.longest_restart, ordeal.acknowledged_in_outages);
        conditions.calm.store(true, Ordering::Relaxed);
        let mut findings = Findings::default();
        let stations = settle(living, &mut findings).await;
        for hub in &mut hubs.processes {
            #[cfg(feature = "cql")]
            if !outage::is_over(hub).await {
                findings.mismatch("the spool did not get empty in time");
            }
            hub.kill();
        }
        // What the others remember is in its keyspace.
        judge(&stations, &hubs.processes[0], &mut findings).await;
        Played {
            chargers: stations.len(),
            kills,
            acknowledged: stations.iter().map(|s| s.acknowledged.len()).sum(),
            acknowledged_in_outages,
            transactions: stations.iter().map(|s| s.truth.len()).sum(),
            longest_restart,
            findings,
        }
    }

    fn start(&self) -> Hubs {
        #[cfg(all(feature = "cql", feature = "redis"))]
        if self.hubs > 1 {
            return Hubs::as_one(self);
        }
        assert!(self.hubs < 2, "several hubs want features cql and redis");
        Hubs {
            processes: vec![self.start_one(&[])],
            #[cfg(all(feature = "cql", feature = "redis"))]
            redis: None,
        }
    }

    fn start_one(&self, more: &[(&str, &str)]) -> HubProcess {
        let [chargers, api] = [free_address(), free_address()];
        let settings = [
            ("CHARGERS__LISTEN", chargers.as_str()),
            ("API__LISTEN", api.as_str()),
            ("CHARGING__UNKNOWN_TOKENS", "accept"),
        ];
        let settings = [&settings, more].concat();
        match &self.hub {
            Some(hub) => HubProcess::start_binary(hub, &settings),
            None => HubProcess::start(&settings),
        }
    }
}

/// The hubs of a history: one, or several that act as one.
struct Hubs {
    processes: Vec<HubProcess>,
    #[cfg(all(feature = "cql", feature = "redis"))]
    redis: Option<cluster::Servers>,
}

/// What befalls the hub of a history.
struct Ordeal<'a> {
    history: &'a RealHistory,
    kills: u32,
    #[cfg_attr(
        not(feature = "cql"),
        expect(dead_code, reason = "only an outage asks them")
    )]
    conditions: &'a Conditions,
    longest_restart: Duration,
    acknowledged_in_outages: usize,
}

enum Blow {
    Kill,
    #[cfg(feature = "cql")]
    Outage,
    #[cfg(all(feature = "cql", feature = "redis"))]
    OfCluster(cluster::Blow),
}

impl Ordeal<'_> {
    /// Lets all befall the hubs, in a seeded order; returns them alive.
    async fn befall(mut self, mut hubs: Hubs, chance: &mut StdRng) -> (Hubs, Self) {
        let mut blows: Vec<Blow> = (0..self.kills).map(|_| Blow::Kill).collect();
        #[cfg(feature = "cql")]
        blows.extend((0..self.history.outages).map(|_| Blow::Outage));
        #[cfg(all(feature = "cql", feature = "redis"))]
        if hubs.redis.is_some() {
            blows.extend(cluster::blows(self.kills).map(Blow::OfCluster));
        }
        blows.shuffle(chance);
        let first_state = tempfile::tempdir().expect("a temporary directory");
        let mut kill = 0;
        for blow in blows {
            let moment = Duration::from_millis(chance.random_range(50..1_500));
            tokio::time::sleep(moment).await;
            let which = chance.random_range(0..hubs.processes.len());
            let hub = hubs.processes.remove(which);
            let hub = match blow {
                Blow::Kill => {
                    kill += 1;
                    self.kill(hub, kill, first_state.path(), chance).await
                }
                #[cfg(feature = "cql")]
                Blow::Outage => self.outage(hub, chance).await,
                #[cfg(all(feature = "cql", feature = "redis"))]
                Blow::OfCluster(blow) => {
                    cluster::strike(blow, &hub, hubs.redis.as_ref(), chance).await;
                    hub
                }
            };
            hubs.processes.insert(which, hub);
        }
        (hubs, self)
    }

    async fn kill(
        &mut self,
        mut hub: HubProcess,
        kill: u32,
        first_state: &Path,
        chance: &mut StdRng,
    ) -> HubProcess {
        let again_within = chance.random_range(1..150);
        let again = chance
            .random_bool(0.3)
            .then_some(Duration::from_millis(again_within));
        let killed_at = Instant::now();
        let kept = first_state.to_path_buf();
        let remembers = self.history.forgetful_disk && kill == 1;
        let forgets = self.history.forgetful_disk && kill == self.kills;
        hub = blocking(move || {
            hub.kill();
            if remembers {
                copy_files(&hub.data_dir(), &kept);
            }
            if forgets {
                copy_files(&kept, &hub.data_dir());
            }
            if let Some(within) = again {
                hub.start_and_kill_within(within);
            }
            hub.start_again();
            hub
        })
        .await;
        self.longest_restart = self.longest_restart.max(killed_at.elapsed());
        hub
    }

    #[cfg(feature = "cql")]
    async fn outage(&mut self, hub: HubProcess, chance: &mut StdRng) -> HubProcess {
        let lasts = Duration::from_millis(chance.random_range(1_000..5_000));
        let lasts = self.history.outage.unwrap_or(lasts);
        let acknowledged = || self.conditions.acknowledged.load(Ordering::Relaxed);
        let before = acknowledged();
        let hub = outage::strike(hub, lasts, chance).await;
        self.acknowledged_in_outages += acknowledged() - before;
        hub
    }
}

/// An address nobody listens on, below the ports that systems give to outgoing connections: while the hub
/// is down, one of the stations' own connections could be given the hub's port.
fn free_address() -> String {
    let ports = std::iter::repeat_with(|| rand::random_range(15_000..32_000u16));
    ports
        .map(|port| format!("127.0.0.1:{port}"))
        .take(100)
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("one of a hundred ports is free")
}

fn bring_to_life(
    chargers: u32,
    hubs: &Hubs,
    conditions: &Arc<Conditions>,
    chance: &mut StdRng,
) -> JoinSet<SimStation> {
    let addresses = hubs.processes.iter().map(|hub| hub.chargers.clone());
    let hubs = Arc::new(RealHubs {
        addresses: addresses.collect(),
    });
    let begin = SystemTime::now() - STATIONS_BEGIN_AGO;
    let begin = begin
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("it is later than January 1970");
    let begin = Timestamp(i64::try_from(begin.as_millis()).expect("times fit"));
    let mut living = JoinSet::new();
    for number in 0..chargers {
        let mut station = SimStation::new(number, begin, chance);
        let chance = StdRng::seed_from_u64(chance.random());
        let (hubs, conditions) = (Arc::clone(&hubs), Arc::clone(conditions));
        living.spawn(async move {
            station.live(&*hubs, chance, &conditions).await;
            station
        });
    }
    living
}

/// Waits until every station has said all it has to say.
async fn settle(mut living: JoinSet<SimStation>, findings: &mut Findings) -> Vec<SimStation> {
    let mut stations = Vec::new();
    let all = async {
        while let Some(station) = living.join_next().await {
            stations.push(station.expect("a station does not panic"));
        }
    };
    if tokio::time::timeout(DRAINS_WITHIN, all).await.is_err() {
        findings.mismatch(format_args!(
            "{} stations still had something to say after {DRAINS_WITHIN:?}",
            living.len()
        ));
    }
    stations
}

async fn judge(stations: &[SimStation], hub: &HubProcess, findings: &mut Findings) {
    let store = hub.remembers().await;
    checker::acknowledged(stations, &store, findings).await;
    checker::totals(stations, &store, findings).await;
}

/// Copies the files of a directory over those of another.
fn copy_files(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).expect("the directory can be read") {
        let file = file.expect("the directory can be read");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("a file can be copied");
    }
}

/// Runs what waits for a process.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.expect("the hub starts again")
}
