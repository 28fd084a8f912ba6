//! What a site's power is now, for people.

use serde::{Deserialize, Serialize};

use crate::{RateUnit, SessionId, SiteId, StationId, Timestamp};

/// A site's power as it now is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SitePowerView {
    /// Which site.
    pub site: SiteId,
    /// When it was so.
    pub at: Timestamp,
    /// Until when nothing is granted, since grants given before a restart may still hold; null: it grants.
    pub learns_until: Option<Timestamp>,
    /// Each limit that is set.
    pub limits: Vec<LimitView>,
    /// Each outlet.
    pub outlets: Vec<OutletPowerView>,
    /// Stations that stand here and are in no part of the tree: nothing limits them.
    pub unplanned_stations: Vec<StationId>,
    /// What somebody should look at.
    pub alarms: Vec<PowerAlarm>,
}

/// A limit: of a phase of a part of the site in A, or of all phases together in W.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LimitView {
    /// The part of the site.
    pub part: String,
    /// The phase (`L1` …); null: all together.
    pub phase: Option<String>,
    /// `A` or `W`.
    pub unit: String,
    /// What it allows the outlets now: what is configured, less caps, set-points and unmanaged load.
    pub limit: f64,
    /// What the outlets were last seen to draw, as far as they told.
    pub measured: f64,
    /// What is granted to them.
    pub granted: f64,
    /// What they may draw at the most, as far as can be known: never above `limit`, unless an alarm says so.
    pub reserved: f64,
}

/// An outlet's power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutletPowerView {
    /// Its station.
    pub station: StationId,
    /// Its EVSE there.
    pub evse: u32,
    /// Whether its station is connected.
    pub online: bool,
    /// What it falls back to by itself, per phase in A.
    pub floor_a: f64,
    /// What it was last told, or has fallen back to, per phase in A.
    pub granted_a: f64,
    /// What it may draw at the most, as far as can be known, per phase in A.
    pub reserved_a: f64,
    /// What it was last seen to draw, per phase of the station in A; null: not told.
    pub measured_a: Option<[f64; 3]>,
    /// When it was seen.
    pub measured_at: Option<Timestamp>,
    /// What its station should hold it to from now on, by the profiles it took: their composite schedule as the hub
    /// calculates it, in the unit the station takes.
    pub schedule: Vec<SchedulePart>,
    /// What its station last said it holds it to (GetCompositeSchedule); null: it was not asked, or does not tell.
    pub shown: Option<ScheduleView>,
    /// Who charges there.
    pub session: Option<SessionPowerView>,
}

/// A part of a composite schedule; the first holds now, each of the others when the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SchedulePart {
    /// Until when; null: for good, as far as is known.
    pub until: Option<Timestamp>,
    /// The limit; null: no profile is known that sets one.
    pub limit: Option<f64>,
    /// Its unit: A per phase, or W of all phases together.
    pub unit: RateUnit,
}

/// A composite schedule as a station told it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleView {
    /// When it did, and its first part began.
    pub at: Timestamp,
    /// What it told.
    pub parts: Vec<SchedulePart>,
    /// Whether that is what it should be; null: it cannot be compared, since nothing is expected or it is told in another
    /// unit.
    pub agrees: Option<bool>,
}

/// A session's share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionPowerView {
    /// Which.
    pub session: SessionId,
    /// What it weighs.
    pub weight: f64,
    /// When the car leaves, if its driver told.
    pub departure_at: Option<Timestamp>,
    /// What it still wants in Wh, if its driver told.
    pub wanted_wh: Option<f64>,
    /// Why it does not get more; null: it gets all it asks for.
    pub held_by: Option<HeldBy>,
}

/// Why a session does not get more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum HeldBy {
    /// This limit of the site is met.
    Limit {
        /// The part of the site.
        part: String,
        /// The phase; null: all together.
        phase: Option<String>,
    },
    /// Its outlet has no setting in between, or the change would be too small.
    Step,
    /// Its car takes less than it might, or its station says that the car suspends charging: it has what it takes and some
    /// room to rise.
    TakesLess,
    /// What was granted to others has not ended yet, or its station is about to be given its floor.
    Waits,
    /// Its station is not connected.
    Offline,
    /// Its station cannot be limited, or does not answer, or later than within half a lease, or refuses, or shows nothing of
    /// what it does.
    NotObeying,
    /// Nothing is granted yet after a restart.
    Learning,
    /// Its station's clock is behind, or its messages are late: when a grant would end there is not known yet. Or the clock
    /// is so far ahead that grants end before they are renewed: an alarm says so.
    Clock,
}

/// What somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PowerAlarm {
    /// What is wrong.
    pub kind: PowerAlarmKind,
    /// The station it is about.
    pub station: Option<StationId>,
    /// Its EVSE.
    pub evse: Option<u32>,
    /// The part of the site it is about.
    pub part: Option<String>,
    /// What it means and what to do.
    pub message: String,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PowerAlarmKind {
    /// The outlet cannot be limited: its station refuses its floor, or was not there for a lease to take it. It is booked
    /// at the most it can draw.
    CannotLimit,
    /// The outlet drew more than it may, or shows a schedule that allows it.
    Overdrawn,
    /// The outlet has more than its floor, and neither its meter nor its schedule shows for some time that it obeys: it is
    /// booked at the most it can draw.
    Unverified,
    /// The station came back without the outlet's floor, so it loses its profiles when it restarts: it is booked at the most
    /// it can draw whenever its station is away, until it has taken its floor again.
    Forgets,
    /// The outlet drew more than its floor after its grant had ended, while its station was away: it is booked at its last
    /// grant whenever that is away, until it has taken its floor again.
    KeepsGrants,
    /// The station takes grants for the outlet, and by its composite schedule the floor holds all the same: it gets no more
    /// than that.
    WithoutEffect,
    /// The outlet refuses grants.
    Refuses,
    /// The station leaves commands unanswered; or the site's meter at a part tells less often than it did, so that the worse
    /// of what it told and what is planned for is reckoned with there.
    Silent,
    /// What may be drawn is more than a limit allows, after a sudden cut or while outlets cannot be limited; or the limit
    /// is below what outlets draw in any case, and they stay at their floors.
    Exceeded,
    /// The site's meter shows more than its outlets tell and was reckoned with for other load: something else draws, or a
    /// station's meter tells too little. It is taken off what the outlets may.
    Unexplained,
    /// The station's clock is so far ahead that grants end there before they are renewed: its outlets stay at their floors.
    Clock,
    /// A station stands at the site and is in no part of the tree; or an EVSE charges that is in none, though another of
    /// its station is: then what it draws is taken off what the others may. Or an outlet draws and no session is known
    /// there: it is booked at the most it can draw.
    Unplanned,
}
