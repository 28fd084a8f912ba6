//! The judge: compares what stations were told, and what their meters counted, with what the store
//! holds. It knows nothing of the actors.

use std::{collections::BTreeMap, fmt};

use model::{Protocol, RetryKey, Session, SessionState};
use store::{PageRequest, SessionFilter, Store};

use super::station::SimStation;

/// What is wrong; nothing, after a history of a hub that keeps its promises.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Acknowledged messages that are not there.
    pub lost: usize,
    /// Messages or transactions that are there more than once.
    pub duplicated: usize,
    /// Totals, states or numbers that differ from the truth.
    pub mismatched: usize,
    /// The first things found, in words.
    pub words: Vec<String>,
}

impl Findings {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        (self.lost, self.duplicated, self.mismatched) == (0, 0, 0)
    }

    fn note(&mut self, words: impl fmt::Display) {
        if self.words.len() < 10 {
            self.words.push(words.to_string());
        }
    }
}

/// Whether everything that was acknowledged so far is in the store, once.
pub(super) async fn acknowledged(
    stations: &[SimStation],
    store: &dyn Store,
    findings: &mut Findings,
) {
    for station in stations {
        let held = held_keys(station, store).await;
        for key in &station.acknowledged {
            match held.get(key) {
                None => {
                    findings.lost += 1;
                    findings.note(format_args!(
                        "{}: {key} was acknowledged and is lost",
                        station.id
                    ));
                }
                Some(1) => {}
                Some(times) => {
                    findings.duplicated += 1;
                    findings.note(format_args!("{}: {key} is there {times} times", station.id));
                }
            }
        }
    }
}

/// Whether, after every queue has drained, each transaction is there once and says what happened.
pub(super) async fn totals(stations: &[SimStation], store: &dyn Store, findings: &mut Findings) {
    for station in stations {
        let sessions = sessions_of(station, store).await;
        let expected = station.truth.len();
        if sessions.len() > expected {
            findings.duplicated += sessions.len() - expected;
            findings.note(format_args!(
                "{}: {} sessions of {expected} transactions",
                station.id,
                sessions.len()
            ));
        }
        if sessions.len() < expected {
            findings.lost += expected - sessions.len();
            findings.note(format_args!("{}: a transaction is missing", station.id));
        }
        for (number, truth) in station.truth.iter().enumerate() {
            let name = match station.protocol {
                Protocol::Ocpp16 => match truth.numbers.as_slice() {
                    [first, rest @ ..] if rest.iter().all(|number| number == first) => {
                        first.to_string()
                    }
                    numbers => {
                        findings.mismatched += 1;
                        findings.note(format_args!(
                            "{}: transaction {number} was given the numbers {numbers:?}",
                            station.id
                        ));
                        continue;
                    }
                },
                Protocol::Ocpp201 => format!("tx-{number}"),
            };
            let Some(session) = sessions.iter().find(|session| session.transaction == name) else {
                findings.lost += 1;
                findings.note(format_args!("{}: there is no session {name}", station.id));
                continue;
            };
            let off = (session.energy_wh - truth.energy_wh).abs();
            if off > 1e-6 || session.state != SessionState::Ended {
                findings.mismatched += 1;
                findings.note(format_args!(
                    "{}: {name} is {:?} with {} Wh, the meter counted {} Wh",
                    station.id, session.state, session.energy_wh, truth.energy_wh
                ));
            }
        }
    }
}

async fn sessions_of(station: &SimStation, store: &dyn Store) -> Vec<Session> {
    let filter = SessionFilter {
        station: Some(station.id.clone()),
        ..SessionFilter::default()
    };
    let page = store.sessions(filter, PageRequest::first(500)).await;
    page.expect("memory can be read").items
}

async fn held_keys(station: &SimStation, store: &dyn Store) -> BTreeMap<RetryKey, usize> {
    let mut held = BTreeMap::new();
    for session in sessions_of(station, store).await {
        let page = store
            .session_events(session.id, PageRequest::first(500))
            .await;
        for event in page.expect("memory can be read").items {
            *held.entry(event.retry_key).or_default() += 1;
        }
    }
    let page = store.readings(&station.id, PageRequest::first(500)).await;
    for reading in page.expect("memory can be read").items {
        *held.entry(reading.retry_key).or_default() += 1;
    }
    held
}
