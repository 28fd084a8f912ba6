//! A durable local spool in front of a remote store.
//!
//! The writes that a charger's acknowledgement waits for (session commits, readings, dead letters) go to
//! the remote store. When that does not take one, or does not say whether it did, the write is kept here
//! ([`log`]: append-only segments, one sync for a group), and acknowledged; a replay brings it to the
//! remote when that is back ([`replay`]). Everything else passes through.
//!
//! Invariants:
//!
//! 1. A session with a write in the spool goes on in the spool until its last one is replayed and its
//!    segment is gone: the remote sees a session's writes in the order they were made, and what is found
//!    here after a kill is not older than what the remote holds.
//! 2. Whoever reads such a session sees the spooled state ([`waiting`]).
//! 3. A replayed write is the write that was made, key and all, so replaying it twice is once. Where the
//!    remote holds more of a session than whoever made the write could see, it is decided again on top of
//!    that ([`Rebase`], [`twins`]). So is all that a former life left, of which nobody knows any more how it
//!    was decided; and whoever goes on with what turned out otherwise is stopped, once, and reads it again.
//! 4. What cannot be read, or will never be taken, is set aside with an error, never dropped.
//!
//! Whether the remote is away is told by its last answers ([`reach`]). While it is, `hydrate` and most reads
//! fail, at once where the replay gets no answer either: stations that are connected go on, and come back to
//! their actors; others are asked to come back later. Tokens that were read before are known still ([`tokens`]).
//!
//! Example: the remote goes away under a session of which it holds start and two meter values. The third
//! comes: the remote times out, the spool takes it (waiting: 1), the station is answered. The fourth
//! goes straight to the spool (waiting: 2). The remote is back: the replay brings both, waiting falls to
//! 0, and the fifth goes to the remote again.

mod files;
mod log;
mod metrics;
mod reach;
mod record;
mod replay;
mod segment;
#[cfg(any(test, feature = "sim"))]
mod sim_disk;
mod spooled;
#[cfg(test)]
mod tests;
mod tokens;
mod twins;
mod waiting;

pub use files::{Directory, Files};
pub use metrics::describe_metrics;
#[cfg(any(test, feature = "sim"))]
pub use sim_disk::SimDisk;
pub use spooled::{OpenError, Options, Rebase, Spooled};
