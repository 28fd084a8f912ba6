//! A whole fleet connects at once, at no rate, as after a power cut: how long until the last one is connected and booted?
//!
//! A central system may refuse for a while (503, a closed connection): chargers try again after their back-off, and only
//! those that are not in by the deadline are a fault.

use std::time::{Duration, Instant};

use loadtest::TargetError;

use crate::fleet::Fleet;
use crate::tally::Tally;

pub(super) async fn measure(fleet: &mut Fleet, deadline: Duration) -> Result<(), TargetError> {
    let began = Instant::now();
    fleet.call_roll();
    fleet.start_all_at_once()?;
    let booted = fleet.recorder.wait_for_all(began + deadline).await;
    fleet.recorder.end_round(began, booted);
    Ok(())
}

pub(super) fn judge(deadline: Duration, tally: &Tally) -> Vec<String> {
    let late = (tally.rounds_failed > 0).then(|| {
        format!(
            "not all chargers were connected and booted within {} s",
            deadline.as_secs_f64()
        )
    });
    late.into_iter().chain(super::lost_sockets(tally)).collect()
}
