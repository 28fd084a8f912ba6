//! Whether this node's address is its own. Two nodes that others reach at one address would get each other's messages,
//! of which each takes only its own: one of the two is reached by nobody.
//!
//! A node that went without a word and starts again under another name finds its former self at its address, for as
//! long as that one's lease lasts. So a node is held to be there only when it has renewed its lease since this one
//! first saw it.

use std::collections::HashMap;

use crate::{NodeAddress, NodeRecord};

/// Who is at this node's address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AddressUse {
    /// Nobody has asked the backend yet.
    #[default]
    NotAsked,
    /// The backend does not say.
    NotKnown,
    /// This node alone.
    Own,
    /// Another one as well, whose lease may merely run out.
    MayBeShared(NodeAddress),
    /// Another one as well, which lives.
    Shared(NodeAddress),
}

/// Looks out for others at this node's address.
#[derive(Debug, Default)]
pub(crate) struct AddressWatch {
    /// The end of each one's lease when it was first seen, by its process.
    first_seen: HashMap<i64, i64>,
}

impl AddressWatch {
    /// Who is at the address of the node of that name, at that time by the clock of whoever wrote the records.
    pub(crate) fn look(
        &mut self,
        (name, address): (&str, &str),
        nodes: &[NodeRecord],
        now: i64,
    ) -> AddressUse {
        let is_there = |node: &&NodeRecord| {
            node.address == address && node.name != name && !node.superseded && node.is_alive(now)
        };
        let there: Vec<&NodeRecord> = nodes.iter().filter(is_there).collect();
        self.first_seen
            .retain(|process, _| there.iter().any(|node| node.incarnation == *process));
        let mut found = AddressUse::Own;
        for node in there {
            let first = self.first_seen.entry(node.incarnation);
            let lives = node.deadline > *first.or_insert(node.deadline);
            let at = NodeAddress {
                name: node.name.clone(),
                address: node.address.clone(),
                incarnation: node.incarnation,
            };
            if lives {
                return AddressUse::Shared(at);
            }
            found = AddressUse::MayBeShared(at);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, address: &str, deadline: i64) -> NodeRecord {
        NodeRecord {
            incarnation: 1,
            process: 1,
            name: name.to_owned(),
            address: address.to_owned(),
            deadline,
            joined: 0,
            settled: 0,
            flaps: 0,
            leaving: false,
            superseded: false,
            chargers: 0,
            unwritten: false,
        }
    }

    fn look(watch: &mut AddressWatch, nodes: &[NodeRecord], now: i64) -> AddressUse {
        watch.look(("me", "h:1"), nodes, now)
    }

    #[test]
    fn another_name_at_the_address_is_another_node_once_it_renews_its_lease() {
        let mut watch = AddressWatch::default();
        let there = |deadline| [node("other", "h:1", deadline)];
        let first = look(&mut watch, &there(100), 50);
        assert!(matches!(first, AddressUse::MayBeShared(_)), "{first:?}");
        let same = look(&mut watch, &there(100), 60);
        assert!(matches!(same, AddressUse::MayBeShared(_)), "{same:?}");
        let AddressUse::Shared(other) = look(&mut watch, &there(110), 70) else {
            panic!("it lives");
        };
        assert_eq!(other.name, "other");
        assert_eq!(look(&mut watch, &there(110), 110), AddressUse::Own);
    }

    #[test]
    fn one_whose_lease_runs_out_leaves_the_address_to_this_one() {
        let mut watch = AddressWatch::default();
        let there = [node("former", "h:1", 100)];
        assert!(matches!(
            look(&mut watch, &there, 50),
            AddressUse::MayBeShared(_)
        ));
        assert_eq!(look(&mut watch, &there, 100), AddressUse::Own);
    }

    #[test]
    fn nodes_elsewhere_former_processes_and_this_one_itself_do_not_count() {
        let mut watch = AddressWatch::default();
        let mut superseded = node("other", "h:1", 100);
        superseded.superseded = true;
        let nodes = [node("me", "h:1", 100), node("b", "h:2", 100), superseded];
        assert_eq!(look(&mut watch, &nodes, 50), AddressUse::Own);
    }
}
