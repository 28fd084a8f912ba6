//! The one writer: a thread that owns the only connection that writes.
//!
//! Group commit: it takes all writes that wait (at most [`MOST_IN_GROUP`], those of transactions first:
//! see [`crate::queue`]), runs them in one transaction, commits, and only then answers them all. While the disk works on one group the next one
//! gathers by itself, so nothing waits on a timer: a lone write commits at once, and under load a
//! group is as large as the disk is slow. With a disk that takes 2 ms to sync and 10,000 writes a
//! second, about 20 writes share a sync.
//!
//! A write that fails or panics must not take the others of its group along: the group is rolled back
//! and run again in two halves, until the culprit is alone (for one among 512 that is some 20
//! transactions, and it is rare). That is cheaper than a savepoint around every write. So a write may
//! be run more than once, and must leave its own state as it was.
//!
//! The thread outlives a panic of its own: the group in hand is answered with [`WriteError::Unknown`],
//! and it goes on with a new connection and what is queued.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use metrics::{counter, gauge, histogram};
use rusqlite::{Connection, ErrorCode};
use store::WriteError;
use tokio::sync::oneshot;

use crate::{
    OpenError, metrics as names,
    queue::{Queue, Urgency},
};

/// More writes than this do not share a commit: the first of them would wait too long.
const MOST_IN_GROUP: usize = 512;
/// How long to wait before the next try when no new connection can be had.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);

/// The way to the writer. Dropping it runs what is queued to its end and waits for that.
pub(crate) struct Writer {
    queue: Arc<Queue<Box<dyn Job>>>,
    thread: JoinOnDrop,
}

/// A write that waits for its answer.
trait Job: Send {
    /// Writes; may be called again after a rollback.
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()>;
    /// Tells who asked.
    fn answer(self: Box<Self>, outcome: Result<(), WriteError>);
}

impl Writer {
    /// Starts the thread on `db`; `again` opens another connection to the same file. At most `waiting`
    /// writes of each urgency are queued, more wait before the queue.
    pub(crate) fn start(
        db: Connection,
        again: impl Fn() -> Result<Connection, OpenError> + Send + 'static,
        waiting: usize,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(waiting));
        let orders = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || work(db, again, &orders))?;
        Ok(Self {
            queue,
            thread: JoinOnDrop(Mutex::new(Some(thread))),
        })
    }

    /// Runs a write and waits until it is durable. It runs even if the caller stops waiting.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        run: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, WriteError> {
        self.write_as(Urgency::Ordinary, run).await
    }

    /// As [`Self::write`], or before it: see [`Urgency`].
    pub(crate) async fn write_as<T: Send + 'static>(
        &self,
        urgency: Urgency,
        run: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write {
            run,
            made: None,
            reply,
        });
        self.queue
            .push(urgency, job)
            .await
            .map_err(|_| WriteError::NotWritten("the store is closed".into()))?;
        answer
            .await
            .unwrap_or_else(|_| Err(WriteError::Unknown("the writer crashed".into())))
    }

    /// Runs what is queued to its end, refuses what comes later, and waits for the thread.
    pub(crate) async fn close(&self) {
        self.queue.close();
        let thread = self.thread.take();
        // The thread catches its panics; the panic hook has printed them.
        let _ = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Before the thread is waited for.
        self.queue.close();
    }
}

struct JoinOnDrop(Mutex<Option<JoinHandle<()>>>);

impl JoinOnDrop {
    fn take(&self) -> Option<JoinHandle<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        let _ = self.take().map(JoinHandle::join);
    }
}

struct Write<T, F> {
    run: F,
    made: Option<T>,
    reply: oneshot::Sender<Result<T, WriteError>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.made = Some((self.run)(db)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), WriteError>) {
        let Self { made, reply, .. } = *self;
        let not_run = || WriteError::NotWritten("the write was not run".into());
        let answer = outcome.and_then(|()| made.ok_or_else(not_run));
        // Who asked may have gone.
        let _ = reply.send(answer);
    }
}

/// The thread's life: it serves until the queue is closed, over as many connections as that takes.
fn work(
    mut db: Connection,
    again: impl Fn() -> Result<Connection, OpenError>,
    queue: &Queue<Box<dyn Job>>,
) {
    while catch_unwind(AssertUnwindSafe(|| serve(&db, queue))).is_err() {
        counter!(names::WRITER_CRASHES).increment(1);
        tracing::error!(
            "the writer crashed; what it had in hand is perhaps written, and it goes on with a new connection"
        );
        // Rolls back what the crash left open, and with it the lock.
        drop(db);
        match reopen(&again, queue) {
            Some(new) => db = new,
            None => return,
        }
    }
}

/// A new connection; nothing when the store was closed meanwhile. Writes that come in between are
/// certainly not written, and nobody waits for them to be.
fn reopen(
    again: impl Fn() -> Result<Connection, OpenError>,
    queue: &Queue<Box<dyn Job>>,
) -> Option<Connection> {
    loop {
        let error = match again() {
            Ok(db) => return Some(db),
            Err(error) => error.to_string(),
        };
        tracing::error!(error, "the writer has no connection to the database");
        for job in queue.take_now(usize::MAX) {
            job.answer(Err(WriteError::NotWritten(error.clone())));
        }
        if queue.is_closed() {
            return None;
        }
        std::thread::sleep(REOPEN_PAUSE);
    }
}

