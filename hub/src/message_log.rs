//! The log of messages: what chargers and hub said to each other, kept for people for some days.
//!
//! It must never hold up a charger, so it is fed through a bounded queue and written in batches; when
//! the store does not keep up, entries are dropped and counted.

use std::{sync::Arc, time::Duration};

use actors::Clock;
use model::{Direction, MessageEntry, StationId, Timestamp};
use store::Store;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{config::MessageLogConfig, metrics};

/// The most entries written at once.
const BATCH: usize = 512;
/// How many rows one round of pruning deletes at a time, and how often it comes round.
const PRUNE_ROWS: u32 = 5_000;
const PRUNE_EVERY: Duration = Duration::from_secs(300);

/// Where messages are logged; cheap to clone.
#[derive(Clone)]
pub struct MessageLog {
    entries: Option<mpsc::Sender<MessageEntry>>,
    max_frame_bytes: usize,
}

impl MessageLog {
    /// Starts the log; the task ends when the last handle is dropped.
    pub fn start(
        config: &MessageLogConfig,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(config.backlog);
        let retention_ms = i64::from(config.retention_days) * 86_400_000;
        let task = tokio::spawn(run(receiver, store, clock, retention_ms));
        let entries = config.enabled.then_some(sender);
        (
            Self {
                entries,
                max_frame_bytes: config.max_frame_bytes,
            },
            task,
        )
    }

    /// Logs a frame.
    pub(crate) fn log(
        &self,
        station: &StationId,
        at: Timestamp,
        direction: Direction,
        action: &str,
        frame: &str,
    ) {
        let Some(entries) = &self.entries else {
            return;
        };
        let entry = MessageEntry {
            station: station.clone(),
            at,
            direction,
            action: action.to_owned(),
            frame: shorten(frame, self.max_frame_bytes).to_owned(),
        };
        if entries.try_send(entry).is_err() {
            ::metrics::counter!(metrics::MESSAGE_LOG_DROPPED).increment(1);
        }
    }
}

/// The longest beginning of `text` that has at most `bytes` bytes.
fn shorten(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

async fn run(
    mut entries: mpsc::Receiver<MessageEntry>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    retention_ms: i64,
) {
    let mut writer = Writer {
        store: Arc::clone(&store),
        is_losing: false,
    };
    let mut prune = tokio::time::interval(PRUNE_EVERY);
    prune.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            taken = entries.recv_many(&mut batch, BATCH) => {
                if taken == 0 {
                    return;
                }
                writer.write(batch).await;
            }
            _ = prune.tick() => {
                let before = clock.now().plus_ms(-retention_ms);
                prune_older(&*store, before).await;
            }
        }
    }
}

/// Writes batches, and says once that they are lost, until one is written again.
struct Writer {
    store: Arc<dyn Store>,
    is_losing: bool,
}

impl Writer {
    async fn write(&mut self, batch: Vec<MessageEntry>) {
        let lost = batch.len() as u64;
        let written = self.store.append_messages(batch).await;
        if let Err(error) = &written {
            ::metrics::counter!(metrics::MESSAGE_LOG_DROPPED).increment(lost);
            if !self.is_losing {
                tracing::warn!(%error, "entries of the message log are lost until the store takes them again");
            }
        }
        self.is_losing = written.is_err();
    }
}

/// Deletes in small steps, so that no charger's write waits long behind one.
async fn prune_older(store: &dyn Store, before: Timestamp) {
    loop {
        let pruned = async {
            Ok::<_, store::WriteError>(
                store
                    .prune_messages(before, PRUNE_ROWS)
                    .await?
                    .max(store.prune_notices(before, PRUNE_ROWS).await?),
            )
        };
        match pruned.await {
            Ok(PRUNE_ROWS) => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "old entries of the message log could not be deleted");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_shortened_between_characters() {
        assert_eq!(shorten("aéé", 2), "a");
        assert_eq!(shorten("aéé", 3), "aé");
        assert_eq!(shorten("a", 9), "a");
    }
}
