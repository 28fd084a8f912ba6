//! Statements to the cluster: prepared once, sent to a replica that has the row, so many at a time, each
//! within its time.
//!
//! Texts name tables as `ks.table`; `ks` becomes the keyspace.
//!
//! A statement whose time is up, or whose connection broke, may have been carried out: a write error is
//! certain only where the driver never sent it, or no node could have taken it.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use metrics::{counter, gauge, histogram};
use scylla::{
    client::session::Session,
    deserialize::row::DeserializeRow,
    errors::{DbError, ExecutionError, PrepareError, RequestAttemptError},
    response::{PagingState, query_result::QueryResult},
    serialize::row::SerializeRow,
    statement::{
        Consistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
        unprepared::Statement as UnpreparedStatement,
    },
    value::{CqlValue, Row},
};
use store::{ReadError, WriteError};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, watch};

use crate::{
    OpenError, Options, metrics as names,
    permission::{self, Needs},
};

/// Rows that come in one answer.
const PAGE_ROWS: i32 = 500;

/// How long a change of the schema may take: a node writes and tells it to the others before it answers. Less than the
/// lock on the schema lasts.
const CHANGE_TIME: Duration = Duration::from_secs(30);

/// How often a statement is sent to nodes that have forgotten it.
const TRIES: u32 = 3;

/// How a statement is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// At LOCAL_QUORUM; sent again by the driver where a node fails, since it changes nothing twice.
    Plain,
    /// A light-weight transaction (`IF …`).
    Once,
    /// A read that sees, and completes, what light-weight transactions have begun.
    Serial,
}

/// A statement's text, and how it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Statement {
    text: &'static str,
    kind: Kind,
}

impl Statement {
    /// A read, or a write that changes nothing when it is done again.
    pub(crate) const fn plain(text: &'static str) -> Self {
        let kind = Kind::Plain;
        Self { text, kind }
    }

    /// A light-weight transaction.
    pub(crate) const fn once(text: &'static str) -> Self {
        let kind = Kind::Once;
        Self { text, kind }
    }

    /// A read of what is written by light-weight transactions.
    pub(crate) const fn serial(text: &'static str) -> Self {
        let kind = Kind::Serial;
        Self { text, kind }
    }
}

/// A statement that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub(crate) struct CqlError {
    /// Whether it is certain that nothing was done.
    certain: bool,
    /// Whether the role may not do it.
    forbidden: bool,
    /// Whether the node knows nothing of what the statement names: a keyspace, a table, a column.
    nameless: bool,
    why: String,
}

impl CqlError {
    /// What a column holds is not what was written there.
    pub(crate) fn unreadable(why: &impl ToString) -> Self {
        Self {
            certain: false,
            forbidden: false,
            nameless: false,
            why: format!("a row cannot be read: {}", why.to_string()),
        }
    }

    /// Whether the node knows nothing of what the statement names. A node tells of a table in its own tables before it
    /// takes statements on it, so this passes where another hub is just making it.
    pub(crate) fn is_of_a_name(&self) -> bool {
        self.nameless
    }

    /// The error of a store that cannot be opened, by a statement about this keyspace.
    pub(crate) fn of_opening(self, keyspace: &str) -> OpenError {
        if self.forbidden {
            return OpenError::Forbidden(self.why);
        }
        OpenError::Other {
            keyspace: keyspace.to_owned(),
            why: self.why,
            // What no node could have taken will not be taken later either.
            may_pass: !self.certain,
        }
    }

    /// The error of a write that had done nothing before this statement, nor could by it.
    pub(crate) fn before_writing(self) -> WriteError {
        WriteError::NotWritten(self.why)
    }
}

impl From<CqlError> for ReadError {
    fn from(error: CqlError) -> Self {
        Self(error.why)
    }
}

/// The error of the statement that writes.
impl From<CqlError> for WriteError {
    fn from(error: CqlError) -> Self {
        match error.certain {
            true => Self::NotWritten(error.why),
            false => Self::Unknown(error.why),
        }
    }
}

