//! Composite schedules: the rules by example, and against a second reading of the rules, minute by minute.

use power::composite::{Kind, Part, Period, Profile, Purpose, Situation, Unit, composite};
use proptest::prelude::*;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

fn profile(purpose: Purpose, stack_level: u32, limits: &[(i64, f64)]) -> Profile {
    Profile {
        evse: u32::from(purpose != Purpose::StationMax),
        purpose,
        stack_level,
        kind: Kind::Absolute,
        valid_from_ms: None,
        valid_to_ms: None,
        start_ms: Some(0),
        duration_s: None,
        unit: Unit::A,
        periods: (limits.iter())
            .map(|&(minute, limit)| Period {
                start_s: 60 * minute,
                limit,
                phases: None,
            })
            .collect(),
        transaction: None,
    }
}

fn charging() -> Situation {
    Situation {
        evse: 1,
        transaction: Some(("T1".into(), 0)),
        phase_v: 230.0,
        phases: 3,
    }
}

/// The limits of the first hour, by the minute they begin.
fn hour(profiles: &[Profile], situation: &Situation) -> Vec<(i64, Option<f64>)> {
    (composite(profiles, situation, Unit::A, 0, 60 * MINUTE_MS).iter())
        .map(|part| (part.from_ms / MINUTE_MS, part.limit))
        .collect()
}

#[test]
fn a_lease_that_ends_uncovers_the_floor() {
    let floor = profile(Purpose::TxDefault, 0, &[(0, 6.0)]);
    let mut lease = profile(Purpose::Tx, 1, &[(0, 20.0)]);
    lease.valid_to_ms = Some(10 * MINUTE_MS);
    assert_eq!(
        hour(&[floor, lease], &charging()),
        [(0, Some(20.0)), (10, Some(6.0))]
    );
}

#[test]
fn the_highest_level_with_a_period_now_holds_and_of_purposes_the_least() {
    let low = profile(Purpose::Tx, 0, &[(0, 10.0)]);
    let mut high = profile(Purpose::Tx, 5, &[(0, 32.0)]);
    (high.start_ms, high.duration_s) = (Some(10 * MINUTE_MS), Some(600));
    let station = profile(Purpose::StationMax, 0, &[(0, 25.0), (15, 16.0)]);
    assert_eq!(
        hour(&[low, high, station], &charging()),
        [
            (0, Some(10.0)),
            (10, Some(25.0)),
            (15, Some(16.0)),
            (20, Some(10.0))
        ]
    );
}

#[test]
fn a_tx_profile_replaces_the_default_even_where_it_allows_more() {
    let default = profile(Purpose::TxDefault, 9, &[(0, 6.0)]);
    let tx = profile(Purpose::Tx, 0, &[(0, 32.0)]);
    assert_eq!(
        hour(&[default.clone(), tx.clone()], &charging()),
        [(0, Some(32.0))]
    );
    let idle = Situation {
        transaction: None,
        ..charging()
    };
    assert_eq!(
        hour(&[default.clone(), tx.clone()], &idle),
        [(0, Some(6.0))]
    );
    let other = Profile {
        transaction: Some("T2".into()),
        ..tx
    };
    assert_eq!(hour(&[default, other], &charging()), [(0, Some(6.0))]);
}

#[test]
fn relative_begins_with_the_transaction_daily_every_day() {
    let relative = Profile {
        kind: Kind::Relative,
        ..profile(Purpose::Tx, 0, &[(0, 16.0), (10, 8.0)])
    };
    let late = Situation {
        transaction: Some(("T1".into(), 20 * MINUTE_MS)),
        ..charging()
    };
    assert_eq!(
        hour(&[relative], &late),
        [(0, None), (20, Some(16.0)), (30, Some(8.0))]
    );

    let daily = Profile {
        kind: Kind::Daily,
        start_ms: Some(30 * MINUTE_MS - 3 * DAY_MS),
        duration_s: Some(600),
        ..profile(Purpose::TxDefault, 0, &[(0, 10.0)])
    };
    assert_eq!(
        hour(&[daily], &charging()),
        [(0, None), (30, Some(10.0)), (40, None)]
    );
}

#[test]
fn a_station_maximum_is_the_stations_and_never_relative() {
    let mut max = profile(Purpose::StationMax, 0, &[(0, 10.0)]);
    max.evse = 1;
    assert_eq!(hour(&[max.clone()], &charging()), [(0, None)]);
    (max.evse, max.kind) = (0, Kind::Relative);
    assert_eq!(hour(&[max], &charging()), [(0, None)]);
}

#[test]
fn watts_are_of_as_many_phases_as_all_leave() {
    let mut tx = profile(Purpose::Tx, 0, &[(0, 6_900.0)]);
    tx.unit = Unit::W;
    assert_eq!(hour(&[tx.clone()], &charging()), [(0, Some(10.0))]);
    let mut max = profile(Purpose::StationMax, 0, &[(0, 40.0)]);
    max.periods[0].phases = Some(1);
    assert_eq!(hour(&[tx, max], &charging()), [(0, Some(30.0))]);
}

