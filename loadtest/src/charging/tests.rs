//! Charging profiles against known answers.

mod agreement;

use super::*;

/// When all tests take place: a whole second.
const T: i64 = 1_800_000_000_000;

/// A charger of two EVSEs.
struct Bench {
    version: Version,
    evse: Evse,
    faults: Faults,
    charging: Charging,
}

impl Bench {
    fn new(version: Version, faults: &str) -> Self {
        Self {
            version,
            evse: Evse::default(),
            faults: faults.parse().expect("known faults"),
            charging: Charging::default(),
        }
    }

    fn set(&mut self, evse: u32, profile: ChargingProfile) -> Result<(), Refusal> {
        self.set_at(evse, profile, Some(&RUNNING), T)
    }

    fn set_at(
        &mut self,
        evse: u32,
        profile: ChargingProfile,
        running: Option<&Transaction<'_>>,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        let build = Build {
            version: self.version,
            evse: &self.evse,
            evses: 2,
            faults: &self.faults,
        };
        let outcome = self.charging.set(build, evse, profile, running, now_ms);
        self.charging.settle(build, now_ms);
        outcome
    }

    /// The amperes that EVSE 1 may take so many seconds later.
    fn amps(&mut self, after_s: i64) -> Option<f64> {
        self.shared(1, after_s)
    }

    fn shared(&mut self, sharing: u32, after_s: i64) -> Option<f64> {
        let build = Build {
            version: self.version,
            evse: &self.evse,
            evses: 2,
            faults: &self.faults,
        };
        let now_ms = T + 1_000 * after_s;
        self.charging.settle(build, now_ms);
        let limit = self
            .charging
            .limit(build, 1, Some(&RUNNING), sharing, now_ms);
        limit.map(|limit| limit.amps)
    }

    fn clear(&mut self, which: Clear) -> bool {
        let build = Build {
            version: self.version,
            evse: &self.evse,
            evses: 2,
            faults: &self.faults,
        };
        self.charging.clear(build, which, T)
    }
}

/// A transaction that began a minute ago.
const RUNNING: Transaction<'static> = Transaction {
    session: 7,
    id: Some("4711"),
    began_ms: T - 60_000,
};

/// So many amperes from now on.
fn profile(id: i64, purpose: Purpose, stack_level: i64, limit: f64) -> ChargingProfile {
    ChargingProfile {
        id,
        stack_level,
        purpose,
        kind: Kind::Absolute,
        valid_from_ms: None,
        valid_to_ms: None,
        transaction: (purpose == Purpose::Tx).then(|| "4711".to_owned()),
        start_ms: Some(T),
        duration_s: None,
        unit: RateUnit::Amperes,
        periods: periods(&[(0, limit)]),
    }
}

fn periods(all: &[(i64, f64)]) -> Vec<Period> {
    (all.iter())
        .map(|&(start_s, limit)| Period {
            start_s,
            limit,
            phases: None,
        })
        .collect()
}

#[test]
fn a_grant_holds_until_it_ends_then_the_floor_does() {
    for version in [Version::V16, Version::V201] {
        let mut bench = Bench::new(version, "");
        assert_eq!(bench.amps(0), None);
        let grant = ChargingProfile {
            valid_to_ms: Some(T + 45_000),
            ..profile(2, Purpose::Tx, 1, 20.0)
        };
        bench
            .set(1, profile(1, Purpose::TxDefault, 0, 6.0))
            .expect("a floor");
        bench.set(1, grant).expect("a grant");
        assert_eq!(bench.amps(44), Some(20.0), "{version}");
        assert_eq!(bench.amps(45), Some(6.0), "{version}");
        // And it never comes back.
        assert_eq!(bench.charging.installed.len(), 1);
    }
}

#[test]
fn the_highest_level_that_says_anything_now_holds_and_of_the_purposes_the_least() {
    let mut bench = Bench::new(Version::V201, "");
    let soon = ChargingProfile {
        start_ms: Some(T + 100_000),
        duration_s: Some(50),
        ..profile(2, Purpose::TxDefault, 5, 25.0)
    };
    bench
        .set(0, profile(1, Purpose::TxDefault, 1, 10.0))
        .expect("taken");
    bench.set(0, soon).expect("taken");
    bench
        .set(0, profile(3, Purpose::StationMax, 0, 16.0))
        .expect("taken");
    for (second, amps) in [(0, 10.0), (99, 10.0), (100, 16.0), (149, 16.0), (150, 10.0)] {
        assert_eq!(bench.amps(second), Some(amps), "at {second} s");
    }
    // A TxProfile stands in for the default, even if it allows more.
    bench
        .set(1, profile(4, Purpose::Tx, 0, 14.0))
        .expect("taken");
    assert_eq!(bench.amps(0), Some(14.0));
    // The default of an EVSE stands in for that of the station.
    bench.charging.session_ended(7);
    bench
        .set(1, profile(5, Purpose::TxDefault, 0, 7.0))
        .expect("taken");
    assert_eq!(bench.amps(120), Some(7.0));
}

