//! The chargers' side: a listener, a handshake, and one small task per open socket.

mod accept;
mod answer;
mod calls;
mod conflicts;
mod gate;
mod handshake;
mod line;
mod link;
mod liveness;
mod metered;
mod request;
mod rivals;

use std::{sync::Arc, time::Duration};

use actors::{Actors, Clock};
use store::Store;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub(crate) use accept::bind;
pub use accept::{Listening, listen};
pub use conflicts::Conflicts;
pub(crate) use rivals::IdentityConflict;

use crate::{
    config::{ChargersConfig, OverloadConfig},
    dead_letters::DeadLetters,
    message_log::MessageLog,
};
use gate::Gate;
use liveness::Liveness;

/// What every socket shares.
pub struct Sockets {
    pub(crate) actors: Actors,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: MessageLog,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) config: ChargersConfig,
    liveness: Liveness,
    gate: Arc<Gate>,
    pub(crate) conflicts: Arc<Conflicts>,
    /// One for each handshake that may be looked up and opened at the same time.
    handshakes: Semaphore,
    /// The tasks of the open sockets; one ends when its goodbye is said.
    open: TaskTracker,
}

impl Sockets {
    /// What every socket of this hub shares.
    pub fn new(
        actors: Actors,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        log: MessageLog,
        dead_letters: DeadLetters,
        config: ChargersConfig,
        overload: &OverloadConfig,
    ) -> Self {
        let liveness = Liveness::new(
            config.ping_interval_s,
            actors.settings().heartbeat_interval_s,
        );
        Self {
            actors,
            store,
            clock,
            log,
            dead_letters,
            conflicts: Arc::new(Conflicts::new(config.identity_conflict_s)),
            handshakes: Semaphore::new(config.max_handshakes),
            open: TaskTracker::new(),
            config,
            liveness,
            gate: Arc::new(Gate::new(overload)),
        }
    }

    fn handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.config.handshake_timeout_s)
    }

    fn message_timeout(&self) -> Duration {
        Duration::from_secs(self.config.message_timeout_s)
    }

    fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.config.write_timeout_s)
    }
}
