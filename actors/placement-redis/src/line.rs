//! The line to Redis: up or down, with a breaker.
//!
//! A question is asked only while the line is up, and answered in time or failed. An error that says that the
//! connection or the server is no good, or a few time-outs in a row, bring the line down; then questions
//! fail at once, so that a socket that opens does not wait for a server that does not answer. Only
//! [`Line::up`] brings it up again, which is what rounds begin with, once a second.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use placement::Away;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use tokio::{sync::watch, time::Instant};

use crate::{
    connect::{Connection, Connector, Failure},
    metrics,
    scripts::Question,
};

/// So many time-outs in a row bring the line down.
const PATIENCE: u32 = 3;

/// The line to Redis.
pub(crate) struct Line {
    connector: Connector,
    timeout: Duration,
    open: Mutex<Option<Arc<Open>>>,
    /// How often it has come up.
    times_up: watch::Sender<u64>,
}

struct Open {
    connection: Connection,
    timeouts: AtomicU32,
}

impl Line {
    pub(crate) fn new(connector: Connector, timeout: Duration) -> Self {
        Self {
            connector,
            timeout,
            open: Mutex::default(),
            times_up: watch::Sender::new(0),
        }
    }

    /// Brings it up, if it is down.
    pub(crate) async fn up(&self) -> Result<(), Failure> {
        if self.open().is_some() {
            return Ok(());
        }
        let connection = self.connector.connect().await?;
        ::metrics::counter!(metrics::CONNECTS).increment(1);
        *self.open() = Some(Arc::new(Open {
            connection,
            timeouts: AtomicU32::new(0),
        }));
        self.times_up.send_modify(|times| *times += 1);
        Ok(())
    }

    /// Has a script run.
    pub(crate) async fn ask<T: FromRedisValue>(&self, question: &Question<'_>) -> Result<T, Away> {
        self.try_it(&question.keys(), async |mut connection| {
            let outcome = question.by_hash().query_async(&mut connection).await;
            match outcome {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    question.whole().query_async(&mut connection).await
                }
                outcome => outcome,
            }
        })
        .await
    }

    /// Has a command run that is about that key or channel.
    pub(crate) async fn command<T: FromRedisValue>(
        &self,
        about: &str,
        command: &Cmd,
    ) -> Result<T, Away> {
        self.try_it(about, async |mut connection| {
            command.query_async(&mut connection).await
        })
        .await
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Tells each time it comes up.
    pub(crate) fn times_up(&self) -> watch::Receiver<u64> {
        self.times_up.subscribe()
    }

    async fn try_it<T>(
        &self,
        about: &str,
        question: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Result<T, Away> {
        let open = self.open().clone();
        let open = open.ok_or_else(|| Away("there is no connection to Redis".to_owned()))?;
        let begun = Instant::now();
        let outcome = tokio::time::timeout(self.timeout, question(open.connection.clone())).await;
        let (label, error) = match outcome {
            Ok(Ok(answer)) => {
                open.timeouts.store(0, Ordering::Relaxed);
                ::metrics::histogram!(metrics::QUESTION_SECONDS).record(begun.elapsed());
                return Ok(answer);
            }
            Ok(Err(error)) => {
                if is_no_good(&error) {
                    self.down(&open);
                }
                let why = match error.is_io_error() {
                    true => error.to_string(),
                    false => format!("{about}: {error}"),
                };
                ("refused", why)
            }
            Err(_) => {
                if open.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE {
                    self.down(&open);
                }
                (
                    "timed_out",
                    format!("Redis did not answer within {:?}", self.timeout),
                )
            }
        };
        ::metrics::counter!(metrics::FAILURES, "outcome" => label).increment(1);
        Err(Away(error))
    }

    /// Takes the line down, unless it has come up anew.
    fn down(&self, bad: &Arc<Open>) {
        let mut open = self.open();
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, bad)) {
            *open = None;
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same question could be answered over another connection.
fn is_no_good(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::ClusterConnectionNotFound
                | ErrorKind::Server(
                    ServerErrorKind::ReadOnly
                        | ServerErrorKind::BusyLoading
                        | ServerErrorKind::MasterDown
                        | ServerErrorKind::ClusterDown
                )
        )
}
