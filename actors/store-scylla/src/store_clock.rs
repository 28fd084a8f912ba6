//! The clock that orders what hubs write: the store's, asked for when a hub connects and a few times a minute from then
//! on. Whichever node answers: that the nodes' clocks agree is for who runs them to see to, as the server asks it anyway.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use metrics::gauge;
use tokio::time::sleep;

use crate::{
    cql::{Cql, CqlError, Statement},
    metrics as names,
    numbers::Numbers,
};

const NOW: Statement =
    Statement::plain("SELECT toUnixTimestamp(now()) FROM system.local WHERE key = 'local'");

/// The first answer takes longest: the statement has to be prepared.
const AT_FIRST: usize = 3;
const ASK_EVERY: Duration = Duration::from_secs(20);
/// A hub's clock that is further off is spoken of.
const TOLERATED_US: i64 = 1_000_000;

/// An answer of the store's clock. What is asked and answered when is measured in µs of a clock that is never set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) asked_us: i64,
    pub(crate) answered_us: i64,
    /// ms since 1970.
    pub(crate) store_ms: i64,
}

impl Reading {
    /// What the store's clock showed at 0 of the other. What was `known` stays if this answer agrees with it, however long
    /// it was on its way; else the clock was read halfway.
    pub(crate) fn corrected(self, known: i64) -> i64 {
        let store_us = self.store_ms * 1000;
        // It was read in the last of these µs at the earliest, and the µs of its ms are not told.
        let least = store_us - self.answered_us;
        let most = store_us + 999 - self.asked_us;
        if (least..=most).contains(&known) {
            known
        } else {
            least + (most - least) / 2
        }
    }
}

/// Asks until it is known well.
pub(crate) async fn read_first(cql: &Cql, numbers: &Numbers) -> Result<(), CqlError> {
    for _ in 0..AT_FIRST {
        read(cql, numbers).await?;
    }
    Ok(())
}

async fn read(cql: &Cql, numbers: &Numbers) -> Result<(), CqlError> {
    let asked_us = numbers.passed_us();
    if let Some((store_ms,)) = cql.row::<(i64,)>(NOW, ()).await? {
        numbers.set(Reading {
            asked_us,
            answered_us: numbers.passed_us(),
            store_ms,
        });
    }
    Ok(())
}

/// Keeps to the store's clock, and tells how far the hub's is from it, for as long as the connections are there. While the
/// store does not answer, what was read last goes on.
pub(crate) async fn follow(cql: Weak<Cql>, numbers: Arc<Numbers>) {
    let mut is_off = false;
    while let Some(cql) = cql.upgrade() {
        if read(&cql, &numbers).await.is_ok() {
            is_off = tell(numbers.hub_is_ahead_us(), is_off);
        }
        drop(cql);
        sleep(ASK_EVERY).await;
    }
}

/// Says once that the hub's clock is off, and once that it is right again; whether it is off.
fn tell(ahead_us: i64, was_off: bool) -> bool {
    let ahead_s = Duration::from_micros(ahead_us.unsigned_abs()).as_secs_f64();
    gauge!(names::CLOCK_AHEAD).set(ahead_s.copysign(if ahead_us < 0 { -1.0 } else { 1.0 }));
    let is_off = ahead_us.abs() > TOLERATED_US;
    match (was_off, is_off) {
        (false, true) => tracing::warn!("{}", in_words(ahead_us < 0, ahead_s)),
        (true, false) => tracing::info!("this hub's clock agrees with the store's again"),
        _ => {}
    }
    is_off
}

fn in_words(is_behind: bool, by_s: f64) -> String {
    let side = if is_behind { "behind" } else { "ahead of" };
    format!(
        "this hub's clock is {by_s:.1} s {side} the store's, so the times that it notes are; what hubs write is ordered by the store's clock and not harmed. Let NTP set the clock"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(asked_us: i64, answered_us: i64, store_ms: i64) -> Reading {
        Reading {
            asked_us,
            answered_us,
            store_ms,
        }
    }

    #[test]
    fn half_of_the_way_there_and_back_is_counted() {
        // 4 ms there and back: the clock was read 2 ms after the question, half a ms after what it told.
        assert_eq!(reading(10_000, 14_000, 1_000).corrected(0), 988_499);
    }

    #[test]
    fn an_answer_that_took_long_does_not_spoil_what_is_known() {
        let known = reading(0, 200, 1_000).corrected(0);
        assert_eq!(reading(1_000_000, 3_000_000, 2_100).corrected(known), known);
    }

    #[test]
    fn a_clock_that_drifts_or_is_set_is_followed() {
        let known = reading(0, 200, 1_000).corrected(0);
        let drifted = reading(1_000_000, 1_000_200, 2_003).corrected(known);
        assert!((2_900..3_100).contains(&(drifted - known)), "{drifted}");
        let set_back = reading(2_000_000, 2_000_200, 500).corrected(drifted);
        assert!((-1_500_000..=-1_499_000).contains(&set_back), "{set_back}");
    }

    #[test]
    fn no_correction_is_further_off_than_the_answer_was_on_its_way() {
        for (way_us, read_after_us) in [(200, 0), (200, 200), (50_000, 1), (50_000, 49_999)] {
            for truth in [-7_654_321, 0, 1_234_567_890] {
                for known in [truth - 3_000_000, truth, truth + 3_000_000] {
                    let store_us: i64 = truth + 5_000 + read_after_us;
                    let store_ms = store_us.div_euclid(1000);
                    let found = reading(5_000, 5_000 + way_us, store_ms).corrected(known);
                    assert!((found - truth).abs() <= way_us + 999, "{found}: {truth}");
                }
            }
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_until_it_is_right() {
        assert!(tell(3_000_000, false));
        assert!(tell(-1_000_001, true));
        assert!(!tell(1_000_000, true));
        assert!(!tell(-20, false));
        assert!(in_words(true, 3.04).contains("3.0 s behind the store's"));
        assert!(in_words(false, 3.04).contains("3.0 s ahead of the store's"));
    }
}
