//! A site's power: what is configured, what is told meanwhile, what its actor remembers, what it shows.

mod memory;
mod plan;
mod profile;
mod view;

pub use memory::{KnownLease, KnownOutlet, SessionPreferences, SiteMemory};
pub use plan::{
    Fuse, FuseCap, PlannedOutlet, PowerPlan, Repeat, SetPoint, Sharing, SiteLine, SitePower, Wiring,
};
pub use profile::{
    ChargingAnswer, ChargingAsk, ChargingProfile, ChargingTraits, ProfileForm, ProfilePeriod,
    ProfilePurpose, RateUnit, ScheduledLimit,
};
pub use view::{
    HeldBy, LimitView, OutletPowerView, PowerAlarm, PowerAlarmKind, SchedulePart, ScheduleView,
    SessionPowerView, SitePowerView,
};
