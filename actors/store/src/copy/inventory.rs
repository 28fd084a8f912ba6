//! How much a store remembers, counted.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use model::{ChargeDetailRecord, Session, Station};

use super::{ABREAST, CopyError, Progress, each};
use crate::{
    CdrFilter, MessageFilter, Page, PageRequest, ReadError, SessionFilter, StationFilter, Store,
};

/// How much a store remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Sites.
    pub sites: u64,
    /// Those whose power is managed.
    pub powered_sites: u64,
    /// Stations.
    pub stations: u64,
    /// Their outlets.
    pub connectors: u64,
    /// Tokens.
    pub tokens: u64,
    /// Sessions.
    pub sessions: u64,
    /// The entries of their logs.
    pub session_events: u64,
    /// The energy of all sessions, in mWh, each rounded by itself.
    pub energy_mwh: i64,
    /// Charge detail records.
    pub cdrs: u64,
    /// Their energy, in mWh, each rounded by itself; credits are below zero.
    pub cdr_energy_mwh: i64,
    /// Readings outside sessions.
    pub readings: u64,
    /// Notices.
    pub notices: u64,
    /// Commands.
    pub commands: u64,
    /// Entries of the message log.
    pub messages: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// API keys.
    pub api_keys: u64,
}

impl Inventory {
    /// Counts what a store remembers.
    ///
    /// # Errors
    /// [`CopyError::Read`].
    pub async fn take(store: &dyn Store) -> Result<Self, CopyError> {
        Self::take_telling(store, &Progress::default()).await
    }

    /// The same, and `progress` moves on with each station and session that is counted.
    pub(super) async fn take_telling(
        store: &dyn Store,
        progress: &Progress,
    ) -> Result<Self, CopyError> {
        let sum = RefCell::new(Self {
            api_keys: store.api_keys().await?.len() as u64,
            sites: count(async |page| store.sites(page).await).await?,
            powered_sites: count(async |page| store.powered_sites(page).await).await?,
            tokens: count(async |page| store.tokens(page).await).await?,
            dead_letters: count(async |page| store.dead_letters(page).await).await?,
            ..Self::default()
        });
        let stations = async |page| store.stations(StationFilter::default(), page).await;
        each(ABREAST, stations, async |station: Station| {
            let id = &station.id;
            let connectors = store.connectors(id).await?.len() as u64;
            let readings = count(async |page| store.readings(id, page).await).await?;
            let notices = count(async |page| store.notices(id, None, page).await).await?;
            let commands = count(async |page| store.commands(id, page).await).await?;
            let every = MessageFilter::default;
            let messages = count(async |page| store.messages(id, every(), page).await).await?;
            let mut sum = sum.borrow_mut();
            sum.stations += 1;
            sum.connectors += connectors;
            sum.readings += readings;
            sum.notices += notices;
            sum.commands += commands;
            sum.messages += messages;
            progress.one_more();
            Ok(())
        })
        .await?;
        let sessions = async |page| store.sessions(SessionFilter::default(), page).await;
        each(ABREAST, sessions, async |session: Session| {
            let events = count(async |page| store.session_events(session.id, page).await).await?;
            let mut sum = sum.borrow_mut();
            sum.sessions += 1;
            sum.session_events += events;
            sum.energy_mwh += mwh(session.energy_wh);
            progress.one_more();
            Ok(())
        })
        .await?;
        let records = async |page| store.cdrs(CdrFilter::default(), page).await;
        each(1, records, async |record: ChargeDetailRecord| {
            let mut sum = sum.borrow_mut();
            sum.cdrs += 1;
            sum.cdr_energy_mwh += mwh(record.energy_wh);
            Ok(())
        })
        .await?;
        Ok(sum.into_inner())
    }
}

fn mwh(wh: f64) -> i64 {
    (wh * 1_000.0).round() as i64
}

async fn count<T>(
    read: impl AsyncFn(PageRequest) -> Result<Page<T>, ReadError>,
) -> Result<u64, CopyError> {
    let counted = Cell::new(0);
    each(1, read, async |_| {
        counted.set(counted.get() + 1);
        Ok(())
    })
    .await?;
    Ok(counted.get())
}

impl fmt::Display for Inventory {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{} sites ({} with power), {} stations, {} outlets, {} tokens, {} sessions of {} entries and {}.{:06} kWh, \
             {} charge detail records of {:.6} kWh, {} readings outside sessions, {} notices, {} commands, {} messages, {} dead letters, {} API keys",
            self.sites,
            self.powered_sites,
            self.stations,
            self.connectors,
            self.tokens,
            self.sessions,
            self.session_events,
            self.energy_mwh / 1_000_000,
            self.energy_mwh % 1_000_000,
            self.cdrs,
            self.cdr_energy_mwh as f64 / 1e6,
            self.readings,
            self.notices,
            self.commands,
            self.messages,
            self.dead_letters,
            self.api_keys
        )
    }
}
