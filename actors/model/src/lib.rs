//! The words all crates share: ids, times, meter samples, station events, sessions, commands.
//!
//! Nothing here knows an OCPP version, a database or an actor. What a charger says is converted into
//! [`StationEvent`] at the edge (crate `ocpp`), decided on by actors, and kept by a store as the
//! records defined here. The same types, serialised, are what the operator API shows, so a field
//! renamed here is a field renamed for every API user.

mod access;
mod cdr;
mod command;
mod dead_letter;
mod event;
mod ids;
mod live;
mod message;
mod meter;
#[cfg(feature = "openapi")]
mod openapi;
mod power;
mod session;
mod site;
mod station;
mod time;
mod token;

pub use access::{ApiKey, Role};
pub use cdr::ChargeDetailRecord;
pub use command::{Command, CommandRecord, CommandState, ResetKind, Variable};
pub use dead_letter::DeadLetter;
pub use event::{
    Authorize, BootStatus, MeterReading, Notice, Refusal, StationEvent, StationReply, TokenVerdict,
    TransactionEvent, TransactionPhase,
};
pub use ids::{CdrId, CommandId, DeadLetterId, InvalidId, SessionId, SiteId, StationId, TokenUid};
pub use live::LiveEvent;
pub use message::{Direction, MessageEntry};
pub use meter::{Location, Measurand, MeterSample, SampledValue};
pub use power::{
    ChargingAnswer, ChargingAsk, ChargingProfile, ChargingTraits, Fuse, FuseCap, HeldBy,
    KnownLease, KnownOutlet, LimitView, OutletPowerView, PlannedOutlet, PowerAlarm, PowerAlarmKind,
    PowerPlan, ProfileForm, ProfilePeriod, ProfilePurpose, RateUnit, Repeat, SchedulePart,
    ScheduleView, ScheduledLimit, SessionPowerView, SessionPreferences, SetPoint, Sharing,
    SiteLine, SiteMemory, SitePower, SitePowerView, Wiring,
};
pub use session::{
    Flag, MeterPoint, RetryKey, SeqRange, Session, SessionEventKind, SessionEventRecord,
    SessionState, StoredReading,
};
pub use site::Site;
pub use station::{
    Admission, BootInfo, Connector, ConnectorRef, ConnectorState, Protocol, Station,
};
pub use time::Timestamp;
pub use token::{Authorization, Token, TokenKind, TokenRef};
