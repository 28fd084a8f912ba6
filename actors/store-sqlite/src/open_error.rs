//! Why a database cannot be opened, in one line that says what to do.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a database cannot be opened; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is not there.
    #[error("the directory {0} does not exist: create it, or configure another for the database")]
    NoDirectory(PathBuf),
    /// The file or its directory cannot be written.
    #[error("{0} cannot be opened for writing: check who owns it and its directory")]
    Unwritable(PathBuf),
    /// The file is something else.
    #[error("{0} is not a database of this hub: move it away, or configure another path")]
    NotOurs(PathBuf),
    /// A later version of the hub has changed the file.
    #[error(
        "{path} has schema version {found}, this hub knows up to {known}: run the hub version that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: i64,
        /// The highest version known here.
        known: i64,
    },
    /// Another process holds it.
    #[error("{0} is locked by another process: stop that, or configure another path")]
    Locked(PathBuf),
    /// Anything else.
    #[error("{path} cannot be opened: {why}")]
    Other {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
}

impl OpenError {
    pub(crate) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let file = path.to_path_buf();
        match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::Unwritable(file)
            }
            Some(ErrorCode::NotADatabase) => Self::NotOurs(file),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(file),
            _ => Self::Other {
                path: file,
                why: error.to_string(),
            },
        }
    }
}
