//! Sequence numbers of OCPP 2.x (E01.FR.07): which messages of a transaction have not come yet. Pure.
//!
//! Messages may come in any order, so a gap is no error; it is told until it is filled. A start is a
//! transaction's first message, whatever its number; until it comes, numbers count from 0.

use model::{Flag, SeqRange, Session, TransactionEvent, TransactionPhase};

/// More gaps than this are told as one.
const GAPS_MOST: usize = 32;

/// What its number tells of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is newer than those before it; or it has no number.
    Newer,
    /// It was missing.
    Late,
    /// Neither: the station counts anew.
    Anew,
}

/// Whether the message of that number has not come yet though a later one has.
pub(super) fn is_missing(session: &Session, seq: i64) -> bool {
    let mut gaps = session.missing_seqs.iter();
    gaps.any(|gap| (gap.first..=gap.last).contains(&seq))
}

/// Takes the event's number into account; `begins`: the session begins with it.
pub(super) fn take(session: &mut Session, event: &TransactionEvent, begins: bool) -> Told {
    let Some(seq) = event.seq else {
        return Told::Newer;
    };
    let expected = match session.last_seq {
        Some(last) => last.saturating_add(1),
        None if begins => 0,
        None => seq,
    };
    let told = match session.last_seq {
        Some(last) if seq <= last && is_missing(session, seq) => Told::Late,
        Some(last) if seq <= last => Told::Anew,
        _ => Told::Newer,
    };
    let gaps = &mut session.missing_seqs;
    if seq > expected {
        add(
            gaps,
            SeqRange {
                first: expected,
                last: seq - 1,
            },
        );
    } else {
        fill(gaps, seq);
    }
    if event.phase == TransactionPhase::Started {
        fill_below(gaps, seq);
    }
    match session.missing_seqs.is_empty() {
        true => session.flags.remove(&Flag::EventsMissing),
        false => session.flags.insert(Flag::EventsMissing),
    };
    session.last_seq = session.last_seq.max(event.seq);
    told
}

/// Gaps are found in rising order, and stay so.
fn add(gaps: &mut Vec<SeqRange>, gap: SeqRange) {
    if gaps.len() < GAPS_MOST {
        gaps.push(gap);
    } else if let Some(last) = gaps.last_mut() {
        last.last = gap.last;
    }
}

fn fill(gaps: &mut Vec<SeqRange>, seq: i64) {
    let Some(at) = gaps
        .iter()
        .position(|gap| (gap.first..=gap.last).contains(&seq))
    else {
        return;
    };
    let SeqRange { first, last } = gaps[at];
    let before = SeqRange {
        first,
        last: seq - 1,
    };
    let after = SeqRange {
        first: seq + 1,
        last,
    };
    let left = [before, after]
        .into_iter()
        .filter(|gap| gap.first <= gap.last);
    gaps.splice(at..=at, left);
}

fn fill_below(gaps: &mut Vec<SeqRange>, seq: i64) {
    gaps.retain(|gap| gap.last > seq);
    if let Some(first) = gaps.first_mut() {
        first.first = first.first.max(seq + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::core::tests::{empty_session, step};

    fn took(session: &mut Session, phase: TransactionPhase, seq: i64) -> Vec<(i64, i64)> {
        let mut event = step(phase, None, 0);
        event.seq = Some(seq);
        let begins = session.last_seq.is_none();
        take(session, &event, begins);
        let flagged = session.flags.contains(&Flag::EventsMissing);
        assert_eq!(flagged, !session.missing_seqs.is_empty());
        let gaps = session.missing_seqs.iter();
        gaps.map(|gap| (gap.first, gap.last)).collect()
    }

    #[test]
    fn numbers_that_are_missing_are_told_until_they_come() {
        use TransactionPhase::{Ended, Started, Updated};
        let session = &mut empty_session();
        assert_eq!(took(session, Started, 0), []);
        assert_eq!(took(session, Updated, 1), []);
        assert_eq!(took(session, Updated, 5), [(2, 4)]);
        assert_eq!(took(session, Ended, 7), [(2, 4), (6, 6)]);
        assert_eq!(took(session, Updated, 3), [(2, 2), (4, 4), (6, 6)]);
        assert_eq!(took(session, Updated, 3), [(2, 2), (4, 4), (6, 6)], "again");
        assert_eq!(took(session, Updated, 2), [(4, 4), (6, 6)]);
        assert_eq!(took(session, Updated, 6), [(4, 4)]);
        assert_eq!(took(session, Updated, 4), []);
    }

    #[test]
    fn a_start_is_the_first_whatever_its_number() {
        use TransactionPhase::{Ended, Started, Updated};
        let session = &mut empty_session();
        assert_eq!(took(session, Ended, 20), [(0, 19)]);
        assert_eq!(took(session, Started, 17), [(18, 19)]);
        assert_eq!(took(session, Updated, 19), [(18, 18)]);
        assert_eq!(took(&mut empty_session(), Started, 17), []);
    }

    #[test]
    fn whatever_the_numbers_the_gaps_stay_few() {
        use TransactionPhase::{Started, Updated};
        let session = &mut empty_session();
        took(session, Started, i64::MIN);
        for odd in (-9..999).step_by(2) {
            took(session, Updated, odd);
        }
        let gaps = took(session, Updated, i64::MAX);
        assert_eq!(gaps.len(), GAPS_MOST);
        assert_eq!(gaps.last().unwrap().1, i64::MAX - 1);
        took(session, Updated, i64::MIN);
    }
}
