//! Which charge detail records a session that is over still needs. Pure.

use model::{ChargeDetailRecord, Session, Timestamp};

/// The records that are due, in the order in which to create them. `last`: the one of the highest number that there is.
///
/// Told the same, it decides the same, but for `created_at`; and after each of what it returned was created, or only
/// the first, it goes on from there.
pub(crate) fn due(
    session: &Session,
    last: Option<&ChargeDetailRecord>,
    now: Timestamp,
) -> Vec<ChargeDetailRecord> {
    let record = |number| ChargeDetailRecord::of(session, number, now);
    match last {
        None => vec![record(1)],
        Some(credit) if credit.credits.is_some() => vec![record(credit.number.saturating_add(1))],
        Some(last) if is_same_charge(last, session) => Vec::new(),
        Some(last) => {
            let credit = last.credit(now);
            let again = record(credit.number.saturating_add(1));
            vec![credit, again]
        }
    }
}

/// Whether what is charged is the same: who, where, when and how much. A late message that changes only what else is
/// known of the session (a flag, a meter reading that adds nothing) costs no credit.
fn is_same_charge(record: &ChargeDetailRecord, session: &Session) -> bool {
    let now = ChargeDetailRecord::of(session, record.number, record.created_at);
    let charge = |of: &ChargeDetailRecord| {
        (
            of.token.clone(),
            (of.site.clone(), of.connector),
            (of.started_at, of.ended_at),
            of.energy_wh,
        )
    };
    charge(record) == charge(&now)
}

#[cfg(test)]
mod tests {
    use model::{Flag, SessionState};
    use proptest::prelude::*;

    use super::*;
    use crate::session::core::tests::empty_session;

    fn over(energy_wh: f64) -> Session {
        Session {
            state: SessionState::Ended,
            ended_at: Some(Timestamp(20_000)),
            energy_wh,
            ..empty_session()
        }
    }

    #[test]
    fn a_session_gets_one_record_and_no_other_while_it_stays() {
        let session = over(1_234.5);
        let first = due(&session, None, Timestamp(1));
        assert_eq!(first.len(), 1);
        let record = &first[0];
        assert_eq!((record.number, record.credits), (1, None));
        assert_eq!(record.energy_wh.to_bits(), 1_234.5_f64.to_bits());
        assert_eq!(due(&session, Some(record), Timestamp(2)), []);
        // Nor for what is not charged.
        let flagged = Session {
            flags: [Flag::EventAfterEnd].into(),
            ..session
        };
        assert_eq!(due(&flagged, Some(record), Timestamp(2)), []);
    }

    #[test]
    fn a_late_reading_costs_a_credit_and_a_new_record() {
        let first = due(&over(1_000.0), None, Timestamp(1)).remove(0);
        let after = due(&over(1_500.0), Some(&first), Timestamp(2));
        let told: Vec<_> = after
            .iter()
            .map(|record| (record.number, record.credits, record.energy_wh))
            .collect();
        assert_eq!(told, [(2, Some(first.id), -1_000.0), (3, None, 1_500.0)]);
        // A hub that dies between the two.
        assert_eq!(
            due(&over(1_500.0), Some(&after[0]), Timestamp(2)),
            after[1..]
        );
    }

    proptest! {
        /// Whatever comes late, and wherever a hub dies: what is recorded adds up to what the session says, no record
        /// is made twice, and nothing is due any more.
        #[test]
        fn records_add_up_to_the_session(
            changes in prop::collection::vec((0_u32..4, 0_usize..3), 1..12),
        ) {
            let mut records: Vec<ChargeDetailRecord> = Vec::new();
            let mut at = 0;
            for (energy, most) in changes {
                at += 1;
                let session = over(f64::from(energy) * 500.0);
                // It dies after so many.
                let made = due(&session, records.last(), Timestamp(at));
                records.extend(made.into_iter().take(most));
                let rest = due(&session, records.last(), Timestamp(at));
                records.extend(rest);
                prop_assert_eq!(due(&session, records.last(), Timestamp(at)), []);
                let sum: f64 = records.iter().map(|record| record.energy_wh).sum();
                prop_assert!((sum - session.energy_wh).abs() < 1e-9);
                for (record, number) in records.iter().zip(1_u32..) {
                    prop_assert_eq!(record.number, number);
                    prop_assert_eq!(record.id, model::CdrId::of(session.id, number));
                    prop_assert_eq!(record.credits.is_some(), number % 2 == 0);
                }
            }
        }
    }
}
