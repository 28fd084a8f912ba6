//! OCPP 2.0.1 and 2.1: the actions the hub acts on, one file each. They are alike in both, as far as the hub reads them;
//! what 2.1 adds to a message is in the message log.

mod authorize;
mod boot_notification;
mod id_token;
mod meter_value;
mod meter_values;
mod notify_event;
mod status_notification;
mod transaction_event;

use model::StationReply;

use crate::{carried, inbound::Handler, table::Version, v16};

/// Every action that is acted on; all others are carried. The most frequent come first, as they are
/// looked for one after another.
pub(crate) const HANDLED: [Handler; 7] = [
    transaction_event::HANDLER,
    meter_values::HANDLER,
    status_notification::HANDLER,
    notify_event::HANDLER,
    v16::heartbeat::HANDLER,
    authorize::HANDLER,
    boot_notification::HANDLER,
];

/// The answer to `action`, as JSON.
pub(crate) fn reply(version: Version, action: &str, reply: &StationReply) -> String {
    match reply {
        StationReply::Boot {
            status,
            interval_s,
            now,
        } => v16::boot_notification::reply(*status, *interval_s, *now),
        StationReply::Now(now) => v16::heartbeat::reply(*now),
        StationReply::Token(verdict) => authorize::reply(verdict),
        StationReply::Transaction { token, .. } => transaction_event::reply(token.as_ref()),
        StationReply::Received => carried::answer(version, action).to_owned(),
    }
}
