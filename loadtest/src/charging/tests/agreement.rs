//! Random profiles: the charger and the central system, which each have a calculation of their own, must agree.

use power::composite as theirs;
use proptest::prelude::*;

use super::*;

/// A profile at its EVSE, such as a central system may set; times in whole seconds around T.
fn installed() -> impl Strategy<Value = Installed> {
    let place = prop_oneof![
        Just((Purpose::StationMax, 0)),
        Just((Purpose::TxDefault, 0)),
        Just((Purpose::TxDefault, 1)),
        Just((Purpose::TxDefault, 2)),
        Just((Purpose::Tx, 1)),
    ];
    let kind = prop_oneof![
        Just(Kind::Absolute),
        Just(Kind::Daily),
        Just(Kind::Weekly),
        Just(Kind::Relative)
    ];
    let around = || -400_i64..400;
    let days = prop_oneof![3 => Just(0_i64), 1 => -15_i64..2];
    let starts = (
        prop::option::of(around()),
        prop::option::of(around()),
        around(),
        days,
    );
    let period = (1_i64..200, 0_u32..400, prop::option::of(1_u8..=3));
    let schedule = (
        prop::option::of(1_i64..500),
        any::<bool>(),
        prop::collection::vec(period, 1..5),
    );
    (place, kind, 0_i64..4, starts, schedule).prop_map(
        |((purpose, evse), kind, stack_level, (from, to, start, days), schedule)| {
            let (duration_s, in_watts, steps) = schedule;
            // The station's maximum is never relative.
            let kind = match (purpose, kind) {
                (Purpose::StationMax, Kind::Relative) => Kind::Absolute,
                (_, kind) => kind,
            };
            let ms = |seconds: i64| T + 1_000 * seconds;
            let mut second = 0;
            let periods = (steps.into_iter().enumerate())
                .map(|(index, (gap, tenths, phases))| {
                    second += if index == 0 { 0 } else { gap };
                    let amps = f64::from(tenths) / 10.0;
                    Period {
                        start_s: second,
                        limit: if in_watts { amps * 690.0 } else { amps },
                        phases,
                    }
                })
                .collect();
            Installed {
                evse,
                session: (purpose == Purpose::Tx).then_some(RUNNING.session),
                suspended: false,
                profile: ChargingProfile {
                    id: 0,
                    stack_level,
                    purpose,
                    kind,
                    valid_from_ms: from.map(ms),
                    valid_to_ms: to.map(ms),
                    max_offline_s: None,
                    invalid_after_offline: false,
                    transaction: None,
                    start_ms: (kind != Kind::Relative).then(|| ms(start + 86_400 * days)),
                    duration_s,
                    unit: if in_watts {
                        RateUnit::Watts
                    } else {
                        RateUnit::Amperes
                    },
                    periods,
                },
            }
        },
    )
}

/// The same profile, as the central system keeps it.
fn as_theirs(it: &Installed) -> theirs::Profile {
    let profile = &it.profile;
    theirs::Profile {
        evse: it.evse,
        purpose: match profile.purpose {
            Purpose::StationMax => theirs::Purpose::StationMax,
            Purpose::External => theirs::Purpose::External,
            Purpose::TxDefault => theirs::Purpose::TxDefault,
            Purpose::Tx => theirs::Purpose::Tx,
        },
        stack_level: profile.stack_level as u32,
        kind: match profile.kind {
            Kind::Absolute => theirs::Kind::Absolute,
            Kind::Daily => theirs::Kind::Daily,
            Kind::Weekly => theirs::Kind::Weekly,
            Kind::Relative => theirs::Kind::Relative,
        },
        valid_from_ms: profile.valid_from_ms,
        valid_to_ms: profile.valid_to_ms,
        start_ms: profile.start_ms,
        duration_s: profile.duration_s,
        unit: match profile.unit {
            RateUnit::Amperes => theirs::Unit::A,
            RateUnit::Watts => theirs::Unit::W,
        },
        periods: (profile.periods.iter())
            .map(|it| theirs::Period {
                start_s: it.start_s,
                limit: it.limit,
                phases: it.phases,
            })
            .collect(),
        transaction: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_charger_and_the_central_system_agree_on_what_profiles_allow(
        mut profiles in prop::collection::vec(installed(), 0..8),
        runs in any::<bool>(),
    ) {
        // Two of one place and level cannot be there at once.
        let mut places = Vec::new();
        profiles.retain(|it| {
            let place = (it.evse, it.profile.purpose, it.profile.stack_level);
            let is_new = !places.contains(&place);
            places.push(place);
            is_new
        });
        let evse = Evse::default();
        let faults = Faults::default();
        let build = Build { version: Version::V16, evse: &evse, evses: 2, faults: &faults };
        let running = runs.then_some(RUNNING);
        if !runs {
            profiles.retain(|it| it.profile.purpose != Purpose::Tx);
        }
        let same: Vec<_> = profiles.iter().map(as_theirs).collect();
        let charging = Charging { installed: profiles, ..Charging::default() };
        let situation = theirs::Situation {
            evse: 1,
            transaction: running.map(|it| (it.id.unwrap_or_default().to_owned(), it.began_ms)),
            phase_v: evse.volts,
            phases: evse.phases,
        };
        let (from_ms, seconds) = (T - 300_000, 600);
        for unit in [RateUnit::Amperes, RateUnit::Watts] {
            let request = CompositeRequest { evse: 1, duration_s: seconds, unit };
            let ours = composite(Some(&charging), build, &[running, None], &request, from_ms);
            let (their_unit, most) = match unit {
                RateUnit::Amperes => (theirs::Unit::A, evse.amps),
                RateUnit::Watts => (theirs::Unit::W, f64::INFINITY),
            };
            let to_ms = from_ms + 1_000 * seconds;
            let parts = theirs::composite(&same, &situation, their_unit, from_ms, to_ms);
            for second in 0..seconds {
                let at_ms = from_ms + 1_000 * second;
                let our = ours.iter().rfind(|it| it.start_s <= second).expect("the first begins at 0");
                let their = parts.iter().rfind(|it| it.from_ms <= at_ms).expect("the first begins at once");
                // Only the charger knows what it can take at most.
                let phases = f64::from(their.phases);
                let built = if unit == RateUnit::Watts { evse.amps * evse.volts * phases } else { most };
                let their_limit = their.limit.map_or(built, |limit| limit.min(built));
                prop_assert!(
                    (our.limit - their_limit).abs() < 1e-6,
                    "at second {}: the charger says {}, the central system {} {:?}", second, our.limit, their_limit, unit
                );
                prop_assert_eq!(our.phases, Some(their.phases));
            }
        }
    }
}
