//! One charger's open socket: the only file that knows how WebSocket frames are read and written.
//!
//! One small task per charger owns the socket and writes it itself. It takes one CALL at a time, in
//! order, and answers it before it takes the next; the answers to the hub's own calls may come in
//! between, so it never stops reading for long (OCPP-J: one outstanding CALL per direction). What a
//! charger sends ahead of its answers waits here up to a bound, then in the kernel, then in the charger.
//!
//! What is not needed while a charger is silent is not held: the message in hand and the timer of a
//! call are boxed, and freed with it.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    net::IpAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actors::{CallOutcome, CloseReason, Connection, Link, OutgoingCall};
use futures_util::{SinkExt, StreamExt, task::AtomicWaker};
use model::{Direction, Protocol, StationId};
use ocpp::frame::{self, Frame};
use tokio::{
    net::TcpStream,
    time::{Sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    Sockets,
    answer::{Answer, Call, InHand},
    calls::Calls,
    liveness::{Liveness, Visit, seconds_since},
    metered::Metered,
};
use crate::metrics;

/// How many messages a charger may send ahead of its answers, and how many bytes before no more are read.
const MAX_AHEAD: usize = 8;
const MAX_AHEAD_BYTES: usize = 64 * 1024;

/// A message that is longer leaves the socket with a buffer that is worth renewing.
const LONG_MESSAGE_BYTES: usize = 4 * 1024;

/// What others hold of a socket: they leave word and wake its task.
pub(crate) struct LinkHandle {
    word: Mutex<Word>,
    waker: AtomicWaker,
    max_waiting_calls: usize,
    last_read_s: AtomicU32,
    /// When the ping was sent that nothing has been read since; 0: none.
    pinged_s: AtomicU32,
    answers_pings: AtomicBool,
    /// What the seconds above count from.
    clock_began: Instant,
}

/// Word left for a socket's task.
#[derive(Default)]
struct Word {
    calls: Calls,
    ping: bool,
    close: Option<Closing>,
    /// Close when nothing is in hand any more, and take on nothing new.
    finish: Option<CloseReason>,
}

/// Why a socket's task ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Asked(CloseReason),
    Dead,
}

impl LinkHandle {
    pub(crate) fn new(max_waiting_calls: usize, liveness: &Liveness) -> Self {
        Self {
            word: Mutex::default(),
            waker: AtomicWaker::new(),
            max_waiting_calls,
            last_read_s: AtomicU32::new(liveness.now_s()),
            pinged_s: AtomicU32::new(0),
            answers_pings: AtomicBool::new(false),
            clock_began: liveness.began(),
        }
    }

    /// Looks at the socket once per ping interval; see [`super::liveness`].
    pub(crate) fn visit(&self, now_s: u32, silence_most_s: u32) -> Visit {
        let last_read_s = self.last_read_s.load(Ordering::Relaxed);
        let pinged_s = self.pinged_s.load(Ordering::Relaxed);
        let unanswered = pinged_s != 0 && last_read_s < pinged_s;
        let silent_s = now_s.saturating_sub(last_read_s);
        let answers_pings = self.answers_pings.load(Ordering::Relaxed);
        if unanswered && (answers_pings || silent_s > silence_most_s) {
            return Visit::Dead;
        }
        if silent_s == 0 {
            return Visit::Alive;
        }
        if !unanswered {
            self.pinged_s.store(now_s.max(1), Ordering::Relaxed);
        }
        Visit::Ping
    }

    pub(crate) fn declare_dead(&self) {
        self.word().close = Some(Closing::Dead);
        self.waker.wake();
    }

    /// Whether nothing new is taken on.
    fn finishes(&self) -> bool {
        self.word().finish.is_some()
    }

