//! The language of chargers: OCPP-J frames, and the messages of OCPP 1.6, 2.0.1 and 2.1.
//!
//! Text in, [`model::StationEvent`] out; [`model::StationReply`] in, text out. Nothing here waits,
//! opens a socket or remembers anything.
//!
//! ```
//! use model::{Protocol, StationEvent, StationReply, Timestamp};
//! use ocpp::{frame::{self, Frame}, inbound, outbound};
//!
//! let text = r#"[2,"a17","Heartbeat",{}]"#;
//! let Ok(Frame::Call { id, action, payload }) = frame::parse(text) else { panic!() };
//! let decoded = inbound::decode(Protocol::Ocpp16, &action, payload, Timestamp(0)).unwrap();
//! assert_eq!(decoded.event, StationEvent::Heartbeat);
//! let answer = outbound::reply(decoded.shape, &action, &StationReply::Now(Timestamp(0)));
//! let text = frame::call_result(&id, &answer);
//! assert_eq!(text, r#"[3,"a17",{"currentTime":"1970-01-01T00:00:00.000Z"}]"#);
//! ```

mod carried;
pub mod command;
mod error_code;
pub mod frame;
pub mod inbound;
mod meter;
pub mod outbound;
mod reading;
pub mod repair;
mod salvage;
#[cfg(test)]
mod status;
pub mod table;
#[cfg(test)]
mod testing;
mod time;
mod v16;
mod v2;
mod wire;

pub use error_code::ErrorCode;
pub use inbound::{CallFault, Decoded};
pub use repair::Repair;
pub use table::canonical_action;

// `frame::call_error` asks for it; the load test, which must not know our other crates, finds it
// here.
pub use model::Protocol;
