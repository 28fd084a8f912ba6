//! The scenarios: what the fleet does, and when the central system has passed. One file each.
//!
//! All follow the same steps, so that the parent can look at the hub's process between them: *prepare* (usually connect
//! and boot), *measure*, then leave. `judge` sees the merged counts and says what is wrong with them.

mod drop_reconnect;
mod echo;
mod idle;
mod kill;
mod offline_replay;
mod overload;
mod ramp;
mod reconnect_storm;
mod sessions;
mod steady;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use loadtest::TargetError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fleet::Fleet;
use crate::recorder::SOCKET_LOST;
use crate::tally::{Name, Tally};

pub(crate) use echo::EchoLoad;
pub(crate) use idle::LARGE_MESSAGE_BYTES;

/// How long the last of a fleet may take to connect and boot after it was started.
const PATIENCE: Duration = Duration::from_secs(120);

/// A scenario with its own options.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Scenario {
    /// Connect and boot at a rate, then hold.
    Ramp { hold: Duration },
    /// A realistic life.
    Steady { duration: Duration },
    /// Connect and boot, then one large message each.
    Idle { large_message: bool },
    /// A closed loop of sessions.
    Sessions { active: u64, duration: Duration },
    /// A closed loop of sessions, and all others hammer.
    Overload { active: u64, duration: Duration },
    /// Drop and come back at once, again and again.
    DropReconnect { rounds: u64, deadline: Duration },
    /// Connect all at once.
    ReconnectStorm { deadline: Duration },
    /// Drop and come back at once, again and again, with a session open at each connector.
    Flap {
        rounds: u64,
        pause: Duration,
        deadline: Duration,
    },
    /// Charge offline for a while, then come back at once and replay.
    OfflineReplay {
        offline: Duration,
        deadline: Duration,
    },
    /// Kill and restart the central system by a hook command while all charge.
    Kill {
        command: String,
        kills: u64,
        rest: Duration,
        within: Duration,
        deadline: Duration,
        acknowledged: Option<PathBuf>,
        /// It kills one of many hubs: only chargers that lose their socket have to come back.
        one_of_many: bool,
    },
    /// The yardstick: raw WebSocket echoes, no OCPP.
    Echo { active: u64, duration: Duration },
}

/// Why a scenario cannot be run here; none of it says anything about the central system.
#[derive(Debug, Error)]
pub(crate) enum ScenarioError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(
        "cannot write the acknowledged messages ({0}): check the path of --acknowledged and the disk"
    )]
    Acknowledged(io::Error),
    #[error("cannot run the kill command with sh: {0}")]
    NoShell(io::Error),
    #[error(
        "the kill command failed ({0}): it must kill and restart the central system and end with status 0"
    )]
    KillCommand(ExitStatus),
    #[error(
        "the kill command did not end within {0} s: start the central system in the background (`… >hub.log 2>&1 &`)"
    )]
    KillCommandHangs(u64),
    #[error(
        "no charger lost its socket: the kill command does not kill the central system behind --url"
    )]
    NothingKilled,
}

