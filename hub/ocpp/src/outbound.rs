//! From a reply, free of versions, to the payload of a CALLRESULT.

use model::StationReply;

use crate::{inbound::Shape, v2, v16};

/// The answer to `action`, as JSON, in the version that [`crate::inbound::decode`] found the
/// message to be shaped by.
pub fn reply(shape: Shape, action: &str, reply: &StationReply) -> String {
    match shape {
        Shape::V16 => v16::reply(action, reply),
        Shape::V2 => v2::reply(action, reply),
    }
}

/// A reply's JSON.
pub(crate) fn json(payload: &impl serde::Serialize) -> String {
    serde_json::to_string(payload).expect("texts and numbers are always JSON")
}
