//! OCPP 2.x transaction names that their station uses again: one that numbers its transactions anew after
//! a reset. What begins then is another session, under a name of its own. Its messages have the names and
//! sequence numbers of the first's, so they are told apart by not being among those that the first misses, and
//! by their time.

use model::{Flag, RetryKey, Session, Timestamp, TransactionEvent, TransactionPhase};
use store::{ReadError, Store};

use super::sequence;

/// Between a station's name and how often it was used: identifiers of OCPP 2.x hold no blanks.
const AGAIN: &str = " again ";

/// How many of the latest uses of a name an event is looked for in: a station that never has another one must not
/// take longer with each.
const LOOK_BACK: u32 = 16;

/// The name of the session for which the station used `name` the `use_no`th time (from 1).
fn nth(name: &str, use_no: u32) -> String {
    match use_no {
        1 => name.to_owned(),
        _ => format!("{name}{AGAIN}{use_no}"),
    }
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
pub(crate) fn next(transaction: &str) -> String {
    let (name, use_no) = parts(transaction);
    nth(name, use_no.saturating_add(1))
}

/// The key of a message in the session that is called `transaction`.
pub(super) fn key_in(transaction: &str, key: &RetryKey) -> Option<RetryKey> {
    name_used_again(transaction).map(|_| RetryKey::of("again", &[transaction, &key.0]))
}

/// Which use of `name` the session is that is called `transaction`, from 1; none, if it is of another name.
pub(crate) fn use_no(transaction: &str, name: &str) -> Option<u32> {
    let (theirs, use_no) = parts(transaction);
    (theirs == name).then_some(use_no)
}

/// What the session is called for which the station used the name of this one before.
pub(crate) fn previous(transaction: &str) -> Option<String> {
    let (name, use_no) = parts(transaction);
    (use_no > 1).then(|| nth(name, use_no - 1))
}

/// What the session is called with which the latest uses begin that an event is looked for in; none, if they
/// begin with the one after this.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn first_of_latest(
    store: &dyn Store,
    session: &Session,
) -> Result<Option<String>, ReadError> {
    let (name, use_no) = parts(&session.transaction);
    let is_there = async |use_no| {
        let name = nth(name, use_no);
        let found = store.session_by_transaction(&session.station, &name);
        found.await.map(|found| found.is_some())
    };
    // Uses are numbered without a gap, so the last is found by doubling and halving.
    let (mut there, mut gone) = (use_no, use_no.saturating_add(LOOK_BACK + 1));
    while is_there(gone).await? {
        (there, gone) = (gone, gone.saturating_mul(2));
    }
    if there == use_no {
        return Ok(None);
    }
    while gone - there > 1 {
        let middle = there.midpoint(gone);
        match is_there(middle).await? {
            true => there = middle,
            false => gone = middle,
        }
    }
    Ok(Some(nth(name, there - LOOK_BACK + 1)))
}

/// Whether a session's log holds the event already.
///
/// # Errors
/// The store cannot be read.
pub(crate) async fn holds(
    store: &dyn Store,
    session: &Session,
    event: &TransactionEvent,
) -> Result<bool, ReadError> {
    let key = key_in(&session.transaction, &event.retry_key);
    let key = key.as_ref().unwrap_or(&event.retry_key);
    let holder = store.session_by_key(&session.station, key).await?;
    Ok(holder.is_some_and(|holder| holder.id == session.id))
}

/// Whether an event that the session does not hold can be of it at all: its start, where that is missing;
/// of the others one that is missing, or one behind the last, if of no other card. A number that is neither
/// was counted anew.
pub(crate) fn may_be_of(session: &Session, event: &TransactionEvent) -> bool {
    if event.phase == TransactionPhase::Started {
        return session.flags.contains(&Flag::StartMissing);
    }
    let (Some(seq), Some(last)) = (event.seq, session.last_seq) else {
        return true;
    };
    sequence::is_missing(session, seq) || (seq > last && !is_of_other_card(session, event))
}

fn is_of_other_card(session: &Session, event: &TransactionEvent) -> bool {
    let told = session.token.as_ref().zip(event.token.as_ref());
    told.is_some_and(|(theirs, token)| theirs.uid.folded() != token.uid.folded())
}

/// Whether an event of that time, which it does not hold, belongs to a session that is over, though the next
/// use of its name had `begun`: if it may be of it ([`may_be_of`]), by its time, unless that is in doubt, as
/// the clock was set back within or between them; then by its number.
pub(crate) fn is_of_earlier(
    session: &Session,
    begun: Timestamp,
    event: &TransactionEvent,
    at: Timestamp,
) -> bool {
    let clock_tells = session.ended_at.is_some_and(|ended| ended < begun)
        && !session.flags.contains(&Flag::ClockReplaced);
    may_be_of(session, event)
        && match clock_tells {
            true => at < begun,
            false => event
                .seq
                .is_some_and(|seq| sequence::is_missing(session, seq)),
        }
}

#[cfg(test)]
mod tests {
    use model::SeqRange;

    use super::*;
    use crate::session::core::tests::{empty_session, step};

    #[test]
    fn a_name_that_is_used_again_is_counted() {
        assert_eq!(next("7"), "7 again 2");
        assert_eq!(next("7 again 2"), "7 again 3");
        assert_eq!(previous("7 again 3").as_deref(), Some("7 again 2"));
        assert_eq!(previous("7 again 2").as_deref(), Some("7"));
        assert_eq!(previous("7"), None);
        assert_eq!(use_no("7 again 3", "7"), Some(3));
        assert_eq!(use_no("71", "7"), None);
        assert_eq!(name_used_again("7 again 2"), Some("7"));
        for own in ["7", "7 again", "7 again 1", "again 2"] {
            assert_eq!(name_used_again(own), None, "{own}");
        }
    }

    #[test]
    fn an_event_may_be_of_a_session_that_misses_it() {
        let mut session = empty_session();
        session.last_seq = Some(5);
        session.missing_seqs = vec![SeqRange { first: 3, last: 4 }];
        let mut event = step(TransactionPhase::Started, None, 60_000);
        assert!(!may_be_of(&session, &event));
        session.flags.insert(Flag::StartMissing);
        assert!(may_be_of(&session, &event));
        event.phase = TransactionPhase::Updated;
        for (seq, may_be) in [
            (0, false),
            (2, false),
            (3, true),
            (4, true),
            (5, false),
            (6, true),
        ] {
            event.seq = Some(seq);
            assert_eq!(may_be_of(&session, &event), may_be, "{seq}");
        }
        session.token.clone_from(&event.token);
        session.token.as_mut().unwrap().uid = model::TokenUid::new("B").unwrap();
        event.seq = Some(6);
        assert!(!may_be_of(&session, &event), "of another card");
    }

    #[test]
    fn where_the_clock_does_not_tell_the_number_does() {
        let mut session = empty_session();
        session.missing_seqs = vec![SeqRange { first: 3, last: 4 }];
        session.ended_at = Some(Timestamp(1000));
        let belongs = |session: &Session, begun, seq, at| {
            let mut event = step(TransactionPhase::Updated, None, 60_000);
            event.seq = Some(seq);
            is_of_earlier(session, Timestamp(begun), &event, Timestamp(at))
        };
        assert!(belongs(&session, 2000, 1, 1500));
        assert!(!belongs(&session, 2000, 1, 2500));
        for seq in 0..9 {
            let is_missing = [3, 4].contains(&seq);
            assert_eq!(belongs(&session, 900, seq, 500), is_missing, "{seq}");
        }
    }
}
