//! Idle chargers: what does one cost the central system in memory, after boot and after its first large message?
//!
//! The second number matters because buffers that grew for one message often stay grown.

use std::time::{Duration, Instant};

use super::PATIENCE;
use crate::fleet::Fleet;
use crate::tally::{ActionTally, Tally};

/// Size of the large message.
pub(crate) const LARGE_MESSAGE_BYTES: usize = 2_048;
/// Large messages a second, of one worker: as they come from a fleet, not as a flood.
const PER_SECOND: u64 = 2_000;
/// Time for the central system to write and free what it has in hand, before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);

pub(super) async fn measure(fleet: &Fleet, large_message: bool) {
    if large_message {
        send_large_messages(fleet).await;
    }
    tokio::time::sleep(SETTLE).await;
}

async fn send_large_messages(fleet: &Fleet) {
    let (first, count) = (fleet.plan.first, fleet.plan.count);
    let step = PER_SECOND / 20;
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut sent = 0;
    while sent < count {
        pace.tick().await;
        sent = count.min(sent + step);
        fleet.order(|orders| {
            orders.meter_values_bytes = LARGE_MESSAGE_BYTES;
            orders.meter_values_below = first + sent;
        });
    }
    // Failed ones show in the report.
    let settled = |tally: &Tally| {
        tally
            .actions
            .get("MeterValues")
            .map_or(0, ActionTally::settled)
            >= count
    };
    fleet
        .recorder
        .wait(Instant::now() + PATIENCE, settled)
        .await;
}
