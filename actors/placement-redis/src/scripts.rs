//! The scripts, each a step that is done whole or not at all.

use redis::Script;

/// The scripts.
pub(crate) struct Scripts {
    pub(crate) round: Script,
    pub(crate) claim: Script,
    pub(crate) confirm: Script,
    pub(crate) release: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            round: Script::new(include_str!("lua/round.lua")),
            claim: Script::new(include_str!("lua/claim.lua")),
            confirm: Script::new(include_str!("lua/confirm.lua")),
            release: Script::new(include_str!("lua/release.lua")),
        }
    }
}
