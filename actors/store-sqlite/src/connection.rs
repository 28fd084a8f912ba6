//! How connections are set up.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::{OpenError, Options};

/// Another process (a `hub api-key create`) may hold the lock so long.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// The log is folded into the file at about 16 MiB: rarely enough that a session's row, rewritten with
/// every meter value, is copied once for many writes; often enough that a fold takes no 100 ms.
const FOLD_AT_PAGES: i64 = 4000;
/// Above this, the log is cut back after it was folded.
const LOG_MOST_BYTES: i64 = 64 * 1024 * 1024;
/// The part of a bounded database's room that its log may have; the file has the rest.
const LOG_PART: i64 = 4;

/// The connection that writes.
pub(crate) fn open_writing(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    if let Some(directory) = path.parent()
        && !directory.as_os_str().is_empty()
        && !directory.is_dir()
    {
        return Err(OpenError::NoDirectory(directory.to_path_buf()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    set_up_writing(path, flags, options).map_err(|error| OpenError::of(path, &error))
}

fn set_up_writing(
    path: &Path,
    flags: OpenFlags,
    options: &Options,
) -> rusqlite::Result<Connection> {
    let db = open(path, flags)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "wal_autocheckpoint", FOLD_AT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_MOST_BYTES)?;
    db.pragma_update(None, "cache_size", -8 * 1024)?;
    if let Some(most) = options.max_bytes {
        bound(&db, i64::try_from(most).unwrap_or(i64::MAX))?;
    }
    Ok(db)
}

/// Divides the room between the file and its log. The log is folded and cut back when its part is full,
/// so it exceeds it by the group of writes that filled it, and by what came while a reader looked on.
fn bound(db: &Connection, bytes: i64) -> rusqlite::Result<()> {
    let page: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = bytes / page.max(1);
    let of_log = (pages / LOG_PART).min(FOLD_AT_PAGES);
    db.pragma_update(None, "wal_autocheckpoint", of_log)?;
    db.pragma_update(None, "journal_size_limit", of_log * page)?;
    db.pragma_update(None, "max_page_count", pages - of_log)
}

/// A connection that only reads.
pub(crate) fn open_reading(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open(path, flags).map_err(|error| OpenError::of(path, &error))
}

// No mmap: an I/O error would end the process by a signal instead of failing one read.
fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(LOCK_WAIT)?;
    db.set_prepared_statement_cache_capacity(128);
    Ok(db)
}
