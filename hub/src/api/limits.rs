//! How much one may ask of the API.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, Reference},
};

use super::problem::Problem;

/// How much one may ask of the API. A 0 is taken for a 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests per second that one key may make for long.
    pub requests_per_s: u32,
    /// Requests that one key may make at once after a pause.
    pub burst: u32,
    /// Keys per minute that may turn out to be unknown, over all callers. Keys in use are not counted,
    /// so guessing does not lock out those who work.
    pub unknown_keys_per_minute: u32,
    /// Event streams (`/api/v1/events`) that may be open at once, over all callers.
    pub event_streams: u32,
}

impl RateLimits {
    /// So many requests per second and key, five seconds' worth of them at once after a pause, and
    /// moderate other limits.
    pub fn new(requests_per_s: u32) -> Self {
        Self {
            requests_per_s,
            burst: requests_per_s.saturating_mul(5),
            unknown_keys_per_minute: 60,
            event_streams: 64,
        }
    }
}

/// Keeps callers within [`RateLimits`].
pub(crate) struct Limiter {
    by_key: DefaultKeyedRateLimiter<String>,
    unknown_keys: DefaultDirectRateLimiter,
}

impl Limiter {
    pub(crate) fn new(limits: &RateLimits) -> Self {
        let by_key =
            Quota::per_second(count(limits.requests_per_s)).allow_burst(count(limits.burst));
        let unknown_keys = Quota::per_minute(count(limits.unknown_keys_per_minute));
        Self {
            by_key: RateLimiter::keyed(by_key),
            unknown_keys: RateLimiter::direct(unknown_keys),
        }
    }

    /// Counts a request of the key of that prefix.
    pub(crate) fn request(&self, prefix: &str) -> Result<(), Problem> {
        self.by_key.check_key(&prefix.to_owned()).map_err(|until| {
            Problem::too_many(
                "this key asks too often; wait as long as Retry-After says",
                wait(self.by_key.clock(), &until),
            )
        })
    }

    /// Counts the look-up of a key that is not in use.
    pub(crate) fn unknown_key(&self) -> Result<(), Problem> {
        self.unknown_keys.check().map_err(|until| {
            Problem::too_many(
                "too many keys were tried; wait as long as Retry-After says",
                wait(self.unknown_keys.clock(), &until),
            )
        })
    }

    /// Lets go of what is kept of keys that have not been used for a while.
    pub(crate) fn forget_idle(&self) {
        self.by_key.retain_recent();
    }
}

fn wait<P: Reference>(clock: &impl Clock<Instant = P>, until: &NotUntil<P>) -> Duration {
    until.wait_time_from(clock.now())
}

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)
}
