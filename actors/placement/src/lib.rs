//! Which node holds which charger, and which node acts for which site.
//!
//! - **A charger** is where its socket is. Whoever opens a socket [claims](Placement::claim) the charger under
//!   a new epoch; the newest claim wins, and its node's predecessor is told to [evict](Event::Evicted).
//! - **A site** belongs to one of 1,024 [shards](ShardId), a shard to at most one node at any instant: by
//!   rendezvous hashing over the nodes whose lease is alive ([`shards`], [`Arbiter`], [`Core`]). Before a node
//!   acts for a site it asks [`Placement::shard_epoch`], which looks at the clock.
//!
//! [`LocalPlacement`] is for a hub that is alone. [`Node`] is a hub among others: it runs the protocol over a
//! [`Backend`] (Redis, in crate `placement-redis`).
//!
//! # Epochs never go back
//!
//! A session is written under the epoch of its charger's claim, and the store refuses a lower one than it has
//! seen. So an epoch handed out must be above all that were written and all that are held elsewhere:
//!
//! 1. **Above the store.** The caller passes `at_least`: its clock in ms since 1970, or one above the highest
//!    epoch that the store or its own slot knows of the charger, whichever is higher. A claim's epoch is never
//!    lower than that.
//! 2. **Above the other claims.** A claim raises it to one above the epoch that is claimed now, in one step
//!    with taking the claim. So the order of claims is the order of epochs.
//! 3. **Above what was released.** A release leaves the epoch behind until no clock that is at most a minute
//!    slow can fall below it ([`SKEW_MS`]); then the clock alone is above it.
//! 4. **Without the others** (the backend is away) the epoch is `at_least`, and provisional. Two nodes may then
//!    hold one charger. When the backend is back each confirms its claim: the higher epoch stays, of equal
//!    ones the first, and the other node is told to evict. That is the order in which the store fences
//!    them, so whoever is evicted is whoever could not write any more. Where clocks differ this may be the newer
//!    socket: it closes, and its station comes back under a higher epoch.
//! 5. **After a wipe** of the backend claims are confirmed again with the epochs they have, so 2 holds again
//!    for all chargers that are connected; 1 holds throughout.
//!
//! A commit that the store refuses as stale therefore says: another node holds this charger. The right answer is
//! to close the socket; the next handshake reads the higher epoch from the store (1).
//!
//! # What a caller does
//!
//! A handshake reads what the store knows, claims, attaches the socket under the claim's epoch (refusing to go
//! below a newer one), and then asks [`Placement::has`]: an eviction that came between claim and attach found no
//! socket to close. When the socket is gone, however it went, it calls [`Placement::release`].

mod address;
mod arbiter;
mod backend;
mod claims;
mod core;
mod event;
mod local;
mod metrics;
mod node;
mod round;
pub mod shards;
mod timing;
mod view;

#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "contract")]
pub mod memory;

pub use address::AddressUse;
pub use arbiter::Arbiter;
pub use backend::{Away, Backend, Claimed, Holder, Notice, Standing};
pub use core::Core;
pub use event::{Event, HandOver};
pub use local::LocalPlacement;
pub use metrics::describe_metrics;
pub use node::{Node, Settings};
pub use round::{NodeRecord, Reply, Request, ShardRecord};
pub use shards::{SHARDS, ShardId};
pub use timing::Timing;
pub use view::{BackendHealth, ClusterView, Happened, NodeView};

use async_trait::async_trait;
use model::{SiteId, StationId};
use tokio::sync::mpsc;

/// How far the nodes' clocks may be apart, in ms, for epochs to rise even where nothing else is known.
pub const SKEW_MS: i64 = 60_000;

