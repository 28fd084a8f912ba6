//! A write that was decided without sight of what the store held, decided again on top of that. Pure.
//!
//! While a remote store cannot be read, a start is taken on its word that it is the first message
//! ([`Origin::Started`](super::Origin::Started)). When the store is back it may hold messages of that
//! session all the same: OCPP 2.x ones may come in any order. What was acknowledged meanwhile must not
//! be lost, nor hide what was there before.

use model::{
    Flag, MeterReading, Session, SessionEventKind, SessionState, TokenVerdict, TransactionEvent,
    TransactionPhase,
};
use store::SessionCommit;

use super::core::{Decision, Facts, SessionInput, decide};

/// The write that `commit` would have been, had it been decided on top of `held`: the session keeps the
/// id it has there. `epoch` is that of whoever writes now.
pub fn rebase(held: &Session, commit: SessionCommit, epoch: i64) -> SessionCommit {
    let SessionCommit {
        session: alone,
        event,
        ..
    } = commit;
    let Some(input) = input_of(&alone, &event) else {
        return SessionCommit {
            session: closed(held, &alone),
            event,
            epoch,
        };
    };
    let verdict = alone.authorization.map(|authorization| TokenVerdict {
        authorization,
        group: None,
        expires_at: None,
    });
    let facts = Facts {
        station: &alone.station,
        site: alone.site.as_ref(),
        protocol: alone.protocol,
        fresh_name: alone.transaction.clone(),
        verdict: verdict.as_ref(),
        token_unchecked: alone.flags.contains(&Flag::TokenUnchecked),
        guessed: alone.flags.contains(&Flag::TransactionGuessed),
        received_at: event.received_at,
    };
    let session = match decide(Some(held), &input, &facts) {
        Some(Decision { session, .. }) => session,
        None => held.clone(),
    };
    SessionCommit {
        session,
        event,
        epoch,
    }
}

/// What was decided on; nothing, where the hub closed the session. What the log entry does not say, the
/// snapshot made of it does.
fn input_of(alone: &Session, event: &model::SessionEventRecord) -> Option<SessionInput> {
    let phase = match event.kind {
        SessionEventKind::Started => TransactionPhase::Started,
        SessionEventKind::Updated => TransactionPhase::Updated,
        SessionEventKind::Ended => TransactionPhase::Ended,
        SessionEventKind::Meter => {
            return Some(SessionInput::Meter(MeterReading {
                transaction: Some(alone.transaction.clone()),
                connector: alone.connector?,
                retry_key: event.retry_key.clone(),
                samples: event.samples.clone(),
                raw: event.raw.clone(),
            }));
        }
        SessionEventKind::ClosedByHub => return None,
    };
    Some(SessionInput::Transaction(TransactionEvent {
        phase,
        transaction: Some(alone.transaction.clone()),
        retry_key: event.retry_key.clone(),
        seq: event.seq,
        connector: alone.connector,
        token: alone.token.clone(),
        at: Some(event.at),
        // The readings OCPP 1.6 has beside its samples.
        meter_wh: match phase {
            TransactionPhase::Started => alone.meter_start_wh,
            TransactionPhase::Updated => None,
            TransactionPhase::Ended => alone.meter_last_wh,
        },
        samples: event.samples.clone(),
        stop_reason: alone.stop_reason.clone(),
        trigger: event.trigger.clone(),
        charging_state: alone.charging_state.clone(),
        offline: event.offline,
        remote_start_id: alone.remote_start_id,
        raw: event.raw.clone(),
    }))
}

fn closed(held: &Session, alone: &Session) -> Session {
    let mut session = held.clone();
    if session.state == SessionState::Active {
        session.flags.extend(alone.flags.iter().copied());
        session.state = SessionState::Ended;
        session.ended_at = session.meter_last_at.or(alone.ended_at);
        session.power_w = None;
    }
    session
}

#[cfg(test)]
mod tests {
    use super::{
        super::core::tests::{energy_sample, facts, step},
        *,
    };

    #[test]
    fn a_start_taken_on_its_word_does_not_hide_what_came_before_it() {
        let station = model::StationId::new("CP1").expect("a good identity");
        let decided = |phase, wh, at_ms| {
            let mut event = step(phase, None, at_ms);
            event.samples = vec![energy_sample(wh, at_ms)];
            let input = SessionInput::Transaction(event);
            decide(None, &input, &facts(&station)).expect("a session begins")
        };
        // The end came first and is in the store; the start, with the lower reading, was spooled.
        let held = decided(TransactionPhase::Ended, 500.0, 0).session;
        let Decision { session, event } = decided(TransactionPhase::Started, 100.0, -1000);
        let alone = SessionCommit {
            session,
            event,
            epoch: 3,
        };
        let rebased = rebase(&held, alone.clone(), 9);
        assert_eq!(rebased.session.id, held.id);
        assert_eq!(rebased.session.state, SessionState::Ended);
        assert_eq!(rebased.session.energy_wh, 400.0);
        assert_eq!((rebased.event, rebased.epoch), (alone.event, 9));
    }
}
