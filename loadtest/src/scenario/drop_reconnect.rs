//! All chargers drop their sockets without a word and connect again at once, round after round. A round is over when
//! each is back and has had an answer; hubs have died of the old socket's clean-up racing the new one's set-up.

use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::tally::Tally;

pub(super) async fn measure(fleet: &Fleet, rounds: u64, deadline: Duration) {
    let count = fleet.plan.count;
    let reports = count * u64::from(fleet.plan.traits.connectors);
    for _ in 0..rounds {
        let began = Instant::now();
        let (connects, answers) = seen(&fleet.recorder.tally());
        fleet.order(|orders| orders.drops += 1);
        let back = fleet
            .recorder
            .wait(began + deadline, |tally| {
                let (now_connects, now_answers) = seen(tally);
                now_connects >= connects + count && now_answers >= answers + reports
            })
            .await;
        let mut tally = fleet.recorder.tally();
        if back {
            tally.rounds.record(began.elapsed());
        } else {
            tally.rounds_failed += 1;
        }
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
    let asked = ["dropped on order", "closed by the charger"];
    let lost = tally
        .disconnects
        .iter()
        .filter(|(reason, _)| !asked.contains(&reason.as_ref()));
    faults.extend(lost.map(|(reason, count)| format!("socket lost: {reason} ({count} times)")));
    faults
}

/// Sockets opened and status reports answered so far.
fn seen(tally: &Tally) -> (u64, u64) {
    let answers = tally
        .actions
        .get("StatusNotification")
        .map_or(0, |it| it.answered);
    (tally.connects.count(), answers)
}
