//! The remote store and the spool as one store.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::{Session, SessionId, StationId};
use rand::{SeedableRng, rngs::StdRng};
use store::{ReadError, SessionCommit, Store, WriteError};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    Files,
    log::Log,
    metrics,
    reach::{Reach, Turn},
    record::Record,
    replay, segment,
    tokens::RecentTokens,
    twins::Twins,
    waiting::{Waiting, Write},
};

mod as_store;

/// How long it may take until others know that writes wait here.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

const AWAY: &str = "the remote store is away";

/// How a spool behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// What its segments may take on disk, in bytes; a write that does not fit is refused.
    pub max_bytes: u64,
    /// How long the remote store may take for a write before the spool takes it.
    pub patience: Duration,
    /// How many tokens are remembered for when the remote store cannot be read.
    pub recent_tokens: usize,
    /// Spreads the tries of many hubs to find their remote store back.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 4 << 30,
            patience: Duration::from_secs(2),
            recent_tokens: 100_000,
            seed: rand::random(),
        }
    }
}

/// Decides a write again on top of what the remote holds of its session, for an owner of that epoch.
pub type Rebase = fn(held: &Session, alone: SessionCommit, epoch: i64) -> SessionCommit;

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "the spool cannot be read: {0}; set spool.dir to a directory that the hub may write and no other hub uses"
)]
pub struct OpenError(#[from] pub io::Error);

/// A store that goes on while the remote one is away; see the [crate].
pub struct Spooled {
    shared: Arc<Shared>,
    replaying: JoinHandle<()>,
}

/// What callers and the replay share.
pub(crate) struct Shared {
    pub(crate) remote: Arc<dyn Store>,
    pub(crate) log: Log,
    pub(crate) patience: Duration,
    pub(crate) rebase: Rebase,
    state: Mutex<State>,
    tokens: RecentTokens,
    /// Something was spooled.
    pub(crate) spooled: Notify,
    /// Whether writes of sessions wait.
    holds: watch::Sender<bool>,
    /// What others know of that.
    known: watch::Sender<bool>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) waiting: Waiting,
    pub(crate) twins: Twins,
    /// Writes that the remote does not have yet, as far as is known.
    records: usize,
    /// How long those are.
    bytes: usize,
    /// Whether the remote takes writes.
    reach: Reach,
    /// Why it did not take the last one that it did not take.
    why: String,
    segments_gone: u64,
}

impl State {
    /// A write of so many bytes waits, or is about to.
    fn counts(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
        self.show();
    }

    /// It waits no more.
    fn counts_no_more(&mut self, bytes: usize) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.show();
    }

    fn show(&self) {
        ::metrics::gauge!(metrics::RECORDS).set(self.records as f64);
        ::metrics::gauge!(metrics::BYTES).set(self.bytes as f64);
    }

    /// Nothing of a session waits any more.
    fn released(&mut self, latest: Option<Session>) {
        if let Some(latest) = latest {
            self.twins.released(&latest, Instant::now());
        }
    }
}

