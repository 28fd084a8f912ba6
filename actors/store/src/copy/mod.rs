//! Brings all that one store remembers to another, and looks whether it arrived.
//!
//! Sessions go entry by entry, under their retry keys and their stations' epochs, so that the new store
//! knows a message that is sent again, and a replaced owner, as well as the old one did. Each entry is
//! written with the last snapshot: none in between is kept anywhere.
//!
//! A copy that was interrupted is done again from its beginning, over what there is: whatever has a key is written once
//! by it, and of what has none ([`logs`]) only what is lacking is written.

mod inventory;
mod logs;
mod progress;

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use model::{Session, Station};

pub use inventory::Inventory;
pub use progress::Progress;

use logs::copy_log;

use crate::{
    CdrCreated, CdrFilter, Committed, MessageFilter, Page, PageRequest, ReadError, SessionCommit,
    SessionFilter, StationFilter, Store, WriteError,
};

/// Items of a page.
const PAGE: u32 = 500;
/// Stations or sessions that are copied side by side.
const ABREAST: usize = 32;
/// How many s to wait before a write is tried again that got no answer, or none in time.
const TRY_AGAIN_S: [u64; 5] = [1, 2, 4, 8, 16];

/// Why a copy is not one.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new store does not take something.
    #[error("{what} cannot be written: {error}")]
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

/// Whether a store remembers nothing.
///
/// # Errors
/// [`CopyError::NotEmpty`] where it remembers something, [`CopyError::Read`] where that cannot be told.
pub async fn must_be_empty(store: &dyn Store) -> Result<(), CopyError> {
    let there = Inventory::take(store).await?;
    match there == Inventory::default() {
        true => Ok(()),
        false => Err(CopyError::NotEmpty(Box::new(there))),
    }
}

/// Copies everything from a store that nobody writes to into one that is empty, or holds a part of the same copy; then
/// counts both. Whoever asks sees to it that nothing else is there ([`must_be_empty`]), and that nobody uses the new
/// store before this is done.
///
/// # Errors
/// A [`CopyError`]; the new store is then of no use until this was done again, and the old one as it was.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    progress: &Progress,
) -> Result<Inventory, CopyError> {
    progress.begin("sites");
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
            progress.one_more();
            Ok(())
        },
    )
    .await?;
    progress.begin("stations and what is kept with them");
    let every = || StationFilter::default();
    each(
        ABREAST,
        async |page| from.stations(every(), page).await,
        |station| copy_station(from, to, station, progress),
    )
    .await?;
    progress.begin("tokens");
    each(
        1,
        async |page| from.tokens(page).await,
        async |token| {
            let what = || format!("token {}", token.uid);
            kept(what, async || to.put_token(token.clone()).await).await?;
            progress.one_more();
            Ok(())
        },
    )
    .await?;
    progress.begin("entries of sessions");
    let every = || SessionFilter::default();
    each(
        ABREAST,
        async |page| from.sessions(every(), page).await,
        |session| copy_session(from, to, session, progress),
    )
    .await?;
    progress.begin("charge detail records");
    let every = || CdrFilter::default();
    each(
        ABREAST,
        async |page| from.cdrs(every(), page).await,
        async |record| {
            let what = || format!("charge detail record {}", record.id);
            let created = kept(what, async || to.create_cdr(record.clone()).await).await?;
            if let Some(CdrCreated::Differs(_)) = created {
                return Err(differs(what()));
            }
            progress.one_more();
            Ok(())
        },
    )
    .await?;
    progress.begin("dead letters");
    each(
        1,
        async |page| from.dead_letters(page).await,
        async |letter| {
            let what = || format!("dead letter {}", letter.id);
            kept(what, async || to.record_dead_letter(letter.clone()).await).await?;
            progress.one_more();
            Ok(())
        },
    )
    .await?;
    progress.begin("API keys");
    for key in from.api_keys().await? {
        let what = || format!("API key {}", key.prefix);
        let create = async || match to.api_key(&key.sha256).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => to.create_api_key(key.clone()).await,
            Err(error) => Err(WriteError::NotWritten(error.to_string())),
        };
        kept(what, create).await?;
        progress.one_more();
    }
    progress.begin("stations and sessions that were there, counted");
    let old = Inventory::take_telling(from, progress).await?;
    progress.begin("stations and sessions that arrived, counted");
    let new = Inventory::take_telling(to, progress).await?;
    if old != new {
        return Err(CopyError::Differs {
            old: Box::new(old),
            new: Box::new(new),
        });
    }
    Ok(new)
}

/// A station, and what is kept with it.
async fn copy_station(
    from: &dyn Store,
    to: &dyn Store,
    station: Station,
    progress: &Progress,
) -> Result<(), CopyError> {
    let id = &station.id;
    let what = || format!("station {id}");
    let created = kept(what, async || to.create_station(station.clone()).await).await?;
    if created == Some(false) && to.station(id).await?.as_ref() != Some(&station) {
        return Err(differs(what()));
    }
    progress.one_more();
    for connector in from.connectors(id).await? {
        kept(what, async || to.put_connector(id, connector.clone()).await).await?;
        progress.one_more();
    }
    each(
        1,
        async |page| from.readings(id, page).await,
        async |reading| {
            let what = || format!("a reading of station {id}");
            kept(what, async || to.record_reading(id, reading.clone()).await).await?;
            progress.one_more();
            Ok(())
        },
    )
    .await?;
    copy_log(
        || format!("a notice of station {id}"),
        async |page| from.notices(id, None, page).await,
        async |page| to.notices(id, None, page).await,
        async |notice| to.record_notice(id, notice).await,
        progress,
    )
    .await?;
    each(
        1,
        async |page| from.commands(id, page).await,
        async |command| {
            let what = || format!("command {}", command.id);
            kept(what, async || to.put_command(command.clone()).await).await?;
            progress.one_more();
            Ok(())
        },
    )
    .await?;
    let every = MessageFilter::default;
    copy_log(
        || format!("the message log of station {id}"),
        async |page| from.messages(id, every(), page).await,
        async |page| to.messages(id, every(), page).await,
        async |entry| to.append_messages(vec![entry]).await,
        progress,
    )
    .await
}

