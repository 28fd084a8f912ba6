//! The chargers of a site: one for each EVSE, with the cars that will come to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loadtest::{Faults, Orders, Profile, SimCharger, Target, Version, Visit};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::grid::Grid;
use super::monitor::Monitor;

/// How often a charger looks at its car, for the monitor.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the last messages may take at the end.
const LEAVING: Duration = Duration::from_secs(30);
/// Chargers started a second.
const RATE: f64 = 200.0;

/// What all chargers have in common.
#[derive(Debug, Clone)]
pub(crate) struct Traits {
    pub(crate) target: Target,
    /// What they speak, by turns.
    pub(crate) versions: Vec<Version>,
    pub(crate) token: String,
    pub(crate) meter_interval: Duration,
    pub(crate) faults: Faults,
    /// How many of the chargers have those faults: the last ones.
    pub(crate) faulty: usize,
    pub(crate) seed: u64,
}

/// Chargers at work; gone when dropped.
pub(crate) struct Chargers {
    orders: watch::Sender<Orders>,
    tasks: JoinSet<()>,
}

impl Chargers {
    /// Starts them; the times of `visits`, by outlet, count from now.
    pub(crate) async fn start(
        grid: &Grid,
        visits: Vec<Vec<Visit>>,
        traits: &Traits,
        monitor: &Arc<Monitor>,
    ) -> Self {
        let orders = watch::Sender::default();
        let mut tasks = JoinSet::new();
        let sound = grid.outlets.len().saturating_sub(traits.faulty);
        let mut chargers = Vec::new();
        for ((index, outlet), visits) in grid.outlets.iter().enumerate().zip(visits) {
            let version = traits.versions[index % traits.versions.len()];
            let profile = Profile {
                evse: outlet.evse(grid.phase_v),
                faults: if index < sound {
                    Faults::default()
                } else {
                    traits.faults
                },
                tells_phases: true,
                look_every: Some(LOOK_EVERY),
                token: traits.token.clone(),
                meter_interval: traits.meter_interval,
                seed: traits.seed,
                ..Profile::new(traits.target.clone(), version)
            };
            let charger = SimCharger::new(
                Arc::new(profile),
                &outlet.station,
                index as u64,
                monitor.clone(),
                orders.subscribe(),
            );
            chargers.push(charger.with_visits(visits));
        }
        for (index, charger) in chargers.into_iter().enumerate() {
            tasks.spawn(charger.run());
            if index % 10 == 9 {
                tokio::time::sleep(Duration::from_secs_f64(10.0 / RATE)).await;
            }
        }
        Self { orders, tasks }
    }

    /// Ends all sessions, waits until the central system has heard of it, and closes all sockets.
    pub(crate) async fn leave(mut self) {
        self.orders.send_modify(|orders| {
            orders.pace = loadtest::Pace::Leaving;
            orders.stop = true;
        });
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LEAVING, all).await;
    }
}

/// Looks at the site every `every` until `until`, or until this is so.
pub(crate) async fn watch_until(
    monitor: &Monitor,
    until: Instant,
    mut so: impl FnMut(&Monitor) -> bool,
) -> bool {
    const LOOK: Duration = Duration::from_millis(100);
    loop {
        monitor.look(Instant::now());
        if so(monitor) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
}
