//! What the chargers of one fleet have in common. One `Arc` serves them all.

use std::net::IpAddr;
use std::time::Duration;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::evse::Evse;
use crate::faults::Faults;
use crate::target::Target;
use crate::version::Version;

/// The common traits of a fleet of simulated chargers.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Where they connect to.
    pub target: Target,
    /// The OCPP version they speak.
    pub version: Version,
    /// Connectors (2.0.1: EVSEs with one connector each) of a charger.
    pub connectors: u32,
    /// How each of them is built.
    pub evse: Evse,
    /// What their firmware does wrong with charging profiles.
    pub faults: Faults,
    /// Whether meter values tell current and voltage of each phase, or once.
    pub tells_phases: bool,
    /// How often a charging connector looks at its car and profiles and tells its [`Observer`](crate::Observer) what flows
    /// ([`Event::Flows`](crate::Event)); none looks when something is due, each second once it has a profile.
    pub look_every: Option<Duration>,
    /// The token that drivers show; `{n}` stands for the charger's number, `{c}` for the connector.
    pub token: String,
    /// Simulated seconds per real second, for cars and drivers; sockets and meter intervals stay in real time.
    pub speed: f64,
    /// Real time between two meter samples of a session, until the central system sets another.
    pub meter_interval: Duration,
    /// Heartbeat interval; none takes the one that the central system gives in the answer to BootNotification.
    pub heartbeat: Option<Duration>,
    /// Whether connectors report their status after boot and on every change.
    pub statuses: bool,
    /// How long an answer may take.
    pub answer_timeout: Duration,
    /// Pause before an unanswered or refused transaction message is sent again.
    pub retry_interval: Duration,
    /// How often a transaction message is sent that the central system answers with an error (1.6
    /// TransactionMessageAttempts); it is then discarded.
    pub attempts: u32,
    /// Pauses between two tries to connect.
    pub backoff: Backoff,
    /// Local address to connect from; none leaves it to the system.
    pub source: Option<IpAddr>,
    /// Seed of everything that is drawn at random, together with the charger's number.
    pub seed: u64,
}

impl Profile {
    /// A fleet with one 22 kW connector each, in real time.
    #[must_use]
    pub fn new(target: Target, version: Version) -> Self {
        Self {
            target,
            version,
            connectors: 1,
            evse: Evse::default(),
            faults: Faults::default(),
            tells_phases: false,
            look_every: None,
            token: "TAG{n}".into(),
            speed: 1.0,
            meter_interval: Duration::from_secs(60),
            heartbeat: None,
            statuses: true,
            answer_timeout: Duration::from_secs(30),
            retry_interval: Duration::from_secs(5),
            attempts: 3,
            backoff: Backoff::default(),
            source: None,
            seed: 0,
        }
    }
}

/// Pauses between two tries to connect: at least `minimum`, plus a random part of `range`, doubled with each try up to
/// `doublings` times (2.0.1 RetryBackOffWaitMinimum, -RandomRange, -RepeatTimes; 1.6 has no rule).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub minimum: Duration,
    /// Up to this much is added at random, so that a fleet does not come back at once.
    pub range: Duration,
    /// How often the pause doubles.
    pub doublings: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            minimum: Duration::from_secs(1),
            range: Duration::from_secs(2),
            doublings: 5,
        }
    }
}

impl Backoff {
    /// The pause before try number `tries` (from 0).
    pub fn pause(&self, tries: u32, rng: &mut impl rand::Rng) -> Duration {
        let jitter = self.range.mul_f64(rng.random_range(0.0..1.0));
        (self.minimum + jitter) * 2_u32.saturating_pow(tries.min(self.doublings))
    }
}

/// What the fleet does, besides keeping its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pace {
    /// Boot, heartbeats and remote commands only: no car comes by itself.
    #[default]
    Quiet,
    /// Cars arrive, charge and leave as in life.
    Natural,
    /// A car at each connector, always: when one leaves, the next is there.
    Charging,
    /// Chargers with an even share of `active` of `of` run one session after the other, each message right after the
    /// answer to the one before; the others stay quiet.
    ClosedLoop {
        /// How many of the fleet run sessions.
        active: u64,
        /// The size of the fleet.
        of: u64,
    },
    /// As [`Pace::ClosedLoop`], with a rest between two sessions; and the others are not quiet: each sends the same small message again and again, right
    /// after the answer to the one before.
    Overload {
        /// How many of the fleet run sessions.
        active: u64,
        /// The size of the fleet.
        of: u64,
    },
    /// Every session ends now, and no other begins.
    Leaving,
}

impl Pace {
    /// Whether cars come by themselves.
    pub(crate) fn brings_cars(self) -> bool {
        matches!(self, Self::Natural | Self::Charging)
    }

    /// Whether the charger with this number runs the closed loop: `active` of `of`, spread evenly.
    #[must_use]
    pub fn loops(self, number: u64) -> bool {
        match self {
            Self::ClosedLoop { active, of } | Self::Overload { active, of } => {
                let of = of.max(1);
                let n = number % of;
                (n + 1) * active / of > n * active / of
            }
            _ => false,
        }
    }

    /// Whether a charger of the closed loop rests between two sessions.
    pub(crate) fn rests(self) -> bool {
        matches!(self, Self::Overload { .. })
    }

    /// Whether the charger with this number sends the same message again and again.
    pub(crate) fn hammers(self, number: u64) -> bool {
        matches!(self, Self::Overload { .. }) && !self.loops(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn the_closed_loop_has_exactly_its_share_of_chargers() {
        for (active, of) in [(200, 1_000), (1, 3), (7, 7), (0, 5), (999, 1_000)] {
            let looping = (0..of)
                .filter(|&n| Pace::ClosedLoop { active, of }.loops(n))
                .count() as u64;
            assert_eq!(looping, active, "{active} of {of}");
        }
    }

    #[test]
    fn back_off_doubles_up_to_its_limit() {
        let backoff = Backoff {
            minimum: Duration::from_secs(1),
            range: Duration::ZERO,
            doublings: 3,
        };
        let mut rng = SmallRng::seed_from_u64(1);
        let pauses: Vec<_> = (0..6)
            .map(|n| backoff.pause(n, &mut rng).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
    }
}
