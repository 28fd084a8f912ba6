//! What other hubs were told by stations and have not written yet.
//!
//! While the store is away each hub keeps what its stations say in a spool of its own. A station that goes to another hub
//! when the store is back, and the spool not yet empty, would be met by one that does not know its transactions. So
//! that one asks, before it takes the station in: every hub that lives, as long as any says that it
//! [holds something](placement::NodeView::unwritten). One that died over a spool is waited for, for a while: it is back
//! soon, or never.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actors::Unwritten;
use async_trait::async_trait;
use futures_util::future::join_all;
use model::StationId;
use peer::{Answer, Message, Peers, Target, Uuid};
use placement::{Claim, ClusterView, NodeAddress, NodeView, Placement};

use super::Ask;

/// How long another hub may take to let go of a station.
const GIVE_WAY_MOST: Duration = Duration::from_secs(3);

/// What the other hubs have not written.
pub(super) struct Elsewhere {
    pub(super) peers: Arc<Peers>,
    pub(super) placement: Arc<dyn Placement>,
    /// How long a hub that died is waited for, in ms.
    pub(super) patience_ms: i64,
}

#[async_trait]
impl Unwritten for Elsewhere {
    async fn may_be_elsewhere(&self, station: &StationId, claim: Claim, returns: bool) -> bool {
        // Of one that returns none that is dead by now is likely to hold something.
        let patience_ms = if returns { 0 } else { self.patience_ms };
        match to_ask(self.placement.view(), claim.provisional, patience_ms) {
            None => true,
            Some(nodes) => {
                let nodes = nodes.into_iter();
                let asked = nodes.map(|node| self.may_be_at(node, station, claim.epoch));
                join_all(asked).await.contains(&true)
            }
        }
    }
}

impl Elsewhere {
    /// Whether a hub may not have written all. Of one that does not answer, what it last said of itself tells.
    async fn may_be_at(&self, node: Asked, station: &StationId, epoch: i64) -> bool {
        let message = Message {
            id: Uuid::new_v4(),
            to: Target::Charger(station.clone()),
            epoch: None,
            deadline: Instant::now() + GIVE_WAY_MOST,
            // Asked twice, it lets go once.
            once: false,
            body: Ask::GiveWay { epoch }.to_bytes(),
        };
        match self.peers.ask(&node.address, message, None).await {
            Ok(Answer::Ok(written)) => !serde_json::from_slice(&written).unwrap_or(false),
            _ => node.may_hold,
        }
    }
}

/// A hub to ask.
struct Asked {
    address: NodeAddress,
    /// It said that its spool holds something, or what it said last may be old.
    may_hold: bool,
}

/// Whom to ask: those that live, if any hub holds something, or may without our knowledge; `None` where one that is dead
/// does, which may be back.
fn to_ask(view: ClusterView, unsure: bool, patience_ms: i64) -> Option<Vec<Asked>> {
    let is_latest = |node: &&NodeView| {
        let mut namesakes = view.nodes.iter().filter(|other| other.name == node.name);
        namesakes.all(|other| other.incarnation <= node.incarnation)
    };
    let latest: Vec<&NodeView> = view.nodes.iter().filter(is_latest).collect();
    let (alive, dead): (Vec<_>, Vec<_>) = latest.into_iter().partition(|node| node.alive);
    let is_awaited = |node: &&NodeView| node.unwritten && node.gone_ms < patience_ms;
    if dead.iter().any(is_awaited) {
        return None;
    }
    if !unsure && !alive.iter().any(|node| node.unwritten) {
        return Some(Vec::new());
    }
    let others = alive.into_iter().filter(|node| node.name != view.me);
    let asked = others.map(|node| Asked {
        address: NodeAddress {
            name: node.name.clone(),
            address: node.address.clone(),
            incarnation: node.incarnation,
        },
        may_hold: unsure || node.unwritten,
    });
    Some(asked.collect())
}

#[cfg(test)]
mod tests {
    use placement::LocalPlacement;

    use super::*;

    /// A hub: name, process, whether it lives, for how long not, whether it holds something.
    type Node = (&'static str, i64, bool, i64, bool);

    /// Whom `a` asks, where there are these, with a question mark behind those that have to answer.
    fn asked(unsure: bool, nodes: &[Node]) -> Option<Vec<String>> {
        let mut view = LocalPlacement::new("a", 1).view();
        let like = view.nodes.remove(0);
        let nodes = nodes.iter();
        let nodes = nodes.map(|(name, incarnation, alive, gone_ms, unwritten)| NodeView {
            name: (*name).to_owned(),
            incarnation: *incarnation,
            alive: *alive,
            gone_ms: *gone_ms,
            unwritten: *unwritten,
            ..like.clone()
        });
        view.nodes = nodes.collect();
        let name = |node: Asked| node.address.name + if node.may_hold { "?" } else { "" };
        let names = |nodes: Vec<Asked>| nodes.into_iter().map(name).collect();
        to_ask(view, unsure, 60_000).map(names)
    }

    #[test]
    fn nobody_is_asked_while_nobody_holds_anything() {
        let nodes = [
            ("a", 1, true, 0, false),
            ("b", 2, true, 0, false),
            ("c", 3, false, 5, false),
        ];
        assert_eq!(asked(false, &nodes), Some(vec![]));
        let unsure = asked(true, &nodes);
        assert_eq!(
            unsure,
            Some(vec!["b?".to_owned()]),
            "unless it is not known"
        );
    }

    #[test]
    fn all_that_live_are_asked_as_soon_as_one_holds_something_and_that_one_has_to_answer() {
        for (holder, who) in [("a", ["b", "c"]), ("b", ["b?", "c"])] {
            let nodes = ["a", "b", "c"].map(|name| (name, 1, true, 0, name == holder));
            assert_eq!(asked(false, &nodes), Some(who.map(str::to_owned).to_vec()));
        }
    }

    #[test]
    fn one_that_died_over_something_is_waited_for_until_it_is_back_or_long_gone() {
        let died = ("b", 2, false, 59_999, true);
        let me = ("a", 1, true, 0, false);
        assert_eq!(asked(false, &[me, died]), None);
        assert_eq!(
            asked(false, &[me, ("b", 2, false, 60_000, true)]),
            Some(vec![])
        );
        let back = |holds| ("b", 3, true, 0, holds);
        assert_eq!(asked(false, &[me, died, back(false)]), Some(vec![]));
        assert_eq!(
            asked(false, &[me, died, back(true)]),
            Some(vec!["b?".to_owned()])
        );
    }
}
