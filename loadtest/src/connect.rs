//! Opens a charger's WebSocket with buffers small enough for tens of thousands of them in one process.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, http};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::target::Target;

/// How long TCP connect and handshake may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// `EMFILE`: this process has no file descriptor left.
const TOO_MANY_OPEN_FILES: i32 = 24;
/// `EADDRNOTAVAIL`: no free local port is left for this destination.
const NO_LOCAL_PORT: i32 = 99;

/// Why a charger's WebSocket could not be opened.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// This process may not open more sockets.
    #[error(
        "too many open files in one process: spread the chargers with --workers, or raise `ulimit -n`"
    )]
    TooManyOpenFiles,
    /// This source address has no free port.
    #[error(
        "no local port is left: spread the chargers with --workers (each has a loopback address of its own)"
    )]
    NoLocalPort,
    /// TCP or socket trouble.
    #[error(
        "cannot connect to {address}: {source} (is the central system running, and is the port right?)"
    )]
    Io {
        /// The address tried.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The server answered HTTP instead of switching protocols.
    #[error(
        "the central system answered HTTP {0}: 404 means it does not know the identity, 401 wrong credentials"
    )]
    Http(http::StatusCode),
    /// The server speaks none of the offered OCPP versions.
    #[error("the central system does not speak {0}: try the other --version")]
    Subprotocol(&'static str),
    /// The server did not finish the handshake in time.
    #[error("no WebSocket within {} s: the central system is overloaded, or it is no WebSocket server", CONNECT_TIMEOUT.as_secs())]
    TimedOut,
    /// Anything else in the handshake.
    #[error("WebSocket handshake failed: {0}")]
    Handshake(String),
}

impl ConnectError {
    /// A short name, the same for like causes, to count by.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::TooManyOpenFiles => "too many open files (use --workers)".into(),
            Self::NoLocalPort => "no local port left (use --workers)".into(),
            Self::Io { source, .. } => source.kind().to_string(),
            Self::Http(status) => format!("HTTP {}", status.as_u16()),
            Self::Subprotocol(name) => format!("{name} not spoken"),
            Self::TimedOut => "handshake timed out".into(),
            Self::Handshake(_) => "handshake failed".into(),
        }
    }

    /// Whether this machine has run out of something, so that the central system is not to blame.
    #[must_use]
    pub fn is_own_limit(&self) -> bool {
        matches!(self, Self::TooManyOpenFiles | Self::NoLocalPort)
    }

    fn io(address: SocketAddr, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(TOO_MANY_OPEN_FILES) => Self::TooManyOpenFiles,
            Some(NO_LOCAL_PORT) => Self::NoLocalPort,
            _ => Self::Io { address, source },
        }
    }
}

/// Buffers of a socket that is idle nearly always: 1 KiB to read, and each message written at once.
#[must_use]
pub fn small_buffers() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20))
}

/// Connects `identity` to `target` with the given subprotocol (none for a raw WebSocket), from the local address
/// `source` when one is given.
///
/// # Errors
/// Says what failed and what to check.
pub async fn open(
    target: &Target,
    identity: &str,
    subprotocol: Option<&'static str>,
    source: Option<IpAddr>,
) -> Result<WebSocketStream<TcpStream>, ConnectError> {
    let attempt = handshake(target, identity, subprotocol, source);
    tokio::time::timeout(CONNECT_TIMEOUT, attempt)
        .await
        .unwrap_or(Err(ConnectError::TimedOut))
}

async fn handshake(
    target: &Target,
    identity: &str,
    subprotocol: Option<&'static str>,
    source: Option<IpAddr>,
) -> Result<WebSocketStream<TcpStream>, ConnectError> {
    let address = target.address();
    let stream = connect_tcp(address, source)
        .await
        .map_err(|error| ConnectError::io(address, error))?;
    let uri: http::Uri = target
        .url(identity)
        .parse()
        .map_err(|error: http::uri::InvalidUri| ConnectError::Handshake(error.to_string()))?;
    let mut request = ClientRequestBuilder::new(uri);
    if let Some(name) = subprotocol {
        request = request.with_sub_protocol(name);
    }
    if let Some(value) = target.authorization(identity) {
        request = request.with_header("Authorization", value);
    }
    match client_async_with_config(request, stream, Some(small_buffers())).await {
        Ok((socket, _response)) => Ok(socket),
        Err(tungstenite::Error::Io(error)) => Err(ConnectError::io(address, error)),
        Err(tungstenite::Error::Http(response)) => Err(ConnectError::Http(response.status())),
        Err(tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            SubProtocolError::NoSubProtocol | SubProtocolError::InvalidSubProtocol,
        ))) => Err(ConnectError::Subprotocol(
            subprotocol.unwrap_or("a raw WebSocket"),
        )),
        Err(error) => Err(ConnectError::Handshake(error.to_string())),
    }
}

async fn connect_tcp(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
