//! The placement of a hub that is alone: all is here.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use dashmap::{DashMap, Entry};
use model::StationId;
use tokio::sync::mpsc;

use crate::{
    Away, BackendHealth, Claim, ClusterView, Event, Follows, Happened, Location, NodeAddress,
    NodeView, Placement, SHARDS, ShardId,
};

/// The placement of a hub that is alone. It holds every shard, from the moment it is made.
pub struct LocalPlacement {
    me: NodeAddress,
    claims: DashMap<StationId, i64>,
    /// The highest epoch that was released: one number for all chargers, since their epochs are times and may
    /// all be as late as the latest.
    released: AtomicI64,
    /// What a claim is told to follow, where it follows one that this hub remembers.
    follows: Follows,
    events: Mutex<Option<mpsc::Receiver<Event>>>,
}

impl LocalPlacement {
    /// `now`: ms since 1970. Shards are held under this epoch, so it is above that of earlier processes.
    pub fn new(name: &str, now: i64) -> Self {
        let (sender, events) = mpsc::channel(usize::from(SHARDS));
        for shard in ShardId::all() {
            let gained = Event::ShardGained { shard, epoch: now };
            // There is room for all.
            let _ = sender.try_send(gained);
        }
        Self {
            me: NodeAddress {
                name: name.to_owned(),
                address: String::new(),
                incarnation: now,
            },
            claims: DashMap::new(),
            released: AtomicI64::new(0),
            follows: Follows::Own,
            events: Mutex::new(Some(events)),
        }
    }

    /// That of a hub that may not be alone, as others can write to its store: what it remembers of a charger that comes
    /// again may not be the latest.
    #[must_use]
    pub fn beside_strangers(self) -> Self {
        Self {
            follows: Follows::Unknown,
            ..self
        }
    }
}

#[async_trait]
impl Placement for LocalPlacement {
    async fn claim(&self, station: &StationId, at_least: i64) -> Claim {
        let at_least = at_least.max(self.released.load(Ordering::SeqCst) + 1);
        let epoch = match self.claims.entry(station.clone()) {
            Entry::Occupied(mut held) => {
                let epoch = at_least.max(held.get() + 1);
                held.insert(epoch);
                epoch
            }
            Entry::Vacant(place) => {
                place.insert(at_least);
                at_least
            }
        };
        Claim {
            epoch,
            provisional: false,
            follows: self.follows,
        }
    }

    fn has(&self, station: &StationId, epoch: i64) -> bool {
        self.claims.get(station).is_some_and(|held| *held == epoch)
    }

    fn release(&self, station: &StationId, epoch: i64) {
        self.claims.remove_if(station, |_, held| {
            let is_it = *held == epoch;
            if is_it {
                self.released.fetch_max(epoch, Ordering::SeqCst);
            }
            is_it
        });
    }

    async fn locate(&self, station: &StationId) -> Result<Option<Location>, Away> {
        let held = self.claims.get(station).map(|held| *held);
        Ok(held.map(|epoch| Location {
            node: self.me.clone(),
            epoch,
            here: true,
        }))
    }

    fn shard_epoch(&self, _shard: ShardId) -> Option<i64> {
        Some(self.me.incarnation)
    }

    fn shard_node(&self, _shard: ShardId) -> Option<NodeAddress> {
        Some(self.me.clone())
    }

    fn events(&self) -> Option<mpsc::Receiver<Event>> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.take()
    }

    fn view(&self) -> ClusterView {
        let chargers = self.claims.len();
        let me = NodeView {
            name: self.me.name.clone(),
            address: self.me.address.clone(),
            incarnation: self.me.incarnation,
            alive: true,
            settled: true,
            leaving: false,
            flaps: 0,
            chargers: chargers as u64,
            // There is nobody who would wait for them.
            unwritten: false,
            gone_ms: 0,
            shards: usize::from(SHARDS),
        };
        ClusterView {
            me: self.me.name.clone(),
            incarnation: Some(self.me.incarnation),
            fenced: false,
            quiet: false,
            nodes: vec![me],
            shards_unowned: 0,
            shard_epoch_max: self.me.incarnation,
            chargers_here: chargers,
            chargers_provisional: 0,
            happened: Happened {
                shards_gained: SHARDS.into(),
                ..Happened::default()
            },
            backend: BackendHealth {
                up: true,
                reached: true,
                ..BackendHealth::default()
            },
        }
    }

    /// There is nobody who would wait for them.
    async fn tell_unwritten(&self, _is: bool) {}

    /// There is nobody to give anything to.
    async fn give_up_shards(&self) {}

    /// Nor to tell.
    async fn leave(&self) {}
}
