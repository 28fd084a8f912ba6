//! What a charger refuses, and what it replaces.

use super::*;

#[test]
fn what_the_specification_forbids_is_refused() {
    let wrong: [(&str, u32, ChargingProfile); 12] = [
        ("InvalidProfile", 0, profile(1, Purpose::External, 0, 9.0)),
        ("InvalidProfile", 1, profile(1, Purpose::StationMax, 0, 9.0)),
        ("InvalidProfile", 0, profile(1, Purpose::Tx, 0, 9.0)),
        (
            "InvalidProfile",
            0,
            ChargingProfile {
                kind: Kind::Relative,
                start_ms: None,
                ..profile(1, Purpose::StationMax, 0, 9.0)
            },
        ),
        ("UnknownEVSE", 3, profile(1, Purpose::TxDefault, 0, 9.0)),
        (
            "InvalidStackLevel",
            1,
            profile(1, Purpose::TxDefault, 100, 9.0),
        ),
        (
            "InvalidSchedule",
            1,
            ChargingProfile {
                periods: periods(&[(5, 9.0)]),
                ..profile(1, Purpose::TxDefault, 0, 0.0)
            },
        ),
        (
            "InvalidSchedule",
            1,
            ChargingProfile {
                periods: Vec::new(),
                ..profile(1, Purpose::TxDefault, 0, 0.0)
            },
        ),
        (
            "InvalidSchedule",
            1,
            ChargingProfile {
                periods: periods(&[(0, 9.0), (0, 7.0)]),
                ..profile(1, Purpose::TxDefault, 0, 0.0)
            },
        ),
        (
            "InvalidSchedule",
            1,
            ChargingProfile {
                kind: Kind::Daily,
                start_ms: None,
                ..profile(1, Purpose::TxDefault, 0, 9.0)
            },
        ),
        (
            "InvalidSchedule",
            1,
            profile(1, Purpose::TxDefault, 0, -1.0),
        ),
        (
            "TxNotFound",
            1,
            ChargingProfile {
                transaction: Some("another".into()),
                ..profile(1, Purpose::Tx, 0, 9.0)
            },
        ),
    ];
    for version in Version::ALL {
        for (reason, evse, profile) in &wrong {
            let mut bench = Bench::new(version, "");
            let outcome = bench.set(*evse, profile.clone());
            assert_eq!(outcome, Err(Refusal(reason)), "{version} {profile:?}");
            assert!(bench.charging.is_empty());
        }
        let mut bench = Bench::new(version, "");
        let idle = bench.set_at(1, profile(1, Purpose::Tx, 0, 9.0), None, T);
        assert_eq!(idle, Err(Refusal("TxNotFound")), "no transaction runs");
    }
}

#[test]
fn a_profile_of_the_same_place_is_replaced_in_1_6_and_refused_in_2_x() {
    let mut bench = Bench::new(Version::V16, "");
    bench.takes(1, profile(1, Purpose::TxDefault, 0, 9.0));
    bench.takes(1, profile(2, Purpose::TxDefault, 0, 7.0));
    assert_eq!(
        (bench.amps(0), bench.charging.installed.len()),
        (Some(7.0), 1)
    );

    let mut bench = Bench::new(Version::V201, "");
    bench.takes(1, profile(1, Purpose::TxDefault, 0, 9.0));
    let duplicate = Err(Refusal("DuplicateProfile"));
    assert_eq!(
        bench.set(1, profile(2, Purpose::TxDefault, 0, 7.0)),
        duplicate
    );
    assert_eq!(
        bench.set(0, profile(2, Purpose::TxDefault, 0, 7.0)),
        duplicate
    );
    bench.takes(1, profile(1, Purpose::TxDefault, 0, 8.0));
    bench.takes(2, profile(2, Purpose::TxDefault, 0, 7.0));
    assert_eq!(bench.amps(0), Some(8.0));
    // Valid at another time, so never both at once.
    let mut first = profile(3, Purpose::TxDefault, 4, 20.0);
    first.valid_to_ms = Some(T + 10_000);
    let mut second = profile(4, Purpose::TxDefault, 4, 18.0);
    second.valid_from_ms = Some(T + 10_000);
    bench.takes(1, first);
    bench.takes(1, second);
    assert_eq!((bench.amps(9), bench.amps(10)), (Some(20.0), Some(18.0)));
}

#[test]
fn a_charger_keeps_so_many_profiles_and_no_more() {
    let mut bench = Bench::new(Version::V16, "");
    for level in 0..MOST_PROFILES as i64 {
        bench.takes(1, profile(level, Purpose::TxDefault, level, 9.0));
    }
    let refused = bench.set(1, profile(90, Purpose::TxDefault, 90, 9.0));
    assert_eq!(refused, Err(Refusal("TooManyProfiles")));
    bench.takes(1, profile(91, Purpose::TxDefault, 5, 9.0));
}

#[test]
fn units_a_charger_does_not_take_are_refused() {
    let watts = ChargingProfile {
        unit: RateUnit::Watts,
        ..profile(1, Purpose::TxDefault, 0, 5_000.0)
    };
    let amperes = profile(1, Purpose::TxDefault, 0, 9.0);
    let refused = Err(Refusal("UnsupportedRateUnit"));
    let mut bench = Bench::new(Version::V201, "only-amperes");
    assert_eq!(bench.set(1, watts.clone()), refused);
    assert_eq!(bench.set(1, amperes.clone()), Ok(()));
    let mut bench = Bench::new(Version::V201, "only-watts");
    assert_eq!(bench.set(1, amperes.clone()), refused);
    assert_eq!(bench.set(1, watts.clone()), Ok(()));
    let mut bench = Bench::new(Version::V201, "");
    bench.evse.dc = true;
    assert_eq!(bench.set(1, amperes), refused);
    assert_eq!(bench.set(1, watts), Ok(()));
}
