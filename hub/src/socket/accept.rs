//! The chargers' listener. A place is taken before a connection is accepted: when as many connections
//! wait to be opened as may, the rest waits in the kernel's listen queue and costs the hub nothing. Far
//! fewer may be looked up and opened at the same time (see `handshake`), so that peers that connect and
//! say nothing take only the many cheap places.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

use super::{Sockets, handshake};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// The running listener.
pub struct Listening {
    /// Where it listens; with port 0 in the configuration, the port it was given.
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
    watching: JoinHandle<()>,
    open: TaskTracker,
}

impl Listening {
    /// Stops taking new connections; those that are open stay.
    pub fn stop_accepting(&self) {
        self.accepting.abort();
    }

    /// How many sockets are open, or are just saying goodbye.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
        self.watching.abort();
    }
}

/// Starts listening for chargers.
///
/// # Errors
/// When the address cannot be had (in use, not allowed).
pub async fn listen(sockets: Arc<Sockets>) -> io::Result<Listening> {
    let listener = bind(sockets.config.listen).await?;
    let address = listener.local_addr()?;
    let open = sockets.open.clone();
    let watching = tokio::spawn(super::liveness::run(Arc::clone(&sockets)));
    let accepting = tokio::spawn(accept(listener, sockets));
    Ok(Listening {
        address,
        accepting,
        watching,
        open,
    })
}

/// Binds an address. A predecessor that was killed a moment ago may hold it for an instant.
///
/// # Errors
/// When the address cannot be had: in use for longer than [`PREDECESSOR_MOST`], not allowed, not ours.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let started = Instant::now();
    loop {
        match try_bind(address) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && started.elapsed() < PREDECESSOR_MOST =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            bound_or_not => return bound_or_not,
        }
    }
}

const PREDECESSOR_MOST: Duration = Duration::from_secs(1);

fn try_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, sockets: Arc<Sockets>) {
    let waiting = Arc::new(Semaphore::new(sockets.config.max_unopened));
    loop {
        let Ok(place) = Arc::clone(&waiting).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of files, mostly. Whoever waits goes on waiting.
                tracing::error!(%error, "a connection could not be accepted; raise the limit of open files (ulimit -n)");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        prepare(&stream, &sockets);
        let sockets = Arc::clone(&sockets);
        tokio::spawn(async move {
            handshake::shake(stream, sockets).await;
            drop(place);
        });
    }
}

/// What a charger's connection needs of the kernel.
fn prepare(stream: &TcpStream, sockets: &Sockets) {
    let socket = socket2::SockRef::from(stream);
    // Small answers go out at once.
    let _ = socket.set_tcp_nodelay(true);
    // A ping that the peer's kernel does not acknowledge within one interval ends the socket, whether
    // the charger answers pings or not (quirk 25).
    let within = Duration::from_secs(u64::from(sockets.config.ping_interval_s));
    let _ = socket.set_tcp_user_timeout(Some(within));
}
