//! A realistic life for a while: heartbeats, cars that come, charge and leave. Nothing may go wrong or get lost.

use std::time::Duration;

use loadtest::Pace;

use crate::fleet::Fleet;

pub(super) async fn measure(fleet: &Fleet, duration: Duration) {
    fleet.order(|orders| orders.pace = Pace::Natural);
    tokio::time::sleep(duration).await;
}
