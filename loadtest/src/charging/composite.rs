//! GetCompositeSchedule: what an EVSE, or the station, may take over time; second by second, plainly.

use super::allowed::{self, Transaction};
use super::{Build, Charging, CompositeRequest, Installed, Period};
use crate::faults::RateUnit;

/// The longest schedule that is given, in seconds: a day.
const LONGEST_S: i64 = 86_400;

/// The composite schedule of an EVSE from `from_ms` on. EVSE 0 is what all EVSEs together may take. Watts or amperes a phase.
pub(crate) fn composite(
    charging: Option<&Charging>,
    build: Build<'_>,
    transactions: &[Option<Transaction<'_>>],
    request: &CompositeRequest,
    from_ms: i64,
) -> Vec<Period> {
    let installed = charging.map_or(&[] as &[Installed], |it| &it.installed);
    let one = |number: u32, at_ms: i64| {
        let transaction = (transactions.get(number as usize - 1)).and_then(Option::as_ref);
        let limit = allowed::at(installed, build.evse, number, transaction, 1, at_ms);
        let phases = limit.map_or(build.evse.phases, |it| it.phases.min(build.evse.phases));
        let amps = limit.map_or(build.evse.amps, |it| it.amps.clamp(0.0, build.evse.amps));
        (amps, phases)
    };
    let at = |second: i64| {
        let at_ms = from_ms + 1_000 * second;
        let (amps, phases) = if request.evse == 0 {
            let sum: f64 = (1..=build.evses).map(|number| one(number, at_ms).0).sum();
            let most = allowed::station_at(installed, build.evse, at_ms);
            (
                most.map_or(sum, |most| sum.min(most.amps)),
                build.evse.phases,
            )
        } else {
            one(request.evse, at_ms)
        };
        let limit = match request.unit {
            RateUnit::Amperes => amps,
            RateUnit::Watts => amps * build.evse.volts * f64::from(phases),
        };
        Period {
            start_s: second,
            limit,
            phases: Some(phases),
        }
    };
    let mut periods: Vec<Period> = Vec::new();
    for second in 0..request.duration_s.clamp(1, LONGEST_S) {
        let next = at(second);
        let same = |last: &Period| last.limit == next.limit && last.phases == next.phases;
        if !periods.last().is_some_and(same) {
            periods.push(next);
        }
    }
    periods
}
