//! How a socket comes to its end, and what its peer is told.

use std::time::Duration;

use actors::CloseReason;
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{
    self, Message, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{LinkTask, handle::Closing};
use crate::metrics;

/// How a socket came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The charger closed it, or it broke.
    Gone,
    /// The charger broke the rules of WebSocket.
    Malformed(CloseCode),
    /// The charger began a message and did not end it in time.
    TooSlow,
    /// The hub closes it.
    Closing(Closing),
}

impl LinkTask {
    /// Closes politely, where there is anybody left to be polite to.
    pub(super) async fn say_goodbye(self: Box<Self>, end: End) {
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

pub(super) fn end_of(error: &tungstenite::Error) -> End {
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
