//! Charging profiles against known answers.

mod agreement;
mod firmware;
mod refused;

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

    /// It takes the profile, in the place of one of the same place or id.
    fn takes(&mut self, evse: u32, profile: ChargingProfile) {
        self.set(evse, profile).expect("it takes the profile");
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
        let build = build(self.version, &self.evse, &self.faults);
        let outcome = self.charging.set(build, evse, profile, running, now_ms);
        self.charging.settle(build, now_ms);
        outcome
    }

    /// The amperes that EVSE 1 may take so many seconds later.
    fn amps(&mut self, after_s: i64) -> Option<f64> {
        self.shared(1, after_s)
    }

    fn shared(&mut self, sharing: u32, after_s: i64) -> Option<f64> {
        let build = build(self.version, &self.evse, &self.faults);
        let now_ms = T + 1_000 * after_s;
        self.charging.settle(build, now_ms);
        let limit = self
            .charging
            .limit(build, 1, Some(&RUNNING), sharing, now_ms);
        limit.map(|limit| limit.amps)
    }

    fn online(&mut self, after_s: i64) {
        let build = build(self.version, &self.evse, &self.faults);
        self.charging.online(build, T + 1_000 * after_s);
    }

    fn clear(&mut self, which: Clear) -> bool {
        let build = build(self.version, &self.evse, &self.faults);
        self.charging.clear(build, which, T)
    }
}

fn build<'a>(version: Version, evse: &'a Evse, faults: &'a Faults) -> Build<'a> {
    Build {
        version,
        evse,
        evses: 2,
        faults,
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
        max_offline_s: None,
        invalid_after_offline: false,
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
    for version in Version::ALL {
        let mut bench = Bench::new(version, "");
        assert_eq!(bench.amps(0), None);
        let grant = ChargingProfile {
            valid_to_ms: Some(T + 45_000),
            ..profile(2, Purpose::Tx, 1, 20.0)
        };
        bench.takes(1, profile(1, Purpose::TxDefault, 0, 6.0));
        bench.takes(1, grant);
        assert_eq!(bench.amps(44), Some(20.0), "{version}");
        assert_eq!(bench.amps(45), Some(6.0), "{version}");
        // And it never comes back.
        assert_eq!(bench.charging.installed.len(), 1);
    }
}

#[test]
fn a_2_1_grant_holds_offline_as_long_as_it_says_and_comes_back_unless_it_is_gone_for_good() {
    for (version, for_good, offline, back) in [
        (Version::V201, true, 20.0, 20.0),
        (Version::V21, false, 6.0, 20.0),
        (Version::V21, true, 6.0, 6.0),
    ] {
        let mut bench = Bench::new(version, "");
        let grant = ChargingProfile {
            valid_to_ms: Some(T + 45_000),
            max_offline_s: Some(15),
            invalid_after_offline: for_good,
            ..profile(2, Purpose::Tx, 1, 20.0)
        };
        bench.takes(1, profile(1, Purpose::TxDefault, 0, 6.0));
        bench.takes(1, grant);
        bench.charging.offline(T + 5_000);
        assert_eq!(bench.amps(19), Some(20.0), "{version}");
        assert_eq!(bench.amps(20), Some(offline), "{version}");
        bench.online(30);
        assert_eq!(bench.amps(30), Some(back), "{version}");
        assert_eq!(bench.amps(45), Some(6.0), "{version}");
    }
}

#[test]
fn a_socket_that_is_soon_back_changes_no_grant() {
    let mut bench = Bench::new(Version::V21, "");
    let grant = ChargingProfile {
        max_offline_s: Some(15),
        invalid_after_offline: true,
        ..profile(2, Purpose::Tx, 1, 20.0)
    };
    bench.takes(1, grant);
    for second in [0, 14, 28] {
        bench.charging.offline(T + 1_000 * second);
        bench.online(second + 14);
        assert_eq!(bench.amps(second + 14), Some(20.0));
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
    bench.takes(0, profile(1, Purpose::TxDefault, 1, 10.0));
    bench.takes(0, soon);
    bench.takes(0, profile(3, Purpose::StationMax, 0, 16.0));
    for (second, amps) in [(0, 10.0), (99, 10.0), (100, 16.0), (149, 16.0), (150, 10.0)] {
        assert_eq!(bench.amps(second), Some(amps), "at {second} s");
    }
    // A TxProfile stands in for the default, even if it allows more.
    bench.takes(1, profile(4, Purpose::Tx, 0, 14.0));
    assert_eq!(bench.amps(0), Some(14.0));
    // The default of an EVSE stands in for that of the station.
    bench.charging.session_ended(7);
    bench.takes(1, profile(5, Purpose::TxDefault, 0, 7.0));
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
    bench.takes(1, relative);
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
    bench.takes(1, daily);
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
    bench.takes(1, watts(None));
    assert_eq!(bench.amps(0), Some(10.0));
    bench.takes(1, watts(Some(1)));
    assert_eq!(bench.amps(0), Some(30.0));
}

#[test]
fn clearing_takes_what_it_means_and_says_whether_there_was_any() {
    let mut bench = Bench::new(Version::V201, "");
    bench.takes(1, profile(1, Purpose::TxDefault, 0, 9.0));
    bench.takes(1, profile(2, Purpose::TxDefault, 1, 8.0));
    bench.takes(1, profile(3, Purpose::Tx, 1, 7.0));
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
    bench.takes(1, profile(1, Purpose::Tx, 0, 9.0));
    bench.charging.session_ended(6);
    assert_eq!(bench.amps(0), Some(9.0), "another session's end");
    bench.charging.session_ended(7);
    assert!(bench.charging.is_empty());
}
