//! The way to one node: a bounded queue, and a task that holds the stream.
//!
//! A message waits in the queue until the stream takes it. From then on it may have arrived. When the stream breaks,
//! those without an answer are sent again, but only to the process that had them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use placement::NodeAddress;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{MissedTickBehavior, sleep_until, timeout, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic_prost::ProstCodec;
use uuid::Uuid;

use crate::{
    Answer, AskError, Message, metrics,
    peers::{Dialer, back_off},
    settings::in_words,
    wire::{self, Reply, Request, What},
};

/// How long an answer may take on its way back, beyond its message's deadline.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// How often messages that nobody waits for are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

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
#[derive(Default)]
struct State {
    up: AtomicBool,
    pending: AtomicUsize,
    /// Until when nobody tries to connect, and why.
    resting: Mutex<Option<(Instant, String)>>,
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
    /// The way to a node; nothing is opened yet.
    pub(crate) fn new(dialer: &Arc<Dialer>, node: NodeAddress) -> Self {
        let settings = &dialer.settings;
        let (queue, asked) = mpsc::channel(settings.queue);
        let (state, ended) = (Arc::<State>::default(), CancellationToken::new());
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
        if let Some(why) = self.state.rests(began) {
            return Err(AskError::Unreachable { node: name(), why });
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
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state.up.load(Ordering::Relaxed)
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
        let resting = self.state.resting();
        let why = resting.map_or_else(|| "it takes nothing".to_owned(), |(_, why)| why);
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
    fn resting(&self) -> Option<(Instant, String)> {
        // No code panics while it holds the lock.
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.clone()
    }

    /// Why there is no use in asking now.
    fn rests(&self, now: Instant) -> Option<String> {
        let (until, why) = self.resting()?;
        (now < until).then_some(why)
    }

    fn rest(&self, resting: Option<(Instant, String)>) {
        *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = resting;
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

/// The task that holds the stream.
struct Line {
    node: NodeAddress,
    dialer: Arc<Dialer>,
    state: Arc<State>,
    queue: mpsc::Receiver<Asked>,
    /// The next to be sent.
    next: Option<Asked>,
    /// Sent and not answered.
    under_way: HashMap<Uuid, Asked>,
    /// The process that has those.
    process: Option<String>,
}

/// An open stream.
struct Open {
    frames: mpsc::Sender<Request>,
    replies: Streaming<Reply>,
    opened: Instant,
    process: Option<String>,
}

impl Line {
    /// Holds a stream whenever there is something to ask, for as long as somebody may ask.
    async fn hold(mut self) {
        let mut failures = 0;
        loop {
            if self.next.is_none() && self.under_way.is_empty() {
                match self.queue.recv().await {
                    Some(asked) => self.next = Some(asked),
                    None => return,
                }
            }
            let patience = 2 * self.dialer.settings.connect_timeout;
            let opened = timeout(patience, self.open()).await;
            let why = match opened.unwrap_or_else(|_| Err("no answer".to_owned())) {
                Ok(open) => {
                    self.state.rest(None);
                    self.is_up(true);
                    let (why, was_of_use) = self.exchange(open).await;
                    self.is_up(false);
                    if was_of_use {
                        failures = 0;
                        continue;
                    }
                    why
                }
                Err(why) => why,
            };
            if failures == 0 {
                tracing::warn!(node = %self.node.name, address = %self.node.address, %why, "a node cannot be reached");
            }
            let pause = back_off(failures);
            failures += 1;
            self.state.rest(Some((Instant::now() + pause, why)));
            tokio::time::sleep(pause).await;
            self.forget_given_up();
        }
    }

    async fn open(&self) -> Result<Open, String> {
        let mut grpc = self.dialer.dial(&self.node).await?;
        grpc.ready().await.map_err(|error| in_words(&error))?;
        let opened = Instant::now();
        let (frames, to_send) = mpsc::channel(1);
        let request = self
            .dialer
            .request(&self.node, ReceiverStream::new(to_send));
        let path = http::uri::PathAndQuery::from_static(wire::EXCHANGE);
        let codec = ProstCodec::<Request, Reply>::default();
        let response = grpc.streaming(request, path, codec).await;
        let response = response.map_err(|status| in_words(&status))?;
        let process = response.metadata().get(wire::PROCESS);
        let process = process.and_then(|process| process.to_str().ok());
        Ok(Open {
            frames,
            process: process.map(str::to_owned),
            replies: response.into_inner(),
            opened,
        })
    }

    /// Asks over a stream until it breaks; why it did, and whether it was of any use.
    async fn exchange(&mut self, open: Open) -> (String, bool) {
        let Open {
            frames,
            mut replies,
            opened,
            process,
        } = open;
        if process.is_none() || process != self.process {
            // What the process before it did, this one does not know.
            self.under_way.retain(|_, asked| !asked.message.once);
        }
        self.process = process;
        let mut again: VecDeque<Uuid> = self.under_way.keys().copied().collect();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_of_use = false;
        loop {
            let takes = self.next.is_none()
                && again.is_empty()
                && self.under_way.len() < self.dialer.settings.under_way;
            tokio::select! {
                place = frames.reserve(), if self.next.is_some() || !again.is_empty() => {
                    let Ok(place) = place else {
                        return ("the stream ended".to_owned(), was_of_use);
                    };
                    if let Some(id) = again.pop_front() {
                        if let Some(asked) = self.under_way.get(&id) {
                            place.send(Request::of(&asked.message, opened));
                        }
                    } else if let Some(asked) = self.next.take_if(|asked| asked.fate.send()) {
                        place.send(Request::of(&asked.message, opened));
                        self.under_way.insert(asked.message.id, asked);
                    } else {
                        self.next = None;
                    }
                }
                asked = self.queue.recv(), if takes => match asked {
                    Some(asked) => self.next = Some(asked),
                    None => return ("nobody asks any more".to_owned(), was_of_use),
                },
                reply = replies.message() => match reply {
                    Ok(Some(reply)) => was_of_use |= self.heed(reply),
                    Ok(None) => return ("it ended the stream".to_owned(), was_of_use),
                    Err(status) => return (in_words(&status), was_of_use),
                },
                _ = sweep.tick() => self.forget_given_up(),
            }
        }
    }

    /// Passes an answer on; `false` where there is nobody it is for.
    fn heed(&mut self, reply: Reply) -> bool {
        let (Ok(id), Some(what)) = (Uuid::from_slice(&reply.id), reply.what) else {
            return false;
        };
        if let What::UnderWay(_) = what {
            let asked = self.under_way.get_mut(&id);
            if let Some(under_way) = asked.and_then(|asked| asked.under_way.take()) {
                // Nobody may want to know.
                let _ = under_way.send(());
            }
            return true;
        }
        let asked = self.under_way.remove(&id);
        if let (Some(asked), Some(answer)) = (asked, what.into_answer()) {
            let _ = asked.answer.send(answer);
            return true;
        }
        false
    }

    fn forget_given_up(&mut self) {
        self.next.take_if(|asked| asked.answer.is_closed());
        self.under_way.retain(|_, asked| !asked.answer.is_closed());
    }

    fn is_up(&self, up: bool) {
        self.state.up.store(up, Ordering::Relaxed);
        let gauge = ::metrics::gauge!(metrics::UP, "node" => self.node.name.clone());
        gauge.set(if up { 1.0 } else { 0.0 });
    }
}
