//! Sites that can be, and why others cannot.

use std::collections::HashMap;

use power::{Cap, Every, Feed, Node, Outlet, Phase, Recurrence, Site, SiteError, Steps, Zone};

fn outlet(station: &str, feed: Feed, floor_a: f64) -> Outlet {
    Outlet {
        station: station.into(),
        evse: 1,
        feed,
        most_a: 32.0,
        floor_a,
        steps: Steps::From(6.0),
        unlimitable: false,
    }
}

fn node(name: &str, most_a: f64, outlets: Vec<Outlet>, nodes: Vec<Node>) -> Node {
    Node {
        name: name.into(),
        most_a: Some([most_a; 3]),
        most_w: None,
        unmanaged_a: [0.0; 3],
        caps: Vec::new(),
        nodes,
        outlets,
    }
}

fn three(rotation: [Phase; 3]) -> Feed {
    Feed::Phases(rotation.to_vec())
}

use Phase::{L1, L2, L3};

/// The load of each limit of a site with 10 A at every outlet, by the limit's name.
fn loads(site: &Site) -> HashMap<String, f64> {
    let worst = site.limits().worst(&vec![10.0; site.outlets().len()]);
    let names = site.limits().iter().map(|limit| limit.name.clone());
    names.zip(worst.iter().map(|load| load.round())).collect()
}

#[test]
fn each_outlet_loads_the_phases_it_is_wired_to() {
    let circuit = node(
        "circuit",
        40.0,
        vec![
            outlet("A", Feed::Phases(vec![L1]), 0.0),
            outlet("B", Feed::Phases(vec![L3, L1]), 0.0),
        ],
        vec![],
    );
    let root = node(
        "grid",
        63.0,
        vec![outlet("C", three([L2, L3, L1]), 0.0)],
        vec![circuit],
    );
    let loads = loads(&Site::new(&root, 230.0).unwrap());
    assert_eq!(loads["circuit L1"], 20.0);
    assert_eq!(loads["circuit L2"], 0.0);
    assert_eq!(loads["circuit L3"], 10.0);
    assert_eq!(loads["grid L1"], 30.0);
    assert_eq!(loads["grid L2"], 10.0);
    assert_eq!(loads["grid power"], 2300.0 * 6.0);
}

#[test]
fn currents_between_phases_meet_at_an_angle() {
    let outlets = vec![
        outlet("A", Feed::Between(L1, L2), 0.0),
        outlet("B", Feed::Between(L3, L1), 0.0),
    ];
    let site = Site::new(&node("grid", 100.0, outlets, vec![]), 120.0).unwrap();
    let worst = site.limits().worst(&[10.0, 10.0]);
    assert!(
        (worst[0] - 10.0 * 3_f64.sqrt()).abs() < 1e-9,
        "L1 carries both, 60 degrees apart"
    );
    assert!((worst[1] - 10.0).abs() < 1e-9);
}

#[test]
fn floors_fit_below_every_limit_that_ever_holds() {
    let outlets = || {
        vec![
            outlet("A", three([L1, L2, L3]), 6.0),
            outlet("B", three([L2, L3, L1]), 10.0),
        ]
    };
    assert!(Site::new(&node("grid", 16.0, outlets(), vec![]), 230.0).is_ok());
    let refused = Site::new(&node("grid", 15.9, outlets(), vec![]), 230.0).unwrap_err();
    assert!(
        refused.to_string().contains("grid L1 allows 15.9"),
        "{refused}"
    );

    let mut house = node("grid", 25.0, outlets(), vec![]);
    house.unmanaged_a = [9.0, 0.0, 0.0];
    assert!(Site::new(&house, 230.0).is_ok());
    house.unmanaged_a = [0.0, 9.1, 0.0];
    assert!(
        matches!(Site::new(&house, 230.0), Err(SiteError::Floors { limit, .. }) if limit == "grid L2")
    );

    let mut peak = node("grid", 25.0, outlets(), vec![]);
    peak.caps = vec![Cap {
        from_ms: 0,
        until_ms: Some(3_600_000),
        recurs: Some(Recurrence {
            every: Every::Day,
            zone: Zone::utc(),
        }),
        most_a: None,
        most_w: Some(10_000.0),
    }];
    assert!(
        matches!(Site::new(&peak, 230.0), Err(SiteError::Floors { .. })),
        "11 kW of floors at peak"
    );

    let mut stubborn = outlets();
    stubborn[0].unlimitable = true;
    assert!(matches!(
        Site::new(&node("grid", 40.0, stubborn, vec![]), 230.0),
        Err(SiteError::Floors { .. })
    ));
}

#[test]
fn impossible_trees_are_refused_with_the_reason() {
    let one = |feed, floor| vec![outlet("A", feed, floor)];
    let refused = |root: &Node| Site::new(root, 230.0).unwrap_err();
    let twice = node(
        "grid",
        63.0,
        [one(three([L1, L2, L3]), 0.0), one(Feed::Dc, 0.0)].concat(),
        vec![],
    );
    assert_eq!(refused(&twice), SiteError::OutletTwice("A".into(), 1));
    let same_name = node(
        "grid",
        63.0,
        vec![],
        vec![node("grid", 32.0, vec![], vec![])],
    );
    assert_eq!(refused(&same_name), SiteError::NodeTwice("grid".into()));
    let between = node("grid", 63.0, one(three([L1, L2, L3]), 4.0), vec![]);
    assert_eq!(refused(&between), SiteError::Floor("A".into(), 1, 4.0));
    let feed = node("grid", 63.0, one(three([L1, L1, L3]), 0.0), vec![]);
    assert_eq!(refused(&feed), SiteError::Feed("A".into(), 1));
    let negative = node("grid", -1.0, vec![], vec![]);
    assert!(matches!(
        refused(&negative),
        SiteError::NotANumber("most_a", _)
    ));
    let mut unlimited = node("grid", 1.0, vec![], vec![]);
    unlimited.most_a = None;
    assert_eq!(refused(&unlimited), SiteError::NoLimit("grid".into()));
}

#[test]
fn a_budget_is_the_least_of_a_time_beside_what_else_is_fed() {
    let mut root = node(
        "grid",
        63.0,
        vec![outlet("A", three([L1, L2, L3]), 0.0)],
        vec![],
    );
    root.unmanaged_a = [20.0, 20.0, 20.0];
    root.caps = vec![Cap {
        from_ms: 100,
        until_ms: Some(200),
        recurs: None,
        most_a: Some([50.0, 40.0, 30.0]),
        most_w: None,
    }];
    let site = Site::new(&root, 230.0).unwrap();
    let most = |from, to, told: &HashMap<_, _>| {
        let budget = site.budget(from, to, told);
        budget
            .iter()
            .take(3)
            .map(|limit| limit.most)
            .collect::<Vec<f64>>()
    };
    let silent = HashMap::new();
    assert_eq!(most(0, 99, &silent), [43.0, 43.0, 43.0]);
    assert_eq!(most(0, 100, &silent), [30.0, 20.0, 10.0]);
    assert_eq!(
        most(200, 300, &HashMap::from([(0, [1.0, 2.0, 3.0])])),
        [62.0, 61.0, 60.0]
    );
}
