//! Whatever the site and whatever the cars: no limit is exceeded, whatever each car draws of its grant; nobody gets what
//! its outlet cannot be set to; fair shares are fair.

use power::{Ask, Grant, Limits, Method, Need, Rules, Steps, Term, allocate};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Case {
    limits: Limits,
    asks: Vec<Ask>,
    rules: Rules,
}

fn steps() -> impl Strategy<Value = Steps> {
    prop_oneof![
        Just(Steps::From(6.0)),
        Just(Steps::From(0.0)),
        Just(Steps::Only(vec![0.0, 8.0, 16.0, 24.0, 32.0])),
        Just(Steps::Only(
            (0..27)
                .map(|n| if n == 0 { 0.0 } else { f64::from(n) + 5.0 })
                .collect()
        )),
    ]
}

fn ask(outlet: usize) -> impl Strategy<Value = Ask> {
    let need = proptest::option::of((0.0..200.0, -2.0..12.0));
    let now = prop_oneof![Just(0.0), 6.0..32.0];
    let served = proptest::bool::weighted(0.2);
    (1.0..32.0, steps(), 0.5..3.0, need, served, now, 0.0..3.0).prop_map(
        move |(most_a, steps, weight, need, served, now_a, since_h)| Ask {
            outlet,
            least_a: 0.0,
            most_a,
            now_a: steps.at_most(now_a),
            steps,
            weight,
            need: need.map(|(ah, hours)| Need { ah, hours }),
            served,
            since_h,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    (1..12_usize).prop_flat_map(|outlets| {
        let term = (0..outlets, -1.0..1.0, 0..3).prop_map(|(outlet, factor, third)| {
            let angle = f64::from(third) * std::f64::consts::TAU / 3.0;
            Term {
                outlet,
                re: factor * angle.cos(),
                im: factor * angle.sin(),
            }
        });
        let limit = (0.0..80.0, proptest::collection::vec(term, 1..20));
        let limits = proptest::collection::vec(limit, 1..6).prop_map(move |all| {
            let mut limits = Limits::new(outlets);
            for (most, terms) in all {
                limits.push("limit", most, &terms);
            }
            limits
        });
        let asks: Vec<_> = (0..outlets).map(ask).collect();
        let method = prop_oneof![Just(Method::Fair), Just(Method::Urgent)];
        (limits, asks, method).prop_map(|(limits, asks, method)| Case {
            limits,
            asks,
            rules: Rules {
                method,
                ..Rules::default()
            },
        })
    })
}

fn granted(case: &Case) -> Vec<Grant> {
    allocate(
        &case.limits,
        &vec![0.0; case.limits.outlets()],
        &case.asks,
        &case.rules,
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_limit_is_exceeded_whatever_cars_leave_unused(case in case(), used in any::<u64>()) {
        let grants = granted(&case);
        let mut all = vec![0.0; case.limits.outlets()];
        let mut some = all.clone();
        for (index, (ask, grant)) in case.asks.iter().zip(&grants).enumerate() {
            all[ask.outlet] = grant.amps;
            some[ask.outlet] = if used >> index & 1 == 1 { grant.amps } else { 0.0 };
        }
        for amps in [&all, &some] {
            for (worst, limit) in case.limits.worst(amps).iter().zip(case.limits.iter()) {
                prop_assert!(*worst <= limit.most + 1e-6, "{worst} of {limit:?}");
            }
        }
    }

    #[test]
    fn an_outlet_gets_only_what_it_can_be_set_to(case in case()) {
        for (ask, grant) in case.asks.iter().zip(granted(&case)) {
            prop_assert!((ask.steps.at_most(grant.amps) - grant.amps).abs() < 1e-6);
            prop_assert!(grant.amps <= ask.steps.at_least(ask.most_a) + 1e-6);
            let most = ask.steps.at_least(ask.most_a);
            prop_assert!(grant.held_by.is_some() || grant.amps > most - 1e-6);
            prop_assert!(grant.held_by.is_none() || grant.amps < most);
        }
    }
}

fn one_limit(outlets: usize, most: f64) -> Limits {
    let mut limits = Limits::new(outlets);
    let terms: Vec<Term> = (0..outlets)
        .map(|outlet| Term {
            outlet,
            re: 1.0,
            im: 0.0,
        })
        .collect();
    limits.push("feeder", most, &terms);
    limits
}

fn car(outlet: usize, most_a: f64) -> Ask {
    Ask {
        outlet,
        least_a: 0.0,
        most_a,
        steps: Steps::From(6.0),
        weight: 1.0,
        need: None,
        served: false,
        now_a: 0.0,
        since_h: 0.0,
    }
}

fn amps(limits: &Limits, asks: &[Ask]) -> Vec<f64> {
    let grants = allocate(
        limits,
        &vec![0.0; limits.outlets()],
        asks,
        &Rules::default(),
    );
    grants
        .iter()
        .map(|grant| (grant.amps * 1e6).round() / 1e6)
        .collect()
}

#[test]
fn what_one_leaves_the_others_share() {
    let asks = [car(0, 8.0), car(1, 32.0), car(2, 32.0)];
    assert_eq!(amps(&one_limit(3, 48.0), &asks), [8.0, 20.0, 20.0]);
}

#[test]
fn priority_is_a_larger_share() {
    let vip = Ask {
        weight: 2.0,
        ..car(0, 32.0)
    };
    let shares = amps(&one_limit(2, 36.0), &[vip, car(1, 32.0)]);
    assert_eq!(shares, [24.0, 12.0]);
}

#[test]
fn below_six_amperes_some_wait_and_then_it_is_their_turn() {
    let limits = one_limit(3, 13.8);
    let mut asks = [car(0, 32.0), car(1, 32.0), car(2, 32.0)];
    (asks[0].now_a, asks[0].since_h) = (6.9, 0.5);
    (asks[1].now_a, asks[1].since_h) = (6.9, 0.2);
    asks[2].since_h = 0.2;
    assert_eq!(amps(&limits, &asks), [6.9, 6.9, 0.0]);
    asks[0].since_h = 1.5;
    assert_eq!(
        amps(&limits, &asks),
        [0.0, 6.9, 6.9],
        "the turn of the first is over"
    );
}

#[test]
fn never_more_than_is_free() {
    // 13.8 A for two cars while 6.8 A is free: one charges with 6.8 A, the other waits.
    assert_eq!(
        amps(&one_limit(2, 6.8), &[car(0, 13.8), car(1, 13.8)]),
        [6.8, 0.0]
    );
}

#[test]
fn a_small_change_is_left_out() {
    let mut asks = [car(0, 32.0), car(1, 32.0)];
    (asks[0].now_a, asks[1].now_a) = (15.5, 15.0);
    assert_eq!(amps(&one_limit(2, 31.0), &asks), [15.5, 15.0]);
    assert_eq!(
        amps(&one_limit(2, 30.0), &asks),
        [15.0, 15.0],
        "unless a limit needs it"
    );
}

#[test]
fn who_must_leave_goes_first() {
    let mut asks = [car(0, 32.0), car(1, 32.0)];
    asks[0].need = Some(Need {
        ah: 32.0,
        hours: 8.0,
    });
    asks[1].need = Some(Need {
        ah: 32.0,
        hours: 1.0,
    });
    assert_eq!(amps(&one_limit(2, 32.0), &asks), [0.0, 32.0]);
}

#[test]
fn who_can_wait_two_hours_shares_with_who_said_nothing_as_equals() {
    let mut asks = [car(0, 32.0), car(1, 32.0)];
    let need = |hours| Some(Need { ah: 32.0, hours });
    asks[0].need = need(1.0);
    assert_eq!(amps(&one_limit(2, 36.0), &asks), [24.0, 12.0]);
    asks[0].need = need(3.0);
    assert_eq!(amps(&one_limit(2, 36.0), &asks), [18.0, 18.0]);
    asks[0].need = need(7.0);
    assert_eq!(amps(&one_limit(2, 36.0), &asks), [12.0, 24.0]);
}

#[test]
fn who_has_what_was_wanted_gets_what_nobody_else_wants() {
    for method in [Method::Urgent, Method::Fair] {
        let rules = Rules {
            method,
            ..Rules::default()
        };
        let served = Ask {
            now_a: 32.0,
            need: Some(Need {
                ah: 0.0,
                hours: 0.1,
            }),
            served: true,
            ..car(0, 32.0)
        };
        let shares = |most, others: &[Ask]| {
            let asks = [std::slice::from_ref(&served), others].concat();
            let limits = one_limit(2, most);
            let grants = allocate(&limits, &[0.0; 2], &asks, &rules);
            grants.iter().map(|it| it.amps.round()).collect::<Vec<_>>()
        };
        assert_eq!(shares(32.0, &[car(1, 32.0)]), [0.0, 32.0], "{method:?}");
        assert_eq!(shares(48.0, &[car(1, 32.0)]), [16.0, 32.0], "{method:?}");
        assert_eq!(shares(32.0, &[]), [32.0], "{method:?}");
    }
}
