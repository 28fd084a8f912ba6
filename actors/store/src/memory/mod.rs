//! A store without a disk, for tests of those who use one: everything behind one lock, the plainest
//! way. What it does is what every implementation does (the contract suite runs on it), except that
//! nothing survives the process.

mod access;
mod cdr;
mod command;
mod dead_letter;
mod message;
mod notice;
mod power;
mod session;
mod site;
mod station;
mod token;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::{
    ApiKey, CdrId, ChargeDetailRecord, CommandId, CommandRecord, Connector, ConnectorRef,
    DeadLetter, DeadLetterId, MessageEntry, RetryKey, Session, SessionEventRecord, SessionId, Site,
    SiteId, Station, StationId, StoredReading, Timestamp, Token,
};

use crate::{NoticeRecord, Page, PageRequest, TimePlace};

/// A store without a disk.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that holds the same and goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            tables: Mutex::new(self.tables().clone()),
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Nothing below panics between two changes that belong together.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Default)]
struct Tables {
    stations: BTreeMap<StationId, Station>,
    connectors: BTreeMap<(StationId, ConnectorRef), Connector>,
    sites: BTreeMap<SiteId, Site>,
    power: BTreeMap<SiteId, power::KeptPower>,
    /// By folded uid.
    tokens: BTreeMap<String, Token>,
    sessions: BTreeMap<SessionId, KeptSession>,
    /// By station and transaction name.
    transactions: BTreeMap<(StationId, String), SessionId>,
    /// All sessions' logs, in the order they were written.
    events: Vec<(SessionId, SessionEventRecord)>,
    /// The session whose log holds a station's key.
    event_keys: BTreeMap<(StationId, RetryKey), SessionId>,
    readings: TimeLog<StoredReading>,
    reading_keys: BTreeSet<(StationId, RetryKey)>,
    notices: TimeLog<NoticeRecord>,
    messages: TimeLog<MessageEntry>,
    cdrs: BTreeMap<CdrId, ChargeDetailRecord>,
    commands: BTreeMap<CommandId, CommandRecord>,
    dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
    api_keys: Vec<ApiKey>,
}

#[derive(Debug, Clone)]
struct KeptSession {
    session: Session,
    epoch: i64,
    /// [`Session::number`].
    number: Option<i32>,
    /// How many entries all logs had when it last changed after its end, until it is recorded.
    to_record: Option<i64>,
}

/// Rows of stations, ordered by a time.
#[derive(Debug, Clone)]
struct TimeLog<T> {
    rows: BTreeMap<TimePlace, (StationId, T)>,
    written: i64,
}

impl<T> Default for TimeLog<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            written: 0,
        }
    }
}

impl<T: Clone> TimeLog<T> {
    fn append(&mut self, station: StationId, at: Timestamp, row: T) {
        self.written += 1;
        let no = self.written;
        self.rows.insert(TimePlace { at, no }, (station, row));
    }

    /// A station's rows, the newest first.
    fn page(
        &self,
        station: &StationId,
        request: &PageRequest,
        wanted: impl Fn(&T) -> bool,
    ) -> Page<T> {
        let Ok(after) = request.place::<TimePlace>() else {
            return Page::empty();
        };
        let following = self
            .rows
            .iter()
            .rev()
            .filter(|(place, _)| after.is_none_or(|after| **place < after))
            .filter(|(_, (of, row))| of == station && wanted(row))
            .map(|(place, (_, row))| (*place, row.clone()));
        Page::cut(request, following)
    }

    fn prune(&mut self, before: Timestamp, most: u32) -> u32 {
        let old: Vec<TimePlace> = self
            .rows
            .keys()
            .take_while(|place| place.at < before)
            .take(most as usize)
            .copied()
            .collect();
        for place in &old {
            self.rows.remove(place);
        }
        u32::try_from(old.len()).unwrap_or(u32::MAX)
    }
}
