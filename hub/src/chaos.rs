//! A clock that jumps on demand, in test builds only (feature `chaos`).

use std::{
    env, fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use actors::{Clock, SystemClock};
use model::Timestamp;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The machine's clock, and so many milliseconds more (or less) as the file `clock` says, in the directory
/// that the environment variable `HUB_CHAOS_DIR` names.
pub(crate) struct JumpingClock {
    file: Option<PathBuf>,
    /// What the file said, and when.
    seen: Mutex<(i64, Option<Instant>)>,
}

impl JumpingClock {
    pub(crate) fn new() -> Self {
        let dir = env::var_os("HUB_CHAOS_DIR").map(PathBuf::from);
        Self {
            file: dir.map(|dir| dir.join("clock")),
            seen: Mutex::default(),
        }
    }

    fn ahead_ms(&self) -> i64 {
        let Some(file) = &self.file else {
            return 0;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.1.is_none_or(|at| at.elapsed() >= LOOK) {
            let said = fs::read_to_string(file).ok();
            let ahead_ms = said.and_then(|said| said.trim().parse().ok());
            *seen = (ahead_ms.unwrap_or(0), Some(Instant::now()));
        }
        seen.0
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.ahead_ms())
    }
}
