//! The hub's own log and the recorder of its metrics.

use std::{io::IsTerminal, sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Buckets of every histogram of seconds.
const SECONDS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0,
];

/// Buckets of the time stations were away: from a reconnect to a month.
const AWAY_SECONDS: [f64; 12] = [
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    3_600.0,
    21_600.0,
    86_400.0,
    2_592_000.0,
];

/// Buckets of every histogram of counts.
const COUNTS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0];
/// How often the recorder folds away what it has gathered since it was last read.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts the log, to standard error. A second call changes nothing.
pub fn start_log(config: &LogConfig) {
    // ractor opens a span per actor, which would cost each one memory, and scylla one per
    // statement; scylla logs an error a second while its cluster is away, which the spool tells once.
    let filter = EnvFilter::new(format!("{},ractor=warn,scylla=off", config.filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _ = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// The recorder of this process's metrics; made once, on the runtime that will keep it up.
///
/// # Errors
/// When another recorder is installed already.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full(actors::AWAY_SECONDS.to_owned()),
            &AWAY_SECONDS,
        )?
        .set_buckets_for_metric(Matcher::Suffix("_writes".to_owned()), &COUNTS)?
        .install_recorder()?;
    // Without it, histograms that nobody reads would grow for ever.
    let kept_up = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            kept_up.run_upkeep();
        }
    });
    actors::describe_metrics();
    crate::metrics::describe();
    peer::describe_metrics();
    placement::describe_metrics();
    placement_redis::describe_metrics();
    store_scylla::describe_metrics();
    store_spool::describe_metrics();
    store_sqlite::describe_metrics();
    Ok(HANDLE.get_or_init(|| handle).clone())
}
