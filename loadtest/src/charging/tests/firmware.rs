//! Firmware that does not do what it says.

use super::*;

#[test]
fn sessions_share_what_the_station_may_take_but_for_the_fault_that_gives_it_to_each() {
    for (faults, share) in [("", 8.0), ("each-connector", 16.0)] {
        let mut bench = Bench::new(Version::V16, faults);
        bench.takes(0, profile(1, Purpose::StationMax, 0, 16.0));
        assert_eq!(bench.shared(2, 0), Some(share), "{faults}");
    }
}

#[test]
fn firmware_that_is_slow_obeys_later_and_one_that_ignores_never() {
    let mut bench = Bench::new(Version::V16, "delays-30s");
    bench.takes(1, profile(1, Purpose::Tx, 0, 9.0));
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
    bench.takes(1, profile(1, Purpose::Tx, 0, 9.0));
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
        bench.takes(1, profile(1, Purpose::TxDefault, 0, 6.0));
        bench.takes(1, grant);
        bench.charging.offline(T + 10_000);
        assert_eq!(bench.amps(3_600), offline, "{faults}");
        bench.online(3_600);
        assert_eq!(bench.amps(3_601), Some(6.0), "{faults}");
    }
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
