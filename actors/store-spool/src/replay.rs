//! Bringing the spool's writes to the remote store: a segment at a time, sessions side by side, each
//! session's writes one after the other.
//!
//! A segment is removed when all its writes are in the remote store. A kill in between replays some of
//! them again, which changes nothing: they carry their keys.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use model::{Session, SessionId};
use rand::{RngExt, rngs::StdRng};
use store::{Committed, ReadError, SessionCommit, WriteError};
use tokio::time::{sleep, sleep_until, timeout};

use crate::{metrics, record::Record, segment, spooled::Shared, waiting::Write};

/// Sessions that are replayed side by side.
const ABREAST: usize = 64;
/// While the remote does not take anything, it is tried again after a time that doubles from here …
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// … to here.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Replays for as long as the hub lives.
pub(crate) async fn run(shared: Arc<Shared>, mut chance: StdRng) {
    loop {
        let Some(name) = shared.log.oldest() else {
            ::metrics::gauge!(metrics::OLDEST).set(0.0);
            something_waits(&shared).await;
            shared.log.close_segment().await;
            continue;
        };
        if let Err(error) = segment(&shared, &name, &mut chance).await {
            tracing::error!(segment = name, %error, "a segment of the spool cannot be replayed now; it is tried again");
            sleep(LAST_WAIT).await;
        }
    }
}

/// Waits until something is spooled, and sees meanwhile that the remote is back.
async fn something_waits(shared: &Shared) {
    while let Some(calm) = shared.calm_at() {
        tokio::select! {
            () = shared.spooled.notified() => return,
            () = sleep_until(calm) => shared.calmed_down(),
        }
    }
    shared.spooled.notified().await;
}

