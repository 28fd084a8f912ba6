//! The judge: compares what stations were told, and what their meters counted, with what the store
//! holds. It knows nothing of the actors.

use std::{collections::BTreeMap, fmt};

use model::{MeterSample, Protocol, RetryKey, Session, SessionState};
use store::{Page, PageRequest, ReadError, SessionFilter, Store};

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

    /// Notes what differs from the truth.
    pub(super) fn mismatch(&mut self, words: impl fmt::Display) {
        self.mismatched += 1;
        self.note(words);
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
        let held = held(station, store).await;
        for acknowledged in &station.acknowledged {
            let (id, key) = (&station.id, &acknowledged.key);
            match held.get(key).map(Vec::as_slice) {
                None => {
                    findings.lost += 1;
                    findings.note(format_args!("{id}: {key} was acknowledged and is lost"));
                }
                Some([Some(reading)]) if *reading == acknowledged.reading_wh => {}
                Some([reading]) => findings.mismatch(format_args!(
                    "{id}: {key} said {:?} Wh and is kept with {reading:?} Wh",
                    acknowledged.reading_wh
                )),
                Some(entries) => {
                    findings.duplicated += 1;
                    findings.note(format_args!("{id}: {key} is there {} times", entries.len()));
                }
            }
        }
        for error in &station.refused {
            findings.mismatch(format_args!("{}: was answered {error}", station.id));
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
                        findings.mismatch(format_args!(
                            "{}: transaction {number} was given the numbers {numbers:?}",
                            station.id
                        ));
                        continue;
                    }
                },
                Protocol::Ocpp201 | Protocol::Ocpp21 => format!("tx-{number}"),
            };
            let Some(session) = sessions.iter().find(|session| session.transaction == name) else {
                findings.lost += 1;
                findings.note(format_args!("{}: there is no session {name}", station.id));
                continue;
            };
            let off = (session.energy_wh - truth.energy_wh).abs();
            if off > 1e-6 || session.state != SessionState::Ended {
                let habit = match station.forgets_numbers {
                    true => " of a station that forgets numbers",
                    false => "",
                };
                findings.mismatch(format_args!(
                    "{}: {name}{habit} is {:?} with {} Wh, the meter counted {} Wh",
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
    all(|page| store.sessions(filter.clone(), page)).await
}

/// What the store holds of a station: under each key the reading of every entry there is.
async fn held(station: &SimStation, store: &dyn Store) -> BTreeMap<RetryKey, Vec<Option<f64>>> {
    let mut held = BTreeMap::<_, Vec<_>>::new();
    for session in sessions_of(station, store).await {
        for event in all(|page| store.session_events(session.id, page)).await {
            let reading = reading_of(&event.samples);
            held.entry(event.retry_key).or_default().push(reading);
        }
    }
    for kept in all(|page| store.readings(&station.id, page)).await {
        let reading = reading_of(&kept.samples);
        held.entry(kept.retry_key).or_default().push(reading);
    }
    held
}

fn reading_of(samples: &[MeterSample]) -> Option<f64> {
    samples.iter().find_map(MeterSample::energy_wh)
}

/// Every page of a list.
async fn all<T, F>(mut read: impl FnMut(PageRequest) -> F) -> Vec<T>
where
    F: Future<Output = Result<Page<T>, ReadError>>,
{
    let (mut items, mut page) = (Vec::new(), PageRequest::first(500));
    loop {
        let read = read(page.clone()).await.expect("the store can be read");
        items.extend(read.items);
        match read.next {
            Some(next) => page.after = Some(next),
            None => return items,
        }
    }
}
