//! The outcomes of a read and of a write.

/// A read that failed; nothing is known of what it would have found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store could not be read: {0}")]
pub struct ReadError(pub String);

/// A write that did not return "written". The outcomes are told apart because the
/// right next step differs: `NotWritten` may be tried again or given up, `Refused` must not be tried
/// again, `Unknown` has to be read back, `Outdated` has to be decided anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Certainly not written.
    #[error("not written: {0}")]
    NotWritten(String),
    /// Not written, and never will be: it breaks a rule of the store.
    #[error("refused: {0}")]
    Refused(String),
    /// Perhaps written: whoever asked must reload before deciding anything.
    #[error("perhaps not written: {0}")]
    Unknown(String),
    /// Not written, because a newer owner (a higher epoch) has written since.
    #[error("not written: another owner has taken over")]
    Stale,
    /// Perhaps written, and of no effect: another owner wrote the session since it was read, or does at this moment.
    /// Whoever asked must read it anew and decide again on top of that, whatever its epoch.
    #[error("another owner has written the session since it was read")]
    Outdated,
}
