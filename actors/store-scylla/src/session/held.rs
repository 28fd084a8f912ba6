//! What this process knows of sessions: which it owns, and in which version it last read the others.
//! All of it may be forgotten at any time: then it is read.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use model::SessionId;

use super::owner::{Owner, Writer};

const STRIPES: usize = 1024;
/// Sessions known in a stripe; one more, and one is forgotten.
const MOST_IN_STRIPE: usize = 256;

/// A session that this process owns and left in order: nothing of what it wrote is in doubt.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) owner: Owner,
    /// The position of the log's newest entry.
    pub(crate) last: i32,
    pub(crate) traits: super::Traits,
}

/// Which state of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) stamp: i64,
    pub(crate) writer: Writer,
}

/// What is owned in a stripe of sessions.
pub(crate) type Stripe<'a> = tokio::sync::MutexGuard<'a, HashMap<SessionId, Owned>>;

/// What this process knows of sessions.
pub(crate) struct Held {
    owned: Vec<tokio::sync::Mutex<HashMap<SessionId, Owned>>>,
    read: Vec<Mutex<HashMap<SessionId, Version>>>,
}

impl Held {
    pub(crate) fn new() -> Self {
        Self {
            owned: (0..STRIPES).map(|_| Default::default()).collect(),
            read: (0..STRIPES).map(|_| Default::default()).collect(),
        }
    }

    /// The turn to write that session in this process.
    pub(crate) async fn turn(&self, id: SessionId) -> Stripe<'_> {
        self.owned[stripe(id)].lock().await
    }

    /// Notes the version that an actor goes on from.
    pub(crate) fn note(&self, id: SessionId, version: Version) {
        insert(&mut self.read(id), id, version);
    }

    /// The version that an actor of this process goes on from; forgotten with this.
    pub(crate) fn take(&self, id: SessionId) -> Option<Version> {
        self.read(id).remove(&id)
    }

    fn read(&self, id: SessionId) -> std::sync::MutexGuard<'_, HashMap<SessionId, Version>> {
        self.read[stripe(id)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Inserts, and forgets another where there are too many.
pub(crate) fn insert<K: Hash + Eq + Copy, V>(known: &mut HashMap<K, V>, key: K, value: V) {
    if known.len() >= MOST_IN_STRIPE
        && !known.contains_key(&key)
        && let Some(other) = known.keys().next().copied()
    {
        known.remove(&other);
    }
    known.insert(key, value);
}

fn stripe(id: SessionId) -> usize {
    // The end of a UUID version 7 is random.
    usize::from(id.0.as_bytes()[15]) + 256 * usize::from(id.0.as_bytes()[14] & 3)
}
