//! The harness: the real `hub` binary in a directory of its own, a client of its API, and a charger
//! that says exactly what a test tells it to.
//!
//! The binary must be built first, with the hooks for injected faults:
//! `cargo build -p hub --features chaos` (`./test` does).

mod api;
mod charger;
#[cfg(feature = "cql")]
mod cql;
pub mod histories;
mod hub;
mod until;

pub use api::Api;
pub use charger::{Charger, Dialect};
#[cfg(feature = "cql")]
pub use cql::CqlServer;
pub use hub::HubProcess;
pub use until::until;
