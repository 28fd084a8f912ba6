//! How late a message is, without comparing clocks.
//!
//! Each frame says how old its stream was when it was sent, by the sender's monotonic clock. The receiver knows how
//! old the stream is when the frame arrives, by its own. The difference of the two is the time on the way and a
//! constant, which is never more than the least difference seen. So a frame that lay in a stopped process, or in the
//! buffers of a network that was parted, is known to be late, by as much as it took longer than the fastest.
//!
//! The clocks may run apart by one in a thousand: the least difference grows by that much with time.

use std::time::{Duration, Instant};

/// How much the clocks may run apart, as a part.
const DRIFT: i32 = 1_000;

/// How late the messages of one stream are.
#[derive(Debug)]
pub(crate) struct Lateness {
    /// When the stream was accepted. The sender counts from before that, so the least difference is at most 0.
    accepted: Instant,
    /// The least difference, in ms, as of `measured`.
    least_ms: i64,
    measured: Instant,
}

impl Lateness {
    /// Of a stream that was accepted just now.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            accepted: now,
            least_ms: 0,
            measured: now,
        }
    }

    /// How late a frame is that was sent when its stream was `sent_ms` old, and arrives now.
    pub(crate) fn of(&mut self, sent_ms: u64, now: Instant) -> Duration {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let sent_ms = i64::try_from(sent_ms).unwrap_or(i64::MAX);
        let difference = ms(now - self.accepted).saturating_sub(sent_ms);
        let drift = ms((now - self.measured) / DRIFT.unsigned_abs());
        let allowed = self.least_ms.saturating_add(drift);
        if difference <= allowed {
            self.least_ms = difference;
            self.measured = now;
        }
        Duration::from_millis(difference.saturating_sub(allowed).max(0).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_takes_as_long_as_the_fastest_is_not_late() {
        let began = Instant::now();
        let mut late = Lateness::new(began);
        // The sender's count began 40 ms before, and a frame takes 5 ms.
        for sent in [50, 60, 1_000, 1_001] {
            let arrives = began + MS * (sent - 40 + 5);
            assert_eq!(late.of(sent.into(), arrives), Duration::ZERO, "{sent}");
        }
    }

    #[test]
    fn a_frame_that_lay_somewhere_is_late_by_as_long() {
        let began = Instant::now();
        let mut late = Lateness::new(began);
        late.of(10, began + MS * 12);
        assert_eq!(late.of(20, began + MS * 30_022), MS * (30_002 - 30));
        // The next one that did not is not.
        assert_eq!(late.of(30_030, began + MS * 30_032), Duration::ZERO);
    }

    #[test]
    fn the_first_frame_is_late_too_where_it_lay_after_the_stream_was_accepted() {
        let began = Instant::now();
        assert_eq!(
            Lateness::new(began).of(10, began + MS * 9_010),
            MS * (9_000 - 9)
        );
    }

    #[test]
    fn clocks_that_run_apart_make_nobody_late() {
        let began = Instant::now();
        let mut late = Lateness::new(began);
        // The receiver's clock is faster by one in 2,000; a frame each ten minutes for a day.
        for minute in (0..24 * 60_u64).step_by(10) {
            let sent = minute * 60_000;
            let arrives = began + Duration::from_millis(sent + sent / 2_000);
            assert_eq!(late.of(sent, arrives), Duration::ZERO, "minute {minute}");
        }
    }

    #[test]
    fn a_frame_that_says_it_was_sent_in_the_future_is_not_late_and_overflows_nothing() {
        let began = Instant::now();
        let mut late = Lateness::new(began);
        assert_eq!(late.of(u64::MAX, began), Duration::ZERO);
    }
}
