//! What stands in a log without a key: notices and messages. Written twice it would be there twice, so what an
//! attempt before has brought is looked for first, by its contents.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use serde::Serialize;

use super::{CopyError, Progress, TRY_AGAIN_S, each, may_pass};
use crate::{Page, PageRequest, ReadError, WriteError};

/// Copies what is lacking in a log. What is not certain to be written is looked for, then tried again.
pub(super) async fn copy_log<T: Serialize>(
    what: impl Fn() -> String,
    old: impl AsyncFn(PageRequest) -> Result<Page<T>, ReadError>,
    new: impl AsyncFn(PageRequest) -> Result<Page<T>, ReadError>,
    write: impl AsyncFn(T) -> Result<(), WriteError>,
    progress: &Progress,
) -> Result<(), CopyError> {
    let mut pauses = TRY_AGAIN_S.into_iter();
    loop {
        let error = match copy_lacking(&what, &old, &new, &write, progress).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let may_pass = match &error {
            CopyError::Read(_) => true,
            CopyError::Write { error, .. } => may_pass(error),
            _ => false,
        };
        let Some(pause) = pauses.next().filter(|_| may_pass) else {
            return Err(error);
        };
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

async fn copy_lacking<T: Serialize>(
    what: &impl Fn() -> String,
    old: &impl AsyncFn(PageRequest) -> Result<Page<T>, ReadError>,
    new: &impl AsyncFn(PageRequest) -> Result<Page<T>, ReadError>,
    write: &impl AsyncFn(T) -> Result<(), WriteError>,
    progress: &Progress,
) -> Result<(), CopyError> {
    let there = RefCell::new(HashMap::<u64, u64>::new());
    each(1, new, async |entry| {
        *there.borrow_mut().entry(hash(&entry)).or_default() += 1;
        Ok(())
    })
    .await?;
    each(1, old, async |entry| {
        progress.one_more();
        if let Some(same) = there.borrow_mut().get_mut(&hash(&entry))
            && *same > 0
        {
            *same -= 1;
            return Ok(());
        }
        write(entry).await.map_err(|error| CopyError::Write {
            what: what(),
            error,
        })
    })
    .await
}

/// In place of an entry: a station's log may be long, and many are copied side by side.
fn hash(entry: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    // What cannot be written as JSON was not read from it.
    serde_json::to_string(entry)
        .unwrap_or_default()
        .hash(&mut hasher);
    hasher.finish()
}
