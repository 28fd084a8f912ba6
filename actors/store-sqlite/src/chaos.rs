//! Faults of the disk and of the writer on demand, in test builds only (feature `chaos`): what no test
//! can ask of a real disk.
//!
//! While the file `store` is in the directory that the environment variable `HUB_CHAOS_DIR` names, it
//! says what goes wrong:
//!
//! | text | what happens |
//! |---|---|
//! | `slow MS` | each transaction begins so many milliseconds late |
//! | `read-only` | no transaction begins: the disk has become read-only |
//! | `no-sync` | each COMMIT fails with an I/O error of the sync |
//! | `full` | each COMMIT finds the disk full |
//! | `crash-before-commit` | the writer panics before the next COMMIT, once |
//! | `crash-after-commit` | the writer panics when it is to answer the next group, once |
//!
//! Whenever something goes wrong by it, the file `struck` is written.

use std::{env, fs, path::PathBuf, sync::LazyLock, time::Duration};

use rusqlite::ffi;

static DIR: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| env::var_os("HUB_CHAOS_DIR").map(PathBuf::from));

fn asked() -> Option<String> {
    fs::read_to_string(DIR.as_ref()?.join("store")).ok()
}

fn struck() {
    if let Some(dir) = DIR.as_ref() {
        let _ = fs::write(dir.join("struck"), "");
    }
}

/// Fails or delays a statement, if that is asked for.
pub(crate) fn strike(sql: &str) -> rusqlite::Result<()> {
    let Some(asked) = asked() else {
        return Ok(());
    };
    let code = match (asked.trim(), sql) {
        ("read-only", "BEGIN IMMEDIATE") => ffi::SQLITE_READONLY,
        ("no-sync", "COMMIT") => ffi::SQLITE_IOERR_FSYNC,
        ("full", "COMMIT") => ffi::SQLITE_FULL,
        ("crash-before-commit", "COMMIT") => crash(),
        (asked, "BEGIN IMMEDIATE") => {
            if let Some(ms) = asked.strip_prefix("slow ").and_then(|ms| ms.parse().ok()) {
                struck();
                std::thread::sleep(Duration::from_millis(ms));
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    struck();
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
}

/// Crashes between a commit and its answers, if that is asked for.
pub(crate) fn strike_after_commit() {
    if asked().is_some_and(|asked| asked.trim() == "crash-after-commit") {
        crash();
    }
}

fn crash() -> ! {
    struck();
    if let Some(dir) = DIR.as_ref() {
        // Once only.
        let _ = fs::remove_file(dir.join("store"));
    }
    panic!("chaos: asked to crash the writer");
}
