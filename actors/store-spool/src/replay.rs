//! Bringing the spool's writes to the remote store: a segment at a time, sessions side by side, each
//! session's writes one after the other.
//!
//! A segment is removed when all its writes are in the remote store. A kill in between replays some of
//! them again, which changes nothing: they carry their keys.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use model::SessionId;
use rand::{RngExt, rngs::StdRng};
use store::{Committed, ReadError, SessionCommit, WriteError};
use tokio::time::{sleep, timeout};

use crate::{metrics, record::Record, segment, spooled::Shared, waiting::Write};

/// Sessions that are replayed side by side.
const ABREAST: usize = 64;
/// While the remote does not take anything, it is tried again after a time that doubles from here …
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// … to here.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Replays for as long as the hub lives. To be called before anything of this life is spooled.
pub(crate) fn run(shared: Arc<Shared>, chance: StdRng) -> impl Future<Output = ()> {
    let elsewhere = Elsewhere::of_a_former_life(&shared);
    segments(shared, elsewhere, chance)
}

async fn segments(shared: Arc<Shared>, elsewhere: Elsewhere, mut chance: StdRng) {
    loop {
        let Some(name) = shared.log.oldest() else {
            ::metrics::gauge!(metrics::OLDEST).set(0.0);
            shared.spooled.notified().await;
            shared.log.close_segment().await;
            continue;
        };
        if let Err(error) = segment(&shared, &name, &elsewhere, &mut chance).await {
            tracing::error!(segment = name, %error, "a segment of the spool cannot be replayed now; it is tried again");
            sleep(LAST_WAIT).await;
        }
    }
}

/// Replays a segment and removes it.
async fn segment(
    shared: &Shared,
    name: &str,
    elsewhere: &Elsewhere,
    chance: &mut StdRng,
) -> std::io::Result<()> {
    let bytes = shared.log.read(name).await?;
    let contents = segment::read(&bytes);
    let mut records = Vec::with_capacity(contents.records.len());
    let mut unreadable = 0;
    for body in &contents.records {
        match serde_json::from_slice::<Record>(body) {
            Ok(record) => records.push(record),
            Err(_) => unreadable += 1,
        }
    }
    let damaged = !contents.damaged.is_empty() || unreadable > 0;
    if damaged {
        ::metrics::counter!(metrics::DAMAGED).increment(1);
        tracing::error!(
            segment = name,
            damaged = ?contents.damaged,
            unreadable,
            "a segment of the spool is damaged: acknowledged messages may be in it. What can be read is replayed; the file is kept as {name}.damaged: save it and look at the disk"
        );
    } else if contents.interrupted > 0 {
        tracing::warn!(
            segment = name,
            bytes = contents.interrupted,
            "a segment of the spool ends in a write that was interrupted and acknowledged to nobody"
        );
    }
    drop(bytes);
    let (count, of_sessions) = (records.len(), writes_of_sessions(&records));
    all(shared, records, elsewhere, chance).await;
    shared.log.done_with(name, damaged).await?;
    shared.gone(count, &of_sessions);
    elsewhere.tidy(shared);
    Ok(())
}

fn writes_of_sessions(records: &[Record]) -> Vec<Write> {
    let commits = records.iter().filter_map(|record| match record {
        Record::Session(commit) => Some(&**commit),
        Record::Reading { .. } | Record::DeadLetter(_) => None,
    });
    commits.map(Write::of).collect()
}

/// Replays records until none is left.
async fn all(shared: &Shared, records: Vec<Record>, elsewhere: &Elsewhere, chance: &mut StdRng) {
    let mut chains = chains(records);
    let mut wait = FIRST_WAIT;
    while !chains.is_empty() {
        let oldest = chains.iter().filter_map(|chain| chain.0.front());
        if let Some(oldest) = oldest.map(Record::received_at).min() {
            ::metrics::gauge!(metrics::OLDEST).set(oldest.0 as f64 / 1000.0);
        }
        let before: usize = chains.iter().map(|chain| chain.0.len()).sum();
        chains = stream::iter(chains)
            .map(|chain| chain.replayed(shared, elsewhere))
            .buffer_unordered(ABREAST)
            .filter(|chain| std::future::ready(!chain.0.is_empty()))
            .collect()
            .await;
        let left: usize = chains.iter().map(|chain| chain.0.len()).sum();
        if left == before {
            let jitter = chance.random_range(0.5..1.5);
            sleep(wait.mul_f64(jitter)).await;
            wait = (wait * 2).min(LAST_WAIT);
        } else {
            wait = FIRST_WAIT;
        }
    }
}

/// Records that are replayed one after the other.
struct Chain(VecDeque<Record>);

fn chains(records: Vec<Record>) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut of_session: HashMap<SessionId, usize> = HashMap::new();
    for record in records {
        let known = record.session().and_then(|id| of_session.get(&id).copied());
        match known {
            Some(place) => chains[place].0.push_back(record),
            None => {
                if let Some(id) = record.session() {
                    of_session.insert(id, chains.len());
                }
                chains.push(Chain(VecDeque::from([record])));
            }
        }
    }
    chains
}

/// What became of the replay of a record.
enum Fate {
    /// The remote has it.
    There,
    /// The remote will never take it.
    Never(String),
    /// Not now.
    NotNow,
}

