//! The frames between nodes, as protocol buffers. Fields are added, never renumbered, so that nodes of different
//! versions understand each other in a rolling restart.
//!
//! A stream is between two nodes, which are named once, in the headers of its request: frames name neither.
//!
//! They are written by hand, since the compiler of .proto files would be one more thing to install (or thirty more
//! crates), for three messages. As a .proto file:
//!
//! ```proto
//! syntax = "proto3";
//! package switchyard.peer.v1;
//! service Peer {
//!   rpc Exchange(stream Request) returns (stream Reply);
//!   rpc Watch(WatchRequest) returns (stream Happened);
//! }
//! message Request {
//!   bytes id = 1;              // 16 bytes
//!   uint64 sent_ms = 2;        // how old the stream is
//!   uint64 budget_ms = 3;      // how long it may take from now on
//!   oneof target { string charger = 4; string site = 5; bool node = 6; }
//!   optional sint64 epoch = 7;
//!   bool once = 8;
//!   bytes body = 9;
//! }
//! message Reply {
//!   bytes id = 1;
//!   oneof what {
//!     bool under_way = 2; bytes ok = 3; NotHere not_here = 4; sint64 stale = 5; bool busy = 6; bool deadline = 7;
//!     string refused = 8;
//!   }
//! }
//! message NotHere { string name = 1; string address = 2; sint64 incarnation = 3; sint64 epoch = 4; } // no name: nowhere
//! message WatchRequest {}
//! message Happened { bytes body = 1; }
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;
use model::{SiteId, StationId};
use placement::NodeAddress;
use uuid::Uuid;

use crate::{Answer, Message, Target};

/// The service, as it is named on the wire.
pub(crate) const EXCHANGE: &str = "/switchyard.peer.v1.Peer/Exchange";
/// The other one.
pub(crate) const WATCH: &str = "/switchyard.peer.v1.Peer/Watch";
/// The header that names the node that opens a stream.
pub(crate) const FROM: &str = "switchyard-node-bin";
/// The headers that name the node a stream is meant for, and its process as placement knows it.
pub(crate) const TO: &str = "switchyard-to-bin";
pub(crate) const TO_INCARNATION: &str = "switchyard-to-incarnation";
/// The header that tells one process from the next.
pub(crate) const PROCESS: &str = "switchyard-process";
/// What a frame holds besides a body, at most: ids have up to 255 characters.
pub(crate) const AROUND_A_BODY: usize = 4096;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Request {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) id: Bytes,
    #[prost(uint64, tag = "2")]
    pub(crate) sent_ms: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) budget_ms: u64,
    #[prost(oneof = "To", tags = "4, 5, 6")]
    pub(crate) to: Option<To>,
    #[prost(sint64, optional, tag = "7")]
    pub(crate) epoch: Option<i64>,
    #[prost(bool, tag = "8")]
    pub(crate) once: bool,
    #[prost(bytes = "bytes", tag = "9")]
    pub(crate) body: Bytes,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum To {
    #[prost(string, tag = "4")]
    Charger(String),
    #[prost(string, tag = "5")]
    Site(String),
    #[prost(bool, tag = "6")]
    Node(bool),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Reply {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) id: Bytes,
    #[prost(oneof = "What", tags = "2, 3, 4, 5, 6, 7, 8")]
    pub(crate) what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum What {
    #[prost(bool, tag = "2")]
    UnderWay(bool),
    #[prost(bytes = "bytes", tag = "3")]
    Ok(Bytes),
    #[prost(message, tag = "4")]
    NotHere(NotHere),
    #[prost(sint64, tag = "5")]
    Stale(i64),
    #[prost(bool, tag = "6")]
    Busy(bool),
    #[prost(bool, tag = "7")]
    Deadline(bool),
    #[prost(string, tag = "8")]
    Refused(String),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NotHere {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) address: String,
    #[prost(sint64, tag = "3")]
    pub(crate) incarnation: i64,
    #[prost(sint64, tag = "4")]
    pub(crate) epoch: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WatchRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Happened {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) body: Bytes,
}

impl Request {
    /// A message, sent now on a stream that was opened at `opened`.
    pub(crate) fn of(message: &Message, opened: Instant) -> Self {
        let now = Instant::now();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: Bytes::copy_from_slice(message.id.as_bytes()),
            sent_ms: ms(now - opened),
            budget_ms: ms(message.deadline.saturating_duration_since(now)),
            to: Some(match &message.to {
                Target::Charger(station) => To::Charger(station.to_string()),
                Target::Site(site) => To::Site(site.to_string()),
                Target::Node => To::Node(true),
            }),
            epoch: message.epoch,
            once: message.once,
            body: message.body.clone(),
        }
    }

    /// Its id, if it is one.
    pub(crate) fn id(&self) -> Option<Uuid> {
        Uuid::from_slice(&self.id).ok()
    }

    /// What it is about, if that is something this version knows.
    pub(crate) fn target(&self) -> Option<Target> {
        match self.to.as_ref()? {
            To::Charger(station) => StationId::new(station).ok().map(Target::Charger),
            To::Site(site) => SiteId::new(site).ok().map(Target::Site),
            To::Node(_) => Some(Target::Node),
        }
    }
}

impl Reply {
    /// It is under way.
    pub(crate) fn under_way(id: Bytes) -> Self {
        let what = Some(What::UnderWay(true));
        Self { id, what }
    }

    /// An answer; one that is larger than may be is not sent.
    pub(crate) fn of(id: Bytes, answer: Answer, most_bytes: usize) -> Self {
        let what = match answer {
            Answer::Ok(body) if body.len() + AROUND_A_BODY > most_bytes => What::Refused(format!(
                "it was done, but the answer of {} bytes is larger than nodes send each other",
                body.len()
            )),
            Answer::Ok(body) => What::Ok(body),
            Answer::NotHere { at } => What::NotHere(at.map_or_else(NotHere::default, |at| {
                let (node, epoch) = at;
                NotHere {
                    name: node.name,
                    address: node.address,
                    incarnation: node.incarnation,
                    epoch,
                }
            })),
            Answer::Stale { epoch } => What::Stale(epoch),
            Answer::Busy => What::Busy(true),
            Answer::Deadline => What::Deadline(true),
            Answer::Refused(why) => What::Refused(why),
        };
        let what = Some(what);
        Self { id, what }
    }
}

impl What {
    /// The answer; `None` where it is only under way.
    pub(crate) fn into_answer(self) -> Option<Answer> {
        Some(match self {
            Self::UnderWay(_) => return None,
            Self::Ok(body) => Answer::Ok(body),
            Self::NotHere(at) if at.name.is_empty() => Answer::NotHere { at: None },
            Self::NotHere(at) => Answer::NotHere {
                at: Some((
                    NodeAddress {
                        name: at.name,
                        address: at.address,
                        incarnation: at.incarnation,
                    },
                    at.epoch,
                )),
            },
            Self::Stale(epoch) => Answer::Stale { epoch },
            Self::Busy(_) => Answer::Busy,
            Self::Deadline(_) => Answer::Deadline,
            Self::Refused(why) => Answer::Refused(why),
        })
    }
}
