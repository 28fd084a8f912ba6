//! What waits for the writer, in two bounded queues: what belongs to a transaction goes before what does
//! not (states of outlets, presence, the message log), because a charger and a driver wait for it.
//!
//! Each take holds a few of the others all the same, so that they are never held up for good.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

/// So many that are not urgent go along with those that are.
const BESIDE_URGENT: usize = 64;

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It belongs to a transaction.
    Transaction,
    /// It does not.
    Ordinary,
}

/// The two queues.
pub(crate) struct Queue<T> {
    inside: Mutex<Inside<T>>,
    changed: Condvar,
    room: [Semaphore; 2],
}

struct Inside<T> {
    waiting: [VecDeque<T>; 2],
    closed: bool,
}

/// The queue is closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl<T> Queue<T> {
    /// Queues of at most `most` each; more wait before them.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            inside: Mutex::new(Inside {
                waiting: [VecDeque::new(), VecDeque::new()],
                closed: false,
            }),
            changed: Condvar::new(),
            room: [Semaphore::new(most), Semaphore::new(most)],
        }
    }

    /// Queues an item, as soon as there is room.
    pub(crate) async fn push(&self, urgency: Urgency, item: T) -> Result<(), Closed> {
        let room = self.room[urgency as usize].acquire().await;
        let room = room.map_err(|_| Closed)?;
        let mut inside = self.inside();
        if inside.closed {
            return Err(Closed);
        }
        room.forget();
        inside.waiting[urgency as usize].push_back(item);
        drop(inside);
        self.changed.notify_one();
        Ok(())
    }

    /// At most `most` items, the urgent first; waits until there are some. None when the queue is closed
    /// and nothing is left in it.
    pub(crate) fn take(&self, most: usize) -> Vec<T> {
        let mut inside = self.inside();
        while inside.len() == 0 && !inside.closed {
            inside = self
                .changed
                .wait(inside)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.take_waiting(inside, most)
    }

    /// As [`Self::take`], but does not wait.
    pub(crate) fn take_now(&self, most: usize) -> Vec<T> {
        self.take_waiting(self.inside(), most)
    }

    fn take_waiting(&self, mut inside: MutexGuard<'_, Inside<T>>, most: usize) -> Vec<T> {
        let [urgent, ordinary] = &mut inside.waiting;
        let urgent_taken = urgent.len().min(most);
        let ordinary_most = match urgent_taken {
            0 => most,
            _ => BESIDE_URGENT,
        };
        let ordinary_taken = ordinary.len().min(ordinary_most);
        let mut taken = Vec::with_capacity(urgent_taken + ordinary_taken);
        taken.extend(urgent.drain(..urgent_taken));
        taken.extend(ordinary.drain(..ordinary_taken));
        drop(inside);
        self.room[Urgency::Transaction as usize].add_permits(urgent_taken);
        self.room[Urgency::Ordinary as usize].add_permits(ordinary_taken);
        taken
    }

    /// Refuses what comes later; what is queued stays to be taken.
    pub(crate) fn close(&self) {
        self.inside().closed = true;
        self.room.iter().for_each(Semaphore::close);
        self.changed.notify_one();
    }

    /// Whether it was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.inside().closed
    }

    /// How many items wait.
    pub(crate) fn len(&self) -> usize {
        self.inside().len()
    }

    fn inside(&self) -> MutexGuard<'_, Inside<T>> {
        // Nothing panics while it holds the lock.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inside<T> {
    fn len(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    async fn filled(urgent: usize, ordinary: usize) -> Queue<(Urgency, usize)> {
        let queue = Queue::new(1000);
        for n in 0..ordinary {
            let item = (Urgency::Ordinary, n);
            queue.push(Urgency::Ordinary, item).await.unwrap();
        }
        for n in 0..urgent {
            let item = (Urgency::Transaction, n);
            queue.push(Urgency::Transaction, item).await.unwrap();
        }
        queue
    }

    #[tokio::test]
    async fn what_belongs_to_a_transaction_goes_before_all_that_came_earlier() {
        let queue = filled(3, 200).await;
        let taken = queue.take(100);
        let urgent = [0, 1, 2].map(|n| (Urgency::Transaction, n));
        assert_eq!(taken[..3], urgent);
        assert_eq!(taken.len(), 3 + BESIDE_URGENT);
        assert_eq!(taken[3], (Urgency::Ordinary, 0));
        assert_eq!(queue.take(100).len(), 100, "alone they fill a take");
    }

    #[tokio::test]
    async fn no_flood_of_urgent_ones_holds_up_the_others_for_good() {
        let queue = filled(1000, 200).await;
        let takes = std::iter::from_fn(|| Some(queue.take(100)));
        let ordinary_left = takes.scan(200, |left, taken| {
            *left -= taken
                .iter()
                .filter(|(urgency, _)| *urgency == Urgency::Ordinary)
                .count();
            Some(*left)
        });
        assert_eq!(ordinary_left.take(4).collect::<Vec<_>>(), [136, 72, 8, 0]);
    }

    #[tokio::test]
    async fn each_is_bounded_for_itself_and_has_room_again_after_a_take() {
        let queue = Queue::new(2);
        for n in 0..2 {
            queue.push(Urgency::Ordinary, n).await.unwrap();
        }
        let mut third = Box::pin(queue.push(Urgency::Ordinary, 2));
        assert_eq!((&mut third).now_or_never(), None);
        queue.push(Urgency::Transaction, 3).await.unwrap();
        assert_eq!(queue.take(10), [3, 0, 1]);
        assert_eq!(third.now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
        let queue = filled(1, 1).await;
        queue.close();
        let item = (Urgency::Ordinary, 9);
        assert_eq!(queue.push(Urgency::Ordinary, item).await, Err(Closed));
        assert_eq!(queue.take(10).len(), 2);
        assert_eq!(queue.take(10), []);
    }
}
