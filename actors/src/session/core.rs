//! What a session becomes when something happens to it. Pure: the session before, the event and the
//! facts go in; the session after and the log entry come out. Whatever an event carries, it is taken:
//! what is odd about it becomes a [`Flag`], never a refusal (OCPP 1.6 §4.8: a sanity check must not
//! keep a station from its answer).

use model::{
    Authorization, Flag, MeterPoint, MeterReading, MeterSample, Protocol, RetryKey, Session,
    SessionEventKind, SessionEventRecord, SessionId, SessionState, SiteId, StationId, Timestamp,
    TokenVerdict, TransactionEvent, TransactionPhase,
};

use super::{again, energy, sequence};
use crate::guard::Rule;

/// What happens to a session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SessionInput {
    /// A step of the transaction.
    Transaction(TransactionEvent),
    /// Meter values outside a transaction event.
    Meter(MeterReading),
    /// The hub closes it.
    Close(Closing),
}

/// The hub closes a session whose station does not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Closing {
    /// The session's transaction.
    pub transaction: String,
    /// Why.
    pub rule: Rule,
    /// The setting with its value, or the session, that the rule goes by.
    pub because: String,
    /// When the session was last written, as the rule saw it: one that went on since stays open. Absent
    /// where that does not matter.
    pub as_written_at: Option<Timestamp>,
}

/// What a decision needs to know besides the session and the input.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    /// The station.
    pub station: &'a StationId,
    /// Where it stands.
    pub site: Option<&'a SiteId>,
    /// What it speaks.
    pub protocol: Protocol,
    /// The name for a session that begins here.
    pub fresh_name: String,
    /// What the hub says to the token of the event, where it names one.
    pub verdict: Option<&'a TokenVerdict>,
    /// What is said to the token was said without looking all of it up.
    pub token_unchecked: bool,
    /// The event named the transaction by an id the hub did not hand out.
    pub guessed: bool,
    /// When the hub received it.
    pub received_at: Timestamp,
}

/// The session after an event, and the log entry to write with it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    /// The session after.
    pub session: Session,
    /// The log entry.
    pub event: SessionEventRecord,
}

/// A station's time this far ahead of the hub's is not a time zone but a broken clock.
const CLOCK_AHEAD_MOST_MS: i64 = 26 * 3600 * 1000;
/// A message is not queued for longer than this; an older one comes from a broken clock.
const QUEUED_MOST_MS: i64 = 90 * 24 * 3600 * 1000;
/// What marks a session that the hub closed.
const CLOSED_BY_HUB: [Flag; 3] = [Flag::Superseded, Flag::Abandoned, Flag::StationGone];
/// An event reported this long after it happened was queued.
const LATE_MS: i64 = 5 * 60 * 1000;

/// What `before` (nothing, for a session that begins) becomes by `input`; nothing, where there is nothing
/// to change.
pub(crate) fn decide(
    before: Option<&Session>,
    input: &SessionInput,
    facts: &Facts<'_>,
) -> Option<Decision> {
    match input {
        SessionInput::Transaction(event) => Some(on_transaction(before, event, facts)),
        SessionInput::Meter(reading) => Some(on_meter(before, reading, facts)),
        SessionInput::Close(closing) => on_close(before?, closing, facts),
    }
}

