//! What was carried out, and what came of it, so that a message that arrives again is not carried out again.
//!
//! An answer is remembered until [`REMEMBERED_FOR`] after its message's deadline. A message that arrives later than
//! that is too late to be carried out anyway. Those that were not carried out are not remembered: they may
//! be asked for again, here or elsewhere.
//!
//! The table is bounded. When it is full, new messages are refused, since to forget an old one might carry it out twice.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::Answer;

/// How long an answer is remembered beyond its message's deadline.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// What was carried out.
pub(crate) struct Once {
    table: Mutex<Table>,
    most: usize,
    most_bytes: usize,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Uuid, Entry>,
    /// The answered ones, and until when they are remembered.
    ends: BinaryHeap<Reverse<(Instant, Uuid)>>,
    bytes: usize,
}

enum Entry {
    /// Being carried out; who waits for it besides.
    UnderWay(Vec<oneshot::Sender<Answer>>),
    /// What came of it.
    Answered(Answer),
}

/// Whether a message is to be carried out.
pub(crate) enum Begin {
    /// It is; what comes of it is to be said.
    First(Ticket),
    /// It is being carried out; here comes what comes of it.
    Again(oneshot::Receiver<Answer>),
    /// It was; this came of it.
    Known(Answer),
    /// Too much is remembered.
    Full,
}

/// The right to carry out a message. Dropped without an answer (a panic, a deadline), the message counts as carried
/// out, since nobody knows how far it came.
pub(crate) struct Ticket {
    once: Arc<Once>,
    id: Uuid,
    until: Instant,
    answered: bool,
}

impl Once {
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            table: Mutex::default(),
            most,
            most_bytes,
        }
    }

    /// Begins with a message that is to be done by `deadline`.
    pub(crate) fn begin(self: &Arc<Self>, id: Uuid, deadline: Instant, now: Instant) -> Begin {
        let mut table = self.table();
        table.forget(now);
        match table.entries.get_mut(&id) {
            Some(Entry::Answered(answer)) => return Begin::Known(answer.clone()),
            Some(Entry::UnderWay(waiting)) => {
                let (sender, receiver) = oneshot::channel();
                waiting.push(sender);
                return Begin::Again(receiver);
            }
            None => {}
        }
        if table.entries.len() >= self.most || table.bytes >= self.most_bytes {
            return Begin::Full;
        }
        table.entries.insert(id, Entry::UnderWay(Vec::new()));
        Begin::First(Ticket {
            once: Arc::clone(self),
            id,
            until: deadline + REMEMBERED_FOR,
            answered: false,
        })
    }

    fn end(&self, id: Uuid, until: Instant, answer: &Answer) {
        let mut table = self.table();
        let Some(Entry::UnderWay(waiting)) = table.entries.remove(&id) else {
            return;
        };
        if was_carried_out(answer) {
            table.bytes += bytes_of(answer);
            table.ends.push(Reverse((until, id)));
            table.entries.insert(id, Entry::Answered(answer.clone()));
        }
        drop(table);
        for waiting in waiting {
            // Its stream may have gone.
            let _ = waiting.send(answer.clone());
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn forget(&mut self, now: Instant) {
        while let Some(Reverse((until, id))) = self.ends.peek().copied() {
            if until > now {
                return;
            }
            self.ends.pop();
            if let Some(Entry::Answered(answer)) = self.entries.remove(&id) {
                self.bytes -= bytes_of(&answer);
            }
        }
    }
}

impl Ticket {
    /// This came of it.
    pub(crate) fn answered(mut self, answer: &Answer) {
        self.answered = true;
        self.once.end(self.id, self.until, answer);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.answered {
            self.once.end(self.id, self.until, &given_up());
        }
    }
}

/// What is answered where the receiver failed, or took too long.
pub(crate) fn given_up() -> Answer {
    Answer::Refused(
        "the node failed while it carried this out; nobody knows how far it came".to_owned(),
    )
}

fn was_carried_out(answer: &Answer) -> bool {
    matches!(answer, Answer::Ok(_) | Answer::Refused(_))
}

fn bytes_of(answer: &Answer) -> usize {
    match answer {
        Answer::Ok(body) => body.len(),
        Answer::Refused(why) => why.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn ok(text: &'static str) -> Answer {
        Answer::Ok(text.into())
    }

    fn first(once: &Arc<Once>, id: Uuid, deadline: Instant, now: Instant) -> Ticket {
        match once.begin(id, deadline, now) {
            Begin::First(ticket) => ticket,
            _ => panic!("it was not carried out before"),
        }
    }

    #[test]
    fn whoever_asks_again_hears_the_same_for_longer_than_the_message_may_take() {
        let (once, now) = (Arc::new(Once::new(10, 1_000)), Instant::now());
        let (id, deadline) = (Uuid::new_v4(), now + MINUTE);
        let ticket = first(&once, id, deadline, now);
        let Begin::Again(mut meanwhile) = once.begin(id, deadline, now) else {
            panic!("it is being carried out");
        };
        ticket.answered(&ok("done"));
        assert_eq!(meanwhile.try_recv().unwrap(), ok("done"));
        let Begin::Known(later) = once.begin(id, deadline, deadline + MINUTE / 2) else {
            panic!("it was carried out");
        };
        assert_eq!(later, ok("done"));
        assert!(matches!(
            once.begin(id, deadline, deadline + MINUTE * 2),
            Begin::First(_)
        ));
    }

    #[test]
    fn what_was_not_carried_out_may_be_asked_for_again() {
        let (once, now) = (Arc::new(Once::new(10, 1_000)), Instant::now());
        let id = Uuid::new_v4();
        for answer in [
            Answer::NotHere { at: None },
            Answer::Stale { epoch: 7 },
            Answer::Busy,
            Answer::Deadline,
        ] {
            first(&once, id, now + MINUTE, now).answered(&answer);
        }
        first(&once, id, now + MINUTE, now).answered(&ok("at last"));
        assert!(matches!(once.begin(id, now + MINUTE, now), Begin::Known(_)));
    }

    #[test]
    fn what_came_to_nobody_knows_what_is_not_tried_again() {
        let (once, now) = (Arc::new(Once::new(10, 1_000)), Instant::now());
        let id = Uuid::new_v4();
        drop(first(&once, id, now + MINUTE, now));
        let Begin::Known(Answer::Refused(_)) = once.begin(id, now + MINUTE, now) else {
            panic!("it may have been carried out");
        };
    }

    #[test]
    fn a_full_table_refuses_and_forgets_nothing_before_its_time() {
        let now = Instant::now();
        for once in [Once::new(2, 1_000), Once::new(10, 8)] {
            let once = Arc::new(once);
            let ids = [Uuid::new_v4(), Uuid::new_v4()];
            for id in ids {
                first(&once, id, now + MINUTE, now).answered(&ok("done"));
            }
            let another = Uuid::new_v4();
            let full = once.begin(another, now + MINUTE, now);
            assert!(matches!(full, Begin::Full));
            for id in ids {
                let known = once.begin(id, now + MINUTE, now);
                assert!(matches!(known, Begin::Known(_)));
            }
            let later = now + MINUTE * 3;
            first(&once, another, later + MINUTE, later).answered(&ok("done"));
            assert_eq!(once.table().entries.len(), 1);
            assert_eq!(once.table().bytes, 4);
        }
    }
}
