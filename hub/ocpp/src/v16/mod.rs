//! OCPP 1.6: the actions the hub acts on, one file each.

mod authorize;
pub(crate) mod boot_notification;
pub(crate) mod heartbeat;
mod id_tag_info;
mod meter_value;
mod meter_values;
mod start_transaction;
mod status_notification;
mod stop_transaction;

use model::StationReply;

use crate::{carried, inbound::Handler, table::Version};

/// Every action that is acted on; all others are carried. The most frequent come first, as they are
/// looked for one after another.
pub(crate) const HANDLED: [Handler; 7] = [
    meter_values::HANDLER,
    status_notification::HANDLER,
    heartbeat::HANDLER,
    start_transaction::HANDLER,
    stop_transaction::HANDLER,
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
        } => boot_notification::reply(*status, *interval_s, *now),
        StationReply::Now(now) => heartbeat::reply(*now),
        StationReply::Token(verdict) => authorize::reply(verdict),
        StationReply::Transaction { number, token } if action == "StartTransaction" => {
            start_transaction::reply(*number, token.as_ref())
        }
        StationReply::Transaction { token, .. } => stop_transaction::reply(token.as_ref()),
        StationReply::Received => carried::answer(Version::V16, action).to_owned(),
    }
}