/// Where chargers and sites are, and the say over it.
#[async_trait]
pub trait Placement: Send + Sync + 'static {
    /// Claims a charger for a socket that opens here. `at_least`: see the crate's account of epochs.
    ///
    /// Does not fail: where nobody else can be asked, the claim is provisional.
    async fn claim(&self, station: &StationId, at_least: i64) -> Claim;

    /// Whether this node still holds the charger under that epoch, as far as it knows.
    fn has(&self, station: &StationId, epoch: i64) -> bool;

    /// Gives a claim up, unless a newer one has taken its place. Waits for nothing.
    fn release(&self, station: &StationId, epoch: i64);

    /// Where the charger is; `None` where no live node has claimed it.
    ///
    /// # Errors
    /// [`Away`]: it is not here, and the others cannot be asked.
    async fn locate(&self, station: &StationId) -> Result<Option<Location>, Away>;

    /// The epoch under which this node may act for a shard at this instant; `None`: it may not. To be asked
    /// right before each act.
    fn shard_epoch(&self, shard: ShardId) -> Option<i64>;

    /// Whether this node may act for a site at this instant, and under which epoch: that of its shard.
    fn site_epoch(&self, site: &SiteId) -> Option<i64> {
        self.shard_epoch(ShardId::of_site(site))
    }

    /// The node that acts for the shard, as far as is known; `None` where it is between two.
    fn shard_node(&self, shard: ShardId) -> Option<NodeAddress>;

    /// What happens here from now on, beginning with [`Event::ShardGained`] for what is held already. There
    /// is one receiver: `None` for whoever asks second.
    fn events(&self) -> Option<mpsc::Receiver<Event>>;

    /// The cluster as this node sees it.
    fn view(&self) -> ClusterView;

    /// Whether this node holds acknowledged writes that the store does not have yet: to be told to the others, who
    /// may have to wait for them ([`NodeView::unwritten`]). Completes when all know it. May take as long as the others
    /// cannot be asked: to be bounded by the caller.
    async fn tell_unwritten(&self, is: bool);

    /// Gives the shards up in rounds, each when its [`HandOver`] is dropped. The node stays, and gets none again.
    /// May take as long as the others cannot be asked: to be bounded by the caller.
    async fn give_up_shards(&self);

    /// Goes: gives up the shards that are left, and then the lease. Claims are released with their sockets,
    /// before. To be bounded as well.
    async fn leave(&self);
}

/// A charger, claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// What to write with.
    pub epoch: i64,
    /// Nobody else could be asked: it will be confirmed, or evicted, later.
    pub provisional: bool,
    /// Which claim it follows.
    pub follows: Follows,
}

impl Claim {
    /// Whether nobody else can have held the charger since this node did under the epoch `last` (0: it never
    /// did): what it remembers of the charger still holds.
    pub fn continues(&self, last: i64) -> bool {
        match self.follows {
            Follows::Own => true,
            Follows::Epoch(epoch) => epoch == last,
            Follows::Unknown => last == 0,
        }
    }

    /// Whether this node is known to have held it last, under the epoch `last` (0: it never did).
    pub fn follows_own(&self, last: i64) -> bool {
        match self.follows {
            Follows::Own => true,
            Follows::Epoch(epoch) => epoch == last,
            Follows::Unknown => false,
        }
    }

    /// Whether somebody else is known to have held it since.
    pub fn follows_another(&self, last: i64) -> bool {
        matches!(self.follows, Follows::Epoch(epoch) if epoch != last)
    }
}

/// Which claim another follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// One of this node's: there is no other.
    Own,
    /// The one of that epoch, released or not.
    Epoch(i64),
    /// Nobody remembers one.
    Unknown,
}

/// A node, to others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeAddress {
    /// Its name.
    pub name: String,
    /// Where other nodes reach it.
    pub address: String,
    /// Its process: a later one of the same name has a higher number.
    pub incarnation: i64,
}

/// Where a charger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The node with its socket.
    pub node: NodeAddress,
    /// The epoch of its claim.
    pub epoch: i64,
    /// It is this node.
    pub here: bool,
}
