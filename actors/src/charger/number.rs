//! The transaction numbers the hub hands out (OCPP 1.6 `transactionId`). Pure.
//!
//! A number is the second in which its transaction began, counted from 2020. So the start sent again
//! gets the number it got, whichever hub process answers and whether or not that one could see the
//! first writing; numbers rise, so a hub that lost its data does not hand out one that a station still
//! holds; and they last until 2054. Two outlets that begin in one second get consecutive numbers.
//!
//! The upper half of the range is for starts that crash whoever handles them (see dead letters): those
//! sessions are not in the store yet, so nothing there would keep their numbers from being given twice.

use model::Timestamp;

/// 2020-01-01T00:00:00Z in seconds since 1970.
const SINCE_S: i64 = 1_577_836_800;
const SPARE: i32 = 1 << 30;
const DAY_S: i32 = 86_400;

/// The numbers a station was given. Those of the last starts, when they follow each other faster than
/// the seconds, are a run without gaps, known here so that the store need not be asked for each.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    run: (i32, i32),
    spare: i32,
}

impl Numbers {
    /// The number of a start whose id time ([`id_time`](crate::session::core::id_time)) is `began`: the
    /// first from there that is not `taken` by another transaction.
    pub(super) fn of_start(&self, began: Timestamp, taken: impl Fn(i32) -> bool) -> i32 {
        let mut number = by_clock(began);
        let (first, last) = self.run;
        loop {
            // The first of the run is asked about: it may be this start's own.
            if number > first && number <= last {
                number = last.saturating_add(1);
            }
            if !taken(number) {
                return number;
            }
            number = number.saturating_add(1);
        }
    }

    /// A number for a start that no actor could handle.
    pub(super) fn next_spare(&mut self, now: Timestamp) -> i32 {
        let by_clock = SPARE.saturating_add(by_clock(now));
        self.spare = by_clock.max(self.spare.saturating_add(1));
        self.spare
    }

    /// A number is in use.
    pub(super) fn note(&mut self, number: i32) {
        let (first, last) = self.run;
        if number >= SPARE {
            self.spare = self.spare.max(number);
        } else if last != 0 && number == last.saturating_add(1) {
            self.run = (first, number);
        } else if number > last {
            self.run = (number, number);
        }
    }
}

/// Whether a name can only be a number that this hub handed out, within the last months.
pub(super) fn is_ours(name: &str, now: Timestamp) -> bool {
    let now = by_clock(now);
    name.parse::<i32>().is_ok_and(|number| {
        let second = if number >= SPARE {
            number - SPARE
        } else {
            number
        };
        second > now - 90 * DAY_S && second < now + 2 * DAY_S
    })
}

fn by_clock(at: Timestamp) -> i32 {
    i32::try_from(at.0 / 1000 - SINCE_S)
        .unwrap_or(0)
        .clamp(1, SPARE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn a_start_gets_the_same_number_each_time() {
        let numbers = Numbers::default();
        assert_eq!(numbers.of_start(NOW, |_| false), 212_163_200);
        assert_eq!(numbers.of_start(NOW.plus_ms(999), |_| false), 212_163_200);
        let next = numbers.of_start(NOW, |number| number == 212_163_200);
        assert_eq!(next, 212_163_201);
    }

    #[test]
    fn starts_that_are_faster_than_the_seconds_are_numbered_on() {
        let mut numbers = Numbers::default();
        for expected in 212_163_200..212_163_250 {
            let asked = std::cell::Cell::new(0);
            let number = numbers.of_start(NOW, |number| {
                asked.set(asked.get() + 1);
                number == 212_163_200 && expected != number
            });
            assert_eq!(number, expected);
            assert!(asked.get() <= 2, "each number is not asked about");
            numbers.note(number);
        }
        assert_eq!(
            numbers.of_start(NOW.plus_ms(-3_600_000), |_| false),
            212_159_600,
            "an offline start keeps its own second"
        );
    }

    #[test]
    fn spare_numbers_are_their_own() {
        let mut numbers = Numbers::default();
        let first = numbers.next_spare(NOW);
        assert!(first >= SPARE);
        assert_eq!(numbers.next_spare(NOW), first + 1);
        numbers.note(first + 5);
        assert_eq!(numbers.next_spare(NOW), first + 6);
        assert!(numbers.of_start(NOW, |_| false) < SPARE);
    }

    #[test]
    fn its_own_numbers_are_known_again() {
        let mut numbers = Numbers::default();
        let number = numbers.of_start(NOW, |_| false);
        assert!(is_ours(&number.to_string(), NOW));
        assert!(is_ours(&numbers.next_spare(NOW).to_string(), NOW));
        for other in ["0", "-1", "777", "2147483647", "a1"] {
            assert!(!is_ours(other, NOW), "{other}");
        }
    }
}