/// The connections to the cluster.
pub(crate) struct Cql {
    session: Session,
    keyspace: String,
    role: String,
    /// What was refused to the role, and is not known to be granted since.
    lacking: watch::Sender<Option<String>>,
    /// How often something was refused to it.
    refusals: AtomicU64,
    prepared: RwLock<HashMap<Statement, Arc<PreparedStatement>>>,
    in_flight: Semaphore,
    time: Duration,
}

impl Cql {
    pub(crate) fn new(session: Session, options: &Options) -> Self {
        Self {
            session,
            keyspace: options.keyspace.clone(),
            role: match &options.credentials {
                Some(us) => us.user.clone(),
                // As the servers call who did not log in.
                None => "anonymous".to_owned(),
            },
            lacking: watch::Sender::new(None),
            refusals: AtomicU64::new(0),
            prepared: RwLock::default(),
            in_flight: Semaphore::new(options.in_flight.max(1)),
            time: options.request_timeout,
        }
    }

    /// Carries out a write.
    pub(crate) async fn write(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<(), CqlError> {
        let (_, _) = self.page(statement, &values, PagingState::start()).await?;
        Ok(())
    }

    /// Carries out a light-weight transaction; whether it was applied.
    pub(crate) async fn once(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<bool, CqlError> {
        let (result, _) = self.page(statement, &values, PagingState::start()).await?;
        applied(result)
    }

    /// Carries out two light-weight transactions on one partition as one; whether they were applied.
    pub(crate) async fn both_once<A: SerializeRow, B: SerializeRow>(
        &self,
        [one, other]: [Statement; 2],
        values: (&A, &B),
    ) -> Result<bool, CqlError> {
        let mut tries = TRIES;
        loop {
            let mut both = Batch::new(BatchType::Logged);
            for statement in [one, other] {
                both.append_statement(self.prepare(statement).await?.as_ref().clone());
            }
            let _turn = self.turn().await;
            match self.session.batch(&both, values).await {
                Err(error) if tries > 1 && is_forgotten(&error) => {
                    tries -= 1;
                    self.forget(&[one, other]);
                }
                outcome => {
                    return applied(outcome.map_err(|error| self.failed(&error, Needs::Rows))?);
                }
            }
        }
    }

    /// All rows of a read, page by page.
    pub(crate) async fn rows<R>(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, CqlError>
    where
        R: for<'a> DeserializeRow<'a, 'a>,
    {
        let mut read = Vec::new();
        let mut from = PagingState::start();
        loop {
            let (result, next) = self.page(statement, &values, from).await?;
            let rows = result
                .into_rows_result()
                .map_err(|error| CqlError::unreadable(&error))?;
            let typed = rows
                .rows::<R>()
                .map_err(|error| CqlError::unreadable(&error))?;
            for row in typed {
                read.push(row.map_err(|error| CqlError::unreadable(&error))?);
            }
            match next {
                Some(next) => from = next,
                None => return Ok(read),
            }
        }
    }

    /// The row of a read that has one at most.
    pub(crate) async fn row<R>(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<Option<R>, CqlError>
    where
        R: for<'a> DeserializeRow<'a, 'a>,
    {
        Ok(self.rows(statement, values).await?.into_iter().next())
    }

    async fn page(
        &self,
        statement: Statement,
        values: &impl SerializeRow,
        from: PagingState,
    ) -> Result<(QueryResult, Option<PagingState>), CqlError> {
        let mut tries = TRIES;
        let (result, next) = loop {
            let prepared = self.prepare(statement).await?;
            let _turn = self.turn().await;
            let page = self
                .session
                .execute_single_page(&prepared, values, from.clone());
            match page.await {
                Err(error) if tries > 1 && is_forgotten(&error) => {
                    tries -= 1;
                    self.forget(&[statement]);
                }
                outcome => break outcome.map_err(|error| self.failed(&error, Needs::Rows))?,
            }
        };
        let next = match next.into_paging_control_flow() {
            std::ops::ControlFlow::Continue(next) => Some(next),
            std::ops::ControlFlow::Break(()) => None,
        };
        Ok((result, next))
    }

    async fn prepare(&self, statement: Statement) -> Result<Arc<PreparedStatement>, CqlError> {
        if let Some(known) = self.known(statement) {
            return Ok(known);
        }
        let preparing =
            tokio::time::timeout(self.time, self.session.prepare(self.named(statement.text)));
        let mut prepared = match preparing.await {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(PrepareError::AllAttemptsFailed { first_attempt })) => {
                let refused = self.refused(&first_attempt, Needs::Rows);
                return Err(refused.unwrap_or_else(|| CqlError {
                    nameless: is_of_a_name(&first_attempt),
                    ..count(true, &first_attempt)
                }));
            }
            Ok(Err(error)) => return Err(count(true, &error)),
            Err(_) => return Err(count(true, &"the statement could not be prepared in time")),
        };
        prepared.set_page_size(PAGE_ROWS);
        prepared.set_is_idempotent(statement.kind != Kind::Once);
        if statement.kind == Kind::Serial {
            prepared.set_consistency(Consistency::LocalSerial);
        }
        let prepared = Arc::new(prepared);
        self.prepared
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(statement, prepared.clone());
        Ok(prepared)
    }

    /// Waits until one more statement may be under way.
    async fn turn(&self) -> Turn<'_> {
        let begun = Instant::now();
        let permit = self.in_flight.acquire().await;
        gauge!(names::IN_FLIGHT).increment(1);
        Turn {
            begun,
            _permit: permit,
        }
    }

    fn forget(&self, statements: &[Statement]) {
        let mut prepared = self
            .prepared
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for statement in statements {
            prepared.remove(statement);
        }
    }

    fn known(&self, statement: Statement) -> Option<Arc<PreparedStatement>> {
        let known = self.prepared.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&statement).cloned()
    }

    /// Carries out a change of the schema and waits until all nodes know it.
    pub(crate) async fn change(&self, text: &str, needs: Needs) -> Result<(), CqlError> {
        let mut change = UnpreparedStatement::new(self.named(text));
        change.set_request_timeout(Some(CHANGE_TIME));
        let changed = self.session.query_unpaged(change, ()).await;
        changed.map_err(|error| self.failed(&error, needs))?;
        self.session
            .await_schema_agreement()
            .await
            .map(drop)
            .map_err(|error| count(false, &error))
    }

    /// What was refused to the role, and is not known to be granted since; whoever waits for changes learns of them.
    pub(crate) fn lacking(&self) -> watch::Receiver<Option<String>> {
        self.lacking.subscribe()
    }

    /// How often something was refused to the role.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// The role may do what was refused to it.
    pub(crate) fn is_granted(&self) {
        self.lacking
            .send_if_modified(|lacking| lacking.take().is_some());
    }

    fn failed(&self, error: &ExecutionError, needs: Needs) -> CqlError {
        let refused = match error {
            ExecutionError::LastAttemptError(attempt) => self.refused(attempt, needs),
            _ => None,
        };
        refused.unwrap_or_else(|| failure(error))
    }

    /// The error of a statement that the role may not carry out, where it is one.
    fn refused(&self, error: &RequestAttemptError, needs: Needs) -> Option<CqlError> {
        let RequestAttemptError::DbError(DbError::Unauthorized, says) = error else {
            return None;
        };
        if !permission::is_known(says) {
            return None;
        }
        let why = permission::refusal(says, &self.keyspace, &self.role, needs);
        self.refusals.fetch_add(1, Ordering::Relaxed);
        self.lacking.send_if_modified(|lacking| {
            let is_news = lacking.is_none();
            lacking.get_or_insert_with(|| why.clone());
            is_news
        });
        Some(CqlError {
            forbidden: true,
            ..count(true, &why)
        })
    }

    /// A text with the keyspace's name in it.
    fn named(&self, text: &str) -> String {
        text.replace(" ks.", &format!(" \"{}\".", self.keyspace))
    }
}

/// A statement that is under way, until it is answered or given up.
struct Turn<'a> {
    begun: Instant,
    _permit: Result<SemaphorePermit<'a>, AcquireError>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        gauge!(names::IN_FLIGHT).decrement(1);
        histogram!(names::STATEMENT_SECONDS).record(self.begun.elapsed());
    }
}

