//! The order in which CALLs get their turn when there are more of them than the hub can work on. Pure.
//!
//! A message that ends a transaction goes first: behind it a driver waits, a cable is locked and a bill
//! is open. A heartbeat goes last: nothing hangs on it. Within a class the one that has waited longest
//! goes first, and every eighth turn goes to the one that has waited longest of all, so that no class
//! starves the ones below it. Heartbeats have no part in that: one that waits for long is answered
//! without a turn (see `gate`).

use std::collections::BTreeMap;

use model::{StationEvent, TransactionPhase};

/// Every so many turns go to the one that has waited longest.
const EVEN_TURN: u64 = 8;

/// How urgent a CALL is, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A transaction ends: 1.6 StopTransaction, 2.0.1 TransactionEvent (Ended).
    Stop,
    /// A transaction begins: 1.6 StartTransaction, 2.0.1 TransactionEvent (Started).
    Start,
    /// Authorize: a driver stands there.
    Authorize,
    /// A transaction goes on: 1.6 MeterValues with a transactionId, 2.0.1 TransactionEvent (Updated).
    Meter,
    /// Everything else.
    Other,
    /// Heartbeat.
    Heartbeat,
}

impl Class {
    pub(crate) const ALL: [Self; 6] = [
        Self::Stop,
        Self::Start,
        Self::Authorize,
        Self::Meter,
        Self::Other,
        Self::Heartbeat,
    ];

    /// The class of what a station says.
    pub(crate) fn of(event: &StationEvent) -> Self {
        match event {
            StationEvent::Transaction(event) => match event.phase {
                TransactionPhase::Ended => Self::Stop,
                TransactionPhase::Started => Self::Start,
                TransactionPhase::Updated => Self::Meter,
            },
            StationEvent::Meter(reading) if reading.transaction.is_some() => Self::Meter,
            StationEvent::Authorize(_) => Self::Authorize,
            StationEvent::Heartbeat => Self::Heartbeat,
            StationEvent::Boot(_)
            | StationEvent::Status(_)
            | StationEvent::Meter(_)
            | StationEvent::Notice(_) => Self::Other,
        }
    }

    /// The name, as a metric label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Authorize => "authorize",
            Self::Meter => "meter",
            Self::Other => "other",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// Those who wait for their turn.
#[derive(Debug)]
pub(crate) struct Line<W> {
    /// By class, then in the order in which they came.
    waiting: BTreeMap<Place, W>,
    came: u64,
    turns: u64,
}

/// Where somebody stands in the line.
pub(crate) type Place = (Class, u64);

impl<W> Line<W> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            came: 0,
            turns: 0,
        }
    }

    /// Somebody comes.
    pub(crate) fn join(&mut self, class: Class, who: W) -> Place {
        self.came += 1;
        let place = (class, self.came);
        self.waiting.insert(place, who);
        place
    }

    /// Somebody gives up; nothing when they had their turn already.
    pub(crate) fn give_up(&mut self, place: Place) -> Option<W> {
        self.waiting.remove(&place)
    }

    /// Whose turn it is, if only `lowest` and the classes above it may have one.
    pub(crate) fn next(&mut self, lowest: Class) -> Option<(Class, W)> {
        let mut place = *self.waiting.keys().next()?;
        if (self.turns + 1).is_multiple_of(EVEN_TURN)
            && let Some(oldest) = self.oldest_place(lowest)
        {
            place = oldest;
        }
        if place.0 > lowest {
            return None;
        }
        self.turns += 1;
        Some((place.0, self.waiting.remove(&place)?))
    }

    /// Who has waited longest, heartbeats aside.
    pub(crate) fn oldest(&self) -> Option<&W> {
        self.waiting.get(&self.oldest_place(Class::Other)?)
    }

    fn oldest_place(&self, lowest: Class) -> Option<Place> {
        Class::ALL
            .into_iter()
            .filter(|class| *class <= lowest && *class != Class::Heartbeat)
            .filter_map(|class| {
                let of_class = (class, 0)..=(class, u64::MAX);
                self.waiting.range(of_class).next().map(|(place, _)| *place)
            })
            .min_by_key(|(_, came)| *came)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};

    use super::*;

    fn all_in_turn(line: &mut Line<u32>) -> Vec<u32> {
        std::iter::from_fn(|| line.next(Class::Heartbeat).map(|(_, who)| who)).collect()
    }

    #[test]
    fn the_most_urgent_goes_first_and_among_equals_the_one_that_came_first() {
        let mut line = Line::new();
        for (class, who) in [
            (Class::Heartbeat, 6),
            (Class::Other, 5),
            (Class::Stop, 1),
            (Class::Meter, 4),
            (Class::Start, 3),
            (Class::Stop, 2),
        ] {
            line.join(class, who);
        }
        assert_eq!(all_in_turn(&mut line), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn every_eighth_turn_goes_to_the_one_that_has_waited_longest() {
        let mut line = Line::new();
        line.join(Class::Heartbeat, 100);
        line.join(Class::Other, 101);
        for stop in 1..=9 {
            line.join(Class::Stop, stop);
        }
        assert_eq!(
            all_in_turn(&mut line),
            [1, 2, 3, 4, 5, 6, 7, 101, 8, 9, 100]
        );
    }

    #[test]
    fn who_may_have_no_turn_waits_and_keeps_nobody_above_from_theirs() {
        let mut line = Line::new();
        line.join(Class::Other, 1);
        assert_eq!(line.next(Class::Meter), None);
        line.join(Class::Stop, 2);
        assert_eq!(line.next(Class::Meter), Some((Class::Stop, 2)));
        assert_eq!(line.next(Class::Other), Some((Class::Other, 1)));
    }

    #[test]
    fn who_gives_up_has_no_turn() {
        let mut line = Line::new();
        let place = line.join(Class::Stop, 1);
        line.join(Class::Stop, 2);
        assert_eq!(line.give_up(place), Some(1));
        assert_eq!(line.give_up(place), None);
        assert_eq!(line.oldest(), Some(&2));
        assert_eq!(all_in_turn(&mut line), [2]);
    }

    /// Under any load: nobody is passed by somebody less urgent but on an even turn, and whoever is no
    /// heartbeat has their turn within eight for each that was there when they came.
    #[test]
    fn nobody_starves_and_nobody_less_urgent_goes_first() {
        let seed: u64 = rand::random();
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut line = Line::new();
        let mut there: Vec<(Class, u64, u64)> = Vec::new();
        let (mut came, mut turn) = (0, 0);
        for _ in 0..20_000 {
            // As many come as have their turn, and now and then more.
            for _ in 0..rng.random_range(1..=2) {
                let class = Class::ALL[rng.random_range(0..Class::ALL.len())];
                if there.len() < 200 {
                    came += 1;
                    line.join(class, came);
                    there.push((class, came, turn + EVEN_TURN * (there.len() as u64 + 1)));
                }
            }
            let Some((class, who)) = line.next(Class::Heartbeat) else {
                continue;
            };
            turn += 1;
            there.retain(|(_, came, _)| *came != who);
            if !turn.is_multiple_of(EVEN_TURN) {
                let passed = there
                    .iter()
                    .find(|(of, came, _)| (*of, *came) < (class, who));
                assert_eq!(
                    passed, None,
                    "passed by {class:?} {who} at turn {turn}, seed {seed}"
                );
            }
            let starved = there
                .iter()
                .find(|(of, _, until)| *of != Class::Heartbeat && *until < turn);
            assert_eq!(starved, None, "at turn {turn}, seed {seed}");
        }
    }
}
