//! The tokens read of late, for when the remote store cannot be read: a driver whose card worked this
//! morning charges on though the database is away. Bounded: two generations, the older is forgotten
//! when the younger is full.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use model::{Token, TokenUid};

/// The tokens read of late; absent ones too.
pub(crate) struct RecentTokens {
    generation_most: usize,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<String, Option<Token>>,
    old: HashMap<String, Option<Token>>,
}

impl RecentTokens {
    /// Remembers at least the `most / 2` read last, at most `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            generation_most: (most / 2).max(1),
            generations: Mutex::default(),
        }
    }

    /// What a read found.
    pub(crate) fn note(&self, uid: &TokenUid, token: Option<Token>) {
        let mut generations = self.lock();
        if generations.young.len() >= self.generation_most {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(uid.folded(), token);
    }

    /// What was last known of a token; nothing, if nothing was.
    pub(crate) fn last_known(&self, uid: &TokenUid) -> Option<Option<Token>> {
        let (uid, generations) = (uid.folded(), self.lock());
        let known = generations.young.get(&uid);
        known.or_else(|| generations.old.get(&uid)).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use store::contract::sample;

    use super::*;

    #[test]
    fn tokens_are_remembered_up_to_a_bound() {
        let recent = RecentTokens::new(4);
        let uids: Vec<TokenUid> = ["A", "B", "C", "D", "E"].map(sample::uid).into();
        for uid in &uids {
            recent.note(uid, Some(sample::token(uid.as_str(), None)));
        }
        assert_eq!(recent.last_known(&uids[0]), None);
        for uid in &uids[2..] {
            assert!(recent.last_known(uid).is_some(), "{uid}");
        }
        recent.note(&uids[4], None);
        assert_eq!(recent.last_known(&sample::uid("e")), Some(None));
    }
}
