//! A car's stay that is known beforehand, as in a recording.

use std::time::Duration;

/// A car that comes to a charger and leaves at given times; see [`SimCharger::with_visits`](crate::SimCharger).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    /// The connector's number, from 1.
    pub connector: u32,
    /// When it comes, in real time after the charger was made. Who still stands there then, leaves.
    pub arrives: Duration,
    /// When it leaves, in real time after the charger was made, full or not.
    pub leaves: Duration,
    /// What it wants, in watt-hours.
    pub energy_wh: f64,
    /// The most it takes, in amperes per phase.
    pub most_a: f64,
    /// The phases it charges with, 1 to 3.
    pub phases: u8,
}
