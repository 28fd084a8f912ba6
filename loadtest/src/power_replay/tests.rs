//! Generated days at a small site: what every method must do with them, and what tells the methods apart.

use serde_json::json;

use super::files::{Network, Sessions};
use super::method::Method;
use super::replay::{Ordering, Outcome, Way, replay};

/// Six outlets on a transformer whose primary sees them at angles; two of them have steps.
fn network() -> Network {
    let evses: Vec<_> = (0..6)
        .map(|n| {
            let angle = [30.0, -90.0, 150.0][n % 3];
            let steps = json!([0.0, 8.0, 16.0, 24.0, 32.0]);
            json!({
                "id": format!("E{n}"), "voltage_v": 208.0,
                "phase_angle_deg": angle,
                "continuous": n < 4,
                "allowable_a": if n < 4 { json!([0.0, 32.0]) } else { steps },
            })
        })
        .collect();
    let line = |factors: [f64; 3]| {
        (0..6)
            .map(|n| (format!("E{n}"), json!(factors[n % 3])))
            .collect::<serde_json::Map<_, _>>()
    };
    let network = json!({
        "network": "small",
        "evses": evses,
        "constraints": [
            { "name": "line", "coeff": line([1.0, 0.0, -1.0]), "limit_a_per_kw": 2.8 },
            { "name": "primary", "coeff": line([0.25, -0.5, 0.25]), "limit_a_per_kw": 1.2 },
            { "name": "pod", "coeff": { "E0": 1.0, "E1": 1.0 }, "limit_a": 40.0 },
        ],
    });
    serde_json::from_value(network).expect("a network")
}

/// Each outlet has a car three times a day, by turns in a hurry and with hours to spare.
fn sessions() -> Sessions {
    let sessions: Vec<_> = (0..6_i64)
        .flat_map(|outlet| (0..3_i64).map(move |visit| (outlet, visit)))
        .map(|(outlet, visit)| {
            let arrival = 40 + 90 * visit + 3 * outlet;
            let stays = if (outlet + visit) % 2 == 0 { 24 } else { 80 };
            json!({
                "id": format!("s{outlet}-{visit}"), "evse": format!("E{outlet}"),
                "arrival": arrival, "departure": arrival + stays,
                "est_departure": arrival + stays,
                "energy_kwh": 9.0, "max_kw": 6.6,
                "claimed": true,
            })
        })
        .collect();
    let file = json!({ "site": "generated", "period_min": 5, "sessions": sessions });
    serde_json::from_value(file).expect("sessions")
}

fn outcome(method: Method, ordering: Ordering) -> Outcome {
    let site = network().site(14.0).expect("a site");
    let way = Way {
        method,
        ordering,
        period_h: 5.0 / 60.0,
        confirmed_h: 1.0 / 60.0,
    };
    replay(&site, &sessions(), way).expect("a replay")
}

#[test]
fn no_method_but_the_uncontrolled_exceeds_a_limit_or_delivers_what_nobody_wants() {
    for method in Method::ALL {
        for ordering in [Ordering::Instant, Ordering::Safe] {
            let it = outcome(method, ordering);
            assert!((it.wanted_kwh - 162.0).abs() < 1e-9);
            assert!(it.delivered_kwh <= it.wanted_kwh + 1e-9);
            assert!(
                it.shares
                    .iter()
                    .all(|share| (0.0..=1.0 + 1e-9).contains(share))
            );
            assert_eq!(
                it.violations > 0,
                method == Method::Uncontrolled,
                "{method} {ordering:?}"
            );
        }
    }
}

#[test]
fn urgency_delivers_more_than_fair_shares_and_first_come() {
    let delivered = |method| outcome(method, Ordering::Instant).delivered_kwh;
    let (urgent, fair) = (delivered(Method::Urgent), delivered(Method::Fair));
    assert!(urgent > fair + 1.0, "{urgent} {fair}");
    assert!(urgent > delivered(Method::FirstCome) + 1.0);
}

#[test]
fn waiting_for_confirmations_costs_a_little() {
    let instant = outcome(Method::Urgent, Ordering::Instant).delivered_kwh;
    let safe = outcome(Method::Urgent, Ordering::Safe).delivered_kwh;
    assert!(
        safe <= instant + 0.1 && safe > 0.95 * instant,
        "{safe} of {instant}"
    );
}

#[test]
fn a_session_at_an_outlet_that_is_not_there_is_an_error() {
    let site = network().site(14.0).expect("a site");
    let mut all = sessions();
    all.sessions[3].evse = "E9".into();
    let way = Way {
        method: Method::Fair,
        ordering: Ordering::Instant,
        period_h: 5.0 / 60.0,
        confirmed_h: 0.0,
    };
    let refused = replay(&site, &all, way).expect_err("no such outlet");
    assert!(refused.contains("E9"), "{refused}");
}