fn serve(db: &Connection, queue: &Queue<Box<dyn Job>>) {
    loop {
        let group = queue.take(MOST_IN_GROUP);
        if group.is_empty() {
            return;
        }
        gauge!(names::QUEUE_DEPTH).set(queue.len() as f64);
        settle(db, group);
    }
}

/// Makes a group durable and answers it; in parts, where one of its writes fails.
fn settle(db: &Connection, mut group: Vec<Box<dyn Job>>) {
    let begun = Instant::now();
    match commit(db, &mut group) {
        Ok(()) => {
            #[cfg(feature = "chaos")]
            crate::chaos::strike_after_commit();
            histogram!(names::COMMIT_SECONDS).record(begun.elapsed());
            histogram!(names::GROUP_SIZE).record(group.len() as f64);
            for job in group {
                job.answer(Ok(()));
            }
        }
        Err(Failure::OfOne(_)) if group.len() > 1 => {
            let second = group.split_off(group.len() / 2);
            settle(db, group);
            settle(db, second);
        }
        Err(Failure::OfOne(error) | Failure::OfAll(error)) => {
            let outcome = match error {
                WriteError::Unknown(_) => "unknown",
                _ => "not_written",
            };
            counter!(names::WRITE_FAILURES, "outcome" => outcome).increment(group.len() as u64);
            for job in group {
                job.answer(Err(error.clone()));
            }
        }
    }
}

enum Failure {
    /// A write of the group failed, and all are rolled back.
    OfOne(WriteError),
    /// The transaction itself failed.
    OfAll(WriteError),
}

fn commit(db: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    run(db, "BEGIN IMMEDIATE").map_err(|error| Failure::OfAll(not_written(db, &error)))?;
    for job in group {
        let result = catch_unwind(AssertUnwindSafe(|| job.run(db)));
        let error = match result {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => not_written(db, &error),
            Err(_) => {
                tracing::error!("a write panicked; it is not written, the writer goes on");
                WriteError::NotWritten("the write panicked".into())
            }
        };
        roll_back(db);
        return Err(Failure::OfOne(error));
    }
    run(db, "COMMIT").map_err(|error| {
        let outcome = commit_outcome(db, &error);
        roll_back(db);
        Failure::OfAll(outcome)
    })
}

/// What is known after a COMMIT that failed. SQLite has rolled back, so nobody reads the group; but
/// after an I/O error (a sync that failed, say) its last page may already be in the log, and a crash
/// now would bring it back to life. Only the disk knows.
fn commit_outcome(db: &Connection, error: &rusqlite::Error) -> WriteError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => WriteError::Unknown(error.to_string()),
        _ => not_written(db, error),
    }
}

fn not_written(db: &Connection, error: &rusqlite::Error) -> WriteError {
    WriteError::NotWritten(match error.sqlite_error_code() {
        // SQLite says "database or disk".
        Some(ErrorCode::DiskFull) if is_at_its_bound(db) => {
            "the database is as large as data.max_bytes lets it grow".to_owned()
        }
        Some(ErrorCode::DiskFull) => "the disk of the database is full".to_owned(),
        _ => error.to_string(),
    })
}

/// Whether the database may not grow by what a write takes at most.
fn is_at_its_bound(db: &Connection) -> bool {
    /// Of the largest frame that a station may send, and of the indexes.
    const PAGES_OF_A_WRITE: i64 = 64;
    let pages = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    match (pages("page_count"), pages("max_page_count")) {
        (Ok(used), Ok(most)) => used + PAGES_OF_A_WRITE >= most,
        _ => false,
    }
}

