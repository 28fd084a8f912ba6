//! Every metric of this crate: name, unit, help. Never a charger's id as a label.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// How long a group of writes took, from its first write to the disk's word on the last.
pub(crate) const COMMIT_SECONDS: &str = "switchyard_store_commit_seconds";
/// How many writes shared a commit.
pub(crate) const GROUP_SIZE: &str = "switchyard_store_group_writes";
/// Writes that wait for the writer.
pub(crate) const QUEUE_DEPTH: &str = "switchyard_store_queue_writes";
/// Writes that failed, by `outcome` (not_written, unknown).
pub(crate) const WRITE_FAILURES: &str = "switchyard_store_write_failures_total";
/// Times the writer crashed and went on with a new connection.
pub(crate) const WRITER_CRASHES: &str = "switchyard_store_writer_crashes_total";
/// Reads that failed.
pub(crate) const READ_FAILURES: &str = "switchyard_store_read_failures_total";

/// Tells the recorder what the metrics of this crate mean.
pub fn describe_metrics() {
    describe_histogram!(
        COMMIT_SECONDS,
        Unit::Seconds,
        "How long a group of writes took to become durable."
    );
    describe_histogram!(GROUP_SIZE, Unit::Count, "How many writes shared a commit.");
    describe_gauge!(QUEUE_DEPTH, Unit::Count, "Writes that wait for the writer.");
    describe_counter!(
        WRITE_FAILURES,
        Unit::Count,
        "Writes that failed, by outcome."
    );
    describe_counter!(
        WRITER_CRASHES,
        Unit::Count,
        "Times the writer crashed and went on with a new connection."
    );
    describe_counter!(READ_FAILURES, Unit::Count, "Reads that failed.");
}
