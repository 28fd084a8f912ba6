//! Commands and what became of them.

use async_trait::async_trait;
use model::{CommandId, CommandRecord, StationId};

use crate::{Page, PageRequest, ReadError, WriteError};

/// Commands and what became of them.
#[async_trait]
pub trait CommandStore: Send + Sync + 'static {
    /// Keeps a command, in place of what was kept under its id. A record in a final state is never
    /// replaced by one that is not.
    async fn put_command(&self, record: CommandRecord) -> Result<(), WriteError>;

    /// The command of that id.
    async fn command(&self, id: CommandId) -> Result<Option<CommandRecord>, ReadError>;

    /// A station's commands, the newest first.
    async fn commands(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<CommandRecord>, ReadError>;

    /// Brings every command that was left unfinished by an earlier run to its end (`expired`, with
    /// `error` as the reason, and without `finished_at`, as nobody saw it); returns how many. Run once
    /// at start.
    async fn close_unfinished_commands(&self, error: &str) -> Result<u32, WriteError>;
}