fn on_transaction(
    before: Option<&Session>,
    event: &TransactionEvent,
    facts: &Facts<'_>,
) -> Decision {
    let (at, clock_replaced) = plausible(event.at, facts.received_at);
    let (samples, sample_replaced) = dated(&event.samples, facts.received_at);
    let mut session = before
        .cloned()
        .unwrap_or_else(|| begin(&event.retry_key, at, facts));
    let was_ended = session.state == SessionState::Ended;
    let clock_replaced = clock_replaced || sample_replaced;
    note_odds(&mut session, facts, event.raw.is_some(), clock_replaced);
    if event.offline || facts.received_at.ms_since(at) > LATE_MS {
        session.flags.insert(Flag::ReportedLate);
    }
    session.connector = session.connector.or(event.connector);
    session.remote_start_id = session.remote_start_id.or(event.remote_start_id);
    let told = sequence::take(&mut session, event, before.is_none());
    let in_order = told == sequence::Told::Newer;
    if in_order && event.charging_state.is_some() {
        session.charging_state.clone_from(&event.charging_state);
    }

    match event.phase {
        TransactionPhase::Started => {
            session.flags.remove(&Flag::StartMissing);
            session.started_at = at.min(session.ended_at.unwrap_or(at));
            take_token(&mut session, event, facts);
        }
        TransactionPhase::Updated => {
            if before.is_none() {
                session.flags.insert(Flag::StartMissing);
            }
            // A lower sequence number than the last is a straggler, and legal (OCPP 2.0.1 E04).
            if was_ended && in_order {
                session.flags.insert(Flag::EventAfterEnd);
            }
            take_token(&mut session, event, facts);
        }
        TransactionPhase::Ended => {
            if before.is_none() {
                session.flags.insert(Flag::StartMissing);
                // Nobody else will tell whose it was.
                take_token(&mut session, event, facts);
            }
            if was_ended {
                session.flags.insert(Flag::EventAfterEnd);
                // The station's own word on its end beats the hub's guess.
                if CLOSED_BY_HUB
                    .iter()
                    .any(|flag| session.flags.contains(flag))
                {
                    session.ended_at = Some(at.max(session.started_at));
                    session.stop_reason.clone_from(&event.stop_reason);
                }
            } else {
                session.state = SessionState::Ended;
                // A clock, ours or the station's, may have been set back meanwhile.
                session.ended_at = Some(at.max(session.started_at));
                session.stop_reason.clone_from(&event.stop_reason);
            }
            session.power_w = None;
        }
    }
    // A number that was counted anew does not tell where its readings belong.
    let seq = event.seq.filter(|_| told != sequence::Told::Anew);
    match (event.phase, event.meter_wh) {
        (TransactionPhase::Started, Some(wh)) => {
            energy::take_start_reading(&mut session, MeterPoint::new(wh, at, seq));
        }
        (TransactionPhase::Started, None) => take_start_sample(&mut session, &samples, seq),
        _ => {}
    }
    take_samples(&mut session, &samples, seq);
    if let (TransactionPhase::Ended, Some(wh)) = (event.phase, event.meter_wh) {
        energy::take_reading(&mut session, MeterPoint::new(wh, at, seq));
    }
    set_duration(&mut session, at);
    session.updated_at = facts.received_at;
    let record = SessionEventRecord {
        retry_key: event.retry_key.clone(),
        kind: match event.phase {
            TransactionPhase::Started => SessionEventKind::Started,
            TransactionPhase::Updated => SessionEventKind::Updated,
            TransactionPhase::Ended => SessionEventKind::Ended,
        },
        seq: event.seq,
        at,
        received_at: facts.received_at,
        trigger: event.trigger.clone(),
        offline: event.offline,
        samples: samples_and_register(event, at),
        raw: event
            .raw
            .clone()
            .or_else(|| as_named(event.transaction.as_deref(), facts)),
    };
    Decision {
        session,
        event: record,
    }
}

/// All that the event says of its meter, in the order it was read.
fn samples_and_register(event: &TransactionEvent, at: Timestamp) -> Vec<MeterSample> {
    let mut samples = event.samples.clone();
    match (event.phase, event.meter_wh) {
        (_, None) => {}
        (TransactionPhase::Started, Some(wh)) => {
            samples.insert(0, MeterSample::of_register(wh, at, "Transaction.Begin"));
        }
        (_, Some(wh)) => samples.push(MeterSample::of_register(wh, at, "Transaction.End")),
    }
    samples
}

fn on_meter(before: Option<&Session>, reading: &MeterReading, facts: &Facts<'_>) -> Decision {
    let (samples, clock_replaced) = dated(&reading.samples, facts.received_at);
    let at = samples
        .iter()
        .map(|sample| sample.at)
        .max()
        .unwrap_or(facts.received_at);
    let mut session = before.cloned().unwrap_or_else(|| {
        let mut session = begin(&reading.retry_key, at, facts);
        session.flags.insert(Flag::StartMissing);
        session
    });
    note_odds(&mut session, facts, reading.raw.is_some(), clock_replaced);
    session.connector = session.connector.or(Some(reading.connector));
    take_samples(&mut session, &samples, None);
    set_duration(&mut session, at);
    session.updated_at = facts.received_at;
    let event = SessionEventRecord {
        retry_key: reading.retry_key.clone(),
        kind: SessionEventKind::Meter,
        seq: None,
        at,
        received_at: facts.received_at,
        trigger: None,
        offline: false,
        samples: reading.samples.clone(),
        raw: reading
            .raw
            .clone()
            .or_else(|| as_named(reading.transaction.as_deref(), facts)),
    };
    Decision { session, event }
}

fn on_close(before: &Session, closing: &Closing, facts: &Facts<'_>) -> Option<Decision> {
    let went_on = closing
        .as_written_at
        .is_some_and(|written| before.updated_at != written);
    if before.state == SessionState::Ended || went_on {
        return None;
    }
    let mut session = before.clone();
    // Nothing was heard after the last reading, so that is where the session is known to have been.
    let at = session
        .meter_last_at
        .unwrap_or(session.started_at)
        .max(session.started_at);
    session.flags.insert(closing.rule.flag());
    session.state = SessionState::Ended;
    session.ended_at = Some(at);
    session.power_w = None;
    set_duration(&mut session, at);
    session.updated_at = facts.received_at;
    let event = SessionEventRecord {
        retry_key: RetryKey::of("hub", &[&session.id.to_string()]),
        kind: SessionEventKind::ClosedByHub,
        seq: None,
        at,
        received_at: facts.received_at,
        trigger: Some(closing.rule.name().to_owned()),
        offline: false,
        samples: Vec::new(),
        raw: Some(
            serde_json::json!({ "closed_by": "hub", "because": closing.because }).to_string(),
        ),
    };
    Some(Decision { session, event })
}