async fn copy_session(
    from: &dyn Store,
    to: &dyn Store,
    session: Session,
    progress: &Progress,
) -> Result<(), CopyError> {
    let id = session.id;
    let what = || format!("session {id}");
    let epoch = from
        .hydrate(&session.station)
        .await?
        .last_epoch
        .unwrap_or(1);
    let mut page = PageRequest::first(PAGE);
    let mut arrived_as = None;
    loop {
        let Page { items, next } = from.session_events(id, page).await?;
        for event in items {
            let commit = SessionCommit {
                session: session.clone(),
                event,
                epoch,
            };
            let committed = kept(what, async || to.commit_session(commit.clone()).await).await?;
            arrived_as = match committed {
                None | Some(Committed::Written) => None,
                // An attempt before arrived.
                Some(Committed::Repeat(there)) if there.id == id => Some(there),
                Some(Committed::Repeat(_) | Committed::Taken(_)) => {
                    let error = WriteError::Refused(
                        "another session of its station has its name, or one of its messages"
                            .to_owned(),
                    );
                    let what = what();
                    return Err(CopyError::Write { what, error });
                }
            };
            progress.one_more();
        }
        match next {
            Some(next) => page = after(next),
            None => break,
        }
    }
    match arrived_as {
        Some(there) if *there != session => Err(differs(what())),
        _ => Ok(()),
    }
}

/// What an attempt before has brought is not what there is now.
fn differs(what: String) -> CopyError {
    let why =
        "it has changed since a copy that was interrupted; empty the new store and copy again";
    let error = WriteError::Refused(why.to_owned());
    CopyError::Write { what, error }
}

/// Whether the same write may be taken when it is tried again.
fn may_pass(error: &WriteError) -> bool {
    matches!(error, WriteError::NotWritten(_) | WriteError::Unknown(_))
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
        let Some(pause) = pauses.next().filter(|_| may_pass(&error)) else {
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

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
        assert!(never.unwrap_err().contains("a card cannot be written"));
        assert!(outcome(vec![refused()]).await.is_err());
    }

    #[tokio::test]
    async fn all_of_a_store_arrives_in_another_also_when_it_is_copied_twice() {
        let (old, new) = (MemoryStore::default(), MemoryStore::default());
        sample::something_of_all(&old).await;
        must_be_empty(&new).await.unwrap();
        for time in ["the first", "the second"] {
            let progress = Progress::default();
            let copied = copy(&old, &new, &progress).await.unwrap();
            assert_eq!(copied, Inventory::take(&old).await.unwrap(), "{time}");
            assert!(copied.session_events > copied.sessions, "{copied}");
            let counted = copied.stations + copied.sessions;
            assert_eq!(
                progress.to_string(),
                format!("stations and sessions that arrived, counted: {counted} so far")
            );
        }
        let id = sample::station_id("CP");
        assert_eq!(new.hydrate(&id).await, old.hydrate(&id).await);
        let not_empty = must_be_empty(&new).await.unwrap_err();
        assert!(matches!(not_empty, CopyError::NotEmpty(_)), "{not_empty}");
    }

    #[tokio::test]
    async fn what_has_changed_since_an_interrupted_copy_is_not_passed_off_as_the_same() {
        let (old, new) = (MemoryStore::default(), MemoryStore::default());
        sample::something_of_all(&old).await;
        let id = sample::station_id("CP");
        let mut station = old.station(&id).await.unwrap().unwrap();
        station.note = "as it was".to_owned();
        new.create_station(station).await.unwrap();
        let error = copy(&old, &new, &Progress::default()).await.unwrap_err();
        assert!(error.to_string().contains("station CP"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_without_a_key_that_was_perhaps_written_is_not_written_twice() {
        let old = RefCell::new(vec!["one", "two", "two", "three"]);
        let new = RefCell::new(Vec::new());
        let answers = RefCell::new([true, false, true, false].into_iter());
        let page = |of: &RefCell<Vec<&'static str>>| {
            Ok(Page {
                items: of.borrow().clone(),
                next: None,
            })
        };
        let write = async |entry| {
            new.borrow_mut().push(entry);
            match answers.borrow_mut().next() {
                Some(false) => Err(WriteError::Unknown("no answer".to_owned())),
                _ => Ok(()),
            }
        };
        let read_old = async |_| page(&old);
        let read_new = async |_| page(&new);
        let what = || "an entry".to_owned();
        let progress = Progress::default();
        copy_log(what, read_old, read_new, write, &progress)
            .await
            .unwrap();
        new.borrow_mut().reverse();
        assert_eq!(new, old);
    }
}
