//! Every metric of this crate: name, unit, help. Never a charger's id as a label.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// How long a session commit took, with all its statements.
pub(crate) const COMMIT_SECONDS: &str = "switchyard_cql_commit_seconds";
/// How long a statement took, the wait for its turn included.
pub(crate) const STATEMENT_SECONDS: &str = "switchyard_cql_statement_seconds";
/// Statements under way.
pub(crate) const IN_FLIGHT: &str = "switchyard_cql_in_flight_statements";
/// Statements that failed, by `outcome` (not_written, unknown).
pub(crate) const FAILURES: &str = "switchyard_cql_failures_total";
/// Times this hub took a session over.
pub(crate) const TAKEOVERS: &str = "switchyard_cql_takeovers_total";
/// Starts that were claimed and not written, and completed by a later reader or writer.
pub(crate) const COMPLETED: &str = "switchyard_cql_starts_completed_total";

/// 1 while the cluster refuses the hub's role something that the hub needs.
pub(crate) const FORBIDDEN: &str = "switchyard_cql_forbidden";

/// How far the hub's clock is ahead of the store's; less than 0 where it is behind.
pub(crate) const CLOCK_AHEAD: &str = "switchyard_cql_clock_ahead_seconds";

/// Tells the recorder what the metrics of this crate mean.
pub fn describe_metrics() {
    describe_histogram!(
        COMMIT_SECONDS,
        Unit::Seconds,
        "How long a session commit took, with all its statements."
    );
    describe_histogram!(
        STATEMENT_SECONDS,
        Unit::Seconds,
        "How long a statement took, the wait for its turn included."
    );
    describe_gauge!(IN_FLIGHT, Unit::Count, "Statements under way.");
    describe_counter!(FAILURES, Unit::Count, "Statements that failed, by outcome.");
    describe_counter!(
        TAKEOVERS,
        Unit::Count,
        "Times this hub took a session over."
    );
    describe_counter!(
        COMPLETED,
        Unit::Count,
        "Starts that were claimed and not written, and completed by a later reader or writer."
    );
    describe_gauge!(
        FORBIDDEN,
        Unit::Count,
        "1 while the cluster refuses the hub's role something that the hub needs; an administrator has to grant it."
    );
    describe_gauge!(
        CLOCK_AHEAD,
        Unit::Seconds,
        "How far the hub's clock is ahead of the store's; less than 0 where it is behind."
    );
}
