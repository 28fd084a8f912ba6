//! The WebSocket of a link: its sizes, and writing to it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use futures_util::SinkExt;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{Role, WebSocketConfig},
    },
};

use super::{
    LinkTask,
    goodbye::{End, end_of},
    handle::{Closing, LinkHandle},
};
use crate::socket::{Sockets, metered::Metered};

/// The WebSocket on a connection that has been upgraded.
pub(super) async fn web_socket(
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

impl LinkTask {
    pub(super) async fn write(&mut self, message: Message) -> Result<(), End> {
        let within = self.sockets.write_timeout();
        unless_closed(&self.handle, within, self.socket.send(message)).await
    }

    pub(super) async fn flush(&mut self) -> Result<(), End> {
        let within = self.sockets.write_timeout();
        unless_closed(&self.handle, within, self.socket.flush()).await
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
