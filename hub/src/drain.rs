//! Stopping without loss: not ready, no new connections, the sites handed over to other hubs, every socket closed with 1012 (service
//! restart) once what is in hand there is answered, the store flushed.
//!
//! The sockets close one after the other, so that whoever takes over (the next process on this port, the
//! other nodes) meets a stream of chargers and not a storm. Until its turn a charger is served as ever.
//! Those that charge come last, and so are away for the shortest time when the hub comes back here.

use std::time::Duration;

use actors::CloseReason;
use tokio::time::{Instant, timeout};

use crate::{Hub, config::DrainConfig};

/// How often the drain looks whether the last sockets have closed.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last goodbyes, and the last entries of the message log, may take. A socket's own takes up
/// to two seconds.
const GOODBYES_MOST: Duration = Duration::from_secs(3);
/// How long it may take to tell the other hubs that this one gives up its sites, and in the end that it goes; what
/// they are not told they find out when its lease runs out.
const HAND_OVER_MOST: Duration = Duration::from_secs(2);
const LEAVE_MOST: Duration = Duration::from_secs(1);

impl DrainConfig {
    /// How long the turns of so many chargers take.
    fn spread(&self, chargers: usize) -> Duration {
        let at_rate = chargers as f64 / f64::from(self.chargers_per_s.max(1));
        Duration::from_secs_f64(at_rate.min(f64::from(self.spread_max_s)))
    }
}

impl Hub {
    /// Stops the hub; on return everything that was acknowledged is on disk.
    pub async fn drain(self) {
        let began = Instant::now();
        self.not_ready();
        self.guarding.abort();
        self.listening.stop_accepting();
        // The sites first: another hub takes them over while their chargers are still here.
        let given_up = timeout(HAND_OVER_MOST, self.placement.give_up_shards()).await;
        if given_up.is_err() {
            tracing::warn!(
                "not all sites could be handed over in time; others take them when this hub's lease has run out"
            );
        }
        self.close_in_turn().await;
        let calls_most = Duration::from_secs(self.drain.calls_s.into());
        if !self.closed_within(calls_most).await {
            for link in self.actors.links() {
                link.close(CloseReason::Draining);
            }
            self.closed_within(GOODBYES_MOST).await;
        }
        // Until now other hubs could have their commands sent, and were told that a charger is gone.
        if let Some(asked) = self.asked {
            asked.stop().await;
        }
        self.actors.stop().await;
        let _ = timeout(LEAVE_MOST, self.placement.leave()).await;
        self.following.abort();
        self.serving.abort();
        drop(self.listening);
        // Its last handle went with the sockets, so what is queued is written and the task ends.
        let _ = timeout(GOODBYES_MOST, self.logging).await;
        self.store.close().await;
        tracing::info!(took_ms = began.elapsed().as_millis(), "stopped");
    }

    /// Lets each socket finish, evenly spread.
    async fn close_in_turn(&self) {
        let began = Instant::now();
        let links = self.actors.links();
        let spread = self.drain.spread(links.len());
        tracing::info!(
            open = links.len(),
            spread_ms = spread.as_millis(),
            "stopping: the chargers are asked to come back later"
        );
        let pause = spread / u32::try_from(links.len().max(1)).unwrap_or(u32::MAX);
        for (link, turn) in links.iter().zip(0..) {
            tokio::time::sleep_until(began + pause * turn).await;
            link.finish(CloseReason::Draining);
        }
    }

    /// Waits until all sockets have closed, also those that were just being opened; `false` when they
    /// have not in time.
    async fn closed_within(&self, most: Duration) -> bool {
        let closed = async {
            while self.listening.open() > 0 {
                for link in self.actors.links() {
                    link.finish(CloseReason::Draining);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        timeout(most, closed).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turns_take_as_long_as_the_rate_says_and_no_longer_than_they_may() {
        let drain = DrainConfig {
            chargers_per_s: 500,
            spread_max_s: 20,
            calls_s: 5,
        };
        assert_eq!(drain.spread(0), Duration::ZERO);
        assert_eq!(drain.spread(1_000), Duration::from_secs(2));
        assert_eq!(drain.spread(1_000_000), Duration::from_secs(20));
    }
}
