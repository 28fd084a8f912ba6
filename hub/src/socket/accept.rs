//! The chargers' listener. A place is taken before a connection is accepted: when as many connections
//! wait to be opened as may, the rest waits in the kernel's listen queue and costs the hub nothing. Far
//! fewer may be looked up and opened at the same time (see `handshake`), so that peers that connect and
//! say nothing take only the many cheap places. When even those are all taken, whoever has dawdled
//! longest with its request makes room.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    task::JoinHandle,
    time::timeout,
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
    bound_buffers(&listener)?;
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

const SOCKET_BUFFER_BYTES: usize = 64 * 1024;

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

/// Those that are accepted have it from their listener: a peer that does not read, or that sends more than
/// is read, fills no more of the kernel's memory than this (which Linux doubles), instead of megabytes.
fn bound_buffers(listener: &TcpListener) -> io::Result<()> {
    let socket = socket2::SockRef::from(listener);
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)
}

async fn accept(listener: TcpListener, sockets: Arc<Sockets>) {
    let places = Arc::new(Semaphore::new(sockets.config.max_unopened));
    let mut dawdlers = Dawdlers::default();
    loop {
        let place = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let freed = Arc::clone(&places).acquire_owned();
                let Ok(place) = dawdlers.hurry_until(freed).await else {
                    return;
                };
                place
            }
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
        let hurry = dawdlers.admit();
        tokio::spawn(async move {
            handshake::shake(stream, sockets, hurry).await;
            drop(place);
        });
    }
}

/// Those whose request is being read, the longest first.
#[derive(Default)]
struct Dawdlers(VecDeque<(Instant, Weak<Notify>)>);

/// As long as this everybody may take for their request, however many wait.
const DAWDLE_FREELY: Duration = Duration::from_secs(3);
/// How long one that was told to stop may take to do so before the next one is told.
const MAKES_ROOM_WITHIN: Duration = Duration::from_millis(100);

impl Dawdlers {
    /// Another one. Who holds this is still reading, and stops when it is told to.
    fn admit(&mut self) -> Arc<Notify> {
        // Those in front that have read theirs are of no interest any more.
        while self.0.front().is_some_and(|(_, it)| it.strong_count() == 0) {
            self.0.pop_front();
        }
        let hurry = Arc::new(Notify::new());
        self.0.push_back((Instant::now(), Arc::downgrade(&hurry)));
        hurry
    }

    /// Tells one after the other to stop, until there is a place.
    async fn hurry_until<T>(&mut self, place: impl Future<Output = T>) -> T {
        let mut place = pin!(place);
        loop {
            let first = self.0.front().map(|(since, _)| *since + DAWDLE_FREELY);
            tokio::select! {
                biased;
                freed = &mut place => return freed,
                () = tokio::time::sleep_until(first.unwrap_or_else(Instant::now).into()), if first.is_some() => {
                    if let Some(dawdler) = self.0.pop_front().and_then(|(_, it)| it.upgrade()) {
                        dawdler.notify_one();
                        if let Ok(freed) = timeout(MAKES_ROOM_WITHIN, &mut place).await {
                            return freed;
                        }
                    }
                }
            }
        }
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
