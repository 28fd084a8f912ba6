//! Every metric of this crate: name, unit, help. A node's name is a label: there are as many as nodes.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// 1 while a node is reached from here, 0 while it is not, no number once it is gone, by `node`.
pub(crate) const UP: &str = "switchyard_peer_up";
/// Messages that wait for a node or are under way to it, by `node`.
pub(crate) const PENDING: &str = "switchyard_peer_messages_pending";
/// Messages to a node that came to their end, by `node` and `outcome` (ok, not_here, stale, busy, deadline, refused,
/// unreachable, too_large, lost, timed_out, queue_full).
pub(crate) const ASKED: &str = "switchyard_peer_messages_total";
/// From a message asked to its end, in seconds, by `node`.
pub(crate) const ASKED_SECONDS: &str = "switchyard_peer_message_seconds";
/// Messages from other nodes, by `outcome` (as above) and, of those, the ones that had been carried out before
/// (`again`).
pub(crate) const RECEIVED: &str = "switchyard_peer_received_total";
/// Streams of other nodes that were ended, because what came was no frame or too large.
pub(crate) const BROKEN: &str = "switchyard_peer_streams_broken_total";

/// Tells the recorder what the metrics of this crate mean.
pub fn describe_metrics() {
    describe_gauge!(
        UP,
        Unit::Count,
        "1 while a node is reached from here, 0 while it lives and is not, NaN once it is gone, by node."
    );
    describe_gauge!(
        PENDING,
        Unit::Count,
        "Messages that wait for a node or are under way to it, by node."
    );
    describe_counter!(
        ASKED,
        Unit::Count,
        "Messages to a node that came to their end, by node and outcome."
    );
    describe_histogram!(
        ASKED_SECONDS,
        Unit::Seconds,
        "From a message asked to its end, by node."
    );
    describe_counter!(
        RECEIVED,
        Unit::Count,
        "Messages from other nodes, by outcome; again: it had been carried out before."
    );
    describe_counter!(
        BROKEN,
        Unit::Count,
        "Streams of other nodes that were ended, because what came was no frame or too large."
    );
}
