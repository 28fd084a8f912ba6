//! The same small message again and again, each right after the answer to the one before: a third of those that hammer
//! sends heartbeats, a third status reports, a third meter values outside any session. No charger should, and some do.

use crate::connector::Connector;
use crate::desk::{Desk, Now, Purpose};

/// Puts the next message on the desk, if this charger hammers and the desk is empty.
pub(crate) fn prepare(desk: &mut Desk, connectors: &mut [Connector], now: Now) {
    let Some(connector) = connectors.first_mut() else {
        return;
    };
    if !desk.pace.hammers(desk.number) || !desk.outbox.is_empty() {
        return;
    }
    match desk.number % 3 {
        0 => {
            let heartbeat = desk.dialect().heartbeat();
            desk.say(heartbeat, Purpose::Heartbeat);
        }
        1 => connector.repeat_status(desk, now),
        _ => {
            let reading = connector.reading(desk, now);
            let meter_values = desk
                .dialect()
                .meter_values(connector.id(), &reading, now.wall, 0);
            desk.say(meter_values, Purpose::Report);
        }
    }
}
