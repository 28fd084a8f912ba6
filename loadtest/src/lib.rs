//! Simulated EV chargers with cars at them, for any OCPP-J 1.6, 2.0.1 or 2.1 central system.
//!
//! [`SimCharger`] is one charger on one WebSocket: it boots, keeps its heartbeat, reports its connectors, lets cars come
//! and charge, obeys the usual commands and charging profiles, and keeps what it has to say about sessions until it is acknowledged, as real
//! firmware does. Start one with a [`Profile`] (shared by a fleet), an [`Observer`] and a channel of [`Orders`]:
//!
//! ```no_run
//! use std::sync::Arc;
//! use loadtest::{Orders, Pace, Profile, SimCharger, Target, Unobserved, Version};
//!
//! # fn start() -> Result<(), loadtest::TargetError> {
//! let target = Target::new("ws://127.0.0.1:9220/ocpp/{id}", None)?;
//! let profile = Arc::new(Profile { speed: 60.0, ..Profile::new(target, Version::V16) });
//! let natural = Orders { pace: Pace::Natural, ..Orders::default() };
//! let (orders, following) = tokio::sync::watch::channel(Orders::default());
//! tokio::spawn(SimCharger::new(profile, "DEMO-1", 1, Arc::new(Unobserved), following).run());
//! orders.send_replace(natural);
//! // Chargers stop when `orders` is dropped.
//! # Ok(())
//! # }
//! ```
//!
//! The binary of this package runs the load scenarios.

mod car;
mod charger;
mod charging;
mod closed_loop;
mod connect;
mod connector;
mod desk;
mod evse;
mod faults;
mod hammer;
mod message;
mod meter;
mod observer;
mod profile;
mod queue;
mod settings;
mod station;
mod target;
mod v16;
mod v2;
mod version;
mod visit;

pub use charger::{Orders, SimCharger};
pub use closed_loop::METER_SHARE;
pub use connect::{ConnectError, open as open_socket, small_buffers};
pub use evse::Evse;
pub use faults::{Faults, RateUnit};
pub use observer::{Event, Failure, Observer, Unobserved};
pub use profile::{Backoff, Pace, Profile};
pub use target::{Target, TargetError};
pub use version::Version;
pub use visit::Visit;
