//! Directed messages between hubs: from the node that wants something to the one node that can do it.
//!
//! A node that asks ([`Peers`]) holds one gRPC stream to each other node, so that it knows before it has something to ask
//! whether that one can be reached; the node that is asked ([`mod@serve`]) gives what arrives to a [`Receive`]. Nothing is broadcast.
//!
//! What holds, whatever breaks:
//!
//! 1. **At most once.** A message with [`Message::once`] is carried out at most once for its id, however often it
//!    arrives: the answer is kept for a minute longer than the message may take (`once`). It is sent
//!    again only to the same process, since a later one of that name does not know what its predecessor did.
//! 2. **An answer tells what happened.** [`AskError::Unreachable`] and [`AskError::Busy`]: certainly not carried out.
//!    [`AskError::Lost`]: it may have been. No message is carried out that arrives after its deadline, also where it
//!    waited in a node that was stopped, or on the way (`lateness`).
//! 3. **Everything is bounded:** messages and bytes that wait for a node, messages under way, frames, answers that are
//!    remembered, connections. What is too much is [`AskError::Busy`] at once and delays nobody else.
//! 4. **Who is not meant does not answer.** A stream names the node it is for, and a node that is another refuses it
//!    (`addressee`).
//! 5. **A peer that went silent is found out** by HTTP/2 pings, whether its process is stopped or its cable pulled.
//!
//! Frames are protocol buffers (`wire`), so nodes of different versions understand each other. What a message says is
//! bytes here; the hub knows what they mean.
//!
//! Between machines the streams are mutually authenticated TLS with a certificate authority of the cluster's own ([`Tls`]):
//! who has no certificate of it is not spoken to, in either direction.

mod addressee;
mod caller;
mod certificate;
mod lateness;
mod listen;
mod metrics;
mod once;
mod peers;
mod present;
mod serve;
mod settings;
mod standing;
mod why;
mod wire;

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use model::{SiteId, StationId};
use placement::NodeAddress;
use tokio::sync::oneshot;
pub use uuid::Uuid;

pub use self::{
    metrics::describe_metrics,
    peers::{PeerState, Peers, Watched},
    present::Present,
    serve::{Serving, serve},
    settings::{Security, Settings, Tls, TlsError},
    standing::Reach,
};

/// What a node asks another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id; a message that is sent again keeps it.
    pub id: Uuid,
    /// What it is about.
    pub to: Target,
    /// The epoch under which the target is believed to be there; `None`: whatever it is.
    pub epoch: Option<i64>,
    /// When the answer is of no use any more.
    pub deadline: Instant,
    /// It does something, and may do so once only. Answers of those that only read are not remembered.
    pub once: bool,
    /// What it says.
    pub body: Bytes,
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A charger, where its socket is.
    Charger(StationId),
    /// A site, where its actor is.
    Site(SiteId),
    /// The node itself.
    Node,
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was carried out; what came of it.
    Ok(Bytes),
    /// Not carried out: the target is not here.
    NotHere {
        /// Where it is, as far as is known here, and under which epoch.
        at: Option<(NodeAddress, i64)>,
    },
    /// Not carried out: the target is here, under a later epoch than expected.
    Stale {
        /// That epoch.
        epoch: i64,
    },
    /// Not carried out: too much is under way.
    Busy,
    /// Not carried out: it arrived too late.
    Deadline,
    /// It cannot be carried out, now or later; why. (Where this node failed while it carried it out, nobody knows
    /// how far it came.)
    Refused(String),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Not sent: too much waits for that node already.
    #[error("too many messages wait for node {0}; try again")]
    Busy(String),
    /// Not sent: the node does not answer.
    #[error("node {node} cannot be reached: {why}")]
    Unreachable {
        /// Its name.
        node: String,
        /// Why.
        why: String,
    },
    /// Not sent: larger than a frame may be.
    #[error("a message of {bytes} bytes is larger than nodes send each other ({most})")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
    /// Sent, and not answered: it may have been carried out or not.
    #[error("node {0} went before it answered")]
    Lost(String),
    /// Sent, and not answered by its deadline: it may have been carried out or not.
    #[error("node {0} did not answer in time")]
    TimedOut(String),
}

impl AskError {
    /// Whether the message was certainly not carried out.
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::Lost(_) | Self::TimedOut(_))
    }
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The name of the node it comes from.
    pub from: String,
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub to: Target,
    /// The epoch under which the sender believes the target to be here.
    pub epoch: Option<i64>,
    /// When the answer is of no use any more, by the clock of this node.
    pub deadline: Instant,
    /// What it says.
    pub body: Bytes,
}

/// Tells whoever asked that what it asked for is under way.
#[derive(Debug)]
pub struct UnderWay(pub(crate) oneshot::Sender<()>);

impl UnderWay {
    /// It is.
    pub fn tell(self) {
        // Nobody may want to know.
        let _ = self.0.send(());
    }
}

/// What a node does with messages.
#[async_trait]
pub trait Receive: Send + Sync + 'static {
    /// The number by which placement knows this process; `None` until it has one.
    fn incarnation(&self) -> Option<i64>;

    /// Carries out a message, or says why not. To be done by the message's deadline; a moment later it is given up.
    /// Never called twice at once, or again after it was carried out, for a message that may be done once only.
    async fn receive(&self, message: Received, under_way: UnderWay) -> Answer;

    /// What happens at this node from now on, for another node that watches. It may end, and the other then
    /// watches anew.
    fn watch(&self) -> BoxStream<'static, Bytes>;
}
