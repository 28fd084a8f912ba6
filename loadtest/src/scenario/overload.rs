//! More than the central system can do: a few chargers run sessions, all the others hammer it with what could wait. It
//! passes when it answers everything, loses nothing, and keeps the end of a session from waiting behind heartbeats.

use std::time::Duration;

use loadtest::{Pace, TargetError};

use super::PATIENCE;
use crate::fleet::Fleet;
use crate::tally::Tally;

/// The load runs this long before the measuring begins.
const WARM_UP: Duration = Duration::from_secs(2);

pub(super) async fn prepare(fleet: &mut Fleet, active: u64) -> Result<(), TargetError> {
    if fleet.start_and_settle(PATIENCE).await? {
        let of = fleet.plan.fleet;
        fleet.order(|orders| orders.pace = Pace::Overload { active, of });
        tokio::time::sleep(WARM_UP).await;
    }
    Ok(())
}

/// What is wrong with the order in which things were answered.
pub(super) fn judge(tally: &Tally) -> Option<String> {
    let p99_ms = |action: &str| {
        let latency = tally.actions.get(action)?.latency.percentiles()?;
        Some(latency.p99 as f64 / 1_000.0)
    };
    // A 2.0.1 charger ends its session with a message of the same action as any other of the session.
    let stop_ms = p99_ms("StopTransaction").or_else(|| p99_ms("TransactionEvent"));
    let heartbeat_ms = p99_ms("Heartbeat");
    match (stop_ms, heartbeat_ms) {
        (Some(stop_ms), Some(heartbeat_ms)) => (stop_ms >= heartbeat_ms).then(|| {
            format!("the end of a session waits as long as a heartbeat: p99 {stop_ms:.0} ms and {heartbeat_ms:.0} ms")
        }),
        _ => Some("no session ended, or no heartbeat was answered: see the faults above, or use more --chargers".into()),
    }
}
