//! Who is back after a storm: each charger of a fleet, from the moment the storm begins.
//!
//! A charger is back with its first answer on a socket that it opened since then (an answer to BootNotification counts
//! only when it says Accepted). One that loses its socket again is missing again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use loadtest::Event;

/// The chargers that are not back yet.
#[derive(Debug)]
pub(crate) struct RollCall {
    began: Instant,
    /// By identity.
    missing: HashMap<Box<str>, Missing>,
}

/// A charger that is not back.
#[derive(Debug, Default)]
struct Missing {
    /// When it lost its socket first; absent while it has the one from before the storm.
    since: Option<Instant>,
    /// It has opened a new socket.
    connected: bool,
}

/// A charger is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Back {
    /// The time since the storm began.
    pub(crate) after: Duration,
    /// The time since it lost its socket.
    pub(crate) away: Duration,
}

impl RollCall {
    /// A storm begins: all of these have to come back.
    pub(crate) fn begin(identities: impl Iterator<Item = String>) -> Self {
        Self {
            began: Instant::now(),
            missing: identities
                .map(|identity| (identity.into_boxed_str(), Missing::default()))
                .collect(),
        }
    }

    /// Whether all are back.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// `event` happened to the charger; tells if it is back with it.
    pub(crate) fn note(&mut self, identity: &str, event: &Event<'_>) -> Option<Back> {
        match event {
            Event::Connected { .. } => {
                if let Some(missing) = self.missing.get_mut(identity) {
                    missing.connected = true;
                }
                None
            }
            Event::Disconnected { .. } => {
                let missing = self.missing.entry(identity.into()).or_default();
                missing.connected = false;
                missing.since.get_or_insert_with(Instant::now);
                None
            }
            Event::Answered { action, .. } if *action != "BootNotification" => self.back(identity),
            Event::Booted => self.back(identity),
            _ => None,
        }
    }

    fn back(&mut self, identity: &str) -> Option<Back> {
        if !self.missing.get(identity)?.connected {
            return None;
        }
        let since = self.missing.remove(identity)?.since;
        Some(Back {
            after: self.began.elapsed(),
            away: since.unwrap_or(self.began).elapsed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTED: Event<'_> = Event::Connected {
        took: Duration::ZERO,
    };
    const LOST: Event<'_> = Event::Disconnected { reason: "test" };

    fn answered(action: &'static str) -> Event<'static> {
        Event::Answered {
            action,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_charger_is_back_with_an_answer_on_a_new_socket_only() {
        let mut roll = RollCall::begin(["A".to_owned(), "B".to_owned()].into_iter());
        assert_eq!(roll.note("A", &answered("Heartbeat")), None, "old socket");
        roll.note("A", &LOST);
        roll.note("A", &CONNECTED);
        assert_eq!(roll.note("A", &answered("BootNotification")), None);
        assert_eq!(roll.missing.len(), 2);
        assert!(roll.note("A", &answered("StatusNotification")).is_some());
        assert_eq!(roll.missing.len(), 1);
        roll.note("B", &CONNECTED);
        assert!(roll.note("B", &Event::Booted).is_some());
        assert!(roll.is_complete());
    }

    #[test]
    fn a_charger_is_away_from_its_first_loss_on() {
        let mut roll = RollCall::begin(std::iter::once("A".to_owned()));
        std::thread::sleep(Duration::from_millis(30));
        roll.note("A", &LOST);
        std::thread::sleep(Duration::from_millis(2));
        roll.note("A", &CONNECTED);
        roll.note("A", &LOST);
        roll.note("A", &CONNECTED);
        let back = roll.note("A", &Event::Booted).expect("it is back");
        assert!(back.away >= Duration::from_millis(2), "{back:?}");
        assert!(
            back.after >= back.away + Duration::from_millis(30),
            "{back:?}"
        );
    }

    #[test]
    fn one_that_loses_its_socket_again_is_missing_again() {
        let mut roll = RollCall::begin(std::iter::once("A".to_owned()));
        roll.note("A", &CONNECTED);
        assert!(roll.note("A", &Event::Booted).is_some());
        roll.note("A", &LOST);
        assert_eq!(roll.missing.len(), 1);
        assert_eq!(roll.note("A", &answered("Heartbeat")), None);
    }
}
