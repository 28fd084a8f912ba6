//! Why something does not work: each reason is told once, until it works again.

use std::time::Duration;

use tokio::time::Instant;

/// So many reasons are told; one that changes all the time must not fill the log.
const TOLD_MOST: usize = 8;

/// The reasons since something stopped to work.
#[derive(Debug, Default)]
pub(super) struct Reasons(Option<Since>);

#[derive(Debug)]
struct Since {
    began: Instant,
    told: Vec<String>,
}

impl Reasons {
    /// It does not work; whether that is to be told, since this reason was not yet.
    pub(super) fn begin(&mut self, reason: &str) -> bool {
        let since = self.0.get_or_insert_with(|| Since {
            began: Instant::now(),
            told: Vec::new(),
        });
        let is_new = since.told.len() < TOLD_MOST && !since.told.iter().any(|told| told == reason);
        if is_new {
            since.told.push(reason.to_owned());
        }
        is_new
    }

    /// It works; for how long it did not.
    pub(super) fn end(&mut self) -> Option<Duration> {
        Some(self.0.take()?.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_until_it_is_over() {
        let mut reasons = Reasons::default();
        assert_eq!(reasons.end(), None);
        let told = ["a", "a", "b", "a", "b"].map(|reason| reasons.begin(reason));
        assert_eq!(told, [true, false, true, false, false]);
        assert!(reasons.end().is_some() && reasons.end().is_none());
        assert!(reasons.begin("a"));
        let told = (0..99).filter(|number| reasons.begin(&number.to_string()));
        assert_eq!(told.count(), TOLD_MOST - 1);
    }
}
