//! The central system is killed and started again, at random moments, while the whole fleet charges. Whatever it had
//! acknowledged it must still know (the file of acknowledged messages tells), whatever it had not comes again.
//!
//! A hook command does the killing and the starting, so any central system can be tried. The time to recover counts from
//! the start of that command until each charger is back, with the chargers' own back-off (1 to 3 s before the first try).

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::process::Command;

use super::ScenarioError;
use crate::fleet::Fleet;
use crate::recorder::Recorder;
use crate::tally::Tally;

/// How long the hook command may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take until those who were with the one of many that was killed hear of it. Less than they wait before
/// they come back.
const NEWS: Duration = Duration::from_secs(1);

/// What is killed, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kills<'a> {
    /// The hook.
    pub(super) command: &'a str,
    pub(super) kills: u64,
    /// How long all charge before each, once all are back.
    pub(super) rest: Duration,
    /// Each comes at a random moment within this time after that.
    pub(super) within: Duration,
    /// How long that may take.
    pub(super) deadline: Duration,
    /// It kills one of many: only those who lose their socket have to come back.
    pub(super) one_of_many: bool,
}

/// Runs the hook so often.
pub(super) async fn measure(fleet: &Fleet, kills: Kills<'_>) -> Result<(), ScenarioError> {
    let mut rng = SmallRng::seed_from_u64(fleet.plan.traits.seed);
    for _ in 0..kills.kills {
        let moment = kills.within.mul_f64(rng.random_range(0.0..1.0));
        tokio::time::sleep(kills.rest + moment).await;
        let began = Instant::now();
        let (open, lost_before) = sockets(&fleet.recorder);
        match kills.one_of_many {
            true => fleet.recorder.call_roll(std::iter::empty()),
            false => fleet.call_roll(),
        }
        run(kills.command).await?;
        if kills.one_of_many {
            tokio::time::sleep(NEWS).await;
        }
        let back = fleet.recorder.wait_for_all(began + kills.deadline).await;
        let (_, lost) = sockets(&fleet.recorder);
        if open > 0 && lost == lost_before {
            return Err(ScenarioError::NothingKilled);
        }
        fleet.recorder.end_round(began, back);
    }
    Ok(())
}

pub(super) fn judge(kills: u64, tally: &Tally) -> Vec<String> {
    let late = (tally.rounds_failed > 0).then(|| {
        format!(
            "after {} of {kills} kills not all chargers were back in time",
            tally.rounds_failed
        )
    });
    late.into_iter().collect()
}

/// Runs the hook with sh. Its output goes to stderr: stdout carries the reports of this process.
async fn run(command: &str) -> Result<(), ScenarioError> {
    let mut sh = Command::new("sh");
    sh.args(["-c", command])
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .kill_on_drop(true);
    let status: ExitStatus = tokio::time::timeout(COMMAND_PATIENCE, sh.status())
        .await
        .map_err(|_| ScenarioError::KillCommandHangs(COMMAND_PATIENCE.as_secs()))?
        .map_err(ScenarioError::NoShell)?;
    if status.success() {
        Ok(())
    } else {
        Err(ScenarioError::KillCommand(status))
    }
}

/// Sockets that are open, and sockets that were lost so far.
fn sockets(recorder: &Recorder) -> (u64, u64) {
    let lost = recorder.tally().disconnects.values().sum();
    (recorder.progress().connected, lost)
}
