//! Switchyard: the hub that EV chargers connect to.

pub mod api;
pub mod commands;
