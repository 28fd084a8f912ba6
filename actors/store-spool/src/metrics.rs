//! Every metric of this crate: name, unit, help. Never a charger's id as a label.

use metrics::{Unit, describe_counter, describe_gauge};

/// Writes that wait here for the remote store: one less as soon as it has one.
pub(crate) const RECORDS: &str = "switchyard_spool_records";
/// How long those are.
pub(crate) const BYTES: &str = "switchyard_spool_bytes";
/// What the segments take on disk, which is less only when all of a segment is replayed.
pub(crate) const DISK_BYTES: &str = "switchyard_spool_disk_bytes";
/// When the message of the oldest waiting write was received (seconds since 1970; 0 while none waits).
pub(crate) const OLDEST: &str = "switchyard_spool_oldest_timestamp_seconds";
/// 1 while writes go to the spool because the remote store does not take them.
pub(crate) const REMOTE_AWAY: &str = "switchyard_spool_remote_away";
/// Writes by what became of them: spooled, refused (neither here nor there), replayed, set_aside.
pub(crate) const WRITES: &str = "switchyard_spool_writes_total";
/// Segments that could not be read in full.
pub(crate) const DAMAGED: &str = "switchyard_spool_damaged_segments_total";

/// Tells the recorder what the metrics of this crate mean.
pub fn describe_metrics() {
    describe_gauge!(
        RECORDS,
        Unit::Count,
        "Writes that wait in the spool for the remote store."
    );
    describe_gauge!(
        BYTES,
        Unit::Bytes,
        "How long the writes are that wait in the spool for the remote store."
    );
    describe_gauge!(
        DISK_BYTES,
        Unit::Bytes,
        "What the spool takes on disk, at most spool.max_bytes; it falls by whole segments."
    );
    describe_gauge!(
        OLDEST,
        Unit::Seconds,
        "When the message of the oldest waiting write was received, in seconds since 1970; 0 while none waits."
    );
    describe_gauge!(
        REMOTE_AWAY,
        Unit::Count,
        "1 while writes go to the spool because the remote store does not take them."
    );
    describe_counter!(
        WRITES,
        Unit::Count,
        "Writes by outcome: spooled, refused (neither here nor there), replayed, set_aside (a person must look)."
    );
    describe_counter!(
        DAMAGED,
        Unit::Count,
        "Segments of the spool that could not be read in full; a person must look."
    );
}
