//! Site power budgets, pure: what a site's limits are, who gets how much, what is said to which station when, and what a
//! station makes of its charging profiles. No tokio, no actors, no clock.

mod allocate;
pub mod composite;
mod control;
mod limits;
mod tree;

pub use allocate::{Ask, Grant, Held, Method, Need, Priority, Rules, Steps, allocate};
pub use control::{
    Alarm, Answer, Command, CommandId, Controller, OutletView, Plan, SessionId, Settings, Wish,
};
pub use limits::{Limit, Limits, Term};
pub use tree::{
    Cap, Every, Feed, Measure, Node, Outlet, Phase, Recurrence, Site, SiteError, UnknownTimeZone,
    Zone,
};
