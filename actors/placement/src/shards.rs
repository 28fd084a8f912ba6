//! Sites to shards, shards to nodes: by hashing, so that all nodes come to the same result. Pure.

use model::{SiteId, StationId};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// How many shards there are. Never to be changed in a running cluster.
pub const SHARDS: u16 = 1024;

/// A share of the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(u16);

impl ShardId {
    /// The shard of that number; `None` from [`SHARDS`] on.
    pub fn new(number: u16) -> Option<Self> {
        (number < SHARDS).then_some(Self(number))
    }

    /// The shard a site belongs to.
    pub fn of_site(site: &SiteId) -> Self {
        Self::of(site.as_str())
    }

    /// The shard a station belongs to that stands at no site.
    pub fn of_station(station: &StationId) -> Self {
        Self::of(station.as_str())
    }

    fn of(text: &str) -> Self {
        let hash = xxh3_64(text.as_bytes());
        // Less than SHARDS, so it fits.
        Self((hash % u64::from(SHARDS)) as u16)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Which of these nodes a shard should be at: the one that scores highest (rendezvous hashing). So a node that
/// joins takes shards and moves no others, and one that goes leaves only its own to be moved.
pub fn best<'a>(shard: ShardId, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |name: &str| xxh3_64_with_seed(name.as_bytes(), u64::from(shard.0));
    names.into_iter().max_by_key(|name| (score(name), *name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn placed(names: &BTreeSet<String>) -> Vec<String> {
        let names = || names.iter().map(String::as_str);
        ShardId::all()
            .map(|shard| best(shard, names()).unwrap().to_owned())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_node_that_comes_or_goes_moves_its_own_shards_only(
            names in prop::collection::btree_set("[a-z0-9-]{1,24}", 2..12),
            pick in any::<prop::sample::Index>(),
        ) {
            let all = placed(&names);
            let gone = names.iter().nth(pick.index(names.len())).unwrap().clone();
            let mut rest = names.clone();
            rest.remove(&gone);
            for (before, after) in all.iter().zip(placed(&rest)) {
                prop_assert!(*before == after || *before == gone);
            }
        }

        #[test]
        fn every_node_gets_about_its_share(
            names in prop::collection::btree_set("[a-z0-9-]{1,24}", 2..12),
        ) {
            // Each shard is a throw of a die: within six standard deviations of the mean.
            let mean = f64::from(SHARDS) / names.len() as f64;
            let most = 6.0 * (mean * (1.0 - 1.0 / names.len() as f64)).sqrt();
            let all = placed(&names);
            for name in &names {
                let share = all.iter().filter(|owner| *owner == name).count() as f64;
                prop_assert!((share - mean).abs() < most, "{name} has {share} of {mean}");
            }
        }
    }

    #[test]
    fn sites_spread_over_the_shards() {
        let shards: BTreeSet<ShardId> = (0..20_000)
            .map(|n| ShardId::of_site(&SiteId::new(&format!("site-{n}")).unwrap()))
            .collect();
        assert_eq!(shards.len(), usize::from(SHARDS));
        assert_eq!(ShardId::new(SHARDS), None);
        assert_eq!(best(ShardId(0), []), None);
    }
}