impl Spooled {
    /// Puts a spool in these files in front of `remote`. What a former life left there is taken up.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn open(
        remote: Arc<dyn Store>,
        files: Arc<dyn Files>,
        rebase: Rebase,
        options: &Options,
    ) -> Result<Self, OpenError> {
        let state = left_behind(&*files)?;
        let shared = Arc::new(Shared {
            remote,
            log: Log::open(files, options.max_bytes)?,
            patience: options.patience,
            rebase,
            state: Mutex::new(state),
            tokens: RecentTokens::new(options.recent_tokens),
            spooled: Notify::new(),
            holds: watch::Sender::default(),
            known: watch::Sender::default(),
        });
        shared.state().show();
        shared.tell_whether_it_holds();
        let chance = StdRng::seed_from_u64(options.seed);
        let replaying = tokio::spawn(replay::run(Arc::clone(&shared), chance));
        Ok(Self { shared, replaying })
    }

    /// How many writes wait for the remote store.
    pub fn waiting(&self) -> usize {
        self.shared.state().records
    }

    /// Whether writes of sessions wait, from now on. Who asks [lets others know](Self::is_known): the first write that
    /// waits is acknowledged when they do.
    pub fn holds(&self) -> watch::Receiver<bool> {
        self.shared.holds.subscribe()
    }

    /// Others know by now whether writes of sessions wait, or cannot be told.
    pub fn is_known(&self, holds: bool) {
        self.shared.known.send_replace(holds);
    }

    /// Whether one waits of a session of that station, so that the remote store alone does not tell the truth about it.
    pub fn holds_any_of(&self, station: &StationId) -> bool {
        self.shared.state().waiting.holds_any_of(station)
    }

    /// Why writes wait here, as the remote store, or the way to it, last put it; nothing, while it takes them.
    pub fn trouble(&self) -> Option<String> {
        let state = self.shared.state();
        state.reach.is_away().then(|| state.why.clone())
    }

    /// Stops replaying; what waits is taken up by the next life.
    pub async fn close(&self) {
        self.replaying.abort();
        self.shared.log.close_segment().await;
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.replaying.abort();
    }
}

