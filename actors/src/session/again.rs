//! OCPP 2.x transaction names that their station uses again: one that numbers its transactions anew after
//! a reset. What begins then is another session, under a name of its own, and its messages are told from
//! those of the first by their time: they have the same names and sequence numbers.

use model::{Flag, RetryKey, Session, SessionState, Timestamp, TransactionEvent, TransactionPhase};

/// Between a station's name and how often it was used: identifiers of OCPP 2.x hold no blanks.
const AGAIN: &str = " again ";

/// The name of the session for which the station used `name` the `use_no`th time (from 2).
fn nth(name: &str, use_no: u32) -> String {
    format!("{name}{AGAIN}{use_no}")
}

/// What the station calls a session that is called so, and how often it had used the name.
fn parts(transaction: &str) -> (&str, u32) {
    let again = transaction
        .rsplit_once(AGAIN)
        .and_then(|(name, use_no)| Some((name, use_no.parse().ok().filter(|no| *no > 1)?)));
    again.unwrap_or((transaction, 1))
}

/// What the station calls a session that is called `transaction`, where it used the name before.
pub(crate) fn name_used_again(transaction: &str) -> Option<&str> {
    let (name, use_no) = parts(transaction);
    (use_no > 1).then_some(name)
}

/// What the next session is called for which the station uses the name of this one.
pub(super) fn next(transaction: &str) -> String {
    let (name, use_no) = parts(transaction);
    nth(name, use_no.saturating_add(1))
}

/// The key of a message in the session that is called `transaction`.
pub(super) fn key_in(transaction: &str, key: &RetryKey) -> Option<RetryKey> {
    name_used_again(transaction).map(|_| RetryKey::of("again", &[transaction, &key.0]))
}

/// Whether what happened then happened after the session was over.
pub(super) fn is_after(session: &Session, at: Timestamp) -> bool {
    session.state == SessionState::Ended && Some(at) > session.ended_at
}

/// Whether a start that came after the session was over begins another. The session's own start, sent
/// again, tells an earlier time; where the session does not show that (its start was missing, or a clock
/// was wrong or set back within it), another token must tell.
pub(super) fn begins_another(session: &Session, event: &TransactionEvent) -> bool {
    let other_token = match (&session.token, &event.token) {
        (Some(theirs), Some(token)) => theirs.uid.folded() != token.uid.folded(),
        _ => false,
    };
    let in_doubt = [Flag::StartMissing, Flag::ClockReplaced];
    let start_is_known = in_doubt.iter().all(|flag| !session.flags.contains(flag))
        && session.ended_at > Some(session.started_at);
    event.phase == TransactionPhase::Started && (other_token || start_is_known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::core::tests::{empty_session, step};

    #[test]
    fn a_name_that_is_used_again_is_counted() {
        assert_eq!(next("7"), "7 again 2");
        assert_eq!(next("7 again 2"), "7 again 3");
        assert_eq!(name_used_again("7 again 2"), Some("7"));
        for own in ["7", "7 again", "7 again 1", "again 2"] {
            assert_eq!(name_used_again(own), None, "{own}");
        }
    }

    #[test]
    fn only_a_later_start_begins_another_session() {
        let start = step(TransactionPhase::Started, None, 60_000);
        let mut session = empty_session();
        let at = start.at.unwrap();
        assert!(!is_after(&session, at), "it is not over");
        session.state = SessionState::Ended;
        session.started_at = at.plus_ms(-10);
        session.ended_at = Some(at);
        assert!(!is_after(&session, at), "it began no later than the end");
        session.ended_at = Some(at.plus_ms(-5));
        assert!(is_after(&session, at) && begins_another(&session, &start));
        let ended = step(TransactionPhase::Ended, None, 60_000);
        assert!(!begins_another(&session, &ended));
        // A clock was set back within it, so its own start may tell a later time.
        session.ended_at = Some(session.started_at);
        session.token.clone_from(&start.token);
        assert!(!begins_another(&session, &start));
        let mut other = start;
        other.token.as_mut().unwrap().uid = model::TokenUid::new("B").unwrap();
        assert!(begins_another(&session, &other));
    }
}
