//! The embedded store: one SQLite file, nothing else to install.
//!
//! - **Writes** go to one thread that commits them in groups (`writer.rs`): one sync for all that
//!   waited. `Ok` means synced to the disk (WAL, `synchronous=FULL`).
//! - **Reads** use connections of their own and never wait for a write (`reader.rs`).
//! - **The schema** is made by numbered changes (`schema.rs`, `migrations/`).
//! - Each trait of crate `store` is implemented in the file of its name.
//!
//! Several processes may open one file: `hub api-key create` while the hub runs waits a moment for
//! the lock, and so does the hub.

mod access;
mod cdr;
#[cfg(feature = "chaos")]
mod chaos;
mod command;
mod connection;
mod dead_letter;
mod identity;
mod json;
mod message;
mod metrics;
mod names;
mod notice;
mod open_error;
#[cfg(test)]
mod plan_tests;
mod power;
mod queue;
mod reader;
mod schema;
mod select;
mod session;
mod session_read;
mod site;
mod station;
mod token;
mod writer;

use std::path::Path;

pub use metrics::describe_metrics;
pub use open_error::OpenError;

use reader::Readers;
use writer::Writer;

/// How to open a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Connections for reading; each holds up to 2 MiB of pages.
    pub readers: u32,
    /// Writes of transactions that may wait, and as many others; whoever brings one more waits with it.
    pub queued_writes: usize,
    /// The file and its log may not grow beyond so many bytes together; a write that would need more is
    /// not written. Absent: the disk is the limit.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 4,
            queued_writes: 4096,
            max_bytes: None,
        }
    }
}

/// The embedded store. Dropping it completes the writes that are queued, and waits for that.
pub struct SqliteStore {
    // In this order: who closes the last connection folds the log into the file, and readers cannot.
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the database, makes it where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// One line that says what to do; see [`OpenError`].
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let mut writing = connection::open_writing(path, options)?;
        schema::migrate(&mut writing, path)?;
        let reading = (0..options.readers.max(1))
            .map(|_| connection::open_reading(path))
            .collect::<Result<Vec<_>, _>>()?;
        let again = {
            let (path, options) = (path.to_path_buf(), options.clone());
            move || connection::open_writing(&path, &options)
        };
        let writer = Writer::start(writing, again, options.queued_writes.max(1));
        Ok(Self {
            readers: Readers::new(reading),
            writer: writer.map_err(|error| OpenError::Other {
                path: path.to_path_buf(),
                why: format!("no thread for the writer: {error}"),
            })?,
        })
    }

    /// Completes the reads and writes that are under way, refuses later ones, and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
