//! Which nodes a site's actor hears of its stations from, and whether it has heard all that each of them told. Pure.
//!
//! With what it heard a node is told a [`Heard`], and says with its next news which one it was told last. If that is not
//! the one it should be, something is amiss (a message was lost, the actor is another, the node was silent for too long):
//! it gets a new one, and tells everything.
//!
//! It says also what its clock shows. Stations are heard by the clock of the node that they are connected to, which need
//! not show what ours does.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use placement::NodeAddress;
use serde::{Deserialize, Serialize};

/// A node that said nothing for so long is taken to be gone; it would say at least that there is nothing new.
const SILENT: Duration = Duration::from_secs(10);

/// Clocks that differ by no more, in ms, are taken to agree. What a message takes on the way must not look like a clock that
/// moves: the same reading would be of another time whenever it is told.
const AGREE_MS: i64 = 2_000;

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
    /// How far its clock is ahead of ours, in ms, or less: by what it showed when it sent something, when that came.
    ahead_ms: i64,
}

/// How a node is heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// From where it had stopped; and how far its clock is ahead of ours, in ms.
    On(Arc<NodeAddress>, i64),
    /// It has to tell everything. What is known of stations at this one holds no more.
    Anew(Option<Arc<NodeAddress>>),
}

impl Hearing {
    /// A node tells something, and which hearing it believes it is; `next` is what it is told where it is another.
    /// `ahead_ms`: what its clock showed when it sent that, less what ours shows.
    pub(super) fn hear(
        &mut self,
        from: &NodeAddress,
        believed: Option<Heard>,
        next: Heard,
        (now, ahead_ms): (Instant, i64),
    ) -> (Heard, Hears) {
        if let Some(line) = self.0.get_mut(&from.name)
            && !line.anew
            && *line.node == *from
            && believed == Some(line.heard)
        {
            line.at = now;
            line.ahead_ms = apart(line.ahead_ms, ahead_ms);
            return (line.heard, Hears::On(Arc::clone(&line.node), line.ahead_ms));
        }
        let line = Line {
            node: Arc::new(from.clone()),
            heard: next,
            at: now,
            anew: false,
            ahead_ms: apart(0, ahead_ms),
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

/// How far clocks are apart that were taken to be so far apart, and now look as if they were so far, in ms.
fn apart(taken_ms: i64, looks_ms: i64) -> i64 {
    match looks_ms.saturating_sub(taken_ms).saturating_abs() <= AGREE_MS {
        true => taken_ms,
        false => looks_ms,
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
        let (heard, hears) = hearing.hear(&node(1), None, ONE, (now, 0));
        assert_eq!((heard, hears), (ONE, Hears::Anew(None)));
        let (heard, hears) = hearing.hear(&node(1), Some(ONE), TWO, (now, 0));
        assert_eq!((heard, hears), (ONE, Hears::On(node(1).into(), 0)));
        // Of another hearing: it did not hear of this one.
        let before = || Hears::Anew(Some(node(1).into()));
        assert_eq!(hearing.hear(&node(1), None, TWO, (now, 0)), (TWO, before()));
        hearing.begin_anew();
        let three = Heard { number: 3, ..TWO };
        let heard = hearing.hear(&node(1), Some(TWO), three, (now, 0));
        assert_eq!(heard, (three, before()));
        // Another process of that name knows nothing of what its predecessor told.
        let four = Heard { number: 4, ..TWO };
        let heard = hearing.hear(&node(2), Some(three), four, (now, 0));
        assert_eq!(heard, (four, before()));
    }

    #[test]
    fn a_node_that_falls_silent_is_told_of_once_and_is_heard_anew_when_it_is_back() {
        let began = Instant::now();
        let mut hearing = Hearing::default();
        hearing.hear(&node(1), None, ONE, (began, 0));
        hearing.hear(&node(1), Some(ONE), TWO, (began + SILENT, 0));
        assert_eq!(hearing.silent(began + 2 * SILENT), []);
        let late = began + 2 * SILENT + Duration::from_millis(1);
        assert_eq!(hearing.silent(late), [node(1).into()]);
        assert_eq!(hearing.silent(began + 9 * SILENT), []);
        let heard = hearing.hear(&node(1), Some(ONE), TWO, (began + 9 * SILENT, 0));
        assert_eq!(heard, (TWO, Hears::Anew(None)));
    }

    #[test]
    fn clocks_that_agree_do_not_differ_by_what_a_message_takes_and_those_that_do_not_agree_do() {
        let mut hearing = Hearing::default();
        let mut ahead = |ahead_ms| {
            let now = (Instant::now(), ahead_ms);
            match hearing.hear(&node(1), Some(ONE), ONE, now).1 {
                Hears::On(_, ahead_ms) => Some(ahead_ms),
                Hears::Anew(_) => None,
            }
        };
        assert_eq!(ahead(-3), None);
        for (looks_ms, is_ms) in [
            (-3, 0),
            (-1_900, 0),
            (3_599_990, 3_599_990),
            (3_599_700, 3_599_990),
            (3_600_000, 3_599_990),
            // That one took long.
            (3_595_000, 3_595_000),
            (3_599_980, 3_599_980),
            // It was set.
            (-12, -12),
            (-3_600_004, -3_600_004),
        ] {
            assert_eq!(ahead(looks_ms), Some(is_ms), "{looks_ms}");
        }
    }
}
