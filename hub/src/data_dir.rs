//! One hub per data directory. Each hub numbers its sockets' epochs and its transactions by what it has
//! read, and holds sessions in memory, so two over one file would each take the other for the past.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::HubError;

/// The file that is locked. It is empty and stays where it is: the system lifts the lock when its holder
/// ends, however it ends.
const LOCK_FILE: &str = "hub.lock";
/// How long a predecessor that was just killed may take to be gone, and how often that is looked for.
const PREDECESSOR_MOST: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);

/// A data directory that no other hub uses. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    /// Locked for as long as it is open.
    _lock: File,
}

impl DataDir {
    /// Takes the directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`HubError::Store`]: it cannot be made or written, or another hub uses it.
    pub(crate) async fn take(dir: &Path) -> Result<Self, HubError> {
        make(dir)?;
        let file = dir.join(LOCK_FILE);
        let lock = File::create(&file).map_err(|error| unusable(&file, &error))?;
        let deadline = Instant::now() + PREDECESSOR_MOST;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { _lock: lock }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(LOOK).await,
                Err(TryLockError::WouldBlock) => {
                    return Err(HubError::Store(format!(
                        "data.dir {} is in use by another hub; stop that one, or set data.dir to a directory of its own",
                        dir.display()
                    )));
                }
                Err(TryLockError::Error(error)) => return Err(unusable(&file, &error)),
            }
        }
    }
}

/// Makes the directory if it is not there.
///
/// # Errors
/// [`HubError::Store`]: it cannot be made.
pub(crate) fn make(dir: &Path) -> Result<(), HubError> {
    std::fs::create_dir_all(dir).map_err(|error| {
        HubError::Store(format!(
            "data.dir {} cannot be made: {error}; set data.dir to a directory the hub may write",
            dir.display()
        ))
    })
}

fn unusable(file: &Path, error: &std::io::Error) -> HubError {
    HubError::Store(format!(
        "{} cannot be locked: {error}; set data.dir to a directory the hub may write",
        file.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_has_one_hub_at_a_time_and_the_next_one_waits_for_it_a_moment() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let first = DataDir::take(&dir).await.unwrap();
        let refused = DataDir::take(&dir).await.unwrap_err().to_string();
        assert!(refused.contains("in use by another hub"), "{refused}");
        let (second, ()) = tokio::join!(DataDir::take(&dir), async {
            sleep(LOOK * 2).await;
            drop(first);
        });
        second.unwrap();
    }
}