/// What a former life left in the segments. Damage is reported when a segment is replayed.
fn left_behind(files: &dyn Files) -> io::Result<State> {
    let mut state = State::default();
    for name in crate::log::segments(files)? {
        for body in segment::read(&files.read(&name)?).records {
            if let Ok(record) = serde_json::from_slice(body) {
                state.records += 1;
                state.bytes += body.len();
                if let Record::Session(commit) = record {
                    state.waiting.begins(commit.session.id);
                    state.waiting.written(&commit);
                    state
                        .twins
                        .decided_again(commit.session.id, commit.session.id);
                }
            }
        }
    }
    if state.records > 0 {
        tracing::warn!(
            writes = state.records,
            "the spool holds writes of a former life; they go to the remote store now"
        );
    }
    Ok(state)
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until others know that writes of sessions wait here, if anybody lets them know.
    async fn others_know(&self) {
        let is_told = self.holds.receiver_count() > 0;
        if is_told && !*self.known.borrow() {
            let mut known = self.known.subscribe();
            let _ = timeout(KNOWN_WITHIN, known.wait_for(|known| *known)).await;
        }
    }

    fn tell_whether_it_holds(&self) {
        let state = self.state();
        let holds = !state.waiting.is_empty();
        self.holds
            .send_if_modified(|told| std::mem::replace(told, holds) != holds);
    }

    /// The remote took a write, or did not.
    pub(crate) fn remote_took(&self, taken: Result<(), &WriteError>) {
        let turn = {
            let mut state = self.state();
            match taken {
                Ok(()) => state.reach.answered(Instant::now()),
                Err(why) => {
                    state.why = why.to_string();
                    state.reach.failed()
                }
            }
        };
        if let (Some(Turn::Away), Err(why)) = (turn, taken) {
            tracing::warn!(%why, "the remote store does not take writes; they go to the spool");
        }
        self.tell(turn);
    }

    /// When the remote will be back though nobody writes: it answers again.
    pub(crate) fn calm_at(&self) -> Option<Instant> {
        self.state().reach.calm_at()
    }

    /// That time has come.
    pub(crate) fn calmed_down(&self) {
        let turn = self.state().reach.calm_by(Instant::now());
        self.tell(turn);
    }

    fn tell(&self, turn: Option<Turn>) {
        let away = match turn {
            None => return,
            Some(Turn::Away) => 1.0,
            Some(Turn::Back) => {
                let waiting = self.state().records;
                tracing::warn!(waiting, "the remote store takes writes again");
                0.0
            }
        };
        ::metrics::gauge!(metrics::REMOTE_AWAY).set(away);
    }

    /// The remote has a write of so many bytes, or it is set aside.
    pub(crate) fn replayed(&self, bytes: usize) {
        self.state().counts_no_more(bytes);
    }

    /// A segment is gone for good: its writes are in the remote store, or set aside. Not before, since
    /// what is still there is taken for news after a kill.
    pub(crate) fn gone(&self, of_sessions: &[Write]) {
        let mut state = self.state();
        state.segments_gone += 1;
        for write in of_sessions {
            let released = state.waiting.gone(write);
            state.released(released);
        }
        drop(state);
        self.tell_whether_it_holds();
    }

    /// Whether a write goes straight to the spool. With nothing to replay nobody would find out that the
    /// remote is back.
    fn goes_on_here(&self, session: Option<SessionId>) -> bool {
        let state = self.state();
        let held = session.is_some_and(|id| state.waiting.holds(id));
        held || (state.reach.is_away() && state.records > 0)
    }

    /// Whether the remote need not be asked, since the replay does and gets no answer.
    fn is_silent(&self) -> bool {
        let state = self.state();
        state.reach.is_silent() && state.records > 0
    }

    /// Brings a write to the remote store in good time.
    async fn remotely<T>(
        &self,
        write: impl Future<Output = Result<T, WriteError>>,
    ) -> Result<T, WriteError> {
        let outcome = timeout(self.patience, write).await.unwrap_or_else(|_| {
            let why = "the remote store took too long";
            Err(WriteError::Unknown(why.to_owned()))
        });
        match &outcome {
            Ok(_) | Err(WriteError::Stale | WriteError::Outdated | WriteError::Refused(_)) => {
                self.remote_took(Ok(()));
            }
            Err(error @ (WriteError::NotWritten(_) | WriteError::Unknown(_))) => {
                self.remote_took(Err(error));
            }
        }
        outcome
    }

    /// Reads from the remote store in good time; not at all while it is known to be away.
    async fn look_up<T>(
        &self,
        read: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        self.for_reading()?;
        timeout(self.patience, read)
            .await
            .unwrap_or_else(|_| Err(ReadError("the remote store took too long".to_owned())))
    }

    /// The remote store, for a write that no acknowledgement waits for: who makes it need not wait either
    /// while the remote is known to be away.
    fn for_writing(&self) -> Result<&Arc<dyn Store>, WriteError> {
        if self.is_silent() {
            return Err(WriteError::NotWritten(AWAY.to_owned()));
        }
        Ok(&self.remote)
    }

    /// The same, for a read.
    fn for_reading(&self) -> Result<&Arc<dyn Store>, ReadError> {
        if self.is_silent() {
            return Err(ReadError(AWAY.to_owned()));
        }
        Ok(&self.remote)
    }

    async fn spool(&self, record: &Record) -> Result<(), WriteError> {
        let body =
            serde_json::to_vec(record).map_err(|error| WriteError::NotWritten(error.to_string()));
        let bytes = body.as_ref().map_or(0, Vec::len);
        {
            let mut state = self.state();
            // Before it is there: the replay may be done with it before this goes on.
            state.counts(bytes);
            if let Some(id) = record.session() {
                state.waiting.begins(id);
            }
        }
        let kept = match body {
            Ok(body) => self.log.append(body).await,
            Err(error) => Err(error),
        };
        let outcome = match &kept {
            Ok(()) => "spooled",
            Err(_) => "refused",
        };
        ::metrics::counter!(metrics::WRITES, "outcome" => outcome).increment(1);
        {
            let mut state = self.state();
            if kept.is_err() {
                state.counts_no_more(bytes);
            }
            match (record, &kept) {
                (Record::Session(commit), Ok(())) => state.waiting.written(commit),
                (Record::Session(commit), Err(_)) => {
                    let released = state.waiting.failed(commit.session.id);
                    state.released(released);
                }
                _ => {}
            }
        }
        self.tell_whether_it_holds();
        self.spooled.notify_one();
        if kept.is_ok() && record.session().is_some() {
            self.others_know().await;
        }
        kept
    }
}