    fn word(&self) -> MutexGuard<'_, Word> {
        // Nothing panics while it holds the lock.
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for LinkHandle {
    fn call(&self, call: OutgoingCall) {
        self.word()
            .calls
            .push(call, self.max_waiting_calls, Instant::now());
        self.waker.wake();
    }

    fn silent_s(&self) -> u32 {
        let last_read_s = self.last_read_s.load(Ordering::Relaxed);
        seconds_since(self.clock_began).saturating_sub(last_read_s)
    }

    fn ping(&self) {
        self.word().ping = true;
        self.waker.wake();
    }

    fn close(&self, reason: CloseReason) {
        self.word().close.get_or_insert(Closing::Asked(reason));
        self.waker.wake();
    }

    fn finish(&self, reason: CloseReason) {
        self.word().finish.get_or_insert(reason);
        self.waker.wake();
    }
}

/// Opens the WebSocket on an upgraded connection and starts its task. `behind` is what came behind the
/// upgrade request.
pub(crate) async fn open(
    stream: TcpStream,
    behind: Vec<u8>,
    handle: Arc<LinkHandle>,
    connection: Connection,
    station: StationId,
    protocol: Protocol,
    sockets: Arc<Sockets>,
) {
    let stream = Metered::new(stream, &behind);
    let socket = web_socket(stream, behind, &sockets).await;
    let task = LinkTask {
        socket,
        handle,
        connection: Arc::new(connection),
        station,
        protocol,
        sockets,
        in_hand: None,
        ahead: VecDeque::new(),
        call_timer: None,
        message_timer: None,
        buffer_is_large: false,
    };
    let open = task.sockets.open.clone();
    open.spawn(run(Box::new(task)));
}

/// The WebSocket on a connection that has been upgraded.
async fn web_socket(
    stream: Metered,
    behind: Vec<u8>,
    sockets: &Sockets,
) -> WebSocketStream<Metered> {
    // tungstenite's defaults are 128 KiB of buffers a socket; these are what an idle charger costs.
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_write_buffer_size(1024 * 1024)
        .max_message_size(Some(sockets.config.max_message_bytes))
        .max_frame_size(Some(sockets.config.max_message_bytes));
    WebSocketStream::from_partially_read(stream, behind, Role::Server, Some(config)).await
}

struct LinkTask {
    socket: WebSocketStream<Metered>,
    handle: Arc<LinkHandle>,
    connection: Arc<Connection>,
    station: StationId,
    protocol: Protocol,
    sockets: Arc<Sockets>,
    /// The CALL that is being answered.
    in_hand: Option<Pin<Box<InHand>>>,
    /// CALLs that came before their turn.
    ahead: VecDeque<Utf8Bytes>,
    /// Runs while the hub waits for an answer.
    call_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while a message has begun and not ended.
    message_timer: Option<Pin<Box<Sleep>>>,
    /// A long message has made the socket's buffer large.
    buffer_is_large: bool,
}

/// What happens next on a socket.
enum Next {
    /// The CALL in hand has its answer.
    Answered(Answer),
    /// Something was read.
    Read(Option<Result<Message, tungstenite::Error>>),
    /// Word was left.
    Word { close: Option<Closing>, ping: bool },
    /// A call of the hub's ran out of time.
    CallExpired,
    /// A message took too long to arrive.
    MessageExpired,
}

/// How a socket came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The charger closed it, or it broke.
    Gone,
    /// The charger broke the rules of WebSocket.
    Malformed(CloseCode),
    /// The charger began a message and did not end it in time.
    TooSlow,
    /// The hub closes it.
    Closing(Closing),
}

/// A socket's life. The task is boxed because a future stores what it is given twice.
async fn run(mut task: Box<LinkTask>) {
    let end = loop {
        let next = poll_fn(|cx| task.poll_next(cx)).await;
        // Boxed: what a message needs is held only while there is one.
        if let Err(end) = Box::pin(task.handle_next(next)).await {
            break end;
        }
        if task.buffer_is_large && task.socket.get_ref().has_nothing_behind() {
            task = Box::pin(task.renew_socket()).await;
        }
    };
    task.handle.word().calls.gone();
    Box::pin(task.say_goodbye(end)).await;
}

