//! The rules of every store, on a file.

use std::ops::Deref;

use store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

struct Opened {
    store: SqliteStore,
    _directory: TempDir,
}

impl Deref for Opened {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}

async fn open() -> Opened {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("hub.db");
    Opened {
        store: SqliteStore::open(&path, &Options::default()).expect("a new database opens"),
        _directory: directory,
    }
}

store::contract_tests!(open);
