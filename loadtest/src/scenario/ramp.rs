//! Connects the fleet at a rate, boots each charger, and holds: how fast does the central system take them?

use std::time::Duration;

use loadtest::TargetError;

use super::PATIENCE;
use crate::fleet::Fleet;

pub(super) async fn measure(fleet: &mut Fleet, hold: Duration) -> Result<(), TargetError> {
    if fleet.start_and_settle(PATIENCE).await? {
        tokio::time::sleep(hold).await;
    }
    Ok(())
}
