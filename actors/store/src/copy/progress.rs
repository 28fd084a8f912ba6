//! How far a copy is.

use std::{cell::Cell, fmt};

/// How far a copy is, for whoever waits for it; told in words by its `Display`.
#[derive(Debug, Default)]
pub struct Progress {
    part: Cell<&'static str>,
    items: Cell<u64>,
}

impl Progress {
    /// Now this part, from its beginning.
    pub(super) fn begin(&self, part: &'static str) {
        self.part.set(part);
        self.items.set(0);
    }

    /// One more item of the part is done.
    pub(super) fn one_more(&self) {
        self.items.set(self.items.get() + 1);
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {} so far", self.part.get(), self.items.get())
    }
}
