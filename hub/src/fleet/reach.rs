//! Whether this hub and the others reach each other.
//!
//! Each hub holds a stream to every other one, and so knows which it reaches, and by the streams that come to it who
//! reaches it. One that nobody reaches takes chargers as ever, and whatever others would ask it fails; being ready does
//! not depend on it, since where a network parts all hubs of a side would leave the load balancer at once.

use std::time::{Duration, Instant};

use model::Timestamp;
use peer::{Present, Reach};
use placement::{ClusterView, NodeAddress};
use serde::Serialize;
use utoipa::ToSchema;

use super::Fleet;

/// How often it is looked at who reaches this hub.
const LOOK: Duration = Duration::from_secs(1);
/// For how long nobody has to have reached it before that is told: the others first have to hear of it.
const TOLD_AFTER: Duration = Duration::from_secs(10);

/// Another hub that lives, and whether the hub that is asked and it reach each other.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OtherHub {
    /// Its name.
    name: String,
    /// Its process.
    incarnation: i64,
    /// Where it says that it is reached.
    address: String,
    /// Whether it is reached from the hub that is asked.
    reached: bool,
    /// Since when that is so.
    since: Timestamp,
    /// Why it is not reached.
    why_not: Option<String>,
    /// Whether it reaches the hub that is asked.
    reaches_this: bool,
}

impl Fleet {
    /// The other hubs that live, by name.
    pub(crate) fn others(&self, now: Timestamp) -> Vec<OtherHub> {
        let Some(others) = &self.0.others else {
            return Vec::new();
        };
        let (nodes, states) = (self.nodes(), others.peers.states());
        let nodes = nodes.into_iter().map(|node| {
            let state = states.iter().find(|state| state.node == node);
            let (reach, since) = state.map_or((Reach::NotTried, Instant::now()), |state| {
                (state.reach.clone(), state.since)
            });
            let ago_ms = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
            OtherHub {
                reaches_this: others.present.is(&node.name),
                name: node.name,
                incarnation: node.incarnation,
                address: node.address,
                reached: reach == Reach::Reached,
                since: now.plus_ms(-ago_ms),
                why_not: match reach {
                    Reach::Reached => None,
                    Reach::NotTried => {
                        Some("it has just come; it is being connected to".to_owned())
                    }
                    Reach::Not(why) => Some(why),
                },
            }
        });
        let mut nodes: Vec<OtherHub> = nodes.collect();
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        nodes
    }

    /// Tells the log when none of the others reaches this hub, and when one does again, for ever.
    pub(super) async fn tell_if_unreached(&self, present: &Present) {
        let mut unreached = Unreached::default();
        loop {
            tokio::time::sleep(LOOK).await;
            let view = self.0.here.actors.placement().view();
            // Who is cut off from Redis is let go of by the others.
            let nodes = match view.backend.up && !view.fenced {
                true => self.nodes(),
                false => Vec::new(),
            };
            let is_reached = nodes.is_empty() || nodes.iter().any(|node| present.is(&node.name));
            match unreached.look(is_reached, Instant::now()) {
                Some(Told::Unreached) => tracing::error!(
                    others = nodes.len(),
                    "no other hub reaches this one, so what they are asked about its chargers and sites fails: look for the reason in their logs (and GET /api/v1/cluster, others), at cluster.address, and at what may stand in the way there"
                ),
                Some(Told::Reached) => tracing::warn!("another hub reaches this one again"),
                None => {}
            }
        }
    }
}

/// The hubs that live but this one, each process after those before it. One that started again was known as two while
/// the lease of its former process lasts, of which nobody is at their address any more.
pub(super) fn others_of(view: ClusterView) -> Vec<NodeAddress> {
    let others = view
        .nodes
        .into_iter()
        .filter(|node| node.alive && node.name != view.me);
    let others = others.map(|node| NodeAddress {
        name: node.name,
        address: node.address,
        incarnation: node.incarnation,
    });
    let mut others: Vec<NodeAddress> = others.collect();
    others.sort_by_key(|node| node.incarnation);
    let all = others.clone();
    others.retain(|node| {
        let mut after = all
            .iter()
            .filter(|later| later.incarnation > node.incarnation);
        !after.any(|later| later.name == node.name && later.address == node.address)
    });
    others
}

/// Whether this hub has been reached by nobody for a while.
#[derive(Debug, Default)]
struct Unreached {
    since: Option<Instant>,
    told: bool,
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Unreached,
    Reached,
}

impl Unreached {
    fn look(&mut self, is_reached: bool, now: Instant) -> Option<Told> {
        if is_reached {
            self.since = None;
            return std::mem::take(&mut self.told).then_some(Told::Reached);
        }
        let since = *self.since.get_or_insert(now);
        let is_news = !self.told && now - since >= TOLD_AFTER;
        self.told |= is_news;
        is_news.then_some(Told::Unreached)
    }
}

#[cfg(test)]
mod tests {
    use placement::{LocalPlacement, NodeView, Placement};

    use super::*;

    #[test]
    fn of_a_hub_that_started_again_the_process_that_is_there_counts() {
        let mut view = LocalPlacement::new("me", 1).view();
        let like = view.nodes[0].clone();
        let node = |name: &str, address: &str, incarnation, alive| NodeView {
            name: name.to_owned(),
            address: address.to_owned(),
            incarnation,
            alive,
            ..like.clone()
        };
        view.nodes.extend([
            node("b", "b:1", 7, true),
            node("b", "b:1", 5, true),
            node("c", "c:2", 6, true),
            node("c", "c:1", 4, true),
            node("d", "d:1", 3, false),
        ]);
        let others = others_of(view);
        let others: Vec<_> = others
            .iter()
            .map(|node| (&*node.name, node.incarnation))
            .collect();
        assert_eq!(
            others,
            [("c", 4), ("c", 6), ("b", 7)],
            "one that moved is asked at both, until the former has ended"
        );
    }

    #[test]
    fn a_hub_that_nobody_reaches_says_so_once_and_once_that_somebody_does() {
        let (mut unreached, began) = (Unreached::default(), Instant::now());
        let after = |s| began + Duration::from_secs(s);
        assert_eq!(unreached.look(false, began), None, "it has just come");
        assert_eq!(unreached.look(false, after(9)), None);
        assert_eq!(unreached.look(false, after(10)), Some(Told::Unreached));
        assert_eq!(unreached.look(false, after(20)), None);
        assert_eq!(unreached.look(true, after(21)), Some(Told::Reached));
        assert_eq!(unreached.look(false, after(22)), None, "it begins anew");
        assert_eq!(unreached.look(true, after(23)), None);
    }
}
