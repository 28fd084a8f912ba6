//! Two nodes in one process, over real sockets, and what may stand between them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use model::StationId;
use peer::{
    Answer, Message, Peers, Receive, Received, Security, Serving, Settings, Target, UnderWay, Uuid,
};
use placement::NodeAddress;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, broadcast, watch},
};
use tokio_stream::wrappers::BroadcastStream;

/// What no test should take, however slow the machine is.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Settings by which faults are noticed soon.
pub fn settings(name: &str) -> Settings {
    Settings {
        keep_alive: Duration::from_millis(500),
        keep_alive_timeout: Duration::from_millis(1_500),
        ..Settings::new(name)
    }
}

/// A receiver that writes down what it is told, and answers with it.
pub struct Notes {
    carried_out: Mutex<HashMap<Uuid, usize>>,
    pub calls: AtomicUsize,
    /// A message whose body begins with "wait" takes one of these before it is answered.
    pub gate: Semaphore,
    pub happens: broadcast::Sender<Bytes>,
}

impl Notes {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            carried_out: Mutex::default(),
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            happens: broadcast::Sender::new(64),
        })
    }

    /// How often a message was carried out.
    pub fn times(&self, id: Uuid) -> usize {
        let carried_out = self.carried_out.lock().unwrap();
        carried_out.get(&id).copied().unwrap_or(0)
    }
}

#[async_trait]
impl Receive for Notes {
    fn incarnation(&self) -> Option<i64> {
        Some(1)
    }

    async fn receive(&self, message: Received, under_way: UnderWay) -> Answer {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let body = String::from_utf8(message.body.to_vec()).unwrap();
        if body == "elsewhere" {
            let node = address("third", "127.0.0.1:1");
            return Answer::NotHere {
                at: Some((node, 9)),
            };
        }
        if body == "stale" {
            return Answer::Stale { epoch: 9 };
        }
        *self
            .carried_out
            .lock()
            .unwrap()
            .entry(message.id)
            .or_default() += 1;
        under_way.tell();
        if body == "panic" {
            panic!("as asked");
        }
        if body.starts_with("wait") {
            self.gate.acquire().await.unwrap().forget();
        }
        if let Some(bytes) = body.strip_prefix("large ") {
            return Answer::Ok(vec![b'x'; bytes.parse().unwrap()].into());
        }
        Answer::Ok(format!("{} of {}: {body}", message.from, target(&message.to)).into())
    }

    fn watch(&self) -> BoxStream<'static, Bytes> {
        let happens = BroadcastStream::new(self.happens.subscribe());
        happens.filter_map(async |event| event.ok()).boxed()
    }
}

fn target(to: &Target) -> String {
    match to {
        Target::Charger(station) => format!("charger {station}"),
        Target::Site(site) => format!("site {site}"),
        Target::Node => "node".to_owned(),
    }
}

/// A node that listens on a port of its own.
pub async fn listen(
    receive: Arc<Notes>,
    security: &Security,
    settings: &Settings,
) -> (Serving, SocketAddr) {
    listen_on("127.0.0.1:0".parse().unwrap(), receive, security, settings).await
}

/// A node that listens there.
pub async fn listen_on(
    at: SocketAddr,
    receive: Arc<Notes>,
    security: &Security,
    settings: &Settings,
) -> (Serving, SocketAddr) {
    let listener = within("the port is free", async || {
        TcpListener::bind(at).await.ok()
    })
    .await;
    let serving = peer::serve(listener, security, settings, receive).unwrap();
    let address = serving.address;
    (serving, address)
}

pub fn address(name: &str, at: impl ToString) -> NodeAddress {
    NodeAddress {
        name: name.to_owned(),
        address: at.to_string(),
        incarnation: 1,
    }
}

/// A message that may be carried out once.
pub fn message(body: &str, within: Duration) -> Message {
    Message {
        id: Uuid::new_v4(),
        to: Target::Charger(StationId::new("CP").unwrap()),
        epoch: Some(7),
        deadline: Instant::now() + within,
        once: true,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// Asks something harmless and expects its answer.
pub async fn is_reached(peers: &Peers, node: &NodeAddress) -> bool {
    let asked = peers.ask(node, message("hello", PATIENCE), None).await;
    matches!(asked, Ok(Answer::Ok(_)))
}

/// Waits until `condition` gives something.
pub async fn within<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "did not come about: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What stands between two nodes: passes bytes on, or does not.
pub struct Proxy {
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    pub connections: Arc<AtomicUsize>,
    /// Bytes of the node that asks that were passed on.
    pub bytes: Arc<AtomicUsize>,
}

/// How it passes them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// At once.
    Open,
    /// Not at all: nothing is read, as by a process that was stopped.
    Frozen,
    /// A little at a time.
    Slow,
    /// What the asked node answers is thrown away, then the connection breaks.
    DropAnswers,
    /// All connections are broken, new ones too.
    Cut,
}

impl Proxy {
    /// Between whoever connects to it and that address.
    pub async fn before(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, of_all) = watch::channel(Mode::Open);
        let (connections, bytes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (counted, passed) = (connections.clone(), bytes.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(near, to, of_all.clone(), passed.clone()));
            }
        });
        Self {
            address,
            mode,
            connections,
            bytes,
        }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn pass(
    near: TcpStream,
    to: SocketAddr,
    mode: watch::Receiver<Mode>,
    passed: Arc<AtomicUsize>,
) {
    if *mode.borrow() == Mode::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(to).await else {
        return;
    };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let mut cut = mode.clone();
    tokio::select! {
        () = carry(near_read, far_write, mode.clone(), false, passed) => {}
        () = carry(far_read, near_write, mode, true, Arc::default()) => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    answers: bool,
    passed: Arc<AtomicUsize>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if mode.wait_for(|mode| *mode != Mode::Frozen).await.is_err() {
            return;
        }
        let most = if *mode.borrow() == Mode::Slow {
            16
        } else {
            buffer.len()
        };
        let read = tokio::select! {
            read = from.read(&mut buffer[..most]) => read,
            _ = mode.wait_for(|mode| *mode == Mode::Frozen) => continue,
        };
        let Ok(bytes) = read else { return };
        if bytes == 0 || (answers && *mode.borrow() == Mode::DropAnswers) {
            return;
        }
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
        passed.fetch_add(bytes, Ordering::SeqCst);
        if *mode.borrow() == Mode::Slow {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
