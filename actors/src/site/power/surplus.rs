//! What a meter of the site shows beyond what its outlets tell and what is reckoned with for other load: something that
//! nobody planned for, or a station whose meter tells too little. Pure.
//!
//! Other load comes and goes as the plan has it, and is nobody's trouble. Where a limit is exceeded, it is: there what was
//! known of other load until then counts.

use std::collections::BTreeMap;

use super::others::Sum;

/// A surplus of less, in A, is none: readings are of about the same time.
const SLIGHT_A: f64 = 2.0;
/// For so long, in ms, it may be a matter of when each was read, where no limit is exceeded.
const LASTS_MS: i64 = 10_000;

/// Surpluses, by node.
#[derive(Debug, Default)]
pub(super) struct Surpluses(BTreeMap<usize, Surplus>);

/// What a meter shows too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Surplus {
    /// On the phase where it is most, by its index, in A.
    pub(super) phase: usize,
    pub(super) amps: f64,
    since_ms: i64,
    last_ms: i64,
    is_overload: bool,
}

impl Surpluses {
    /// A node's meter shows these sums. `configured` is what the plan has for other load, `known` what was known of it.
    pub(super) fn see(
        &mut self,
        node: usize,
        sums: &[Sum; 3],
        configured: [f64; 3],
        known: [f64; 3],
        at_ms: i64,
    ) {
        let of = |phase: usize| {
            let sum = &sums[phase];
            let other = if sum.is_overload() { known } else { configured };
            sum.amps - sum.outlets.1 - other[phase]
        };
        // Of equal ones the first.
        let most = (0..3)
            .rev()
            .max_by(|one, other| of(*one).total_cmp(&of(*other)));
        let Some(phase) = most.filter(|phase| of(*phase) > SLIGHT_A) else {
            self.0.remove(&node);
            return;
        };
        let before = self.0.get(&node);
        let surplus = Surplus {
            phase,
            amps: of(phase),
            since_ms: before.map_or(at_ms, |it| it.since_ms),
            last_ms: at_ms,
            is_overload: sums[phase].is_overload(),
        };
        self.0.insert(node, surplus);
    }

    /// Those that somebody should know of, by node, as far as meters told lately.
    pub(super) fn told(
        &self,
        now_ms: i64,
        fresh_ms: i64,
    ) -> impl Iterator<Item = (usize, &Surplus)> {
        let told = move |(_, it): &(&usize, &Surplus)| {
            let lasts = it.is_overload || it.last_ms - it.since_ms >= LASTS_MS;
            lasts && now_ms - it.last_ms <= fresh_ms
        };
        let all = self.0.iter().filter(told);
        all.map(|(node, surplus)| (*node, surplus))
    }

    /// The plan is another: nodes may be others.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(amps: f64, told: f64, limit: f64) -> [Sum; 3] {
        let sum = |amps| Sum {
            amps,
            outlets: (told, told),
            limit,
            sharing: 2,
        };
        [sum(told), sum(amps), sum(told)]
    }

    #[test]
    fn a_surplus_is_told_of_once_it_lasts_or_at_once_where_too_much_flows() {
        let mut surpluses = Surpluses::default();
        let mut told = |second: i64, sums: [Sum; 3]| {
            surpluses.see(0, &sums, [10.0; 3], [5.0; 3], second * 1_000);
            let told = surpluses.told(second * 1_000 + 500, 60_000).next();
            told.map(|(_, it)| (it.phase, it.amps))
        };
        assert_eq!(told(0, sums(40.0, 20.0, 60.0)), None);
        assert_eq!(told(9, sums(42.0, 20.0, 60.0)), None);
        assert_eq!(told(30, sums(42.0, 20.0, 60.0)), Some((1, 12.0)));
        assert_eq!(told(60, sums(31.0, 20.0, 60.0)), None, "as was planned for");
        assert_eq!(told(90, sums(62.0, 54.0, 60.0)), Some((1, 3.0)));
        assert_eq!(told(120, sums(62.0, 58.0, 60.0)), None, "as is known");
        assert_eq!(told(121, sums(62.0, 20.0, 60.0)), Some((1, 37.0)));
        let old = surpluses.told(182_000, 60_000).next();
        assert_eq!(old, None, "the meter is silent");
    }
}
