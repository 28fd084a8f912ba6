//! From a reply, free of versions, to the payload of a CALLRESULT.

use model::StationReply;

use crate::{table::Version, v2, v16};

/// The answer to `action`, as JSON, in the version that [`crate::inbound::decode`] found the
/// message to be shaped by.
pub fn reply(shape: Version, action: &str, reply: &StationReply) -> String {
    match shape {
        Version::V16 => v16::reply(action, reply),
        Version::V201 | Version::V21 => v2::reply(shape, action, reply),
    }
}

/// A reply's JSON.
pub(crate) fn json(payload: &impl serde::Serialize) -> String {
    serde_json::to_string(payload).expect("texts and numbers are always JSON")
}