/// Whether the node did nothing, since it has forgotten the statement: it does when the schema changes,
/// and may once more while the driver prepares it again.
fn is_forgotten(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Unprepared { .. },
            _
        ))
    )
}

/// Whether a light-weight transaction was applied.
fn applied(result: QueryResult) -> Result<bool, CqlError> {
    let rows = result
        .into_rows_result()
        .map_err(|error| CqlError::unreadable(&error))?;
    // By its name: where it stands, and what else is there, differs between servers.
    let applied = rows.column_specs().get_by_name("[applied]");
    let row: Row = rows
        .first_row()
        .map_err(|error| CqlError::unreadable(&error))?;
    match applied.and_then(|(column, _)| row.columns.into_iter().nth(column)?) {
        Some(CqlValue::Boolean(applied)) => Ok(applied),
        _ => Err(CqlError::unreadable(&"whether it was applied is not told")),
    }
}

fn failure(error: &ExecutionError) -> CqlError {
    let certain = match error {
        ExecutionError::BadQuery(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::PrepareError(_)
        | ExecutionError::ConnectionPoolError(_)
        | ExecutionError::LastAttemptError(
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::UnableToAllocStreamId
            // No node takes these at any time, so none has before.
            | RequestAttemptError::DbError(DbError::SyntaxError | DbError::Invalid, _),
        ) => true,
        // Not even "too few replicas": the attempt before that one may have got through.
        _ => false,
    };
    let nameless =
        matches!(error, ExecutionError::LastAttemptError(attempt) if is_of_a_name(attempt));
    CqlError {
        nameless,
        ..count(certain, error)
    }
}

/// Whether a node refused a statement for a keyspace, a table or a column that it does not know.
fn is_of_a_name(error: &RequestAttemptError) -> bool {
    match error {
        // A node that is just being told of a table may also stumble over it.
        RequestAttemptError::DbError(DbError::Invalid | DbError::ServerError, says) => {
            is_unknown_name(says)
        }
        _ => false,
    }
}

/// By the words of the servers, which have no number of its own for it.
fn is_unknown_name(says: &str) -> bool {
    let says = says.to_lowercase();
    [
        "does not exist",
        "doesn't exist",
        "unconfigured table",
        "undefined column",
        "unknown identifier",
        "can't find a keyspace",
        "unknown cf ",
    ]
    .iter()
    .any(|words| says.contains(words))
}

fn count(certain: bool, why: &impl ToString) -> CqlError {
    let outcome = if certain { "not_written" } else { "unknown" };
    counter!(names::FAILURES, "outcome" => outcome).increment(1);
    CqlError {
        certain,
        forbidden: false,
        nameless: false,
        why: in_one_line(why),
    }
}

/// What the driver says, some of which it spreads over several lines.
pub(crate) fn in_one_line(why: &impl ToString) -> String {
    let why = why.to_string();
    Vec::from_iter(why.split_whitespace()).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_node_does_not_know_is_told_from_what_it_never_takes() {
        for says in [
            "table migrations does not exist",
            "Keyspace 'mt' doesn't exist",
            "unconfigured table migrations",
            "Undefined column name memory in table mt.site_power",
            "java.lang.IllegalArgumentException: Unknown CF 49ce8d30-ebb4-11f1-8318-d514a357e635",
        ] {
            assert!(is_unknown_name(says), "{says}");
        }
        assert!(!is_unknown_name("LWT is not yet supported with tablets"));
    }

    #[test]
    fn what_the_driver_spreads_over_lines_is_told_in_one() {
        assert_eq!(
            in_one_line(&"broken:\n        it was closed"),
            "broken: it was closed"
        );
    }
}