impl LinkTask {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        self.handle.waker.register(cx.waker());
        if let Some(in_hand) = &mut self.in_hand
            && let Poll::Ready(answer) = in_hand.as_mut().poll(cx)
        {
            self.in_hand = None;
            return Poll::Ready(Next::Answered(answer));
        }
        if let Some(word) = self.take_word() {
            return Poll::Ready(word);
        }
        if let Some(timer) = &mut self.call_timer
            && timer.as_mut().poll(cx).is_ready()
        {
            self.call_timer = None;
            return Poll::Ready(Next::CallExpired);
        }
        if !self.takes_more() {
            // What is under way stands still because of the hub.
            self.message_timer = None;
            return Poll::Pending;
        }
        if let Poll::Ready(read) = self.socket.poll_next_unpin(cx) {
            self.note_read(&read);
            return Poll::Ready(Next::Read(read));
        }
        if self.socket.get_ref().has_begun() {
            let within = self.sockets.message_timeout();
            let timer = self
                .message_timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
            return timer.as_mut().poll(cx).map(|()| Next::MessageExpired);
        }
        Poll::Pending
    }

    /// Whether the charger may send more before it has its answers.
    fn takes_more(&self) -> bool {
        self.ahead.len() < MAX_AHEAD
            && self.ahead.iter().map(|text| text.len()).sum::<usize>() < MAX_AHEAD_BYTES
    }

    fn note_read(&mut self, read: &Option<Result<Message, tungstenite::Error>>) {
        let data_bytes = match read {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => Some(message.len()),
            _ => None,
        };
        self.buffer_is_large |= data_bytes.is_some_and(|bytes| bytes > LONG_MESSAGE_BYTES);
        if matches!(read, Some(Ok(Message::Close(_)))) {
            // The answer to it waits in the socket.
            self.buffer_is_large = false;
        }
        if data_bytes.is_some() || !self.socket.get_ref().has_begun() {
            self.message_timer = None;
        }
    }

    /// The same connection with a buffer of the size that an idle charger costs: tungstenite would keep
    /// one as large as the longest message there ever was. To be called when nothing is in it, and
    /// nothing waits to be sent.
    async fn renew_socket(self: Box<Self>) -> Box<Self> {
        let Self {
            socket,
            handle,
            connection,
            station,
            protocol,
            sockets,
            in_hand,
            ahead,
            call_timer,
            message_timer,
            buffer_is_large: _,
        } = *self;
        let socket = web_socket(socket.into_inner(), Vec::new(), &sockets).await;
        Box::new(Self {
            socket,
            handle,
            connection,
            station,
            protocol,
            sockets,
            in_hand,
            ahead,
            call_timer,
            message_timer,
            buffer_is_large: false,
        })
    }

    fn take_word(&self) -> Option<Next> {
        let mut word = self.handle.word();
        let (mut close, ping) = (word.close.take(), std::mem::take(&mut word.ping));
        if let Some(reason) = word.finish {
            let done = self.in_hand.is_none() && !word.calls.is_on_the_wire();
            close = close.or(done.then_some(Closing::Asked(reason)));
        }
        let may_send = word.finish.is_none() && word.calls.can_send();
        (close.is_some() || ping || may_send).then_some(Next::Word { close, ping })
    }

    async fn handle_next(&mut self, next: Next) -> Result<(), End> {
        match next {
            Next::Answered(answer) => {
                self.give(answer).await?;
                // One that is answered at once leaves nothing in hand: on to the one behind it.
                while self.in_hand.is_none()
                    && let Some(text) = self.ahead.pop_front()
                {
                    self.take_text(text).await?;
                }
                if self.ahead.is_empty() {
                    self.ahead = VecDeque::new();
                }
            }
            Next::Read(read) => self.on_read(read).await?,
            Next::Word {
                close: Some(closing),
                ..
            } => return Err(End::Closing(closing)),
            Next::Word { close: None, ping } => {
                if ping {
                    self.write(Message::Ping(tungstenite::Bytes::new())).await?;
                }
                self.send_next_call().await?;
            }
            Next::MessageExpired => return Err(End::TooSlow),
            Next::CallExpired => {
                self.handle.word().calls.expire(Instant::now());
                self.send_next_call().await?;
            }
        }
        Ok(())
    }

    async fn on_read(
        &mut self,
        read: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<(), End> {
        let message = match read {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(end_of(&error)),
            None => return Err(End::Gone),
        };
        // Any frame shows that the charger lives.
        self.handle
            .last_read_s
            .store(self.sockets.liveness.now_s(), Ordering::Relaxed);
        match message {
            Message::Text(text) => self.take_text(text).await,
            Message::Pong(_) => {
                self.handle.answers_pings.store(true, Ordering::Relaxed);
                Ok(())
            }
            // OCPP is text; some firmware marks it as binary all the same.
            Message::Binary(bytes) => match Utf8Bytes::try_from(bytes) {
                Ok(text) => self.take_text(text).await,
                Err(_) => Err(End::Malformed(CloseCode::Invalid)),
            },
            // tungstenite has queued the pong; flushing is all that is left to do.
            Message::Ping(_) => self.flush().await,
            Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn take_text(&mut self, text: Utf8Bytes) -> Result<(), End> {
        let at = self.sockets.clock.now();
        let repaired;
        let parsed = match frame::parse(&text) {
            Ok(parsed) => Ok(parsed),
            Err(bad) => {
                repaired = frame::salvage(&text);
                match &repaired {
                    Some(repaired) => {
                        ::metrics::counter!(metrics::REPAIRS, "repair" => "salvaged_frame")
                            .increment(1);
                        frame::parse(repaired)
                    }
                    None => Err(bad),
                }
            }
        };
        match parsed {
            // Not begun, so not answered: the charger keeps it and sends it to whoever takes over.
            Ok(Frame::Call { .. }) if self.handle.finishes() => Ok(()),
            Ok(Frame::Call { .. }) if self.in_hand.is_some() => {
                self.ahead.push_back(text);
                Ok(())
            }
            Ok(Frame::Call {
                id,
                action,
                payload,
            }) => {
                // What nobody will look for costs nothing while others wait.
                let logged = action != "Heartbeat" || !self.sockets.gate.is_busy();
                if logged {
                    self.sockets
                        .log
                        .log(&self.station, at, Direction::In, &action, &text);
                }
                // Two devices may have this identity: then it matters which one this is.
                let asks_who =
                    action == "BootNotification" && self.sockets.conflicts.concern(&self.station);
                let peer = asks_who.then(|| self.peer()).flatten();
                let call = Call {
                    id: id.into_owned(),
                    action: action.into_owned(),
                    payload,
                    at,
                    logged,
                    peer,
                };
                match InHand::begin(self.protocol, call, &self.connection, &self.sockets) {
                    Ok(in_hand) => {
                        self.in_hand = Some(Box::pin(in_hand));
                        Ok(())
                    }
                    Err(answer) => self.give(answer).await,
                }
            }
            Ok(Frame::CallResult { id, payload }) => {
                self.take_outcome(&id, CallOutcome::Answered(payload.get().to_owned()), &text)
                    .await
            }
            Ok(Frame::CallError {
                id,
                code,
                description,
                ..
            }) => {
                let (code, description) = (code.into_owned(), description.into_owned());
                self.take_outcome(&id, CallOutcome::Failed { code, description }, &text)
                    .await
            }
            Ok(Frame::Unknown { message_type, id }) => {
                self.sockets
                    .log
                    .log(&self.station, at, Direction::In, "", &text);
                let answer = Answer::to_unknown_type(self.protocol, message_type, id.as_deref());
                self.give(answer).await
            }
            Err(bad) => {
                self.sockets
                    .log
                    .log(&self.station, at, Direction::In, "", &text);
                self.give(Answer::to_bad_frame(self.protocol, &bad)).await
            }
        }
    }

    async fn take_outcome(
        &mut self,
        id: &str,
        outcome: CallOutcome,
        text: &str,
    ) -> Result<(), End> {
        let at = self.sockets.clock.now();
        let action = self
            .handle
            .word()
            .calls
            .answered(id, outcome)
            .unwrap_or_default();
        self.sockets
            .log
            .log(&self.station, at, Direction::In, &action, text);
        self.send_next_call().await
    }

    async fn send_next_call(&mut self) -> Result<(), End> {
        let next = match self.handle.finishes() {
            true => None,
            false => self.handle.word().calls.next_to_send(),
        };
        if let Some(call) = next {
            let frame = frame::call(&call.id, &call.action, &call.payload);
            let at = self.sockets.clock.now();
            self.sockets
                .log
                .log(&self.station, at, Direction::Out, &call.action, &frame);
            self.write(Message::text(frame)).await?;
        }
        let deadline = self.handle.word().calls.next_deadline();
        self.call_timer =
            deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
        Ok(())
    }

    async fn give(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Frame {
                action,
                frame,
                logged,
            } => {
                if logged {
                    let at = self.sockets.clock.now();
                    self.sockets
                        .log
                        .log(&self.station, at, Direction::Out, &action, &frame);
                }
                self.write(Message::text(frame)).await
            }
            Answer::Nothing => Ok(()),
            Answer::IdentityConflict => {
                Err(End::Closing(Closing::Asked(CloseReason::IdentityConflict)))
            }
            Answer::Close => Err(End::Closing(Closing::Asked(CloseReason::NotDurable))),
        }
    }

    fn peer(&self) -> Option<IpAddr> {
        self.socket
            .get_ref()
            .stream()
            .peer_addr()
            .ok()
            .map(|peer| peer.ip())
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        let within = self.sockets.write_timeout();
        unless_closed(&self.handle, within, self.socket.send(message)).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        let within = self.sockets.write_timeout();
        unless_closed(&self.handle, within, self.socket.flush()).await
    }

    /// Closes politely, where there is anybody left to be polite to.
    async fn say_goodbye(self: Box<Self>, end: End) {
        let peer = self.peer();
        let Self {
            mut socket,
            connection,
            sockets,
            station,
            ..
        } = *self;
        let epoch = connection.epoch();
        // The actor learns of it first; the goodbye may take its time.
        drop(connection);
        let (label, goodbye) = goodbye_to(end);
        ::metrics::counter!(metrics::SOCKETS_CLOSED, "reason" => label).increment(1);
        tracing::debug!(%station, reason = label, "a station's socket is closed");
        if let Some((code, reason)) = goodbye {
            let close = CloseFrame {
                code,
                reason: Utf8Bytes::from_static(reason),
            };
            let evicted = end == End::Closing(Closing::Asked(CloseReason::Replaced));
            let mut answered = false;
            let polite = async {
                if evicted {
                    let mark = tungstenite::Bytes::from_static(EVICTION_MARK);
                    socket.send(Message::Ping(mark)).await?;
                }
                socket.close(Some(close)).await?;
                // Until the peer closes too, so that what it still sends does not reset the
                // connection before it has read the close frame.
                while let Some(Ok(message)) = socket.next().await {
                    answered |= answers_eviction(&message);
                }
                Ok::<_, tungstenite::Error>(())
            };
            let within = sockets.write_timeout().min(goodbye_most(end));
            let _ = timeout(within, polite).await;
            if let (true, true, Some(peer)) = (evicted, answered, peer) {
                let now = sockets.clock.now();
                sockets
                    .conflicts
                    .evicted(&station, epoch, peer, now, &sockets.actors);
            }
        }
    }
}

/// Waits until it is written: a charger that does not read must hold its task neither for ever nor when
/// the socket is to be closed.
async fn unless_closed(
    handle: &LinkHandle,
    within: Duration,
    written: impl Future<Output = Result<(), tungstenite::Error>>,
) -> Result<(), End> {
    let mut written = pin!(written);
    let written_or_closed = poll_fn(|cx| {
        handle.waker.register(cx.waker());
        if let Poll::Ready(written) = written.as_mut().poll(cx) {
            return Poll::Ready(written.map_err(|error| end_of(&error)));
        }
        match handle.word().close.take() {
            Some(closing) => Poll::Ready(Err(End::Closing(closing))),
            None => Poll::Pending,
        }
    });
    let dead = End::Closing(Closing::Dead);
    timeout(within, written_or_closed)
        .await
        .unwrap_or(Err(dead))
}

/// What a device that is evicted is pinged with.
const EVICTION_MARK: &[u8] = b"replaced";

/// Whether a message can only come from a device that has read that it is evicted. Anything else may have
/// been under way for long, from a socket that its device has given up.
fn answers_eviction(message: &Message) -> bool {
    match message {
        Message::Pong(mark) => &mark[..] == EVICTION_MARK,
        Message::Close(Some(frame)) => frame.code == CloseCode::Policy,
        _ => false,
    }
}

/// How long a goodbye may take, the peer's answer to it included.
fn goodbye_most(end: End) -> Duration {
    match end {
        // Who takes over waits for the last of them.
        End::Closing(Closing::Asked(CloseReason::Draining)) => Duration::from_secs(2),
        _ => Duration::from_secs(5),
    }
}

fn end_of(error: &tungstenite::Error) -> End {
    match error {
        tungstenite::Error::Capacity(_) => End::Malformed(CloseCode::Size),
        tungstenite::Error::Utf8(_) => End::Malformed(CloseCode::Invalid),
        tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => End::Gone,
        tungstenite::Error::Protocol(_) => End::Malformed(CloseCode::Protocol),
        _ => End::Gone,
    }
}

/// The metric label, and what to say to the peer.
fn goodbye_to(end: End) -> (&'static str, Option<(CloseCode, &'static str)>) {
    match end {
        End::Gone => ("gone", None),
        End::TooSlow => (
            "too_slow",
            Some((CloseCode::Policy, "a message took too long to arrive")),
        ),
        End::Malformed(CloseCode::Size) => (
            "too_long",
            Some((CloseCode::Size, "longer than chargers.max_message_bytes")),
        ),
        End::Malformed(code) => (
            "malformed",
            Some((code, "not a WebSocket message the hub takes")),
        ),
        End::Closing(Closing::Dead) => ("dead", None),
        End::Closing(Closing::Asked(reason)) => match reason {
            CloseReason::Replaced => (
                "replaced",
                Some((CloseCode::Policy, "replaced by a newer connection")),
            ),
            CloseReason::Removed => ("removed", Some((CloseCode::Policy, "turned away"))),
            CloseReason::NotDurable => (
                "not_durable",
                Some((CloseCode::Again, "cannot keep this now; send it again")),
            ),
            CloseReason::Draining => ("draining", Some((CloseCode::Restart, "restarting"))),
            CloseReason::IdentityConflict => (
                "identity_conflict",
                Some((CloseCode::Policy, "another device uses this identity")),
            ),
            CloseReason::Quarantined => (
                "quarantined",
                Some((CloseCode::Again, "resting; come back later")),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> LinkHandle {
        LinkHandle::new(1, &Liveness::new(60, 300))
    }

    #[test]
    fn a_socket_that_answered_pings_and_stops_is_dead_at_the_next_visit() {
        let link = link();
        link.answers_pings.store(true, Ordering::Relaxed);
        assert_eq!(link.visit(60, 900), Visit::Ping);
        link.last_read_s.store(60, Ordering::Relaxed);
        assert_eq!(link.visit(120, 900), Visit::Ping);
        assert_eq!(link.visit(180, 900), Visit::Dead);
    }

    #[test]
    fn quirk_25_a_socket_that_never_answers_pings_lives_by_its_messages() {
        let link = link();
        for visit in 1..=10 {
            assert_eq!(link.visit(visit * 60, 900), Visit::Ping);
        }
        link.last_read_s.store(630, Ordering::Relaxed);
        assert_eq!(link.visit(660, 900), Visit::Ping);
        assert_eq!(link.visit(630 + 901, 900), Visit::Dead);
    }

    #[test]
    fn what_an_idle_socket_holds_is_small() {
        fn future_bytes<F>(_: fn(Box<LinkTask>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(
            future_bytes(run) <= 120,
            "{} bytes of future",
            future_bytes(run)
        );
        let besides = size_of::<LinkTask>() - size_of::<WebSocketStream<Metered>>();
        assert!(besides <= 120, "{besides} bytes besides the WebSocket");
    }
}
