//! The way to one node: a bounded queue, and a task that holds the stream.
//!
//! A message waits in the queue until the stream takes it. From then on it may have arrived. When the stream breaks,
//! those without an answer are sent again, but only to the process that had them.

mod line;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use placement::NodeAddress;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::line::Line;
use crate::{
    Answer, AskError, Message, metrics,
    peers::{Dialer, NO_ANSWER},
    standing::{Reach, Standing},
    wire,
};

/// How long an answer may take on its way back, beyond its message's deadline.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// The way to one node.
pub(crate) struct Caller {
    node: NodeAddress,
    dialer: Arc<Dialer>,
    queue: mpsc::Sender<Asked>,
    /// The bytes that may still be asked.
    bytes: Arc<Semaphore>,
    state: Arc<State>,
    ended: CancellationToken,
}

/// How the way is.
struct State {
    standing: Mutex<Standing>,
    pending: AtomicUsize,
    /// Until when nobody tries to connect.
    resting: Mutex<Option<Instant>>,
}

/// A message on its way.
struct Asked {
    message: Message,
    fate: Arc<Fate>,
    answer: oneshot::Sender<Answer>,
    under_way: Option<oneshot::Sender<()>>,
    _bytes: OwnedSemaphorePermit,
    _counted: Counted,
}

/// Whether a message was sent. Decided once: it is either sent or given up.
#[derive(Default)]
struct Fate(AtomicU8);

impl Fate {
    const WAITS: u8 = 0;
    const SENT: u8 = 1;
    const GIVEN_UP: u8 = 2;

    /// It is about to be sent; `false` when it was given up.
    fn send(&self) -> bool {
        self.become_(Self::SENT)
    }

    /// It is not to be sent; `false` when it was.
    fn give_up(&self) -> bool {
        self.become_(Self::GIVEN_UP)
    }

    fn become_(&self, fate: u8) -> bool {
        let (order, otherwise) = (Ordering::SeqCst, Ordering::SeqCst);
        self.0
            .compare_exchange(Self::WAITS, fate, order, otherwise)
            .is_ok()
    }
}

/// Gives a message up that nobody waits for any more.
struct GiveUp<'a>(&'a Fate);

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl Caller {
    /// The way to a node, which is held from now on.
    pub(crate) fn new(dialer: &Arc<Dialer>, node: NodeAddress) -> Self {
        let settings = &dialer.settings;
        let (queue, asked) = mpsc::channel(settings.queue);
        let (state, ended) = (Arc::new(State::new()), CancellationToken::new());
        let line = Line {
            node: node.clone(),
            dialer: Arc::clone(dialer),
            state: Arc::clone(&state),
            queue: asked,
            next: None,
            under_way: HashMap::new(),
            process: None,
        };
        let until = ended.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = until.cancelled() => {}
                () = line.hold() => {}
            }
        });
        Self {
            bytes: Arc::new(Semaphore::new(settings.queue_bytes)),
            node,
            dialer: Arc::clone(dialer),
            queue,
            state,
            ended,
        }
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(
        &self,
        message: Message,
        under_way: Option<oneshot::Sender<()>>,
    ) -> Result<Answer, AskError> {
        let name = || self.node.name.clone();
        let (began, deadline) = (Instant::now(), message.deadline);
        if self.state.rests(began) {
            return Err(self.unreachable());
        }
        let fate = Arc::<Fate>::default();
        let (answer, mut answered) = oneshot::channel();
        let asked = Asked {
            _bytes: self.bytes_of(&message)?,
            _counted: Counted::new(&self.state, &self.node.name),
            fate: Arc::clone(&fate),
            message,
            answer,
            under_way,
        };
        self.queue.try_send(asked).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AskError::Busy(name()),
            mpsc::error::TrySendError::Closed(_) => self.unreachable(),
        })?;
        let _given_up_with_this = GiveUp(&fate);
        let patience = deadline.min(began + self.dialer.settings.patience);
        let answer = tokio::select! {
            answer = &mut answered => answer,
            () = sleep_until(patience.into()) => {
                if fate.give_up() {
                    return Err(self.unreachable());
                }
                match timeout_at((deadline + ON_THE_WAY).into(), answered).await {
                    Ok(answer) => answer,
                    Err(_) => return Err(AskError::TimedOut(name())),
                }
            }
        };
        // The task that held the message has let go of it.
        answer.map_err(|_| match fate.give_up() {
            true => self.unreachable(),
            false => AskError::Lost(name()),
        })
    }

    /// Ends the stream; whoever waits is told that the answer is lost.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        let was_away = self.state.standing().let_go(Instant::now());
        if let Some(was_away) = was_away {
            let after_s = was_away.as_secs();
            tracing::warn!(node = %self.node.name, after_s, "a node that could not be reached is not there any more");
        }
    }

    /// Whether the node is reached, and since when that is so.
    pub(crate) fn reach(&self) -> (Reach, Instant) {
        self.state.standing().now()
    }

    pub(crate) fn pending(&self) -> usize {
        self.state.pending.load(Ordering::Relaxed)
    }

    fn bytes_of(&self, message: &Message) -> Result<OwnedSemaphorePermit, AskError> {
        let settings = &self.dialer.settings;
        let bytes = message.body.len() + wire::AROUND_A_BODY;
        let most = settings.max_frame_bytes.min(settings.queue_bytes);
        let permits = u32::try_from(bytes).ok().filter(|_| bytes <= most);
        let permits = permits.ok_or(AskError::TooLarge { bytes, most })?;
        let held = Arc::clone(&self.bytes).try_acquire_many_owned(permits);
        held.map_err(|_| AskError::Busy(self.node.name.clone()))
    }

    fn unreachable(&self) -> AskError {
        let why = match self.reach().0 {
            Reach::Not(why) => why,
            Reach::NotTried => NO_ANSWER.to_owned(),
            Reach::Reached => "it takes nothing".to_owned(),
        };
        let node = self.node.name.clone();
        AskError::Unreachable { node, why }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.end();
    }
}

impl State {
    fn new() -> Self {
        Self {
            standing: Mutex::new(Standing::new(Instant::now())),
            pending: AtomicUsize::new(0),
            resting: Mutex::default(),
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // No code panics while it holds the lock.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no use in asking now.
    fn rests(&self, now: Instant) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.is_some_and(|until| now < until)
    }

    fn rest(&self, until: Option<Instant>) {
        *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Counts a message for as long as it is there.
struct Counted {
    state: Arc<State>,
    gauge: ::metrics::Gauge,
}

impl Counted {
    fn new(state: &Arc<State>, node: &str) -> Self {
        let gauge = ::metrics::gauge!(metrics::PENDING, "node" => node.to_owned());
        gauge.increment(1.0);
        state.pending.fetch_add(1, Ordering::Relaxed);
        Self {
            state: Arc::clone(state),
            gauge,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
        self.state.pending.fetch_sub(1, Ordering::Relaxed);
    }
}
