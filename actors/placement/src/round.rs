//! What a node and the arbiter say to each other, once a round.

use crate::ShardId;

/// A node's turn: that it lives, and what it would have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub name: String,
    /// Where other nodes reach it.
    pub address: String,
    /// Its process, by chance: a process whose first question is heard twice gets one number.
    pub process: u64,
    /// The number of its process; `None` until the arbiter has given it one.
    pub incarnation: Option<i64>,
    /// How many chargers it holds.
    pub chargers: u64,
    /// It holds acknowledged writes that the store does not have yet.
    pub unwritten: bool,
    /// It wants no shards, since it is about to go.
    pub leaving: bool,
    /// It goes now. One that leaves writes behind stays written down, as one whose lease has run out.
    pub bye: bool,
    /// The state of the table it knows ([`Reply::state`]); that is not told again.
    pub seen: String,
    /// Shards it holds under these epochs, of which the table knows nothing, or less.
    pub asserted: Vec<(ShardId, i64)>,
    /// Shards it held under these epochs and has stopped to act for.
    pub given: Vec<(ShardId, i64)>,
    /// Shards it would have, since nobody holds them, under an epoch that is at least this: above all it has
    /// heard of.
    pub taken: Vec<(ShardId, i64)>,
}

/// The arbiter's answer: how things stand after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The arbiter's clock, in ms since 1970.
    pub now: i64,
    /// The number of the node's process.
    pub incarnation: i64,
    /// A later process has the node's name: this one is out.
    pub superseded: bool,
    /// What is written down may be old, or leases may have run out because nobody could renew them: until
    /// this is over, nothing is taken from anybody.
    pub quiet: bool,
    /// The arbiter's memory: changes when it started anew, was wiped, or lost its latest writes to a
    /// fail-over.
    pub memory: String,
    /// The state of the table.
    pub state: String,
    /// All nodes that are written down.
    pub nodes: Vec<NodeRecord>,
    /// All shards that are written down; `None` when the node has seen that state.
    pub table: Option<Vec<(ShardId, ShardRecord)>>,
}

/// A node's lease. Times in ms since 1970, by the arbiter's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// The number of the process.
    pub incarnation: i64,
    /// What it calls itself.
    pub process: u64,
    /// Its node's name.
    pub name: String,
    /// Where other nodes reach it.
    pub address: String,
    /// When its lease ends.
    pub deadline: i64,
    /// When it joined.
    pub joined: i64,
    /// When it may have shards.
    pub settled: i64,
    /// How often in a row it came back too soon.
    pub flaps: u32,
    /// It wants no shards.
    pub leaving: bool,
    /// A later process has its name.
    pub superseded: bool,
    /// How many chargers it holds.
    pub chargers: u64,
    /// It holds acknowledged writes that the store does not have yet.
    pub unwritten: bool,
}

impl NodeRecord {
    /// Its lease lasts.
    pub fn is_alive(&self, now: i64) -> bool {
        self.deadline > now
    }

    /// Shards should be spread over it.
    pub fn is_member(&self, now: i64) -> bool {
        self.is_alive(now) && !self.superseded && !self.leaving && self.settled <= now
    }
}

/// Who holds a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardRecord {
    /// The process; `None` when it was given up.
    pub holder: Option<i64>,
    /// The epoch it holds or held it under; the next is higher.
    pub epoch: i64,
}
