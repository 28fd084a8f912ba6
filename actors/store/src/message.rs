//! The message log.

use async_trait::async_trait;
use model::{Direction, MessageEntry, StationId, Timestamp};

use crate::{Page, PageRequest, ReadError, WriteError};

/// The message log: for people, not for billing. It may lag and is pruned.
#[async_trait]
pub trait MessageStore: Send + Sync + 'static {
    /// Appends entries.
    async fn append_messages(&self, entries: Vec<MessageEntry>) -> Result<(), WriteError>;

    /// A station's entries, the newest first (by `at`, then by when they were appended).
    async fn messages(
        &self,
        station: &StationId,
        filter: MessageFilter,
        page: PageRequest,
    ) -> Result<Page<MessageEntry>, ReadError>;

    /// Deletes up to `most` entries older than `before`; returns how many.
    async fn prune_messages(&self, before: Timestamp, most: u32) -> Result<u32, WriteError>;
}

/// Which entries; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Of this action.
    pub action: Option<String>,
    /// Of this direction.
    pub direction: Option<Direction>,
    /// Whose frame holds this text, without regard to ASCII case.
    pub text: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}
