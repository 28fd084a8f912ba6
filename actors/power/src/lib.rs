//! Site power budgets, pure: what a site's limits are, who gets how much, what is said to which station when, and what a
//! station makes of its charging profiles. No tokio, no actors, no clock.

mod allocate;
mod limits;

pub use allocate::{Ask, Grant, Held, Method, Need, Rules, Steps, allocate};
pub use limits::{Limit, Limits, Term};
