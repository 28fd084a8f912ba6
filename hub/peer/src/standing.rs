//! Whether a node is reached from here: since when, why not, and what of that is worth a line in the log.

use std::time::{Duration, Instant};

/// For how long a node is not reached before the log tells: one that stops is not reached for a moment, and then is no
/// node any more.
const TOLD_AFTER: Duration = Duration::from_secs(3);

/// Whether a node is reached.
#[derive(Debug)]
pub(crate) struct Standing {
    reach: Reach,
    since: Instant,
    /// The log was told that it is not reached.
    told: bool,
}

/// Whether a node is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// That is not known yet.
    NotTried,
    /// A stream to it is open: it answers at its address and is the one that is meant.
    Reached,
    /// It is not; why.
    Not(String),
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It has not been reached for a while.
    Away,
    /// It is reached again, after so long.
    Back(Duration),
}

impl Standing {
    /// Of a node that nobody has tried to reach.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            reach: Reach::NotTried,
            since: now,
            told: false,
        }
    }

    /// Whether it is reached, and since when that is so.
    pub(crate) fn now(&self) -> (Reach, Instant) {
        (self.reach.clone(), self.since)
    }

    /// It was reached.
    pub(crate) fn reached(&mut self, now: Instant) -> Option<Told> {
        let was_away = now - self.since;
        let was_told = std::mem::take(&mut self.told);
        if self.reach != Reach::Reached {
            self.reach = Reach::Reached;
            self.since = now;
        }
        was_told.then_some(Told::Back(was_away))
    }

    /// It was not reached, or is not any more.
    pub(crate) fn not_reached(&mut self, why: &str, now: Instant) -> Option<Told> {
        if !matches!(self.reach, Reach::Not(_)) {
            self.since = now;
        }
        self.reach = Reach::Not(why.to_owned());
        let is_news = !self.told && now - self.since >= TOLD_AFTER;
        self.told |= is_news;
        is_news.then_some(Told::Away)
    }

    /// It is let go of; whether the log still believes it to be away, and for how long it was.
    pub(crate) fn let_go(&mut self, now: Instant) -> Option<Duration> {
        std::mem::take(&mut self.told).then(|| now - self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_log_hears_once_of_a_node_that_is_not_reached_and_once_that_it_is_back() {
        let began = Instant::now();
        let mut standing = Standing::new(began);
        assert_eq!(standing.not_reached("refused", began + S), None);
        assert_eq!(standing.not_reached("refused", began + 2 * S), None);
        let later = began + 4 * S;
        assert_eq!(standing.not_reached("no answer", later), Some(Told::Away));
        assert_eq!(standing.not_reached("no answer", later + S), None);
        let (reach, since) = standing.now();
        assert_eq!(
            reach,
            Reach::Not("no answer".to_owned()),
            "the latest cause"
        );
        assert_eq!(since, began + S, "since it was first so");
        assert_eq!(standing.reached(began + 9 * S), Some(Told::Back(8 * S)));
        assert_eq!(standing.now(), (Reach::Reached, began + 9 * S));
        assert_eq!(standing.reached(began + 10 * S), None);
    }

    #[test]
    fn the_log_hears_nothing_of_a_short_break_and_of_a_node_that_leaves() {
        let began = Instant::now();
        let mut standing = Standing::new(began);
        assert_eq!(standing.reached(began), None);
        assert_eq!(standing.not_reached("broke", began + S), None);
        assert_eq!(standing.reached(began + 2 * S), None);
        assert_eq!(standing.not_reached("refused", began + 3 * S), None);
        assert_eq!(standing.let_go(began + 4 * S), None);
    }

    #[test]
    fn a_node_that_is_let_go_of_while_it_is_away_is_told_of() {
        let began = Instant::now();
        let mut standing = Standing::new(began);
        standing.not_reached("refused", began);
        standing.not_reached("refused", began + 5 * S);
        assert_eq!(standing.let_go(began + 10 * S), Some(10 * S));
    }
}
