//! Sites to live at.

use power::{Cap, Feed, Node, Outlet, Phase, Site, Steps};
use rand::RngExt;
use rand::rngs::SmallRng;

use super::{SECOND_MS, START_MS};

/// The most that is drawn at the grid connection beside the outlets, per phase in A.
pub(super) const UNMANAGED_A: f64 = 10.0;

/// A site of two to five outlets on two circuits, and a limit that comes at a time known ahead.
pub(super) fn draw(random: &mut SmallRng) -> (Node, Site, Cap) {
    use Phase::{L1, L2, L3};
    loop {
        let count = random.random_range(2..=5);
        let mut outlets = (0..count).map(|number| Outlet {
            station: format!("S{number}"),
            evse: 1,
            feed: match random.random_range(0..8) {
                0 => Feed::Phases(vec![L1]),
                1 => Feed::Phases(vec![L2]),
                2 => Feed::Phases(vec![L3, L1]),
                3 => Feed::Phases(vec![L2, L3, L1]),
                4 => Feed::Between(L1, L2),
                5 => Feed::Between(L3, L1),
                6 => Feed::Dc,
                _ => Feed::Phases(vec![L1, L2, L3]),
            },
            most_a: 32.0,
            floor_a: if random.random_bool(0.6) { 0.0 } else { 6.0 },
            steps: match random.random_range(0..3) {
                0 => Steps::Only(vec![0.0, 6.0, 8.0, 16.0, 24.0, 32.0]),
                _ => Steps::From(6.0),
            },
            unlimitable: random.random_bool(0.05),
        });
        let node = |name: &str, most: f64, outlets, nodes| Node {
            name: name.into(),
            most_a: Some([most; 3]),
            most_w: None,
            unmanaged_a: [0.0; 3],
            caps: Vec::new(),
            nodes,
            outlets,
        };
        let first = outlets.by_ref().take(count / 2).collect();
        let second = outlets.collect();
        let mut root = node(
            "grid",
            random.random_range(20.0..70.0),
            vec![],
            vec![
                node("first", random.random_range(12.0..50.0), first, vec![]),
                node("second", random.random_range(12.0..50.0), second, vec![]),
            ],
        );
        root.unmanaged_a = [UNMANAGED_A; 3];
        let from_ms = START_MS + random.random_range(130..400) * SECOND_MS;
        let ahead = Cap {
            from_ms,
            until_ms: Some(from_ms + 120 * SECOND_MS),
            recurs: None,
            most_a: Some([random.random_range(15.0..60.0); 3]),
            most_w: None,
        };
        // Floors that do not fit are refused: another one.
        if let Ok(site) = Site::new(&root, 230.0) {
            return (root, site, ahead);
        }
    }
}