fn begin(key: &RetryKey, at: Timestamp, facts: &Facts<'_>) -> Session {
    let reused = again::name_used_again(&facts.fresh_name).map(|_| Flag::TransactionReused);
    Session {
        id: SessionId::of_first(facts.station, key, id_time(Some(at), facts.received_at)),
        station: facts.station.clone(),
        site: facts.site.cloned(),
        connector: None,
        protocol: facts.protocol,
        transaction: facts.fresh_name.clone(),
        state: SessionState::Active,
        token: None,
        authorization: None,
        started_at: at,
        ended_at: None,
        duration_s: 0,
        energy_wh: 0.0,
        meter_start_wh: None,
        meter_last_wh: None,
        meter_last_at: None,
        meter_points: Vec::new(),
        energy_before_wh: 0.0,
        power_w: None,
        stop_reason: None,
        charging_state: None,
        remote_start_id: None,
        last_seq: None,
        missing_seqs: Vec::new(),
        flags: reused.into_iter().collect(),
        updated_at: facts.received_at,
    }
}

/// What the station called a transaction that the hub knows by another name: for whoever reconciles them.
fn as_named(name: Option<&str>, facts: &Facts<'_>) -> Option<String> {
    let name = name.filter(|_| facts.guessed)?;
    Some(serde_json::json!({ "transactionId": name }).to_string())
}

/// By what time a session is named and numbered: when its first message says it happened, so that the
/// message sent again names it the same; when it was received, where that cannot be (a clock at 1970).
pub(crate) fn id_time(at: Option<Timestamp>, received_at: Timestamp) -> Timestamp {
    let (at, _) = plausible(at, received_at);
    match received_at.ms_since(at) <= QUEUED_MOST_MS {
        true => at,
        false => received_at,
    }
}

/// The station's time where it can be one, else the hub's, and whether it is that.
pub(crate) fn plausible(at: Option<Timestamp>, received_at: Timestamp) -> (Timestamp, bool) {
    match at {
        Some(at) if at.ms_since(received_at) <= CLOCK_AHEAD_MOST_MS => (at, false),
        _ => (received_at, true),
    }
}

fn note_odds(session: &mut Session, facts: &Facts<'_>, repaired: bool, clock_replaced: bool) {
    for (holds, flag) in [
        (repaired, Flag::PayloadRepaired),
        (clock_replaced, Flag::ClockReplaced),
        (facts.guessed, Flag::TransactionGuessed),
    ] {
        if holds {
            session.flags.insert(flag);
        }
    }
}

fn take_token(session: &mut Session, event: &TransactionEvent, facts: &Facts<'_>) {
    let (Some(token), Some(verdict)) = (&event.token, facts.verdict) else {
        return;
    };
    if session.token.is_none() {
        session.token = Some(token.clone());
        session.authorization = Some(verdict.authorization);
        if verdict.authorization != Authorization::Accepted {
            session.flags.insert(Flag::TokenNotAccepted);
        }
        if facts.token_unchecked {
            session.flags.insert(Flag::TokenUnchecked);
        }
    }
}

/// The samples in the order they were taken, those without a plausible time at the receive time; and
/// whether there is one.
fn dated(samples: &[MeterSample], received_at: Timestamp) -> (Vec<MeterSample>, bool) {
    let mut any_replaced = false;
    let mut dated: Vec<MeterSample> = samples
        .iter()
        .map(|sample| {
            let (at, replaced) = plausible(Some(sample.at), received_at);
            any_replaced |= replaced;
            MeterSample {
                at,
                values: sample.values.clone(),
            }
        })
        .collect();
    dated.sort_by_key(|sample| sample.at);
    (dated, any_replaced)
}

fn take_start_sample(session: &mut Session, samples: &[MeterSample], seq: Option<i64>) {
    let first = samples.iter().find_map(|sample| reading_of(sample, seq));
    if let Some(reading) = first {
        energy::take_start_reading(session, reading);
    }
}

fn take_samples(session: &mut Session, samples: &[MeterSample], seq: Option<i64>) {
    for sample in samples {
        if let Some(reading) = reading_of(sample, seq) {
            energy::take_reading(session, reading);
        }
        if let (Some(power_w), SessionState::Active) = (sample.power_w(), session.state) {
            session.power_w = Some(power_w);
        }
    }
}

/// The register reading among a sample's values, which came in the message of that number.
fn reading_of(sample: &MeterSample, seq: Option<i64>) -> Option<MeterPoint> {
    let wh = sample.energy_wh()?;
    Some(MeterPoint::new(wh, sample.at, seq))
}

fn set_duration(session: &mut Session, at: Timestamp) {
    let until = session.ended_at.unwrap_or(at);
    let seconds = until.ms_since(session.started_at).max(0) / 1000;
    session.duration_s = match session.ended_at {
        Some(_) => seconds,
        None => session.duration_s.max(seconds),
    };
}

#[cfg(test)]
#[path = "core_tests.rs"]
pub(crate) mod tests;
