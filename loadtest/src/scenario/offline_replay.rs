//! Chargers lose the central system for a while and go on charging; then all come back at once and replay what they have
//! queued, each message right after the answer to the one before, oldest first.
//!
//! Drained means that every queue is empty, those messages included that came meanwhile.

use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::tally::{Replay, Tally};

pub(super) async fn measure(fleet: &Fleet, offline: Duration, deadline: Duration) {
    let recorder = &fleet.recorder;
    fleet.order(|orders| orders.offline = true);
    tokio::time::sleep(offline).await;
    let began = Instant::now();
    let (waiting, acknowledged) = {
        let tally = recorder.tally();
        (tally.waiting(), tally.acknowledged)
    };
    fleet.call_roll();
    fleet.order(|orders| orders.offline = false);
    let back = recorder.wait_for_all(began + deadline).await;
    recorder.end_round(began, back);
    let drained = recorder
        .wait(began + deadline, |tally| tally.waiting() == 0)
        .await;
    let mut tally = recorder.tally();
    tally.replay = Replay {
        waiting,
        sent: tally.acknowledged - acknowledged,
        took: began.elapsed(),
        undrained: if drained { 0 } else { tally.waiting() },
    };
}

pub(super) fn judge(tally: &Tally) -> Vec<String> {
    let mut faults = super::lost_sockets(tally);
    if tally.rounds_failed > 0 {
        faults.push("not all chargers were back in time".into());
    }
    if tally.replay.waiting == 0 {
        faults.push("nothing was queued while offline: raise --offline or --speed".into());
    }
    if tally.replay.undrained > 0 {
        faults.push(format!(
            "{} transaction messages still waited at the deadline",
            tally.replay.undrained
        ));
    }
    faults
}
