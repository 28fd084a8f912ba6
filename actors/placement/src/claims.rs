//! The chargers a node holds, and how sure it is of each.

use std::collections::HashMap;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use dashmap::{DashMap, Entry};
use model::StationId;
use tokio::sync::Notify;

/// The chargers a node holds.
#[derive(Default)]
pub(crate) struct Claims {
    held: DashMap<StationId, Held>,
    provisional: AtomicUsize,
    /// Given up here and not yet at the backend: the latest epoch of each.
    released: Mutex<HashMap<StationId, i64>>,
    released_some: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    epoch: i64,
    surety: Surety,
    /// The highest epoch that somebody else was heard to have claimed it under.
    others: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surety {
    /// The backend is being asked: the epoch is at least this.
    Asking,
    /// Nobody could be asked.
    Provisional,
    Confirmed,
}

impl Claims {
    /// A claim is about to be made: from here on notices about the charger are heeded. Returns what its epoch
    /// has to be at least.
    pub(crate) fn ask(&self, station: &StationId, at_least: i64) -> i64 {
        let asking = |epoch, others| Held {
            epoch,
            surety: Surety::Asking,
            others,
        };
        match self.held.entry(station.clone()) {
            Entry::Vacant(place) => {
                place.insert(asking(at_least, 0));
                at_least
            }
            Entry::Occupied(mut held) => {
                let epoch = at_least.max(held.get().epoch + 1);
                self.forget(held.get());
                let others = held.get().others;
                held.insert(asking(epoch, others));
                epoch
            }
        }
    }

    /// The claim was made. The charger is not held when somebody was heard to have a higher epoch.
    pub(crate) fn made(&self, station: &StationId, epoch: i64, confirmed: bool) {
        let Entry::Occupied(mut held) = self.held.entry(station.clone()) else {
            return;
        };
        if held.get().epoch > epoch {
            return;
        }
        if held.get().others > epoch {
            self.forget(held.get());
            held.remove();
            return;
        }
        let surety = if confirmed {
            Surety::Confirmed
        } else {
            self.provisional.fetch_add(1, Ordering::Relaxed);
            Surety::Provisional
        };
        self.forget(held.get());
        let others = 0;
        held.insert(Held {
            epoch,
            surety,
            others,
        });
    }

    /// Somebody else holds it under that epoch. `true` when it was held here under a lower one, and is not any more.
    pub(crate) fn taken(&self, station: &StationId, epoch: i64) -> bool {
        let Entry::Occupied(mut held) = self.held.entry(station.clone()) else {
            return false;
        };
        if held.get().surety == Surety::Asking {
            let others = held.get().others.max(epoch);
            held.get_mut().others = others;
            return false;
        }
        // Of equal epochs, the other one was confirmed first.
        if held.get().epoch > epoch {
            return false;
        }
        self.forget(held.get());
        held.remove();
        true
    }

    /// The claim of that epoch, if it is still held, is sure. `true` when it was already.
    pub(crate) fn confirmed(&self, station: &StationId, epoch: i64) -> bool {
        let Some(mut held) = self.held.get_mut(station) else {
            return false;
        };
        if held.epoch != epoch {
            return false;
        }
        let was = held.surety;
        if was == Surety::Provisional {
            self.provisional.fetch_sub(1, Ordering::Relaxed);
            held.surety = Surety::Confirmed;
        }
        was == Surety::Confirmed
    }

    /// Gives a claim up: here at once, at the backend later.
    pub(crate) fn release(&self, station: &StationId, epoch: i64) {
        let Some((_, held)) = self.held.remove_if(station, |_, held| held.epoch == epoch) else {
            return;
        };
        self.forget(&held);
        self.to_release().insert(station.clone(), epoch);
        self.released_some.notify_one();
    }

    /// Waits for claims to be given up at the backend.
    pub(crate) async fn next_releases(&self) -> Vec<(StationId, i64)> {
        loop {
            let some = std::mem::take(&mut *self.to_release());
            if !some.is_empty() {
                return some.into_iter().collect();
            }
            self.released_some.notified().await;
        }
    }

    /// These could not be given up at the backend.
    pub(crate) fn release_later(&self, these: impl IntoIterator<Item = (StationId, i64)>) {
        let mut released = self.to_release();
        for (station, epoch) in these {
            let latest = released.entry(station).or_insert(epoch);
            *latest = epoch.max(*latest);
        }
        self.released_some.notify_one();
    }

    /// The epoch of a claim that is held.
    pub(crate) fn epoch(&self, station: &StationId) -> Option<i64> {
        let held = self.held.get(station)?;
        (held.surety != Surety::Asking).then_some(held.epoch)
    }

    /// All chargers that are held, those whose claims are not sure first.
    pub(crate) fn stations(&self) -> Vec<StationId> {
        let mut unsure = Vec::new();
        let mut sure = Vec::new();
        for held in &self.held {
            match held.surety {
                Surety::Asking => {}
                Surety::Provisional => unsure.push(held.key().clone()),
                Surety::Confirmed => sure.push(held.key().clone()),
            }
        }
        unsure.append(&mut sure);
        unsure
    }

    /// How many are held.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// How many of them are not sure.
    pub(crate) fn provisional(&self) -> usize {
        self.provisional.load(Ordering::Relaxed)
    }

    fn to_release(&self) -> std::sync::MutexGuard<'_, HashMap<StationId, i64>> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, held: &Held) {
        if held.surety == Surety::Provisional {
            self.provisional.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cp() -> StationId {
        StationId::new("CP").unwrap()
    }

    #[test]
    fn a_notice_that_overtakes_the_claims_answer_is_heeded() {
        let claims = Claims::default();
        claims.ask(&cp(), 5);
        assert!(!claims.taken(&cp(), 7), "there is no socket to close yet");
        claims.made(&cp(), 6, true);
        assert_eq!(claims.epoch(&cp()), None);
        // One about an earlier claim is not.
        claims.ask(&cp(), 8);
        assert!(!claims.taken(&cp(), 7));
        claims.made(&cp(), 8, true);
        assert_eq!(claims.epoch(&cp()), Some(8));
    }

    #[test]
    fn the_newest_of_two_claims_here_stays() {
        let claims = Claims::default();
        assert_eq!(claims.ask(&cp(), 5), 5);
        assert_eq!(claims.ask(&cp(), 5), 6);
        claims.made(&cp(), 6, true);
        claims.made(&cp(), 5, true);
        assert_eq!(claims.epoch(&cp()), Some(6));
        claims.release(&cp(), 5);
        assert_eq!(claims.epoch(&cp()), Some(6));
        assert!(claims.taken(&cp(), 6) && claims.len() == 0);
    }

    #[test]
    fn those_that_are_not_sure_are_counted() {
        let claims = Claims::default();
        for (epoch, confirmed, left) in [(1, false, 1), (2, false, 1), (3, true, 0), (4, false, 1)]
        {
            claims.ask(&cp(), epoch);
            claims.made(&cp(), epoch, confirmed);
            assert_eq!(claims.provisional(), left);
        }
        assert!(!claims.confirmed(&cp(), 3));
        assert!(!claims.confirmed(&cp(), 4));
        assert!(claims.confirmed(&cp(), 4));
        assert_eq!(claims.provisional(), 0);
    }
}
