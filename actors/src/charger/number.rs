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

/// The number of a start whose id time ([`id_time`](crate::session::core::id_time)) is `began`: the
/// first from there that is not `taken` by another transaction.
pub(super) fn of_start(began: Timestamp, taken: impl Fn(i32) -> bool) -> i32 {
    let mut number = by_clock(began);
    while taken(number) {
        number = number.saturating_add(1);
    }
    number
}

/// A number for a start that no actor could handle: above `last`, the highest the station was given.
pub(super) fn spare(now: Timestamp, last: i32) -> i32 {
    SPARE
        .saturating_add(by_clock(now))
        .max(last.saturating_add(1))
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
        assert_eq!(of_start(NOW, |_| false), 212_163_200);
        assert_eq!(of_start(NOW.plus_ms(999), |_| false), 212_163_200);
        assert_eq!(of_start(NOW, |number| number == 212_163_200), 212_163_201);
    }

    #[test]
    fn spare_numbers_are_their_own() {
        let first = spare(NOW, of_start(NOW, |_| false));
        assert!(first >= SPARE);
        assert_eq!(spare(NOW, first), first + 1);
    }

    #[test]
    fn its_own_numbers_are_known_again() {
        let number = of_start(NOW, |_| false);
        assert!(is_ours(&number.to_string(), NOW));
        assert!(is_ours(&spare(NOW, number).to_string(), NOW));
        for other in ["0", "-1", "777", "2147483647", "a1"] {
            assert!(!is_ours(other, NOW), "{other}");
        }
    }
}