#[test]
fn periods_of_relative_and_recurring_schedules_begin_with_the_transaction_and_every_day() {
    let mut bench = Bench::new(Version::V16, "");
    let relative = ChargingProfile {
        kind: Kind::Relative,
        start_ms: None,
        periods: periods(&[(0, 32.0), (120, 8.0)]),
        ..profile(1, Purpose::TxDefault, 0, 0.0)
    };
    bench.set(1, relative).expect("taken");
    // The transaction began a minute ago.
    assert_eq!((bench.amps(59), bench.amps(60)), (Some(32.0), Some(8.0)));

    let daily = ChargingProfile {
        kind: Kind::Daily,
        // Began ten days and an hour ago.
        start_ms: Some(T - 10 * 86_400_000 - 3_600_000),
        duration_s: Some(7_200),
        periods: periods(&[(0, 20.0), (3_600, 12.0)]),
        ..profile(2, Purpose::TxDefault, 3, 0.0)
    };
    bench.set(1, daily).expect("taken");
    for (second, amps) in [
        (-1, 20.0),
        (0, 12.0),
        (3_599, 12.0),
        (3_600, 8.0),
        (86_400, 12.0),
    ] {
        assert_eq!(bench.amps(second), Some(amps), "at {second} s");
    }
}

#[test]
fn watts_are_shared_by_the_phases_in_use() {
    let mut bench = Bench::new(Version::V16, "");
    let watts = |phases: Option<u8>| ChargingProfile {
        unit: RateUnit::Watts,
        periods: vec![Period {
            start_s: 0,
            limit: 6_900.0,
            phases,
        }],
        ..profile(1, Purpose::Tx, 0, 0.0)
    };
    bench.set(1, watts(None)).expect("taken");
    assert_eq!(bench.amps(0), Some(10.0));
    bench.set(1, watts(Some(1))).expect("taken");
    assert_eq!(bench.amps(0), Some(30.0));
}

#[test]
fn sessions_share_what_the_station_may_take_but_for_the_fault_that_gives_it_to_each() {
    for (faults, share) in [("", 8.0), ("each-connector", 16.0)] {
        let mut bench = Bench::new(Version::V16, faults);
        bench
            .set(0, profile(1, Purpose::StationMax, 0, 16.0))
            .expect("taken");
        assert_eq!(bench.shared(2, 0), Some(share), "{faults}");
    }
}

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
    for version in [Version::V16, Version::V201] {
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
    bench
        .set(1, profile(1, Purpose::TxDefault, 0, 9.0))
        .expect("taken");
    bench
        .set(1, profile(2, Purpose::TxDefault, 0, 7.0))
        .expect("replaces it");
    assert_eq!(
        (bench.amps(0), bench.charging.installed.len()),
        (Some(7.0), 1)
    );

    let mut bench = Bench::new(Version::V201, "");
    bench
        .set(1, profile(1, Purpose::TxDefault, 0, 9.0))
        .expect("taken");
    let duplicate = Err(Refusal("DuplicateProfile"));
    assert_eq!(
        bench.set(1, profile(2, Purpose::TxDefault, 0, 7.0)),
        duplicate
    );
    assert_eq!(
        bench.set(0, profile(2, Purpose::TxDefault, 0, 7.0)),
        duplicate
    );
    bench
        .set(1, profile(1, Purpose::TxDefault, 0, 8.0))
        .expect("the same id replaces");
    bench
        .set(2, profile(2, Purpose::TxDefault, 0, 7.0))
        .expect("another EVSE");
    assert_eq!(bench.amps(0), Some(8.0));
    // Valid at another time, so never both at once.
    let mut first = profile(3, Purpose::TxDefault, 4, 20.0);
    first.valid_to_ms = Some(T + 10_000);
    let mut second = profile(4, Purpose::TxDefault, 4, 18.0);
    second.valid_from_ms = Some(T + 10_000);
    bench.set(1, first).expect("taken");
    bench.set(1, second).expect("taken");
    assert_eq!((bench.amps(9), bench.amps(10)), (Some(20.0), Some(18.0)));
}

