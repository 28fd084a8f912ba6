//! The segments on disk: one task writes, groups of records share a sync.
//!
//! A segment that was there at the start is only read, never added to: its end may be an interrupted
//! write. After a sync that failed nothing more is added to its segment either, since nothing is known
//! of what the disk holds.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use store::WriteError;
use tokio::sync::{mpsc, oneshot};

use crate::{Files, metrics, segment};

/// Records that may wait for the writer; whoever brings one more waits.
const QUEUE_MOST: usize = 4_096;
/// Records that share a sync.
const GROUP_MOST: usize = 1_024;
/// A segment of this size is closed.
const SEGMENT_BYTES: u64 = 8 << 20;
const ENDING: &str = ".spool";

/// The segments.
pub(crate) struct Log {
    jobs: mpsc::Sender<Job>,
    shelf: Arc<Shelf>,
}

/// What the writer and the readers share.
struct Shelf {
    files: Arc<dyn Files>,
    /// Segments that are not added to any more, the oldest first.
    closed: Mutex<VecDeque<String>>,
    bytes: AtomicU64,
}

enum Job {
    Append {
        body: Vec<u8>,
        done: oneshot::Sender<Result<(), WriteError>>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

impl Log {
    /// Opens the segments in `files` and starts their writer.
    ///
    /// # Errors
    /// The directory or a segment cannot be read.
    pub(crate) fn open(files: Arc<dyn Files>, bytes_most: u64) -> io::Result<Self> {
        let closed = segments(&*files)?;
        let mut bytes = 0;
        for name in &closed {
            bytes += files.read(name)?.len() as u64;
        }
        let last = closed.last().and_then(|name| number_of(name)).unwrap_or(0);
        let shelf = Arc::new(Shelf {
            files,
            closed: Mutex::new(closed.into()),
            bytes: AtomicU64::new(bytes),
        });
        ::metrics::gauge!(metrics::DISK_BYTES).set(bytes as f64);
        let (jobs, queue) = mpsc::channel(QUEUE_MOST);
        let writer = Writer {
            shelf: Arc::clone(&shelf),
            open: None,
            next: last + 1,
            bytes_most,
        };
        tokio::spawn(writer.run(queue));
        Ok(Self { jobs, shelf })
    }

    /// Writes a record; on `Ok` it survives a power cut.
    pub(crate) async fn append(&self, body: Vec<u8>) -> Result<(), WriteError> {
        if body.len() > segment::BODY_MOST {
            let why = format!("a record of {} bytes is too long for the spool", body.len());
            return Err(WriteError::NotWritten(why));
        }
        let (done, outcome) = oneshot::channel();
        let gone = || WriteError::NotWritten("the spool is closed".to_owned());
        self.jobs
            .send(Job::Append { body, done })
            .await
            .map_err(|_| gone())?;
        let lost = || WriteError::Unknown("the spool's writer ended".to_owned());
        outcome.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Closes the segment that is added to, if there is one.
    pub(crate) async fn close_segment(&self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close { done }).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// The oldest closed segment.
    pub(crate) fn oldest(&self) -> Option<String> {
        self.shelf.closed().front().cloned()
    }

    /// What a closed segment holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let name = name.to_owned();
        self.shelf.on_disk(move |files| files.read(&name)).await
    }

    /// Removes a closed segment, or puts a damaged one where nobody reads it but a person.
    ///
    /// # Errors
    /// It is still there.
    pub(crate) async fn done_with(&self, name: &str, damaged: bool) -> io::Result<()> {
        let size = self.read(name).await.map_or(0, |bytes| bytes.len() as u64);
        let own = name.to_owned();
        self.shelf
            .on_disk(move |files| match damaged {
                true => files.rename(&own, &format!("{own}.damaged")),
                false => files.remove(&own),
            })
            .await?;
        self.shelf.closed().retain(|closed| closed != name);
        self.shelf.grows(-(size as i64));
        Ok(())
    }

    /// Adds a line to a file that nobody reads but a person.
    ///
    /// # Errors
    /// It may not have been written.
    pub(crate) async fn set_aside(&self, line: Vec<u8>) -> io::Result<()> {
        const NAME: &str = "set-aside.jsonl";
        let write = move |files: &dyn Files| {
            files.append(NAME, &line)?;
            files.sync(NAME)
        };
        self.shelf.on_disk(write).await
    }
}

impl Shelf {
    fn closed(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grows(&self, by: i64) {
        let before = match by >= 0 {
            true => self.bytes.fetch_add(by.unsigned_abs(), Ordering::Relaxed),
            false => self.bytes.fetch_sub(by.unsigned_abs(), Ordering::Relaxed),
        };
        ::metrics::gauge!(metrics::DISK_BYTES).set(before.saturating_add_signed(by) as f64);
    }

    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&dyn Files) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if !self.files.may_block() {
            return act(&*self.files);
        }
        let files = Arc::clone(&self.files);
        tokio::task::spawn_blocking(move || act(&*files))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

struct Writer {
    shelf: Arc<Shelf>,
    open: Option<Segment>,
    next: u64,
    bytes_most: u64,
}

/// The segment that is added to.
struct Segment {
    name: String,
    /// As far as it is known to be on disk.
    length: u64,
}

type Waiting = Vec<oneshot::Sender<Result<(), WriteError>>>;

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        while queue.recv_many(&mut jobs, GROUP_MOST).await > 0 {
            let (mut bytes, mut waiting) = (Vec::new(), Waiting::new());
            for job in jobs.drain(..) {
                match job {
                    Job::Append { body, done } => {
                        segment::put(&mut bytes, &body);
                        waiting.push(done);
                    }
                    Job::Close { done } => {
                        self.write(std::mem::take(&mut bytes), &mut waiting).await;
                        self.close().await;
                        let _ = done.send(());
                    }
                }
            }
            self.write(bytes, &mut waiting).await;
        }
        self.close().await;
    }

    /// Writes a group and tells those who wait for it.
    async fn write(&mut self, bytes: Vec<u8>, waiting: &mut Waiting) {
        if waiting.is_empty() {
            return;
        }
        let outcome = self.keep(bytes).await;
        if let Err(error) = &outcome {
            tracing::error!(%error, "the spool could not keep {} writes; look at its disk and at spool.max_bytes", waiting.len());
        }
        for done in waiting.drain(..) {
            // Who asked may have given up.
            let _ = done.send(outcome.clone());
        }
    }

    async fn keep(&mut self, mut bytes: Vec<u8>) -> Result<(), WriteError> {
        let held = self.shelf.bytes.load(Ordering::Relaxed);
        if held + bytes.len() as u64 > self.bytes_most {
            let why = format!("the spool is full ({held} bytes; spool.max_bytes)");
            return Err(WriteError::NotWritten(why));
        }
        let segment = self.open.get_or_insert_with(|| {
            let name = format!("{:010}{ENDING}", self.next);
            self.next += 1;
            Segment { name, length: 0 }
        });
        if segment.length == 0 {
            bytes.splice(0..0, *segment::MAGIC);
        }
        let (name, length, more) = (segment.name.clone(), segment.length, bytes.len() as u64);
        let written = self
            .shelf
            .on_disk(move |files| Ok(append(files, &name, length, &bytes)))
            .await
            .unwrap_or_else(|error| Err(WriteError::Unknown(error.to_string())));
        match &written {
            Ok(()) => {
                segment.length += more;
                self.shelf.grows(more as i64);
                if segment.length >= SEGMENT_BYTES {
                    self.close().await;
                }
            }
            Err(WriteError::NotWritten(_)) => {}
            Err(_) => {
                // What the disk holds of it is found out when it is replayed.
                let given_up = self.open.take();
                self.shelf.closed().extend(given_up.map(|open| open.name));
                self.shelf.grows(more as i64);
            }
        }
        written
    }

    async fn close(&mut self) {
        let Some(segment) = self.open.take() else {
            return;
        };
        if segment.length > 0 {
            let mut seal = Vec::new();
            segment::put_seal(&mut seal);
            let (name, more) = (segment.name.clone(), seal.len() as i64);
            let sealed = self.shelf.on_disk(move |files| {
                files.append(&name, &seal)?;
                files.sync(&name)
            });
            match sealed.await {
                Ok(()) => self.shelf.grows(more),
                Err(error) => {
                    tracing::warn!(segment = segment.name, %error, "a segment of the spool could not be sealed");
                }
            }
            self.shelf.closed().push_back(segment.name);
        }
    }
}

fn append(files: &dyn Files, name: &str, length: u64, bytes: &[u8]) -> Result<(), WriteError> {
    if let Err(error) = files.append(name, bytes) {
        return Err(match files.truncate(name, length) {
            Ok(()) => WriteError::NotWritten(error.to_string()),
            Err(_) => WriteError::Unknown(error.to_string()),
        });
    }
    files
        .sync(name)
        .map_err(|error| WriteError::Unknown(error.to_string()))
}

/// The names of the segments, the oldest first.
pub(crate) fn segments(files: &dyn Files) -> io::Result<Vec<String>> {
    let mut names = files.names()?;
    names.retain(|name| name.ends_with(ENDING));
    names.sort();
    Ok(names)
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(ENDING)?.parse().ok()
}
