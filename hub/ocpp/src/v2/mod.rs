//! OCPP 2.0.1: the actions the hub acts on, one file each.

mod authorize;
mod boot_notification;
mod id_token;
mod meter_value;
mod meter_values;
mod status_notification;
mod transaction_event;

use model::StationReply;

use crate::{
    carried,
    inbound::{Handler, Shape},
    v16,
};

/// Every action that is acted on; all others are carried. The most frequent come first, as they are
/// looked for one after another.
pub(crate) const HANDLED: [Handler; 6] = [
    transaction_event::HANDLER,
    meter_values::HANDLER,
    status_notification::HANDLER,
    v16::heartbeat::HANDLER,
    authorize::HANDLER,
    boot_notification::HANDLER,
];

/// The answer to `action`, as JSON.
pub(crate) fn reply(action: &str, reply: &StationReply) -> String {
    match reply {
        StationReply::Boot {
            status,
            interval_s,
            now,
        } => v16::boot_notification::reply(*status, *interval_s, *now),
        StationReply::Now(now) => v16::heartbeat::reply(*now),
        StationReply::Token(verdict) => authorize::reply(verdict),
        StationReply::Transaction { token, .. } => transaction_event::reply(token.as_ref()),
        StationReply::Received => carried::answer(Shape::V2, action).to_owned(),
    }
}