fn roll_back(db: &Connection) {
    // Some failures roll back by themselves.
    if !db.is_autocommit()
        && let Err(error) = run(db, "ROLLBACK")
    {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
}

fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    #[cfg(feature = "chaos")]
    crate::chaos::strike(sql)?;
    db.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn writer() -> Arc<Writer> {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .unwrap();
        let never = || Err(OpenError::Unwritable("no file".into()));
        Arc::new(Writer::start(db, never, 64).unwrap())
    }

    async fn insert(writer: Arc<Writer>, n: i64) -> Result<(), WriteError> {
        let insert = move |db: &Connection| {
            db.execute("INSERT INTO t VALUES (?1)", [n])?;
            if n == 13 {
                panic!("unlucky");
            }
            Ok(())
        };
        writer.write(insert).await
    }

    async fn count(writer: &Writer) -> i64 {
        let count = |db: &Connection| db.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
        writer.write(count).await.unwrap()
    }

    /// Holds the writer up until all of `writes` are queued, so that they share a group.
    async fn in_one_group(
        writer: &Arc<Writer>,
        writes: impl Iterator<Item = i64>,
    ) -> Vec<Result<(), WriteError>> {
        let (held, mut holds) = tokio::sync::mpsc::unbounded_channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let hold = tokio::spawn({
            let writer = writer.clone();
            async move {
                let hold = move |_: &Connection| {
                    held.send(()).unwrap();
                    // The sender is gone when all are queued.
                    Ok(wait.recv().is_err())
                };
                writer.write(hold).await
            }
        });
        // Were it queued only, the writer could still take it and some of the writes together.
        holds.recv().await.unwrap();
        let tasks: Vec<_> = writes
            .map(|n| tokio::spawn(insert(writer.clone(), n)))
            .collect();
        let deadline = Instant::now() + std::time::Duration::from_secs(10);
        while writer.queue.len() < tasks.len() {
            assert!(Instant::now() < deadline, "the writes are not queued");
            tokio::task::yield_now().await;
        }
        drop(go);
        assert_eq!(hold.await.unwrap(), Ok(true));
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }

    #[tokio::test]
    async fn a_write_that_fails_takes_no_other_along() {
        let writer = writer();
        insert(writer.clone(), 5).await.unwrap();
        // 5 is there already; 13 panics after its insert.
        let outcomes = in_one_group(&writer, 0..20).await;
        for (n, outcome) in outcomes.iter().enumerate() {
            match n {
                5 | 13 => assert!(matches!(outcome, Err(WriteError::NotWritten(_))), "{n}"),
                _ => assert_eq!(*outcome, Ok(()), "{n}"),
            }
        }
        assert_eq!(count(&writer).await, 19);
    }

    #[tokio::test]
    async fn the_writer_outlives_a_panic() {
        let writer = writer();
        let outcome = insert(writer.clone(), 13).await;
        assert_eq!(
            outcome,
            Err(WriteError::NotWritten("the write panicked".into()))
        );
        assert_eq!(insert(writer.clone(), 14).await, Ok(()));
        assert_eq!(count(&writer).await, 1);
    }

    /// Panics when it is answered, so outside of what the writes themselves may do.
    struct Bomb;

    impl Job for Bomb {
        fn run(&mut self, db: &Connection) -> rusqlite::Result<()> {
            db.execute("INSERT INTO t VALUES (99)", []).map(drop)
        }

        fn answer(self: Box<Self>, _: Result<(), WriteError>) {
            panic!("a bomb in the writer");
        }
    }

    #[tokio::test]
    async fn a_crash_of_the_writer_itself_costs_one_group_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let first = Connection::open(&path).unwrap();
        first
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .unwrap();
        // The first try to open it again fails.
        let tries = std::sync::atomic::AtomicU32::new(0);
        let again = move || match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Err(OpenError::Unwritable(path.clone())),
            _ => Ok(Connection::open(&path).unwrap()),
        };
        let writer = Arc::new(Writer::start(first, again, 64).unwrap());
        insert(writer.clone(), 1).await.unwrap();
        let bomb = writer.queue.push(Urgency::Ordinary, Box::new(Bomb)).await;
        assert_eq!(bomb, Ok(()), "the queue is open");
        // Each write is answered: unknown in the bomb's group, not written without a connection.
        let two = |db: &Connection| db.execute("INSERT OR IGNORE INTO t VALUES (2)", []);
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = writer.write(two).await {
            assert!(
                Instant::now() < deadline,
                "the writer did not come back: {error}"
            );
        }
        assert_eq!(
            count(&writer).await,
            3,
            "1, 2, and what the crash only did not answer"
        );
        writer.close().await;
        assert_eq!(
            insert(writer, 3).await,
            Err(WriteError::NotWritten("the store is closed".into()))
        );
    }

    #[test]
    fn only_an_io_error_leaves_a_commit_unknown() {
        let db = Connection::open_in_memory().unwrap();
        let failure = |code| {
            let error = rusqlite::ffi::Error::new(code);
            commit_outcome(&db, &rusqlite::Error::SqliteFailure(error, None))
        };
        let not_written = |outcome| matches!(outcome, WriteError::NotWritten(_));
        assert!(!not_written(failure(rusqlite::ffi::SQLITE_IOERR_FSYNC)));
        assert!(not_written(failure(rusqlite::ffi::SQLITE_FULL)));
        assert!(not_written(failure(rusqlite::ffi::SQLITE_BUSY)));
    }

    #[tokio::test]
    async fn what_is_full_is_told_apart() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)")
            .unwrap();
        db.pragma_update(None, "max_page_count", 200).unwrap();
        let never = || Err(OpenError::Unwritable("no file".into()));
        let writer = Writer::start(db, never, 64).unwrap();
        let grow = || {
            writer.write(|db: &Connection| {
                db.execute("INSERT INTO t (body) VALUES (zeroblob(50000))", [])
                    .map(drop)
            })
        };
        let refused = loop {
            match grow().await {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert!(refused.to_string().contains("data.max_bytes"), "{refused}");
        let raise = |db: &Connection| db.pragma_update(None, "max_page_count", 100_000);
        writer.write(raise).await.unwrap();
        let full = |_: &Connection| {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            Err::<(), _>(rusqlite::Error::SqliteFailure(full, None))
        };
        let refused = writer.write(full).await.unwrap_err();
        assert!(refused.to_string().contains("disk"), "{refused}");
    }
}
