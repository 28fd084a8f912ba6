//! Reads: a few connections that cannot write, lent to tokio's blocking threads. In WAL mode a reader
//! sees the last commit and waits for nobody, least of all for a sync.

use std::sync::{Arc, Mutex, PoisonError};

use metrics::counter;
use rusqlite::Connection;
use store::ReadError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics as names;

/// The connections for reading.
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    /// One permit for each connection.
    permits: Arc<Semaphore>,
    /// Reads that walk many rows take turns, so that look-ups always find a connection.
    walks: Semaphore,
    connections: u32,
}

impl Readers {
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(connections.len())),
            walks: Semaphore::new(1),
            connections: u32::try_from(connections.len()).unwrap_or(u32::MAX),
            idle: Arc::new(Mutex::new(connections)),
        }
    }

    /// Reads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| ReadError("the store is closed".into()))?;
        let lent = Lent::take(&self.idle, permit)
            .ok_or_else(|| ReadError("no connection to read by".into()))?;
        let result = tokio::task::spawn_blocking(move || match &lent.connection {
            Some(db) => run(db).map_err(|error| ReadError(error.to_string())),
            None => Err(ReadError("no connection to read by".into())),
        })
        .await
        .unwrap_or_else(|error| Err(ReadError(error.to_string())));
        if result.is_err() {
            counter!(names::READ_FAILURES).increment(1);
        }
        result
    }

    /// Reads what may take long, such as a search.
    pub(crate) async fn walk<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let turn = self.walks.acquire().await;
        let _turn = turn.map_err(|_| ReadError("the store is closed".into()))?;
        self.read(run).await
    }

    /// Waits for the reads that run, refuses later ones and closes the connections.
    pub(crate) async fn close(&self) {
        let all = self.permits.acquire_many(self.connections).await;
        self.permits.close();
        drop(all);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// A connection that goes back whatever becomes of the read.
struct Lent {
    connection: Option<Connection>,
    home: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn take(home: &Arc<Mutex<Vec<Connection>>>, permit: OwnedSemaphorePermit) -> Option<Self> {
        let connection = home.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Self {
            connection: Some(connection),
            home: home.clone(),
            _permit: permit,
        })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.home
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }
}
