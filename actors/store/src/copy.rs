//! Brings all that one store remembers to another, and looks whether it arrived.
//!
//! Sessions go entry by entry, under their retry keys and their stations' epochs, so that the new store
//! knows a message that is sent again, and a replaced owner, as well as the old one did. Each entry is
//! written with the last snapshot: none in between is kept anywhere.

use std::{
    cell::{Cell, RefCell},
    fmt,
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use model::{Session, Station};

use crate::{
    Committed, MessageFilter, Page, PageRequest, ReadError, SessionCommit, SessionFilter,
    StationFilter, Store, WriteError,
};

/// Items of a page.
const PAGE: u32 = 500;
/// Stations or sessions that are copied side by side.
const ABREAST: usize = 32;
/// How many s to wait before a write is tried again that got no answer, or none in time.
const TRY_AGAIN_S: [u64; 5] = [1, 2, 4, 8, 16];

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

/// Why a copy is not one.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new store does not take something.
    #[error("{what} cannot be copied: {error}")]
    Write {
        /// What.
        what: String,
        /// Why.
        error: WriteError,
    },
    /// The new store remembers something already.
    #[error("the new store is not empty; what it holds: {0}")]
    NotEmpty(Box<Inventory>),
    /// Not all arrived, or more.
    #[error("the copy differs: there were {old}, and there are {new}")]
    Differs {
        /// What there was.
        old: Box<Inventory>,
        /// What there is.
        new: Box<Inventory>,
    },
}

/// Copies everything from a store that nobody writes to into an empty one, then counts both.
///
/// # Errors
/// A [`CopyError`]; the new store is then of no use, and the old one as it was.
pub async fn copy(from: &dyn Store, to: &dyn Store) -> Result<Inventory, CopyError> {
    let there = Inventory::take(to).await?;
    if there != Inventory::default() {
        return Err(CopyError::NotEmpty(Box::new(there)));
    }
    each(
        1,
        async |page| from.sites(page).await,
        async |site| {
            let what = || format!("site {}", site.id);
            kept(what, async || to.put_site(site.clone()).await).await?;
            if let Some(power) = from.site_power(&site.id).await? {
                let put = async || to.put_site_power(&site.id, Some(power.clone())).await;
                kept(what, put).await?;
            }
            if let Some(memory) = from.site_memory(&site.id).await? {
                kept(what, async || {
                    to.put_site_memory(&site.id, memory.clone()).await
                })
                .await?;
            }
            Ok(())
        },
    )
    .await?;
    let every = || StationFilter::default();
    each(
        ABREAST,
        async |page| from.stations(every(), page).await,
        |station| copy_station(from, to, station),
    )
    .await?;
    each(
        1,
        async |page| from.tokens(page).await,
        async |token| {
            let what = || format!("token {}", token.uid);
            kept(what, async || to.put_token(token.clone()).await)
                .await
                .map(drop)
        },
    )
    .await?;
    let every = || SessionFilter::default();
    each(
        ABREAST,
        async |page| from.sessions(every(), page).await,
        |session| copy_session(from, to, session),
    )
    .await?;
    each(
        1,
        async |page| from.dead_letters(page).await,
        async |letter| {
            let what = || format!("dead letter {}", letter.id);
            kept(what, async || to.record_dead_letter(letter.clone()).await)
                .await
                .map(drop)
        },
    )
    .await?;
    for key in from.api_keys().await? {
        let what = || format!("API key {}", key.prefix);
        kept(what, async || to.create_api_key(key.clone()).await).await?;
    }
    let (old, new) = (Inventory::take(from).await?, Inventory::take(to).await?);
    if old != new {
        return Err(CopyError::Differs {
            old: Box::new(old),
            new: Box::new(new),
        });
    }
    Ok(new)
}

/// A station, and what is kept with it.
async fn copy_station(from: &dyn Store, to: &dyn Store, station: Station) -> Result<(), CopyError> {
    let id = &station.id;
    let what = || format!("station {id}");
    kept(what, async || to.create_station(station.clone()).await).await?;
    for connector in from.connectors(id).await? {
        kept(what, async || to.put_connector(id, connector.clone()).await).await?;
    }
    each(
        1,
        async |page| from.readings(id, page).await,
        async |reading| {
            let what = || format!("a reading of station {id}");
            kept(what, async || to.record_reading(id, reading.clone()).await)
                .await
                .map(drop)
        },
    )
    .await?;
    each(
        1,
        async |page| from.notices(id, None, page).await,
        async |notice| {
            let what = || format!("a notice of station {id}");
            kept(what, async || to.record_notice(id, notice.clone()).await)
                .await
                .map(drop)
        },
    )
    .await?;
    each(
        1,
        async |page| from.commands(id, page).await,
        async |command| {
            let what = || format!("command {}", command.id);
            kept(what, async || to.put_command(command.clone()).await)
                .await
                .map(drop)
        },
    )
    .await?;
    let every = MessageFilter::default;
    each(
        1,
        async |page| from.messages(id, every(), page).await,
        async |entry| {
            let what = || format!("the message log of station {id}");
            kept(what, async || to.append_messages(vec![entry.clone()]).await)
                .await
                .map(drop)
        },
    )
    .await
}

