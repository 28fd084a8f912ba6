use model::{ConnectorRef, Measurand, RetryKey, SampledValue, TokenRef, TokenUid};

use super::*;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

pub(crate) fn empty_session() -> Session {
    let station = StationId::new("CP1").unwrap();
    begin(&RetryKey("k".into()), Timestamp(0), &facts(&station))
}

pub(crate) fn facts(station: &StationId) -> Facts<'_> {
    Facts {
        station,
        site: None,
        protocol: Protocol::Ocpp16,
        fresh_name: "7".into(),
        verdict: None,
        token_unchecked: false,
        guessed: false,
        received_at: NOW,
    }
}

pub(crate) fn step(phase: TransactionPhase, meter_wh: Option<f64>, at_ms: i64) -> TransactionEvent {
    TransactionEvent {
        phase,
        transaction: None,
        retry_key: RetryKey::of("t", &[&format!("{phase:?}{at_ms}")]),
        seq: None,
        connector: Some(ConnectorRef::of_16(1)),
        token: Some(TokenRef {
            uid: TokenUid::new("A").unwrap(),
            kind: model::TokenKind::default(),
        }),
        at: Some(NOW.plus_ms(at_ms)),
        meter_wh,
        samples: vec![],
        stop_reason: None,
        trigger: None,
        charging_state: None,
        offline: false,
        remote_start_id: None,
        raw: None,
    }
}

pub(crate) fn energy_sample(wh: f64, at_ms: i64) -> MeterSample {
    MeterSample {
        at: NOW.plus_ms(at_ms),
        values: vec![SampledValue {
            measurand: Measurand::EnergyImportRegister,
            value: Some(wh),
            unit: "Wh".into(),
            phase: None,
            location: model::Location::Outlet,
            context: None,
            raw: None,
        }],
    }
}

fn play(inputs: &[SessionInput]) -> Session {
    let station = StationId::new("CP1").unwrap();
    let mut session = None;
    for input in inputs {
        let decision = decide(session.as_ref(), input, &facts(&station));
        session = decision.map_or(session, |decision| Some(decision.session));
    }
    session.unwrap()
}

fn transaction(event: TransactionEvent) -> SessionInput {
    SessionInput::Transaction(event)
}

#[test]
fn a_session_runs_from_start_to_stop() {
    let session = play(&[
        transaction(step(TransactionPhase::Started, Some(1000.0), -3_600_000)),
        transaction(step(TransactionPhase::Ended, Some(8000.0), 0)),
    ]);
    assert_eq!(session.transaction, "7");
    assert_eq!(session.state, SessionState::Ended);
    assert_eq!(session.energy_wh, 7000.0);
    assert_eq!(session.duration_s, 3600);
}

#[test]
fn a_stop_without_a_start_is_a_session_all_the_same() {
    let session = play(&[transaction(step(TransactionPhase::Ended, Some(8000.0), 0))]);
    assert_eq!(session.state, SessionState::Ended);
    assert_eq!(session.energy_wh, 0.0);
    assert!(session.flags.contains(&Flag::StartMissing));
}

#[test]
fn an_end_before_its_last_update_keeps_the_higher_reading() {
    let mut late = step(TransactionPhase::Updated, None, -1000);
    late.seq = Some(1);
    late.samples = vec![energy_sample(1900.0, -1000)];
    let mut start = step(TransactionPhase::Started, None, -10_000);
    start.seq = Some(0);
    start.samples = vec![energy_sample(1000.0, -10_000)];
    let mut end = step(TransactionPhase::Ended, None, 0);
    end.seq = Some(2);
    end.samples = vec![energy_sample(2000.0, 0)];
    let session = play(&[transaction(start), transaction(end), transaction(late)]);
    assert_eq!(session.energy_wh, 1000.0);
    assert_eq!(session.state, SessionState::Ended);
    assert!(
        !session.flags.contains(&Flag::EventAfterEnd),
        "a straggler is legal"
    );
}

#[test]
fn quirk_20_a_transaction_that_is_over_is_not_reopened() {
    let session = play(&[
        transaction(step(TransactionPhase::Started, Some(1000.0), -10_000)),
        transaction(step(TransactionPhase::Ended, Some(2000.0), -5_000)),
        transaction(step(TransactionPhase::Updated, None, 0)),
    ]);
    assert_eq!(session.state, SessionState::Ended);
    assert!(session.flags.contains(&Flag::EventAfterEnd));
}

