//! What an operator may set about the actors.

use serde::{Deserialize, Serialize};

use crate::{UnknownTokens, UnreadableTokens};

/// What an operator may set about the actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often an accepted station sends a heartbeat, in s.
    pub heartbeat_interval_s: u32,
    /// How soon a station that is pending or rejected sends its next BootNotification, in s.
    pub boot_retry_s: u32,
    /// What to say to tokens the operator does not know.
    pub unknown_tokens: UnknownTokens,
    /// What to say to tokens that cannot be looked up, because the store is away.
    pub unreadable_tokens: UnreadableTokens,
    /// How long the actor of a station that went away waits for it to come back, in ms.
    pub linger_ms: u64,
    /// How long an event may wait for its actor, in ms; then the socket closes and the station keeps
    /// its queue.
    pub event_deadline_ms: u64,
    /// How far a watcher of live events may lag, in events.
    pub live_backlog: usize,
    /// How long a grant of a site with a power plan lasts at its station, in ms: a site whose hub is gone is at its floors
    /// after this and `power_margin_ms`.
    pub power_lease_ms: u32,
    /// How much later than planned a grant may end at a station, whose clock may be behind, in ms.
    pub power_margin_ms: u32,
    /// How long a session that is over must have stayed as it is before its charge detail record is made, in ms: a
    /// station may send readings late. What changes it afterwards costs a credit and a new record.
    pub record_after_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat_interval_s: 300,
            boot_retry_s: 60,
            unknown_tokens: UnknownTokens::Refuse,
            unreadable_tokens: UnreadableTokens::Accept,
            linger_ms: 60_000,
            event_deadline_ms: 20_000,
            live_backlog: 1024,
            power_lease_ms: 45_000,
            power_margin_ms: 15_000,
            record_after_ms: 300_000,
        }
    }
}
