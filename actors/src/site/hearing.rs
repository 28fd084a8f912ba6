//! Which nodes a site's actor hears of its stations from, and whether it has heard all that each of them told. Pure.
//!
//! With what it heard a node is told a [`Heard`], and says with its next news which one it was told last. If that is not
//! the one it should be, something is amiss (a message was lost, the actor is another, the node was silent for too long):
//! it gets a new one, and tells everything.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use placement::NodeAddress;
use serde::{Deserialize, Serialize};

/// A node that said nothing for so long is taken to be gone; it would say at least that there is nothing new.
const SILENT: Duration = Duration::from_secs(10);

/// What a node is told that told of its stations: which hearing it is. No two of them are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The epoch of the site's shard.
    pub(super) epoch: i64,
    /// Rises within an epoch.
    pub(super) number: u64,
}

/// The nodes that a site is told of its stations by, by name.
#[derive(Debug, Default)]
pub(super) struct Hearing(HashMap<String, Line>);

#[derive(Debug)]
struct Line {
    node: Arc<NodeAddress>,
    heard: Heard,
    at: Instant,
    /// It is to tell everything again.
    anew: bool,
}

/// How a node is heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// From where it had stopped.
    On(Arc<NodeAddress>),
    /// It has to tell everything. What is known of stations at this one holds no more.
    Anew(Option<Arc<NodeAddress>>),
}

impl Hearing {
    /// A node tells something, and which hearing it believes it is; `next` is what it is told where it is another.
    pub(super) fn hear(
        &mut self,
        from: &NodeAddress,
        believed: Option<Heard>,
        next: Heard,
        now: Instant,
    ) -> (Heard, Hears) {
        if let Some(line) = self.0.get_mut(&from.name)
            && !line.anew
            && *line.node == *from
            && believed == Some(line.heard)
        {
            line.at = now;
            return (line.heard, Hears::On(Arc::clone(&line.node)));
        }
        let line = Line {
            node: Arc::new(from.clone()),
            heard: next,
            at: now,
            anew: false,
        };
        let before = self.0.insert(from.name.clone(), line);
        (next, Hears::Anew(before.map(|line| line.node)))
    }

    /// All are to tell everything again.
    pub(super) fn begin_anew(&mut self) {
        for line in self.0.values_mut() {
            line.anew = true;
        }
    }

    /// The nodes that have been silent for too long; each is told of once.
    pub(super) fn silent(&mut self, now: Instant) -> Vec<Arc<NodeAddress>> {
        let silent = |line: &Line| now > line.at + SILENT;
        let gone = self.0.values().filter(|line| silent(line));
        let gone = gone.map(|line| Arc::clone(&line.node)).collect();
        self.0.retain(|_, line| !silent(line));
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Heard = Heard {
        epoch: 1,
        number: 1,
    };
    const TWO: Heard = Heard {
        epoch: 1,
        number: 2,
    };

    fn node(incarnation: i64) -> NodeAddress {
        NodeAddress {
            name: "hub".into(),
            address: "127.0.0.1:1".into(),
            incarnation,
        }
    }

    #[test]
    fn a_node_goes_on_where_it_stopped_and_begins_anew_where_something_was_lost() {
        let mut hearing = Hearing::default();
        let now = Instant::now();
        let (heard, hears) = hearing.hear(&node(1), None, ONE, now);
        assert_eq!((heard, hears), (ONE, Hears::Anew(None)));
        let (heard, hears) = hearing.hear(&node(1), Some(ONE), TWO, now);
        assert_eq!((heard, hears), (ONE, Hears::On(node(1).into())));
        // Of another hearing: it did not hear of this one.
        let before = || Hears::Anew(Some(node(1).into()));
        assert_eq!(hearing.hear(&node(1), None, TWO, now), (TWO, before()));
        hearing.begin_anew();
        let three = Heard { number: 3, ..TWO };
        let heard = hearing.hear(&node(1), Some(TWO), three, now);
        assert_eq!(heard, (three, before()));
        // Another process of that name knows nothing of what its predecessor told.
        let four = Heard { number: 4, ..TWO };
        let heard = hearing.hear(&node(2), Some(three), four, now);
        assert_eq!(heard, (four, before()));
    }

    #[test]
    fn a_node_that_falls_silent_is_told_of_once_and_is_heard_anew_when_it_is_back() {
        let began = Instant::now();
        let mut hearing = Hearing::default();
        hearing.hear(&node(1), None, ONE, began);
        hearing.hear(&node(1), Some(ONE), TWO, began + SILENT);
        assert_eq!(hearing.silent(began + 2 * SILENT), []);
        let late = began + 2 * SILENT + Duration::from_millis(1);
        assert_eq!(hearing.silent(late), [node(1).into()]);
        assert_eq!(hearing.silent(began + 9 * SILENT), []);
        let heard = hearing.hear(&node(1), Some(ONE), TWO, began + 9 * SILENT);
        assert_eq!(heard, (TWO, Hears::Anew(None)));
    }
}