impl Chain {
    /// The chain without what could be replayed.
    async fn replayed(mut self, shared: &Shared, elsewhere: &Elsewhere) -> Self {
        while let Some(record) = self.0.pop_front() {
            let fate = match bring(shared, &record, elsewhere).await {
                Ok(fate) => fate,
                Err(_) => Fate::NotNow,
            };
            let outcome = match fate {
                Fate::There => Some("replayed"),
                Fate::Never(why) => {
                    let aside = set_aside(shared, &record, &why).await;
                    aside.is_ok().then_some("set_aside")
                }
                Fate::NotNow => None,
            };
            let Some(outcome) = outcome else {
                self.0.push_front(record);
                break;
            };
            ::metrics::counter!(metrics::WRITES, "outcome" => outcome).increment(1);
        }
        self
    }
}

async fn bring(
    shared: &Shared,
    record: &Record,
    elsewhere: &Elsewhere,
) -> Result<Fate, WriteError> {
    let remote = &shared.remote;
    let write = async {
        match record {
            Record::Session(commit) => session(shared, commit, elsewhere).await,
            Record::Reading { station, reading } => {
                remote.record_reading(station, reading.clone()).await?;
                Ok(Fate::There)
            }
            Record::DeadLetter(letter) => {
                remote.record_dead_letter(letter.clone()).await?;
                Ok(Fate::There)
            }
        }
    };
    let fate = timeout(shared.patience, write).await.unwrap_or_else(|_| {
        Err(WriteError::Unknown(
            "the remote store took too long".to_owned(),
        ))
    });
    shared.remote_is_away(fate.is_err());
    fate
}

async fn session(
    shared: &Shared,
    commit: &SessionCommit,
    elsewhere: &Elsewhere,
) -> Result<Fate, WriteError> {
    let id = commit.session.id;
    let held = match elsewhere.of(id) {
        Some(held) => shared.remote.session(held).await.map_err(unread)?,
        None => None,
    };
    let held = match held {
        Some(held) => Some(held),
        None => match shared.remote.commit_session(commit.clone()).await {
            Ok(Committed::Written) => return Ok(Fate::There),
            Ok(Committed::Repeat(held)) => {
                // It was there all the while, and perhaps more: what follows was decided without that.
                if *held != commit.session {
                    elsewhere.differs(id, held.id);
                }
                return Ok(Fate::There);
            }
            Ok(Committed::Taken(held)) => Some(*held),
            Err(WriteError::Stale) => shared.remote.session(id).await.map_err(unread)?,
            Err(WriteError::Refused(why)) => return Ok(Fate::Never(why)),
            Err(error) => return Err(error),
        },
    };
    let Some(held) = held else {
        return Ok(Fate::Never(format!("session {id} is gone")));
    };
    // Whoever owns the session now: the message was acknowledged, so it counts.
    let station = shared.remote.hydrate(&held.station).await.map_err(unread)?;
    let epoch = commit.epoch.max(station.last_epoch.unwrap_or(commit.epoch));
    let rebased = (shared.rebase)(&held, commit.clone(), epoch);
    if rebased.session != commit.session {
        elsewhere.differs(id, held.id);
    }
    match shared.remote.commit_session(rebased).await {
        Ok(Committed::Written | Committed::Repeat(_)) => Ok(Fate::There),
        // Somebody wrote it in between: next time.
        Ok(Committed::Taken(_)) | Err(WriteError::Stale) => Err(WriteError::NotWritten(
            "the session is written elsewhere".to_owned(),
        )),
        Err(WriteError::Refused(why)) => Ok(Fate::Never(why)),
        Err(error) => Err(error),
    }
}

fn unread(error: ReadError) -> WriteError {
    WriteError::NotWritten(error.to_string())
}

/// The sessions that the remote holds under another id, or with more than the spool knew: all that
/// follows of them is decided again. Of those that a former life left here nobody knows, so they are too.
#[derive(Default)]
struct Elsewhere(Mutex<HashMap<SessionId, Twin>>);

/// A session in the remote store.
struct Twin {
    id: SessionId,
    /// It is not what the spool took it for.
    differs: bool,
}

impl Elsewhere {
    fn of_a_former_life(shared: &Shared) -> Self {
        let state = shared.state();
        let as_far_as_is_known = |id| Twin { id, differs: false };
        let left = state.waiting.ids().map(|id| (id, as_far_as_is_known(id)));
        Self(Mutex::new(left.collect()))
    }

    fn of(&self, id: SessionId) -> Option<SessionId> {
        self.lock().get(&id).map(|twin| twin.id)
    }

    fn differs(&self, id: SessionId, held: SessionId) {
        let twin = Twin {
            id: held,
            differs: true,
        };
        self.lock().insert(id, twin);
    }

    /// Forgets the sessions of which nothing waits any more. Whoever wrote one that differs knows another
    /// past than the remote does, and has to be told.
    fn tidy(&self, shared: &Shared) {
        self.lock().retain(|id, twin| {
            let mut state = shared.state();
            let waits = state.waiting.holds(*id);
            if !waits && twin.differs {
                state.decided_again.insert(*id);
            }
            waits
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Twin>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a record where a person finds it.
async fn set_aside(shared: &Shared, record: &Record, why: &str) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(&serde_json::json!({ "why": why, "record": record }))?;
    line.push(b'\n');
    shared.log.set_aside(line).await.inspect_err(|error| {
        tracing::error!(%error, "a write of the spool cannot be set aside; it is tried again");
    })?;
    let session = record.session().map(|id| id.to_string());
    tracing::error!(
        why,
        session,
        "the remote store will not take an acknowledged write; it is set aside in set-aside.jsonl: look at the session and enter by hand what it lacks"
    );
    Ok(())
}