async fn copy_session(from: &dyn Store, to: &dyn Store, session: Session) -> Result<(), CopyError> {
    let id = session.id;
    let epoch = from
        .hydrate(&session.station)
        .await?
        .last_epoch
        .unwrap_or(1);
    let mut page = PageRequest::first(PAGE);
    loop {
        let Page { items, next } = from.session_events(id, page).await?;
        for event in items {
            let commit = SessionCommit {
                session: session.clone(),
                event,
                epoch,
            };
            let what = || format!("session {id}");
            let committed = kept(what, async || to.commit_session(commit.clone()).await).await?;
            let is_there = match committed {
                None | Some(Committed::Written) => true,
                // An attempt before arrived.
                Some(Committed::Repeat(there)) => there.id == id,
                Some(Committed::Taken(_)) => false,
            };
            if !is_there {
                let error = WriteError::Refused(
                    "another session of its station has its name, or one of its messages"
                        .to_owned(),
                );
                let what = what();
                return Err(CopyError::Write { what, error });
            }
        }
        match next {
            Some(next) => page = after(next),
            None => return Ok(()),
        }
    }
}

/// Writes, and tries again what is not certain to be done. `None`: refused then, as an attempt before had arrived after
/// all (or the counts at the end will differ).
async fn kept<T>(
    what: impl Fn() -> String,
    write: impl AsyncFn() -> Result<T, WriteError>,
) -> Result<Option<T>, CopyError> {
    let mut pauses = TRY_AGAIN_S.into_iter();
    let mut perhaps_there = false;
    loop {
        let error = match write().await {
            Ok(done) => return Ok(Some(done)),
            Err(WriteError::Refused(_)) if perhaps_there => return Ok(None),
            Err(error) => error,
        };
        let again = matches!(error, WriteError::NotWritten(_) | WriteError::Unknown(_));
        let Some(pause) = pauses.next().filter(|_| again) else {
            let what = what();
            return Err(CopyError::Write { what, error });
        };
        perhaps_there |= matches!(error, WriteError::Unknown(_));
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

/// Does something with each item of a list, so many `abreast`. Lists show the newest first: those of a page
/// are gone through from its end, so that what happened at one moment keeps its order.
async fn each<T>(
    abreast: usize,
    read: impl AsyncFn(PageRequest) -> Result<Page<T>, ReadError>,
    act: impl AsyncFn(T) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let mut page = PageRequest::first(PAGE);
    loop {
        let Page { items, next } = read(page).await?;
        stream::iter(items.into_iter().rev())
            .map(|item| act(item))
            .buffer_unordered(abreast)
            .try_collect::<()>()
            .await?;
        match next {
            Some(next) => page = after(next),
            None => return Ok(()),
        }
    }
}

fn after(place: String) -> PageRequest {
    PageRequest {
        limit: PAGE,
        after: Some(place),
    }
}

impl Inventory {
    /// Counts what a store remembers.
    ///
    /// # Errors
    /// [`CopyError::Read`].
    pub async fn take(store: &dyn Store) -> Result<Self, CopyError> {
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
            Ok(())
        })
        .await?;
        let sessions = async |page| store.sessions(SessionFilter::default(), page).await;
        each(ABREAST, sessions, async |session: Session| {
            let events = count(async |page| store.session_events(session.id, page).await).await?;
            let mut sum = sum.borrow_mut();
            sum.sessions += 1;
            sum.session_events += events;
            sum.energy_mwh += (session.energy_wh * 1_000.0).round() as i64;
            Ok(())
        })
        .await?;
        Ok(sum.into_inner())
    }
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
             {} readings outside sessions, {} notices, {} commands, {} messages, {} dead letters, {} API keys",
            self.sites,
            self.powered_sites,
            self.stations,
            self.connectors,
            self.tokens,
            self.sessions,
            self.session_events,
            self.energy_mwh / 1_000_000,
            self.energy_mwh % 1_000_000,
            self.readings,
            self.notices,
            self.commands,
            self.messages,
            self.dead_letters,
            self.api_keys
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, StationStore, contract::sample};

    #[tokio::test(start_paused = true)]
    async fn what_is_not_certain_to_be_written_is_written_again() {
        let unknown = || Err(WriteError::Unknown("no answer".to_owned()));
        let refused = || Err(WriteError::Refused("it is there".to_owned()));
        let outcome = async |answers: Vec<Result<(), WriteError>>| {
            let answers = RefCell::new(answers.into_iter());
            let write = async || answers.borrow_mut().next().expect("not asked too often");
            let kept = kept(|| "a card".to_owned(), write).await;
            kept.map_err(|error| error.to_string())
        };
        assert_eq!(outcome(vec![unknown(), Ok(())]).await, Ok(Some(())));
        assert_eq!(outcome(vec![unknown(), refused()]).await, Ok(None));
        let never = outcome(vec![unknown(); TRY_AGAIN_S.len() + 1]).await;
        assert!(never.unwrap_err().contains("a card cannot be copied"));
        assert!(outcome(vec![refused()]).await.is_err());
    }

    #[tokio::test]
    async fn all_of_a_store_arrives_in_another() {
        let (old, new) = (MemoryStore::default(), MemoryStore::default());
        sample::something_of_all(&old).await;
        let copied = copy(&old, &new).await.unwrap();
        assert_eq!(copied, Inventory::take(&old).await.unwrap());
        assert!(copied.session_events > copied.sessions, "{copied}");
        let id = sample::station_id("CP");
        assert_eq!(new.hydrate(&id).await, old.hydrate(&id).await);
        let again = copy(&old, &new).await.unwrap_err();
        assert!(
            matches!(&again, CopyError::NotEmpty(there) if **there == copied),
            "{again}"
        );
    }
}
