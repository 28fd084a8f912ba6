//! Every metric of this crate: name, unit, help. Never a charger's id as a label.

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Handshakes, by `outcome` (opened, unknown, rejected, unavailable, overloaded, unwritten, overtaken, identity_conflict, no_common_protocol, malformed, gave_up).
pub(crate) const HANDSHAKES: &str = "switchyard_handshakes_total";
/// Messages read from chargers, by `action` and `outcome` (answered, refused, malformed, closed).
pub(crate) const MESSAGES: &str = "switchyard_messages_total";
/// From a message read to its answer written, in seconds, by `action`.
pub(crate) const MESSAGE_SECONDS: &str = "switchyard_message_seconds";
/// CALLs that wait for their turn, by `class` (stop, start, authorize, meter, other, heartbeat).
pub(crate) const CALLS_WAITING: &str = "switchyard_calls_waiting";
/// How long the CALL has waited that has waited longest, heartbeats aside, in seconds.
pub(crate) const LONGEST_WAIT_SECONDS: &str = "switchyard_calls_longest_wait_seconds";
/// CALLs answered without actor, store and log, because too much waited, by `action`.
pub(crate) const CALLS_SHED: &str = "switchyard_calls_shed_total";
/// Payloads that had to be repaired to be read, by `repair`.
pub(crate) const REPAIRS: &str = "switchyard_payload_repairs_total";
/// Calls to chargers, by `outcome` (answered, failed, expired, station_gone …).
pub(crate) const COMMANDS: &str = "switchyard_commands_total";
/// Sockets that were found dead.
pub(crate) const SOCKETS_DEAD: &str = "switchyard_sockets_dead_total";
/// Sockets closed, by `reason`.
pub(crate) const SOCKETS_CLOSED: &str = "switchyard_sockets_closed_total";
/// Identities that two devices were found to use.
pub(crate) const IDENTITY_CONFLICTS: &str = "switchyard_identity_conflicts_total";
/// Transaction messages that crashed their actor and are kept as dead letters.
pub(crate) const DEAD_LETTERS: &str = "switchyard_dead_letters_total";
/// Entries of the message log that were dropped.
pub(crate) const MESSAGE_LOG_DROPPED: &str = "switchyard_message_log_dropped_total";

/// 1 while this hub's certificate for the others is good for two weeks more.
pub(crate) const PEER_CERTIFICATE_GOOD: &str = "switchyard_peer_certificate_good";

/// Tells the recorder what the metrics mean.
pub(crate) fn describe() {
    describe_counter!(HANDSHAKES, Unit::Count, "Handshakes, by outcome.");
    describe_counter!(
        MESSAGES,
        Unit::Count,
        "Messages read from chargers, by action and outcome."
    );
    describe_histogram!(
        MESSAGE_SECONDS,
        Unit::Seconds,
        "From a message read to its answer written, by action."
    );
    describe_gauge!(
        PEER_CERTIFICATE_GOOD,
        Unit::Count,
        "1 while this hub's certificate for the others is good for two weeks more."
    );
    describe_gauge!(
        CALLS_WAITING,
        Unit::Count,
        "CALLs that wait for their turn, by class."
    );
    describe_gauge!(
        LONGEST_WAIT_SECONDS,
        Unit::Seconds,
        "How long the CALL has waited that has waited longest, heartbeats aside."
    );
    describe_counter!(
        CALLS_SHED,
        Unit::Count,
        "CALLs answered without actor, store and log, because too much waited, by action."
    );
    describe_counter!(
        REPAIRS,
        Unit::Count,
        "Payloads that had to be repaired to be read, by repair."
    );
    describe_counter!(COMMANDS, Unit::Count, "Calls to chargers, by outcome.");
    describe_counter!(SOCKETS_DEAD, Unit::Count, "Sockets that were found dead.");
    describe_counter!(SOCKETS_CLOSED, Unit::Count, "Sockets closed, by reason.");
    describe_counter!(
        IDENTITY_CONFLICTS,
        Unit::Count,
        "Identities that two devices were found to use."
    );
    describe_counter!(
        DEAD_LETTERS,
        Unit::Count,
        "Transaction messages that crashed their actor and are kept as dead letters."
    );
    describe_counter!(
        MESSAGE_LOG_DROPPED,
        Unit::Count,
        "Entries of the message log that were dropped."
    );
}