impl Scenario {
    /// The name on the command line and in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ramp { .. } => "ramp",
            Self::Steady { .. } => "steady",
            Self::Idle { .. } => "idle",
            Self::Sessions { .. } => "sessions",
            Self::Overload { .. } => "overload",
            Self::DropReconnect { .. } => "drop-reconnect",
            Self::ReconnectStorm { .. } => "reconnect-storm",
            Self::Flap { .. } => "flap",
            Self::OfflineReplay { .. } => "offline-replay",
            Self::Kill { .. } => "kill",
            Self::Echo { .. } => "echo",
        }
    }

    /// Whether chargers report their connectors after boot. `idle` measures Boot alone.
    pub(crate) fn reports_status(&self) -> bool {
        !matches!(self, Self::Idle { .. } | Self::Echo { .. })
    }

    /// Whether a connection that fails is tried again, and only chargers that never come back are a fault.
    pub(crate) fn lets_try_again(&self) -> bool {
        matches!(self, Self::ReconnectStorm { .. }) || self.charges_through_losses()
    }

    /// Whether all charge while their sockets go: a CALL that loses its socket is no fault then.
    fn charges_through_losses(&self) -> bool {
        matches!(
            self,
            Self::Flap { .. } | Self::OfflineReplay { .. } | Self::Kill { .. }
        )
    }

    /// How long the measuring takes, as far as it is known before.
    pub(crate) fn duration(&self) -> Option<Duration> {
        match self {
            Self::Steady { duration }
            | Self::Sessions { duration, .. }
            | Self::Overload { duration, .. }
            | Self::Echo { duration, .. } => Some(*duration),
            _ => None,
        }
    }

    /// Brings the fleet to where the measuring can begin.
    pub(crate) async fn prepare(&self, fleet: &mut Fleet) -> Result<(), ScenarioError> {
        match self {
            Self::Ramp { .. } | Self::ReconnectStorm { .. } => {}
            Self::Sessions { active, .. } => sessions::prepare(fleet, *active).await?,
            Self::Overload { active, .. } => overload::prepare(fleet, *active).await?,
            Self::Steady { .. } | Self::Idle { .. } | Self::DropReconnect { .. } => {
                fleet.start_and_settle(PATIENCE).await?;
            }
            Self::Flap { .. } | Self::OfflineReplay { .. } => {
                fleet.start_and_charge(PATIENCE).await?;
            }
            Self::Kill { acknowledged, .. } => {
                if let Some(path) = acknowledged {
                    let created = fleet.recorder.write_acknowledged(path);
                    created.map_err(ScenarioError::Acknowledged)?;
                }
                fleet.start_and_charge(PATIENCE).await?;
            }
            Self::Echo { .. } => unreachable!("the echo load has no fleet of chargers"),
        }
        Ok(())
    }

    /// Does what is measured.
    pub(crate) async fn measure(&self, fleet: &mut Fleet) -> Result<(), ScenarioError> {
        match self {
            Self::Ramp { hold } => ramp::measure(fleet, *hold).await?,
            Self::Steady { duration } => steady::measure(fleet, *duration).await,
            Self::Idle { large_message } => idle::measure(fleet, *large_message).await,
            Self::Sessions { duration, .. } | Self::Overload { duration, .. } => {
                tokio::time::sleep(*duration).await;
            }
            Self::DropReconnect { rounds, deadline } => {
                drop_reconnect::measure(fleet, *rounds, Duration::ZERO, *deadline).await;
            }
            Self::ReconnectStorm { deadline } => reconnect_storm::measure(fleet, *deadline).await?,
            Self::Flap {
                rounds,
                pause,
                deadline,
            } => drop_reconnect::measure(fleet, *rounds, *pause, *deadline).await,
            Self::OfflineReplay { offline, deadline } => {
                offline_replay::measure(fleet, *offline, *deadline).await;
            }
            Self::Kill {
                command,
                kills,
                rest,
                within,
                deadline,
                one_of_many,
                ..
            } => {
                let kills = kill::Kills {
                    command,
                    kills: *kills,
                    rest: *rest,
                    within: *within,
                    deadline: *deadline,
                    one_of_many: *one_of_many,
                };
                kill::measure(fleet, kills).await?;
            }
            Self::Echo { .. } => unreachable!("the echo load has no fleet of chargers"),
        }
        Ok(())
    }

    /// What is wrong with the outcome for a fleet of `chargers`; nothing when the central system has passed.
    pub(crate) fn judge(&self, chargers: u64, tally: &Tally) -> Vec<String> {
        let mut faults = Vec::new();
        if tally.booted < chargers {
            faults.push(format!(
                "{} of {chargers} chargers were never accepted",
                chargers - tally.booted
            ));
        }
        if !self.lets_try_again() {
            faults.extend(counted("connection failed", &tally.connect_failures));
        }
        faults.extend(counted("unexpected frame", &tally.unexpected));
        for (action, outcome) in &tally.actions {
            let failures = outcome
                .failures
                .iter()
                .filter(|(kind, _)| !self.charges_through_losses() || *kind != SOCKET_LOST);
            faults.extend(counted(&format!("{action} failed"), failures));
            faults.extend(counted(&format!("{action} refused"), &outcome.refusals));
        }
        if tally
            .actions
            .values()
            .any(|it| it.refusals.keys().any(|status| status != "Rejected"))
        {
            faults.push("tokens were refused: make the central system accept them, or name others with --token".into());
        }
        if tally.lost() > 0 {
            faults.push(format!(
                "{} of {} transaction messages were never acknowledged",
                tally.lost(),
                tally.queued
            ));
        }
        if self.charges_through_losses() && tally.begun < chargers {
            faults.push(format!(
                "only {} sessions of {chargers} chargers began: raise --speed, or see the faults above",
                tally.begun
            ));
        }
        faults.extend(match self {
            Self::Kill { kills, .. } => kill::judge(*kills, tally),
            Self::ReconnectStorm { deadline } => reconnect_storm::judge(*deadline, tally),
            Self::OfflineReplay { .. } => offline_replay::judge(tally),
            Self::Flap { rounds, .. } => drop_reconnect::judge(*rounds, tally),
            Self::DropReconnect { rounds, .. } => drop_reconnect::judge(*rounds, tally),
            Self::Overload { .. } => lost_sockets(tally)
                .into_iter()
                .chain(overload::judge(tally))
                .collect(),
            Self::Sessions { .. }
            | Self::Ramp { .. }
            | Self::Steady { .. }
            | Self::Idle { .. }
            | Self::Echo { .. } => lost_sockets(tally),
        });
        faults
    }
}

fn counted<'a>(
    what: &'a str,
    counts: impl IntoIterator<Item = (&'a Name, &'a u64)> + 'a,
) -> impl Iterator<Item = String> + 'a {
    counts
        .into_iter()
        .map(move |(kind, count)| format!("{what}: {kind} ({count} times)"))
}

/// Sockets that went though nobody asked for it.
fn lost_sockets(tally: &Tally) -> Vec<String> {
    let lost = tally
        .disconnects
        .iter()
        .filter(|(reason, _)| *reason != "closed by the charger");
    lost.map(|(reason, count)| format!("socket lost: {reason} ({count} times)"))
        .collect()
}
