//! Claims that the backend does not confirm although it answers rounds: a right that was taken away, a key that cannot be
//! written.

use std::time::Duration;

use tokio::time::Instant;

/// So long it may be a matter of a moment.
const LASTS: Duration = Duration::from_secs(5);

/// Since when there are claims that are not confirmed.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    since: Option<Instant>,
    is_told: bool,
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Some have not been for a while.
    Unconfirmed,
    /// All are.
    Confirmed,
}

impl Unconfirmed {
    /// A share of the claims was looked at: whether some are not confirmed, and whether asking about one failed.
    pub(super) fn look(&mut self, some: bool, failed: bool, now: Instant) -> Option<Told> {
        if !some {
            self.since = None;
            return std::mem::take(&mut self.is_told).then_some(Told::Confirmed);
        }
        let since = *self.since.get_or_insert(now);
        let is_news = failed && !self.is_told && now - since >= LASTS;
        self.is_told |= is_news;
        is_news.then_some(Told::Unconfirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_that_stay_unconfirmed_are_told_of_once_and_those_that_only_wait_are_not() {
        let (mut unconfirmed, began) = (Unconfirmed::default(), Instant::now());
        let after = |s| began + Duration::from_secs(s);
        assert_eq!(unconfirmed.look(true, true, began), None);
        assert_eq!(unconfirmed.look(true, false, after(9)), None, "they wait");
        let told = unconfirmed.look(true, true, after(10));
        assert_eq!(told, Some(Told::Unconfirmed));
        assert_eq!(unconfirmed.look(true, true, after(11)), None);
        let told = unconfirmed.look(false, false, after(12));
        assert_eq!(told, Some(Told::Confirmed));
        assert_eq!(unconfirmed.look(false, false, after(13)), None);
        assert_eq!(unconfirmed.look(true, true, after(14)), None, "anew");
    }
}
