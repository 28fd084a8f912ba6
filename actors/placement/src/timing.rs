//! How long things take that the nodes of a cluster must agree on.

/// How long things take, in ms. The same on all nodes of a cluster.
///
/// What keeps a shard from having two owners: a lease lasts `lease_ms` by the arbiter's clock from when
/// the arbiter heard of its node, and its node acts for `fence_ms` by its own monotonic clock from when it *began* to
/// ask. So the arbiter's clock may gain up to `lease_ms - fence_ms` (3 s) on the node's within one lease.
/// What it gains in one leap of more than `gap_ms` is noticed: then nothing moves for a whole lease.
///
/// What it loses costs time only, but for one case: shards' epochs may go back when the arbiter is wiped or fails
/// over while its clock is behind what it was, and no node that is left has heard of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a lease lasts.
    pub lease_ms: i64,
    /// For how long after it began to ask a node may act on the answer.
    pub fence_ms: i64,
    /// How often a node asks.
    pub round_ms: i64,
    /// A node that joins gets no shards for so long; doubled each time it comes back too soon.
    pub settle_ms: i64,
    /// When no node asked for so long, the arbiter was away, or its clock leapt.
    pub gap_ms: i64,
    /// A node that stayed for so long is not held to have flapped.
    pub forgive_ms: i64,
    /// How many shards of a node may be on their way to others at once, to balance.
    pub moves_at_once: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_ms: 10_000,
            fence_ms: 7_000,
            round_ms: 1_000,
            settle_ms: 5_000,
            gap_ms: 3_000,
            forgive_ms: 600_000,
            moves_at_once: 64,
        }
    }
}

impl Timing {
    /// All of it so many times as fast, for tests that cannot wait.
    #[must_use]
    pub fn sped_up(self, times: i64) -> Self {
        Self {
            lease_ms: self.lease_ms / times,
            fence_ms: self.fence_ms / times,
            round_ms: self.round_ms / times,
            settle_ms: self.settle_ms / times,
            gap_ms: self.gap_ms / times,
            forgive_ms: self.forgive_ms / times,
            moves_at_once: self.moves_at_once,
        }
    }
}
