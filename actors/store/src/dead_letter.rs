//! Transaction messages that crashed whoever handled them.

use async_trait::async_trait;
use model::{DeadLetter, DeadLetterId};

use crate::{Page, PageRequest, ReadError, WriteError};

/// Transaction messages that crashed whoever handled them.
#[async_trait]
pub trait DeadLetterStore: Send + Sync + 'static {
    /// Keeps one, and returns what is kept: the one of the same station and retry key that was kept
    /// before, if there is one, so that a repeat gets the same answer.
    async fn record_dead_letter(&self, letter: DeadLetter) -> Result<DeadLetter, WriteError>;

    /// The one of that id.
    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, ReadError>;

    /// All of them, the newest first (by id, which sorts by time).
    async fn dead_letters(&self, page: PageRequest) -> Result<Page<DeadLetter>, ReadError>;

    /// Forgets one. `false` when there is none.
    async fn delete_dead_letter(&self, id: DeadLetterId) -> Result<bool, WriteError>;
}
