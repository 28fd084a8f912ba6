//! The language of chargers: OCPP-J frames, and the messages of OCPP 1.6 and 2.0.1.
//!
//! Text in, [`model::StationEvent`] out; [`model::StationReply`] in, text out. Nothing here waits, opens a socket or
//! remembers anything.

mod error_code;
pub mod frame;
mod salvage;

pub use error_code::ErrorCode;
// So that who speaks only frames needs no other crate.
pub use model::Protocol;
