//! Every metric of this crate: name, unit, help, labels. Never a charger's id as a label.

use metrics::{Unit, describe_counter, describe_histogram};

/// How long an answered question to Redis took.
pub(crate) const QUESTION_SECONDS: &str = "switchyard_redis_question_seconds";
/// Questions that failed, by `outcome` (refused, timed_out); those asked while the line was down are not counted.
pub(crate) const FAILURES: &str = "switchyard_redis_failures_total";
/// Times the line to Redis came up.
pub(crate) const CONNECTS: &str = "switchyard_redis_connects_total";

/// Tells the recorder what the metrics of this crate mean.
pub fn describe_metrics() {
    describe_histogram!(
        QUESTION_SECONDS,
        Unit::Seconds,
        "How long an answered question to Redis took."
    );
    describe_counter!(
        FAILURES,
        Unit::Count,
        "Questions to Redis that failed, by outcome: refused, timed_out."
    );
    describe_counter!(CONNECTS, Unit::Count, "Times the line to Redis came up.");
}
