//! Who may write a session, and with which timestamps. Pure.

use rand::RngExt;

/// How many times a session may change hands under one epoch: timestamps count µs, epochs ms.
const TURNS: i32 = 1000;

/// Who may write a session. Later owners are greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// The epoch of its claim on the station.
    pub(crate) epoch: i64,
    /// Rises where the epoch does not: after an unknown outcome, a restart.
    pub(crate) turn: i32,
    /// The hub process.
    pub(crate) writer: Writer,
}

/// A hub process, by 16 hexadecimal digits. Where two write with one timestamp, the greater text wins in
/// each cell: each begins with this, so one of them wins in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Writer(pub(crate) String);

impl Writer {
    /// This process.
    pub(crate) fn fresh() -> Self {
        Self(format!("{:016x}", rand::rng().random::<u64>()))
    }

    /// A cell's text, signed.
    pub(crate) fn sign(&self, text: &str) -> String {
        format!("{} {text}", self.0)
    }

    /// Who wrote a cell, and its text.
    pub(crate) fn signed(text: &str) -> Option<(Self, &str)> {
        let (writer, text) = text.split_once(' ')?;
        Some((Self(writer.to_owned()), text))
    }
}

impl Owner {
    /// The owner that a session begins with.
    pub(crate) fn first(epoch: i64, writer: Writer) -> Self {
        let turn = 0;
        Self {
            epoch,
            turn,
            writer,
        }
    }

    /// The owner after this one; `None` where the epoch is lower, or has had all its turns.
    pub(crate) fn next(&self, epoch: i64, writer: Writer) -> Option<Self> {
        let turn = match epoch.cmp(&self.epoch) {
            std::cmp::Ordering::Less => return None,
            std::cmp::Ordering::Equal => self.turn + 1,
            std::cmp::Ordering::Greater => 0,
        };
        (turn < TURNS).then_some(Self {
            epoch,
            turn,
            writer,
        })
    }

    /// The timestamp its ownership is written with.
    pub(crate) fn stamp(&self) -> i64 {
        self.epoch
            .saturating_mul(i64::from(TURNS))
            .saturating_add(i64::from(self.turn))
    }

    /// The timestamp it writes the entry of that position with (the first is 1), and the snapshot after
    /// it: a later owner's is higher at the same position and at any later one.
    pub(crate) fn stamp_at(&self, no: i32) -> i64 {
        self.stamp().saturating_add(i64::from(no) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(epoch: i64, turn: i32) -> Owner {
        Owner {
            epoch,
            turn,
            writer: Writer("w".into()),
        }
    }

    #[test]
    fn a_later_owner_wins_at_the_same_position_however_long_the_log() {
        // A long session under one epoch, and the clock of who takes over is behind: epoch + 1.
        for no in [1, 8640, 1_000_000] {
            let stale = owner(5, TURNS - 1).stamp_at(no);
            assert!(owner(6, 0).stamp_at(no) > stale);
            assert!(owner(5, 1).stamp_at(no) > owner(5, 0).stamp_at(no));
        }
    }

    #[test]
    fn one_owner_is_ahead_of_what_it_wrote() {
        assert!(owner(5, 3).stamp_at(8) > owner(5, 3).stamp_at(7));
        assert_eq!(owner(5, 3).stamp_at(1), owner(5, 3).stamp());
    }

    #[test]
    fn turns_are_for_what_the_epoch_does_not_tell_apart() {
        let next = |epoch| owner(5, 3).next(epoch, Writer("v".into()));
        assert_eq!(next(4), None);
        assert_eq!(next(5).map(|owner| owner.turn), Some(4));
        assert_eq!(next(6).map(|owner| owner.turn), Some(0));
        let last = owner(5, TURNS - 1);
        assert_eq!(last.next(5, Writer("v".into())), None);
    }

    #[test]
    fn a_cell_tells_who_wrote_it() {
        let writer = Writer::fresh();
        let cell = writer.sign("{\"a\": 1}");
        assert_eq!(Writer::signed(&cell), Some((writer, "{\"a\": 1}")));
    }
}