/// Replays a segment and removes it.
async fn segment(shared: &Shared, name: &str, chance: &mut StdRng) -> std::io::Result<()> {
    let bytes = shared.log.read(name).await?;
    let contents = segment::read(&bytes);
    let mut records = Vec::with_capacity(contents.records.len());
    let mut unreadable = 0;
    for body in &contents.records {
        match serde_json::from_slice::<Record>(body) {
            Ok(record) => records.push(Kept {
                record,
                bytes: body.len(),
            }),
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
    let of_sessions = writes_of_sessions(&records);
    all(shared, records, chance).await;
    // What is replayed need not be replayed again to be removed.
    while let Err(error) = shared.log.done_with(name, damaged).await {
        tracing::error!(segment = name, %error, "a segment of the spool is replayed and cannot be removed now; that is tried again");
        sleep(LAST_WAIT).await;
    }
    shared.gone(&of_sessions);
    Ok(())
}

/// A record of a segment.
struct Kept {
    record: Record,
    /// How long it is there.
    bytes: usize,
}

fn writes_of_sessions(records: &[Kept]) -> Vec<Write> {
    let commits = records.iter().filter_map(|kept| match &kept.record {
        Record::Session(commit) => Some(&**commit),
        Record::Reading { .. } | Record::DeadLetter(_) => None,
    });
    commits.map(Write::of).collect()
}

/// Replays records until none is left.
async fn all(shared: &Shared, records: Vec<Kept>, chance: &mut StdRng) {
    let mut chains = chains(records);
    let mut wait = FIRST_WAIT;
    while !chains.is_empty() {
        let oldest = chains.iter().filter_map(|chain| chain.left.front());
        if let Some(oldest) = oldest.map(|kept| kept.record.received_at()).min() {
            ::metrics::gauge!(metrics::OLDEST).set(oldest.0 as f64 / 1000.0);
        }
        let before: usize = chains.iter().map(|chain| chain.left.len()).sum();
        chains = stream::iter(chains)
            .map(|chain| chain.replayed(shared))
            .buffer_unordered(ABREAST)
            .filter(|chain| std::future::ready(!chain.left.is_empty()))
            .collect()
            .await;
        let left: usize = chains.iter().map(|chain| chain.left.len()).sum();
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
#[derive(Default)]
struct Chain {
    left: VecDeque<Kept>,
    /// What the remote holds of their session, where they are decided again on top of that and the last
    /// of them was.
    held: Option<Held>,
}

/// What the remote holds of a session.
struct Held {
    session: Session,
    /// That of whoever owns it there.
    epoch: i64,
}

fn chains(records: Vec<Kept>) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut of_session: HashMap<SessionId, usize> = HashMap::new();
    for kept in records {
        let place = match kept.record.session() {
            Some(id) => *of_session.entry(id).or_insert(chains.len()),
            None => chains.len(),
        };
        if place == chains.len() {
            chains.push(Chain::default());
        }
        chains[place].left.push_back(kept);
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
    async fn replayed(mut self, shared: &Shared) -> Self {
        while let Some(kept) = self.left.pop_front() {
            let fate = match self.bring(shared, &kept.record).await {
                Ok(fate) => fate,
                Err(_) => Fate::NotNow,
            };
            let outcome = match fate {
                Fate::There => Some("replayed"),
                Fate::Never(why) => {
                    let aside = set_aside(shared, &kept.record, &why).await;
                    aside.is_ok().then_some("set_aside")
                }
                Fate::NotNow => None,
            };
            let Some(outcome) = outcome else {
                self.left.push_front(kept);
                break;
            };
            shared.replayed(kept.bytes);
            ::metrics::counter!(metrics::WRITES, "outcome" => outcome).increment(1);
        }
        self
    }

    async fn bring(&mut self, shared: &Shared, record: &Record) -> Result<Fate, WriteError> {
        let remote = &shared.remote;
        let write = async {
            match record {
                Record::Session(commit) => self.session(shared, commit).await,
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
        shared.remote_took(fate.as_ref().map(drop));
        fate
    }

    async fn session(
        &mut self,
        shared: &Shared,
        commit: &SessionCommit,
    ) -> Result<Fate, WriteError> {
        let id = commit.session.id;
        // Whatever fails leaves it in doubt what the remote holds.
        let held = match self.held.take() {
            Some(held) => held,
            None => match on_its_own(shared, commit).await? {
                Alone::Done(fate) => return Ok(fate),
                Alone::Meets(session) => {
                    shared.state().twins.decided_again(id, session.id);
                    let station = shared.remote.hydrate(&session.station).await;
                    let epoch = station.map_err(unread)?.last_epoch;
                    Held {
                        epoch: epoch.unwrap_or(commit.epoch),
                        session: *session,
                    }
                }
            },
        };
        // Whoever owns the session now: the message was acknowledged, so it counts.
        let epoch = commit.epoch.max(held.epoch);
        let rebased = (shared.rebase)(&held.session, commit.clone(), epoch);
        let session = rebased.session.clone();
        if session != commit.session {
            shared.state().twins.differs(id, held.session.id);
        }
        match shared.remote.commit_session(rebased).await {
            Ok(Committed::Written) => {
                self.held = Some(Held { session, epoch });
                Ok(Fate::There)
            }
            Ok(Committed::Repeat(session)) => {
                let session = *session;
                self.held = Some(Held { session, epoch });
                Ok(Fate::There)
            }
            // Somebody wrote it in between: next time.
            Ok(Committed::Taken(_)) | Err(WriteError::Stale | WriteError::Outdated) => Err(
                WriteError::NotWritten("the session is written elsewhere".to_owned()),
            ),
            Err(WriteError::Refused(why)) => Ok(Fate::Never(why)),
            Err(error) => Err(error),
        }
    }
}

/// What came of bringing a write as it was made.
enum Alone {
    /// No more is to be done.
    Done(Fate),
    /// It has to be decided again on top of this.
    Meets(Box<Session>),
}

/// Brings a write as it was made, unless it is known that it has to be decided again.
async fn on_its_own(shared: &Shared, commit: &SessionCommit) -> Result<Alone, WriteError> {
    let id = commit.session.id;
    let twin = shared.state().twins.of(id);
    if let Some(twin) = twin
        && let Some(held) = shared.remote.session(twin).await.map_err(unread)?
    {
        return Ok(Alone::Meets(Box::new(held)));
    }
    let there = Alone::Done(Fate::There);
    match shared.remote.commit_session(commit.clone()).await {
        Ok(Committed::Written) => Ok(there),
        Ok(Committed::Repeat(held)) => {
            // It was there all the while, and perhaps more: what follows was decided without that.
            if *held != commit.session {
                shared.state().twins.differs(id, held.id);
            }
            Ok(there)
        }
        Ok(Committed::Taken(held)) => Ok(Alone::Meets(held)),
        Err(WriteError::Stale | WriteError::Outdated) => {
            Ok(match shared.remote.session(id).await.map_err(unread)? {
                Some(held) => Alone::Meets(Box::new(held)),
                None => Alone::Done(Fate::Never(format!("session {id} is gone"))),
            })
        }
        Err(WriteError::Refused(why)) => Ok(Alone::Done(Fate::Never(why))),
        Err(error) => Err(error),
    }
}

fn unread(error: ReadError) -> WriteError {
    WriteError::NotWritten(error.to_string())
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
