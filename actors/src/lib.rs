//! What decides or remembers: charger, session and site actors under their supervisors.

mod clock;
mod ports;

pub use clock::{Clock, ManualClock, SystemClock};
pub use ports::{CallOutcome, CloseReason, Link, OutgoingCall, Watchers};

use std::sync::Arc;

use model::{LiveEvent, Protocol, SiteId, StationId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// The running actors; cheap to clone.
#[derive(Clone)]
pub struct Actors {}

/// A station's socket, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionView {
    /// What it speaks.
    pub protocol: Protocol,
    /// Since when it has been open.
    pub since: Timestamp,
}

/// A site as it now is, for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SiteView {
    /// The configured limit, in W.
    pub limit_w: Option<f64>,
    /// What its stations draw together, in W, as far as they have told.
    pub power_w: f64,
    /// How many of its stations are connected.
    pub stations_connected: u32,
    /// How many outlets are charging.
    pub outlets_charging: u32,
}

impl Actors {
    /// The station's socket, if it has one here.
    pub fn connection(&self, _station: &StationId) -> Option<ConnectionView> {
        None
    }

    /// Watches what happens from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        Watchers::new(1).watch()
    }

    /// The site as it now is; absent while none of its stations has been seen since the start.
    pub async fn site_view(&self, _site: &SiteId) -> Option<SiteView> {
        None
    }

    /// An operator changed the station's configuration: its actor reads it anew.
    pub async fn station_changed(&self, _station: &StationId) {}

    /// An operator changed the site's configuration: its actor reads it anew.
    pub async fn site_changed(&self, _site: &SiteId) {}

    /// Closes the station's socket, if it has one here.
    pub fn disconnect(&self, _station: &StationId, _reason: CloseReason) {}
}