#[test]
fn quirk_11_a_clock_at_1970_is_replaced_by_the_receive_time() {
    let mut start = step(TransactionPhase::Started, Some(0.0), 0);
    start.at = None;
    let session = play(&[transaction(start)]);
    assert_eq!(session.started_at, NOW);
    assert!(session.flags.contains(&Flag::ClockReplaced));
}

#[test]
fn a_reading_from_the_far_future_does_not_hide_those_after_it() {
    let reading = |wh, at_ms| {
        SessionInput::Meter(MeterReading {
            transaction: None,
            connector: ConnectorRef::of_16(1),
            retry_key: RetryKey::of("m", &[&format!("{at_ms}")]),
            samples: vec![energy_sample(wh, at_ms)],
            raw: None,
        })
    };
    let century = 100 * 365 * 86_400_000;
    let session = play(&[
        transaction(step(TransactionPhase::Started, Some(1000.0), -10_000)),
        reading(1500.0, century),
        reading(1700.0, 0),
    ]);
    assert_eq!(session.energy_wh, 700.0);
}

#[test]
fn a_refused_token_is_flagged_and_the_energy_counted() {
    let station = StationId::new("CP1").unwrap();
    let verdict = TokenVerdict {
        authorization: Authorization::Blocked,
        group: None,
        expires_at: None,
    };
    let facts = Facts {
        verdict: Some(&verdict),
        ..facts(&station)
    };
    let start = transaction(step(TransactionPhase::Started, Some(0.0), 0));
    let session = decide(None, &start, &facts).unwrap().session;
    assert_eq!(session.authorization, Some(Authorization::Blocked));
    assert!(session.flags.contains(&Flag::TokenNotAccepted));
}

#[test]
fn a_session_the_hub_closed_takes_the_stations_own_end_when_it_comes() {
    let session = play(&[
        transaction(step(TransactionPhase::Started, Some(1000.0), -60_000)),
        SessionInput::Close(closing(Rule::Silent)),
        transaction(step(TransactionPhase::Ended, Some(3000.0), -10_000)),
    ]);
    assert!(session.flags.contains(&Flag::Abandoned));
    assert_eq!(session.energy_wh, 2000.0);
    assert_eq!(session.ended_at, Some(NOW.plus_ms(-10_000)));
    assert_eq!(session.duration_s, 50);
}

fn closing(rule: Rule) -> Closing {
    Closing {
        transaction: "7".into(),
        rule,
        because: "sessions.silent_s = 1".into(),
        as_written_at: None,
    }
}

#[test]
fn the_hub_closes_no_session_that_went_on_or_is_over() {
    let station = StationId::new("CP1").unwrap();
    let open = play(&[transaction(step(TransactionPhase::Started, Some(0.0), 0))]);
    let close = |session: &Session, as_written_at| {
        let closing = Closing {
            as_written_at,
            ..closing(Rule::StationAway)
        };
        decide(
            Some(session),
            &SessionInput::Close(closing),
            &facts(&station),
        )
    };
    let closed = close(&open, Some(open.updated_at)).unwrap();
    assert_eq!(closed.session.state, SessionState::Ended);
    assert_eq!(closed.event.trigger.as_deref(), Some("station_away"));
    assert!(closed.event.raw.unwrap().contains("sessions.silent_s = 1"));
    assert_eq!(close(&open, Some(open.updated_at.plus_ms(-1))), None);
    assert_eq!(close(&closed.session, None), None);
    let nothing = SessionInput::Close(closing(Rule::Silent));
    assert_eq!(decide(None, &nothing, &facts(&station)), None);
}

#[test]
fn a_clock_that_was_set_back_ends_no_session_before_its_start() {
    let session = play(&[
        transaction(step(TransactionPhase::Started, Some(0.0), 0)),
        transaction(step(TransactionPhase::Ended, Some(500.0), -3_600_000)),
    ]);
    assert_eq!(session.ended_at, Some(session.started_at));
    assert_eq!((session.duration_s, session.energy_wh), (0, 500.0));
}
