//! One charger's open socket; these files alone know how WebSocket messages are read and written.
//!
//! One small task per charger owns the socket and writes it itself. It takes one CALL at a time, in
//! order, and answers it before it takes the next; the answers to the hub's own calls may come in
//! between, so it never stops reading for long (OCPP-J: one outstanding CALL per direction). What a
//! charger sends ahead of its answers waits here up to a bound, then in the kernel, then in the charger.
//!
//! What is not needed while a charger is silent is not held: the message in hand and the timer of a
//! call are boxed, and freed with it.
//!
//! Here is the task's life; beside it what others hold of it ([`handle`]), what is said and answered
//! ([`text`]), writing ([`wire`]) and the end ([`goodbye`]).

mod goodbye;
mod handle;
mod text;
mod wire;

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use actors::Connection;
use futures_util::StreamExt;
use model::{Protocol, StationId};
use tokio::{net::TcpStream, time::Sleep};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, Utf8Bytes, protocol::frame::coding::CloseCode},
};

pub(crate) use self::handle::LinkHandle;
use self::{
    goodbye::{End, end_of},
    handle::Closing,
    wire::web_socket,
};
use super::{
    Sockets,
    answer::{Answer, InHand},
    metered::Metered,
};

/// How many messages a charger may send ahead of its answers, and how many bytes before no more are read.
const MAX_AHEAD: usize = 8;
const MAX_AHEAD_BYTES: usize = 64 * 1024;

/// A message that is longer leaves the socket with a buffer that is worth renewing.
const LONG_MESSAGE_BYTES: usize = 4 * 1024;

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
        self.handle.was_read(self.sockets.liveness.now_s());
        match message {
            Message::Text(text) => self.take_text(text).await,
            Message::Pong(_) => {
                self.handle.was_answered();
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

    fn peer(&self) -> Option<IpAddr> {
        self.socket
            .get_ref()
            .stream()
            .peer_addr()
            .ok()
            .map(|peer| peer.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
