//! Where a site's stations are, as far as they told it themselves. Pure.
//!
//! A station that hops from node to node is told of by several: the node with its newest socket counts, whatever comes
//! in which order, since each says under which epoch it held the station.

use std::{collections::HashMap, sync::Arc};

use model::StationId;
use placement::NodeAddress;

use super::core::StationNews;

/// Where a station's socket is, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At this node.
    Here,
    /// At another one.
    There(Arc<NodeAddress>),
}

/// Where a site's stations are.
#[derive(Debug, Default)]
pub(super) struct Whereabouts(HashMap<StationId, (Place, i64)>);

impl Whereabouts {
    /// A node tells something of a station that it holds, or held, under this epoch; `false` where a later one has told
    /// of it, so that this is old.
    pub(super) fn hears(
        &mut self,
        station: &StationId,
        (place, epoch): (Place, i64),
        news: &StationNews,
    ) -> bool {
        let known = self.0.get(station);
        if known.is_some_and(|(_, known)| *known > epoch) {
            return false;
        }
        match news {
            StationNews::Left => self.0.remove(station),
            _ => self.0.insert(station.clone(), (place, epoch)),
        };
        true
    }

    /// Where a station is.
    pub(super) fn of(&self, station: &StationId) -> Option<&Place> {
        self.0.get(station).map(|(place, _)| place)
    }

    /// The stations that are at another node.
    pub(super) fn at(&self, node: &NodeAddress) -> Vec<StationId> {
        let there = |place: &Place| matches!(place, Place::There(at) if **at == *node);
        let stations = self.0.iter().filter(|(_, (place, _))| there(place));
        stations.map(|(station, _)| station.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Arc<NodeAddress> {
        Arc::new(NodeAddress {
            name: name.into(),
            address: "127.0.0.1:1".into(),
            incarnation: 1,
        })
    }

    fn station() -> StationId {
        StationId::new("A").unwrap()
    }

    #[test]
    fn a_station_that_hopped_is_where_its_newest_socket_is_whoever_speaks_last() {
        let mut whereabouts = Whereabouts::default();
        let mut hears = |place, epoch, connected| {
            let news = StationNews::Connected(connected);
            whereabouts.hears(&station(), (place, epoch), &news)
        };
        let (one, two) = (Place::There(node("one")), Place::There(node("two")));
        assert!(hears(Place::Here, 5, true));
        assert!(hears(one.clone(), 7, true));
        assert!(!hears(Place::Here, 5, false), "it closed an old socket");
        assert!(hears(two.clone(), 9, true));
        assert!(!hears(one, 7, true));
        assert!(hears(two.clone(), 9, false));
        assert_eq!(whereabouts.of(&station()), Some(&two));
        assert_eq!(whereabouts.at(&node("one")), []);
        assert_eq!(whereabouts.at(&node("two")), [station()]);
    }

    #[test]
    fn a_station_that_left_is_nowhere_and_an_old_node_cannot_say_so() {
        let mut whereabouts = Whereabouts::default();
        let there = (Place::There(node("one")), 7);
        let connected = StationNews::Connected(true);
        assert!(whereabouts.hears(&station(), there.clone(), &connected));
        assert!(!whereabouts.hears(&station(), (Place::Here, 5), &StationNews::Left));
        assert!(whereabouts.hears(&station(), there, &StationNews::Left));
        assert_eq!(whereabouts.of(&station()), None);
    }
}
