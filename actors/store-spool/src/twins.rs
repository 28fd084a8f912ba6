//! What became of spooled sessions in the remote store, where that is not what was decided here. Pure.
//!
//! A session may be held there under another id, or with more than the spool knew: all that follows of it
//! is decided again on top of that. Of those that a former life left nobody knows how they were decided,
//! so they are decided again too. When nothing of a session waits any more, whoever goes on with what was
//! decided here is stopped, once, so that it reads the session anew.
//!
//! Bounded: a twin is forgotten with the last write that waits, and who is to be stopped after a time in
//! which it has written or gone.

use std::{collections::HashMap, time::Duration};

use model::{Session, SessionId, SessionState};
use tokio::time::Instant;

/// Nobody holds an open session for so long without a write: its station is heard of, or the hub closes it.
const OPEN_FOR: Duration = Duration::from_hours(30 * 24);
/// Whoever read a session that is over writes it within this, or reads it again: its actor ends with it.
const OVER_FOR: Duration = Duration::from_mins(10);

/// A session in the remote store.
#[derive(Debug, Clone, Copy)]
struct Twin {
    id: SessionId,
    /// It is not what it was taken for here.
    differs: bool,
}

/// The sessions that are another in the remote store, or may be.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    /// Of sessions of which something waits.
    twins: HashMap<SessionId, Twin>,
    /// Who is to be stopped, and until when that matters.
    to_stop: HashMap<SessionId, Instant>,
}

impl Twins {
    /// What waits of a session is decided again on top of what the remote store holds, as `held`: a former life left
    /// it here, or another hub writes it too.
    pub(crate) fn decided_again(&mut self, id: SessionId, held: SessionId) {
        let twin = Twin {
            id: held,
            differs: false,
        };
        self.twins.entry(id).or_insert(twin);
    }

    /// The remote store holds a session as `held`, and otherwise than it was decided here.
    pub(crate) fn differs(&mut self, id: SessionId, held: SessionId) {
        let twin = Twin {
            id: held,
            differs: true,
        };
        self.twins.insert(id, twin);
    }

    /// What the remote store calls a session that has to be decided again.
    pub(crate) fn of(&self, id: SessionId) -> Option<SessionId> {
        self.twins.get(&id).map(|twin| twin.id)
    }

    /// Nothing waits of a session any more; it was last decided here to be `latest`.
    pub(crate) fn released(&mut self, latest: &Session, now: Instant) {
        let twin = self.twins.remove(&latest.id);
        if twin.is_some_and(|twin| twin.differs) {
            let within = match latest.state {
                SessionState::Active => OPEN_FOR,
                _ => OVER_FOR,
            };
            self.to_stop.retain(|_, until| *until > now);
            self.to_stop.insert(latest.id, now + within);
        }
    }

    /// Whether whoever goes on with a session is to be stopped; only once.
    pub(crate) fn stops(&mut self, id: SessionId) -> bool {
        self.to_stop.remove(&id).is_some()
    }
}

#[cfg(test)]
mod tests {
    use store::contract::sample;

    use super::*;

    #[test]
    fn who_goes_on_with_what_differs_is_stopped_once() {
        let (mut twins, now) = (Twins::default(), Instant::now());
        let (same, other) = (sample::session("CP1", "1"), sample::session("CP1", "2"));
        twins.decided_again(same.id, same.id);
        twins.decided_again(other.id, other.id);
        assert_eq!(twins.of(same.id), Some(same.id));
        twins.differs(other.id, same.id);
        assert_eq!(twins.of(other.id), Some(same.id));
        twins.released(&same, now);
        twins.released(&other, now);
        assert_eq!((twins.of(same.id), twins.of(other.id)), (None, None));
        assert!(!twins.stops(same.id));
        assert!(twins.stops(other.id));
        assert!(!twins.stops(other.id));
    }

    #[test]
    fn those_that_nobody_writes_any_more_are_forgotten() {
        let (mut twins, mut now) = (Twins::default(), Instant::now());
        for number in 0..1_000 {
            let session = Session {
                state: SessionState::Ended,
                ..sample::session("CP1", &number.to_string())
            };
            twins.differs(session.id, session.id);
            twins.released(&session, now);
            now += Duration::from_secs(60);
        }
        assert!(twins.to_stop.len() <= 11, "{}", twins.to_stop.len());
    }
}