#[test]
fn a_charger_keeps_so_many_profiles_and_no_more() {
    let mut bench = Bench::new(Version::V16, "");
    for level in 0..MOST_PROFILES as i64 {
        bench
            .set(1, profile(level, Purpose::TxDefault, level, 9.0))
            .expect("taken");
    }
    let refused = bench.set(1, profile(90, Purpose::TxDefault, 90, 9.0));
    assert_eq!(refused, Err(Refusal("TooManyProfiles")));
    bench
        .set(1, profile(91, Purpose::TxDefault, 5, 9.0))
        .expect("takes another's place");
}

#[test]
fn clearing_takes_what_it_means_and_says_whether_there_was_any() {
    let mut bench = Bench::new(Version::V201, "");
    bench
        .set(1, profile(1, Purpose::TxDefault, 0, 9.0))
        .expect("taken");
    bench
        .set(1, profile(2, Purpose::TxDefault, 1, 8.0))
        .expect("taken");
    bench
        .set(1, profile(3, Purpose::Tx, 1, 7.0))
        .expect("taken");
    let by_id = |id| Clear {
        id: Some(id),
        ..Clear::default()
    };
    assert!(bench.clear(by_id(3)));
    assert!(!bench.clear(by_id(3)));
    assert_eq!(bench.amps(0), Some(8.0));
    let level = Clear {
        evse: Some(1),
        purpose: Some(Purpose::TxDefault),
        stack_level: Some(1),
        ..Clear::default()
    };
    assert!(bench.clear(level));
    assert_eq!(bench.amps(0), Some(9.0));
    assert!(bench.clear(Clear::default()));
    assert!(bench.charging.is_empty());
}

#[test]
fn a_tx_profile_goes_with_its_session() {
    let mut bench = Bench::new(Version::V201, "");
    bench
        .set(1, profile(1, Purpose::Tx, 0, 9.0))
        .expect("taken");
    bench.charging.session_ended(6);
    assert_eq!(bench.amps(0), Some(9.0), "another session's end");
    bench.charging.session_ended(7);
    assert!(bench.charging.is_empty());
}

#[test]
fn firmware_that_is_slow_obeys_later_and_one_that_ignores_never() {
    let mut bench = Bench::new(Version::V16, "delays-30s");
    bench
        .set(1, profile(1, Purpose::Tx, 0, 9.0))
        .expect("taken");
    assert_eq!((bench.amps(29), bench.amps(30)), (None, Some(9.0)));
    bench
        .set_at(
            1,
            profile(1, Purpose::Tx, 0, 20.0),
            Some(&RUNNING),
            T + 31_000,
        )
        .expect("taken");
    assert_eq!((bench.amps(60), bench.amps(61)), (Some(9.0), Some(20.0)));

    let mut bench = Bench::new(Version::V16, "ignores");
    bench
        .set(1, profile(1, Purpose::Tx, 0, 9.0))
        .expect("says so");
    assert_eq!(bench.amps(1_000), None);
    let mut bench = Bench::new(Version::V16, "rejects");
    assert!(bench.set(1, profile(1, Purpose::Tx, 0, 9.0)).is_err());
}

#[test]
fn firmware_that_keeps_its_last_profile_offline_lets_no_grant_end_there() {
    for (faults, offline) in [("keeps-offline", Some(20.0)), ("", Some(6.0))] {
        let mut bench = Bench::new(Version::V16, faults);
        let mut grant = profile(2, Purpose::Tx, 1, 20.0);
        grant.valid_to_ms = Some(T + 45_000);
        bench
            .set(1, profile(1, Purpose::TxDefault, 0, 6.0))
            .expect("a floor");
        bench.set(1, grant).expect("a grant");
        let (evse, kept) = (bench.evse, bench.faults);
        let build = Build {
            version: Version::V16,
            evse: &evse,
            evses: 2,
            faults: &kept,
        };
        bench.charging.offline(build, T + 10_000);
        assert_eq!(bench.amps(3_600), offline, "{faults}");
        bench.charging.online();
        assert_eq!(bench.amps(3_601), Some(6.0), "{faults}");
    }
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

#[test]
fn firmware_that_takes_any_tx_profile_gives_it_to_the_next_session() {
    let mut bench = Bench::new(Version::V16, "takes-any-tx");
    bench
        .set_at(1, profile(1, Purpose::Tx, 0, 9.0), None, T)
        .expect("taken");
    assert_eq!(bench.amps(0), None);
    bench.charging.session_began(1, 7);
    assert_eq!(bench.amps(0), Some(9.0));
}
