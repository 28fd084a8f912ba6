//! The side that asks: a stream to each node there is something to ask.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use dashmap::DashMap;
use futures_util::Stream;
use placement::NodeAddress;
use rand::RngExt;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    client::Grpc,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::{
    Answer, AskError, Message, Security, Settings, addressee,
    caller::Caller,
    metrics, serve,
    standing::Reach,
    why,
    wire::{self, Happened, WatchRequest},
};

/// Events of one node that may wait for whoever watches.
const EVENTS: usize = 256;
/// Why a node is not reached that says nothing at all.
pub(crate) const NO_ANSWER: &str =
    "it does not answer: its process may be stopped, or something in between let nothing through";
/// HTTP/2 windows; see [`mod@serve`].
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// The other nodes, to be asked.
pub struct Peers {
    dialer: Arc<Dialer>,
    callers: DashMap<NodeAddress, Arc<Caller>>,
    /// Of whom the metrics tell whether they are reached.
    shown: Mutex<HashSet<String>>,
}

/// How the way to a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerState {
    /// Which.
    pub node: NodeAddress,
    /// Whether it is reached from here.
    pub reach: Reach,
    /// Since when that is so.
    pub since: Instant,
    /// Messages that wait for it or are under way to it.
    pub pending: usize,
}

/// What somebody hears who watches a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// From now on all is heard.
    Open,
    /// Something happened.
    Event(Bytes),
    /// From now on nothing is heard, until it is open again; why.
    Broken(String),
}

impl Peers {
    /// Asks in the name of the node of these settings.
    pub fn new(settings: Settings, security: Security) -> Self {
        Self {
            dialer: Arc::new(Dialer { settings, security }),
            callers: DashMap::new(),
            shown: Mutex::default(),
        }
    }

    /// Asks a node. `under_way` is told when it says that it is at it. A message is not asked again while it
    /// has no answer.
    ///
    /// # Errors
    /// [`AskError`]; most of them say that the message was certainly not carried out.
    pub async fn ask(
        &self,
        node: &NodeAddress,
        message: Message,
        under_way: Option<oneshot::Sender<()>>,
    ) -> Result<Answer, AskError> {
        let began = Instant::now();
        let asked = self.caller(node).ask(message, under_way).await;
        let outcome = match &asked {
            Ok(answer) => serve::outcome(answer),
            Err(AskError::Busy(_)) => "queue_full",
            Err(AskError::Unreachable { .. }) => "unreachable",
            Err(AskError::TooLarge { .. }) => "too_large",
            Err(AskError::Lost(_)) => "lost",
            Err(AskError::TimedOut(_)) => "timed_out",
        };
        let name = node.name.clone();
        ::metrics::counter!(metrics::ASKED, "node" => name.clone(), "outcome" => outcome)
            .increment(1);
        ::metrics::histogram!(metrics::ASKED_SECONDS, "node" => name).record(began.elapsed());
        asked
    }

    /// Holds a stream to each of these nodes, and leaves all others alone: what is under way to those is lost, their
    /// streams end. To be told every now and then; that is how up to date the metrics are.
    pub fn keep(&self, nodes: &[NodeAddress]) {
        self.callers.retain(|node, caller| {
            let stays = nodes.contains(node);
            if !stays {
                caller.end();
            }
            stays
        });
        let up = |name: &str| ::metrics::gauge!(metrics::UP, "node" => name.to_owned());
        let reached: Vec<_> = nodes
            .iter()
            .map(|node| (&node.name, self.caller(node).reach().0))
            .collect();
        // No code panics while it holds the lock.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a node that is gone there is nothing to tell: neither 0 nor 1.
        shown.retain(|name| {
            let stays = nodes.iter().any(|node| node.name == *name);
            if !stays {
                up(name).set(f64::NAN);
            }
            stays
        });
        for (name, reach) in reached {
            if reach != Reach::NotTried {
                up(name).set(f64::from(u8::from(reach == Reach::Reached)));
                shown.insert(name.clone());
            }
        }
    }

    /// How the ways to the nodes are that are kept, or were asked something.
    pub fn states(&self) -> Vec<PeerState> {
        let states = self.callers.iter().map(|entry| {
            let (reach, since) = entry.value().reach();
            PeerState {
                node: entry.key().clone(),
                reach,
                since,
                pending: entry.value().pending(),
            }
        });
        states.collect()
    }

