//! A closed loop of sessions on a part of the fleet: what does one message cost the central system?

use std::time::Duration;

use loadtest::{Pace, TargetError};

use super::PATIENCE;
use crate::fleet::Fleet;

/// The loop runs this long before the measuring begins, so that caches and pools are as they will be.
const WARM_UP: Duration = Duration::from_secs(2);

pub(super) async fn prepare(fleet: &mut Fleet, active: u64) -> Result<(), TargetError> {
    if fleet.start_and_settle(PATIENCE).await? {
        let of = fleet.plan.fleet;
        fleet.order(|orders| orders.pace = Pace::ClosedLoop { active, of });
        tokio::time::sleep(WARM_UP).await;
    }
    Ok(())
}
