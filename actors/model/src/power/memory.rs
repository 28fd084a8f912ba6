//! What a site's actor remembers over a crash of the hub.

use serde::{Deserialize, Serialize};

use crate::{ProfileForm, ProfilePurpose, RateUnit, SessionId, StationId, Timestamp};

/// What a site's actor remembers. Of two the one with the higher (`epoch`, `revision`) is the newer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SiteMemory {
    /// The actor's life: rises with each start.
    pub epoch: i64,
    /// Rises with each writing in a life.
    pub revision: u32,
    /// What is known of outlets.
    #[serde(default)]
    pub outlets: Vec<KnownOutlet>,
    /// What drivers told.
    #[serde(default)]
    pub preferences: Vec<SessionPreferences>,
}

/// What is known of an outlet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownOutlet {
    /// Its station.
    pub station: StationId,
    /// Its EVSE there.
    pub evse: u32,
    /// The floor that its station keeps, per phase in A.
    #[serde(default)]
    pub floor_a: Option<f64>,
    /// What kind of profile its station takes as a grant.
    #[serde(default)]
    pub grants_by: Option<ProfilePurpose>,
    /// In what form it takes profiles.
    #[serde(default)]
    pub form: ProfileForm,
    /// The unit it takes.
    #[serde(default)]
    pub unit: Option<RateUnit>,
    /// The most that grants allow it.
    #[serde(default)]
    pub lease: Option<KnownLease>,
    /// How far its station's clock is behind, in ms, where that is by more than some seconds.
    #[serde(default)]
    pub clock_lag_ms: Option<i64>,
    /// The most it was seen to draw, per phase in A, since its meter showed that it does not obey; none: it is not known
    /// not to.
    #[serde(default)]
    pub disobeyed_a: Option<f64>,
    /// It lacked its floor after its station had been away.
    #[serde(default)]
    pub forgets: bool,
    /// It drew more than its floor after its grant had ended, while its station was away.
    #[serde(default)]
    pub keeps_grants: bool,
}

/// The most that an outlet's grants allow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KnownLease {
    /// Per phase in A.
    pub amps: f64,
    /// When the last of them ends.
    pub ends_at: Timestamp,
}

/// What a driver wants of a session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionPreferences {
    /// The session.
    pub session: SessionId,
    /// When the car leaves. Beside sessions that told nothing it gets up to twice their share, the sooner it leaves the
    /// more; where its energy is told too, less than they while it can wait for more than two hours.
    #[serde(default)]
    pub departure_at: Option<Timestamp>,
    /// How much it shall be given in all, in Wh; from then on it gets what nobody else wants.
    #[serde(default)]
    pub energy_wh: Option<f64>,
    /// What it weighs; 1 is usual, 2 gets twice the share.
    #[serde(default)]
    pub weight: Option<f64>,
}