fn any_profile() -> impl Strategy<Value = Profile> {
    let purpose = prop_oneof![
        Just(Purpose::StationMax),
        Just(Purpose::External),
        Just(Purpose::TxDefault),
        Just(Purpose::Tx)
    ];
    let kind = prop_oneof![
        Just(Kind::Absolute),
        Just(Kind::Daily),
        Just(Kind::Weekly),
        Just(Kind::Relative)
    ];
    let minute = || proptest::option::of((-2_000..2_000_i64).prop_map(|m| m * MINUTE_MS));
    let periods =
        proptest::collection::btree_map(1..300_i64, (0..40, proptest::option::of(1..=3_u8)), 0..4);
    let first = (0..40, proptest::option::of(1..=3_u8));
    (
        (0..3_u32, purpose, 0..4_u32, kind, any::<bool>()),
        (
            minute(),
            minute(),
            minute(),
            proptest::option::of(1..1_500_i64),
        ),
        (first, periods),
    )
        .prop_map(
            |(
                (evse, purpose, stack_level, kind, watts),
                (from, to, start, lasts),
                (first, rest),
            )| {
                let all = std::iter::once((0, first)).chain(rest);
                Profile {
                    evse,
                    purpose,
                    stack_level,
                    kind,
                    valid_from_ms: from,
                    valid_to_ms: to,
                    start_ms: start,
                    duration_s: lasts.map(|minutes| 60 * minutes),
                    unit: if watts { Unit::W } else { Unit::A },
                    periods: all
                        .map(|(minute, (limit, phases))| Period {
                            start_s: 60 * minute,
                            limit: f64::from(limit) * if watts { 690.0 } else { 1.0 },
                            phases,
                        })
                        .collect(),
                    transaction: (stack_level == 3).then(|| "T2".into()),
                }
            },
        )
}

/// The rules once more, by elimination: which profiles hold in a minute.
fn holding<'a>(
    profiles: &'a [Profile],
    it: &Situation,
    at_ms: i64,
) -> Vec<(&'a Profile, &'a Period)> {
    let mut active: Vec<(&Profile, &Period)> = Vec::new();
    for profile in profiles {
        let transaction = it.transaction.as_ref();
        let start_ms = match profile.kind {
            Kind::Relative => transaction.map(|t| t.1),
            Kind::Absolute => profile.start_ms.or(transaction.map(|t| t.1)),
            Kind::Daily | Kind::Weekly => profile.start_ms,
        };
        let days = if profile.kind == Kind::Daily { 1 } else { 7 };
        let mut begin_ms = match start_ms {
            Some(start_ms) if start_ms <= at_ms => start_ms,
            _ => continue,
        };
        while matches!(profile.kind, Kind::Daily | Kind::Weekly)
            && begin_ms + days * DAY_MS <= at_ms
        {
            begin_ms += days * DAY_MS;
        }
        let runs = profile
            .duration_s
            .is_none_or(|s| at_ms < begin_ms + s * 1_000);
        let valid = profile.valid_from_ms.is_none_or(|from| from <= at_ms)
            && profile.valid_to_ms.is_none_or(|to| at_ms < to);
        let mine = match profile.purpose {
            Purpose::StationMax => profile.evse == 0 && profile.kind != Kind::Relative,
            Purpose::Tx => {
                profile.evse == it.evse
                    && transaction
                        .is_some_and(|t| profile.transaction.as_ref().is_none_or(|id| *id == t.0))
            }
            _ => profile.evse == 0 || profile.evse == it.evse,
        };
        if runs && valid && mine {
            let period = profile
                .periods
                .iter()
                .rfind(|p| begin_ms + p.start_s * 1_000 <= at_ms);
            active.extend(period.map(|period| (profile, period)));
        }
    }
    let all = active.clone();
    active.retain(|(profile, _)| {
        let stands = |other: &Profile| match profile.purpose {
            Purpose::TxDefault => {
                other.purpose != Purpose::Tx
                    && !(profile.evse == 0
                        && other.purpose == Purpose::TxDefault
                        && other.evse != 0)
            }
            _ => true,
        };
        let below = |other: &Profile| {
            other.purpose == profile.purpose
                && other.evse == profile.evse
                && other.stack_level > profile.stack_level
        };
        all.iter().all(|(other, _)| stands(other) && !below(other))
    });
    active
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_minute_is_as_the_rules_say(
        mut profiles in proptest::collection::vec(any_profile(), 0..7),
        transaction in proptest::option::of(-500..500_i64),
        phases in 1..=3_u8,
        from in -500..500_i64,
    ) {
        // Of two with the same purpose, EVSE and level a station keeps the later.
        let key = |p: &Profile| (p.evse, p.purpose, p.stack_level);
        let mut seen = std::collections::HashSet::new();
        profiles.retain(|p| seen.insert(key(p)));
        let situation = Situation {
            evse: 1,
            transaction: transaction.map(|minute| ("T1".to_owned(), minute * MINUTE_MS)),
            phase_v: 230.0,
            phases,
        };
        let (from_ms, to_ms) = (from * MINUTE_MS, (from + 2_000) * MINUTE_MS);
        let parts = composite(&profiles, &situation, Unit::A, from_ms, to_ms);
        prop_assert_eq!(parts[0].from_ms, from_ms);
        for minute in (from..from + 2_000).step_by(7) {
            let at_ms = minute * MINUTE_MS;
            let part: &Part = parts.iter().rev().find(|part| part.from_ms <= at_ms).unwrap();
            let holding = holding(&profiles, &situation, at_ms);
            let used = holding.iter().map(|(_, p)| p.phases.unwrap_or(3)).fold(phases, u8::min);
            let limit = (holding.iter())
                .map(|(it, p)| if it.unit == Unit::W { p.limit / 230.0 / f64::from(used) } else { p.limit })
                .reduce(f64::min);
            prop_assert_eq!(part.phases, used);
            match (part.limit, limit) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-9, "{a} {b} at {minute}"),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}
