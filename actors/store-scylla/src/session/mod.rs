//! Session commits without transactions across partitions: how none is lost, doubled or half written.
//!
//! What a commit touches, and in which order:
//!
//! | step | what | how |
//! |---|---|---|
//! | 1 | is the key in the station's log? `retry_keys`, and the entry it points to | read |
//! | 2 | is the session there, and ours? `sessions`; known already where we wrote it last | read |
//! | 3 | a new session: key, transaction name and all it begins with, in `starts` | light-weight transaction |
//! | 4 | a session that another owned: `owner`, then read it again | fence |
//! | 5 | where the key will be (`retry_keys`); lists it will be on | write |
//! | 6 | snapshot and entry: one row of `sessions` | write |
//! | 7 | is it still ours? | read |
//! | 8 | lists it is no longer on | write |
//!
//! **Both or neither.** Snapshot (static) and entry are cells of one insert into one partition. All else
//! is derived, written before (5) or after (8), and looked at with suspicion: a key is believed when the
//! entry it points to bears it, a list when the snapshot agrees. So a hub that dies between two steps
//! leaves rows that say nothing, and no entry without them. A row of a list is put and taken with the
//! timestamp of the entry that was the reason, so a later entry decides, in whatever order they arrive.
//!
//! **A message twice.** A key is in the log or not; whoever sends it again finds it in step 1, since 5
//! comes before 6. Where the first writing is still under way (a time-out), its entry has position n,
//! and so has ours: it is either read in step 4, or overwritten in step 6. A key that two sessions of a
//! station might get at the same moment is the first message of one, and there step 3 decides.
//!
//! **One start, two hubs.** Step 3 claims key and name together, in the station's partition, once. The claim is
//! the start: it holds snapshot and entry, and whoever meets one whose session is not written completes
//! it, with the timestamps that its author would have used. So 3 is the moment a session begins, and
//! there is one.
//!
//! **A stale owner.** Owners of a session are ordered ([`owner::Owner`]: epoch, turn), and an entry's timestamp is
//! `epoch * 1000 + turn + position`. Let A own a session and have an entry for position n under way, and
//! let B take over: B's fence is written to a quorum, then B reads. Either A's entry is in what B reads:
//! then it stays, and B goes on from it. Or it is not, so A had not completed it when B's fence was
//! there, and A's step 7 sees the fence: A acknowledges nothing, and B's entry of position n has the higher
//! timestamp, whichever arrives first. So an acknowledged entry is never overwritten, and an owner that
//! is not told of a new one harms nothing. The same holds for a hub and its own earlier self: unless it
//! left a session in order ([`held::Owned`]), it takes a turn, as if it were another.
//!
//! **Deciding on old facts.** A reads a session, B commits to it, A takes it over with a snapshot that
//! knows nothing of B's entry. The entry would stay in the log and be missing in the snapshot. So a hub
//! remembers in which version it last handed a session to an actor ([`held::Version`]), and a takeover
//! of another version is `NotWritten`: read it again.
//!
//! **What may go wrong with timestamps.** They come from epochs, so from the clocks of the hubs only as far as
//! claims do (a new one is above all that wrote before: `marks`). Cells with one timestamp (two hubs that
//! take one turn at once) are won by the greater text; all begin with the hub's name, so one hub wins in all,
//! the fence included.

mod begin;
mod commit;
pub(crate) mod find;
pub(crate) mod head;
pub(crate) mod held;
mod keys;
pub(crate) mod lists;
pub(crate) mod owner;

use model::{Session, SessionState, StationId, TokenUid};

/// What the lists and checks want to know of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traits {
    station: StationId,
    transaction: String,
    /// Folded.
    token: Option<String>,
    open: bool,
}

impl Traits {
    fn of(session: &Session) -> Self {
        Self {
            station: session.station.clone(),
            transaction: session.transaction.clone(),
            token: folded_token(session),
            open: session.state == SessionState::Active,
        }
    }
}

fn folded_token(session: &Session) -> Option<String> {
    let uid = session.token.as_ref().map(|token| &token.uid);
    uid.map(TokenUid::folded)
}
