//! Hubs that are gone without having said so: killed, frozen, or cut off. Their chargers come to others, and their sites
//! are theirs from then on.

use std::{collections::BTreeMap, time::Duration};

use placement::ClusterView;

use super::Fleet;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The other hubs that were there when it was last looked at.
#[derive(Debug, Default)]
struct Known(BTreeMap<String, Seen>);

/// A hub that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    incarnation: i64,
    leaving: bool,
    chargers: u64,
    sites: usize,
}

impl Known {
    /// Those that are gone since the last look and did not say that they would go, by name. Where this hub itself is cut
    /// off from the others nothing is known of them.
    fn look(&mut self, view: &ClusterView) -> Vec<(String, Seen)> {
        if !view.backend.up || view.fenced {
            return Vec::new();
        }
        let others = view.nodes.iter().filter(|node| node.name != view.me);
        let alive = others.filter(|node| node.alive).map(|node| {
            let seen = Seen {
                incarnation: node.incarnation,
                leaving: node.leaving,
                chargers: node.chargers,
                sites: node.shards,
            };
            (node.name.clone(), seen)
        });
        let mut now: BTreeMap<String, Seen> = BTreeMap::new();
        for (name, seen) in alive {
            let newest = now.entry(name).or_insert_with(|| seen.clone());
            if newest.incarnation < seen.incarnation {
                *newest = seen;
            }
        }
        let before = std::mem::replace(&mut self.0, now);
        let is_gone = |(name, seen): &(String, Seen)| !seen.leaving && !self.0.contains_key(name);
        before.into_iter().filter(is_gone).collect()
    }
}

impl Fleet {
    /// Tells the log of other hubs that are gone without having said so, for ever.
    pub(super) async fn tell_of_the_gone(&self) {
        let mut known = Known::default();
        loop {
            tokio::time::sleep(LOOK).await;
            for (name, seen) in known.look(&self.0.here.actors.placement().view()) {
                tracing::warn!(
                    hub = name,
                    chargers = seen.chargers,
                    site_shards = seen.sites,
                    "hub {name} is gone and did not say so (killed, frozen, or cut off): its lease is over, the others act for its sites, and its chargers come to them when they connect anew"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use placement::{LocalPlacement, NodeView, Placement};

    use super::*;

    fn view(nodes: &[(&str, i64, bool, bool)]) -> ClusterView {
        let mut view = LocalPlacement::new("me", 1).view();
        let like = view.nodes[0].clone();
        view.backend.up = true;
        let nodes = nodes
            .iter()
            .map(|(name, incarnation, alive, leaving)| NodeView {
                name: (*name).to_owned(),
                incarnation: *incarnation,
                alive: *alive,
                leaving: *leaving,
                ..like.clone()
            });
        view.nodes.extend(nodes);
        view
    }

    #[test]
    fn who_goes_without_a_word_is_told_of_once_and_who_said_so_or_is_back_is_not() {
        let mut known = Known::default();
        let mut gone = |view: ClusterView| -> Vec<String> {
            let gone = known.look(&view).into_iter();
            gone.map(|(name, _)| name).collect()
        };
        let there = view(&[("b", 2, true, false), ("c", 3, true, false)]);
        assert!(gone(there.clone()).is_empty());
        let mut cut_off = view(&[]);
        cut_off.backend.up = false;
        assert!(gone(cut_off).is_empty(), "this hub is");
        assert_eq!(gone(view(&[("c", 3, true, true)])), ["b"]);
        assert!(gone(view(&[("c", 3, false, true)])).is_empty());
        gone(there);
        let anew = view(&[
            ("b", 2, false, false),
            ("b", 9, true, false),
            ("c", 3, true, false),
        ]);
        assert!(gone(anew).is_empty(), "it started again");
    }
}
