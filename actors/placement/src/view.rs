//! The cluster, as a node sees it, for the API and the metrics.

use serde::Serialize;

/// The cluster, as a node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterView {
    /// This node's name.
    pub me: String,
    /// The number of this process; absent until it has joined.
    pub incarnation: Option<i64>,
    /// This node may act for no shard, since its lease was not renewed in time.
    pub fenced: bool,
    /// Nothing moves for the moment: the backend was away, wiped, or failed over.
    pub quiet: bool,
    /// All processes that are written down, those whose lease has run out too, for a while.
    pub nodes: Vec<NodeView>,
    /// Shards nobody acts for.
    pub shards_unowned: usize,
    /// The highest epoch of a shard.
    pub shard_epoch_max: i64,
    /// Chargers this node holds.
    pub chargers_here: usize,
    /// Of those, the claims that nobody has confirmed yet.
    pub chargers_provisional: usize,
    /// What has happened to this node since it started.
    pub happened: Happened,
    /// How the backend is.
    pub backend: BackendHealth,
}

/// How often something happened to a node since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Happened {
    /// Shards it gained.
    pub shards_gained: u64,
    /// Shards it was asked to hand over, to balance or because it leaves.
    pub shards_given: u64,
    /// Shards it lost otherwise.
    pub shards_lost: u64,
    /// Times it fenced itself.
    pub fenced: u64,
    /// Chargers that another node took over.
    pub evictions: u64,
}

/// A node's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Where other nodes reach it.
    pub address: String,
    /// Its number.
    pub incarnation: i64,
    /// Its lease lasts.
    pub alive: bool,
    /// Shards are spread over it.
    pub settled: bool,
    /// It is about to go.
    pub leaving: bool,
    /// How often in a row it came back too soon.
    pub flaps: u32,
    /// How many chargers it holds.
    pub chargers: u64,
    /// It holds acknowledged messages that the store does not have yet.
    pub unwritten: bool,
    /// For how long its lease has been over, in ms; 0 while it lasts.
    pub gone_ms: i64,
    /// How many shards it holds.
    pub shards: usize,
}

/// How the backend is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackendHealth {
    /// The last round was answered.
    pub up: bool,
    /// One was answered since this node started.
    pub reached: bool,
    /// What that means, and why it is so, while the last round was not answered.
    pub trouble: Option<String>,
    /// Why claims of chargers are not confirmed, while rounds are answered and they have not been for some seconds.
    pub claims_trouble: Option<String>,
    /// How long that took, in µs.
    pub round_us: u64,
    /// Why the last round was not answered.
    pub error: Option<String>,
    /// Which memory of it that was; changes when it is wiped, started anew, or fails over.
    pub memory: String,
}
