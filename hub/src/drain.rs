//! Stopping without loss: not ready, no new connections, every socket closed with 1012 (service
//! restart), the messages in hand finished, the store flushed.

use std::time::{Duration, Instant};

use actors::CloseReason;

use crate::Hub;

/// How long the chargers' sockets may take to close.
const CLOSING_MOST: Duration = Duration::from_secs(10);

impl Hub {
    /// Stops the hub; on return everything that was acknowledged is on disk.
    pub async fn drain(self) {
        let started = Instant::now();
        self.not_ready();
        self.listening.stop_accepting();
        let open = self.actors.disconnect_all(CloseReason::Draining);
        tracing::info!(open, "stopping: the chargers are asked to come back later");
        while self.actors.disconnect_all(CloseReason::Draining) > 0
            && started.elapsed() < CLOSING_MOST
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.serving.abort();
        self.actors.stop().await;
        drop(self.listening);
        // Its last handle went with the sockets, so what is queued is written and the task ends.
        let _ = tokio::time::timeout(CLOSING_MOST, self.logging).await;
        self.store.close().await;
        tracing::info!(took_ms = started.elapsed().as_millis(), "stopped");
    }
}
