//! A command beside the sessions that does the barest part of their work, such as the inserts alone: what part of its
//! rate does the central system reach?

use std::io;
use std::process::{ExitStatus, Stdio};

use thiserror::Error;
use tokio::process::Command;

/// Why the yardstick could not be taken.
#[derive(Debug, Error)]
pub(crate) enum YardstickError {
    #[error("cannot run the yardstick with sh: {0}")]
    NoShell(io::Error),
    #[error("the yardstick failed ({0}): run it by itself to see why")]
    Failed(ExitStatus),
    #[error(
        "the last line of the yardstick must be its messages a second, a number above 0; it is {0:?}"
    )]
    NoRate(String),
}

/// Runs the command to its end; the messages a second that its last line tells.
pub(crate) async fn measure(command: &str) -> Result<f64, YardstickError> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null());
    // It goes with us when we are interrupted.
    shell.kill_on_drop(true);
    let output = shell.output().await.map_err(YardstickError::NoShell)?;
    if !output.status.success() {
        return Err(YardstickError::Failed(output.status));
    }
    rate(&String::from_utf8_lossy(&output.stdout))
}

fn rate(said: &str) -> Result<f64, YardstickError> {
    let last = said.trim_end().lines().last().unwrap_or_default();
    match last.trim().parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err(YardstickError::NoRate(last.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_line_is_the_rate() {
        let told = measure("echo 'p50 3 ms'; echo ' 1234.5 '; echo").await;
        assert_eq!(told.ok(), Some(1234.5));
    }

    #[tokio::test]
    async fn what_tells_no_rate_is_an_error() {
        for silent in ["true", "echo fast", "echo 0", "echo inf", "echo -3"] {
            let told = measure(silent).await;
            assert!(matches!(told, Err(YardstickError::NoRate(_))), "{silent}");
        }
        let told = measure("echo 5; exit 3").await;
        assert!(matches!(told, Err(YardstickError::Failed(_))));
    }
}
