//! All chargers drop their sockets without a word and connect again at once, round after round. A round is over when
//! each is back and has had an answer; hubs have died of the old socket's clean-up racing the new one's set-up.

use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::tally::Tally;

/// What chargers do by themselves: no fault of the central system.
const ASKED: [&str; 2] = ["dropped on order", "closed by the charger"];

/// Lets all drop and come back `rounds` times, with `pause` after each round.
pub(super) async fn measure(fleet: &Fleet, rounds: u64, pause: Duration, deadline: Duration) {
    for _ in 0..rounds {
        let began = Instant::now();
        fleet.call_roll();
        fleet.order(|orders| orders.drops += 1);
        let back = fleet.recorder.wait_for_all(began + deadline).await;
        fleet.recorder.end_round(began, back);
        tokio::time::sleep(pause).await;
    }
}

pub(super) fn judge(rounds: u64, tally: &Tally) -> Vec<String> {
    let mut faults = Vec::new();
    if tally.rounds_failed > 0 {
        faults.push(format!(
            "in {} of {rounds} rounds not all chargers were back in time",
            tally.rounds_failed
        ));
    }
    let lost = tally
        .disconnects
        .iter()
        .filter(|(reason, _)| !ASKED.contains(&reason.as_ref()));
    faults.extend(lost.map(|(reason, count)| format!("socket lost: {reason} ({count} times)")));
    faults
}