    /// Watches what happens at a node, for as long as the stream is held. Begins with [`Watched::Open`] or
    /// [`Watched::Broken`].
    pub fn watch(&self, node: &NodeAddress) -> impl Stream<Item = Watched> + Send + use<> {
        let (heard, to_hear) = mpsc::channel(EVENTS);
        tokio::spawn(Arc::clone(&self.dialer).watch(node.clone(), heard));
        ReceiverStream::new(to_hear)
    }

    fn caller(&self, node: &NodeAddress) -> Arc<Caller> {
        if let Some(caller) = self.callers.get(node) {
            return Arc::clone(&caller);
        }
        let caller = self.callers.entry(node.clone());
        let caller = caller.or_insert_with(|| Arc::new(Caller::new(&self.dialer, node.clone())));
        Arc::clone(&caller)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.keep(&[]);
    }
}

/// Opens connections.
pub(crate) struct Dialer {
    pub(crate) settings: Settings,
    security: Security,
}

impl Dialer {
    /// A connection to a node.
    pub(crate) async fn dial(&self, node: &NodeAddress) -> Result<Grpc<Channel>, String> {
        let (scheme, tls) = match &self.security {
            Security::Plain => ("http", None),
            Security::Mutual(tls) => ("https", Some(tls.client())),
        };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", node.address));
        let endpoint = endpoint.and_then(|endpoint| match tls {
            Some(tls) => endpoint.tls_config(tls),
            None => Ok(endpoint),
        });
        let endpoint = endpoint.map_err(|error| why::unreached(&error))?;
        let settings = &self.settings;
        let connecting = endpoint
            .connect_timeout(settings.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(settings.keep_alive)
            .keep_alive_timeout(settings.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let channel = tokio::time::timeout(settings.connect_timeout, connecting.connect());
        let channel = channel.await.map_err(|_| NO_ANSWER.to_owned())?;
        let channel = channel.map_err(|error| why::unreached(&error))?;
        Ok(Grpc::new(channel).max_decoding_message_size(settings.max_frame_bytes))
    }

    /// A request to that node in this node's name.
    pub(crate) fn request<T>(&self, to: &NodeAddress, body: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(body);
        let name = MetadataValue::from_bytes(self.settings.name.as_bytes());
        request.metadata_mut().insert_bin(wire::FROM, name);
        addressee::name(to, request.metadata_mut());
        request
    }

    async fn watch(self: Arc<Self>, node: NodeAddress, heard: mpsc::Sender<Watched>) {
        let mut failures = 0;
        loop {
            let ended = tokio::select! {
                () = heard.closed() => return,
                ended = self.hear(&node, &heard, &mut failures) => ended,
            };
            let why = ended.err().unwrap_or_else(|| "it ended".to_owned());
            if failures == 0 && heard.send(Watched::Broken(why)).await.is_err() {
                return;
            }
            tokio::select! {
                () = heard.closed() => return,
                () = tokio::time::sleep(back_off(failures)) => {}
            }
            failures += 1;
        }
    }

    /// Hears a node until the stream breaks. `failures` is set to 0 when it opens.
    async fn hear(
        &self,
        node: &NodeAddress,
        heard: &mpsc::Sender<Watched>,
        failures: &mut u32,
    ) -> Result<(), String> {
        let path = http::uri::PathAndQuery::from_static(wire::WATCH);
        let codec = ProstCodec::<WatchRequest, Happened>::default();
        let opening = async {
            let mut grpc = self.dial(node).await?;
            grpc.ready().await.map_err(|error| why::unreached(&error))?;
            let request = self.request(node, WatchRequest {});
            let opened = grpc.server_streaming(request, path, codec).await;
            opened.map_err(|status| why::unreached(&status))
        };
        let opened = tokio::time::timeout(self.settings.connect_timeout * 2, opening).await;
        let mut happens = opened.map_err(|_| NO_ANSWER.to_owned())??.into_inner();
        *failures = 0;
        // Whoever watches may be gone.
        let _ = heard.send(Watched::Open).await;
        while let Some(happened) = happens
            .message()
            .await
            .map_err(|error| why::unreached(&error))?
        {
            let _ = heard.send(Watched::Event(happened.body)).await;
        }
        Ok(())
    }
}

/// How long to wait after so many failures in a row.
pub(crate) fn back_off(failures: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(50);
    const MOST: Duration = Duration::from_secs(2);
    let most = MOST.min(FIRST * 2_u32.saturating_pow(failures.min(10)));
    // All nodes lose a node at the same moment.
    most.mul_f64(rand::rng().random_range(0.5..1.0))
}
