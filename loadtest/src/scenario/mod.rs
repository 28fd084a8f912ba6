//! The scenarios: what the fleet does, and when the central system has passed. One file each.
//!
//! All follow the same steps, so that the parent can look at the hub's process between them: *prepare* (usually connect
//! and boot), *measure*, then leave. `judge` sees the merged counts and says what is wrong with them.

mod drop_reconnect;
mod echo;
mod idle;
mod ramp;
mod sessions;
mod steady;

use std::time::Duration;

use loadtest::TargetError;
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::tally::Tally;

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
    /// Drop and come back at once, again and again.
    DropReconnect { rounds: u64, deadline: Duration },
    /// The yardstick: raw WebSocket echoes, no OCPP.
    Echo { active: u64, duration: Duration },
}

impl Scenario {
    /// The name on the command line and in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ramp { .. } => "ramp",
            Self::Steady { .. } => "steady",
            Self::Idle { .. } => "idle",
            Self::Sessions { .. } => "sessions",
            Self::DropReconnect { .. } => "drop-reconnect",
            Self::Echo { .. } => "echo",
        }
    }

    /// Whether chargers report their connectors after boot. `idle` measures Boot alone.
    pub(crate) fn reports_status(&self) -> bool {
        !matches!(self, Self::Idle { .. } | Self::Echo { .. })
    }

    /// How long the measuring takes, as far as it is known before.
    pub(crate) fn duration(&self) -> Option<Duration> {
        match self {
            Self::Steady { duration }
            | Self::Sessions { duration, .. }
            | Self::Echo { duration, .. } => Some(*duration),
            Self::Ramp { .. } | Self::Idle { .. } | Self::DropReconnect { .. } => None,
        }
    }

    /// Brings the fleet to where the measuring can begin.
    pub(crate) async fn prepare(&self, fleet: &mut Fleet) -> Result<(), TargetError> {
        match self {
            Self::Ramp { .. } => Ok(()),
            Self::Sessions { active, .. } => sessions::prepare(fleet, *active).await,
            Self::Steady { .. } | Self::Idle { .. } | Self::DropReconnect { .. } => {
                fleet.start_and_settle(PATIENCE).await.map(drop)
            }
            Self::Echo { .. } => unreachable!("the echo load has no fleet of chargers"),
        }
    }

    /// Does what is measured.
    pub(crate) async fn measure(&self, fleet: &mut Fleet) -> Result<(), TargetError> {
        match self {
            Self::Ramp { hold } => ramp::measure(fleet, *hold).await?,
            Self::Steady { duration } => steady::measure(fleet, *duration).await,
            Self::Idle { large_message } => idle::measure(fleet, *large_message).await,
            Self::Sessions { duration, .. } => tokio::time::sleep(*duration).await,
            Self::DropReconnect { rounds, deadline } => {
                drop_reconnect::measure(fleet, *rounds, *deadline).await;
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
        faults.extend(counted("connection failed", &tally.connect_failures));
        faults.extend(counted("unexpected frame", &tally.unexpected));
        for (action, outcome) in &tally.actions {
            faults.extend(counted(&format!("{action} failed"), &outcome.failures));
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
        faults.extend(match self {
            Self::DropReconnect { rounds, .. } => drop_reconnect::judge(*rounds, tally),
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
    counts: &'a crate::tally::Counts,
) -> impl Iterator<Item = String> + 'a {
    counts
        .iter()
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
