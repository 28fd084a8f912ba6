//! Every metric of this crate: name, unit, help, labels. Never a charger's id as a label.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Rounds with the arbiter, by `outcome` (answered, away).
pub(crate) const ROUNDS: &str = "switchyard_placement_rounds_total";
/// How long an answered round took.
pub(crate) const ROUND_SECONDS: &str = "switchyard_placement_round_seconds";
/// How long a claim took.
pub(crate) const CLAIM_SECONDS: &str = "switchyard_placement_claim_seconds";
/// Claims, by `outcome` (confirmed, provisional).
pub(crate) const CLAIMS: &str = "switchyard_placement_claims_total";
/// Claims that had to be written down again, since the backend had forgotten them.
pub(crate) const RESTORED: &str = "switchyard_placement_claims_restored_total";
/// Chargers that another node took over.
pub(crate) const EVICTIONS: &str = "switchyard_placement_evictions_total";
/// Shards this node holds.
pub(crate) const SHARDS_HELD: &str = "switchyard_placement_shards";
/// Shards that came and went here, by `how` (gained, given, lost).
pub(crate) const SHARD_MOVES: &str = "switchyard_placement_shard_moves_total";
/// Times this node fenced itself.
pub(crate) const FENCED: &str = "switchyard_placement_fenced_total";
/// 1 while the backend answers.
pub(crate) const UP: &str = "switchyard_placement_backend_up";
/// 1 while another node lives that is reached at this node's address.
pub(crate) const ADDRESS_SHARED: &str = "switchyard_placement_address_shared";
/// 1 once the backend has answered since the start.
pub(crate) const REACHED: &str = "switchyard_placement_backend_reached";
/// Nodes whose lease lasts.
pub(crate) const NODES: &str = "switchyard_placement_nodes";

/// Tells the recorder what the metrics of this crate mean.
pub fn describe_metrics() {
    describe_counter!(
        ROUNDS,
        Unit::Count,
        "Rounds with the arbiter of shards and leases, by outcome: answered, away."
    );
    describe_histogram!(
        ROUND_SECONDS,
        Unit::Seconds,
        "How long an answered round took."
    );
    describe_histogram!(
        CLAIM_SECONDS,
        Unit::Seconds,
        "How long a claim of a charger took, provisional ones included."
    );
    describe_counter!(
        CLAIMS,
        Unit::Count,
        "Claims of chargers, by outcome: confirmed, provisional (nobody could be asked)."
    );
    describe_counter!(
        RESTORED,
        Unit::Count,
        "Claims that the backend had forgotten and that were written down again."
    );
    describe_counter!(
        EVICTIONS,
        Unit::Count,
        "Chargers that another node took over from this one."
    );
    describe_gauge!(SHARDS_HELD, Unit::Count, "Shards of sites this node holds.");
    describe_counter!(
        SHARD_MOVES,
        Unit::Count,
        "Shards that came and went here, by how: gained, given (planned), lost."
    );
    describe_counter!(
        FENCED,
        Unit::Count,
        "Times this node stopped acting for its sites because its lease was not renewed in time."
    );
    describe_gauge!(UP, Unit::Count, "1 while the placement backend answers.");
    describe_gauge!(
        ADDRESS_SHARED,
        Unit::Count,
        "1 while another node lives that is reached at this node's address: one of the two is reached by nobody."
    );
    describe_gauge!(
        REACHED,
        Unit::Count,
        "1 once the placement backend has answered since the hub started; 0: it never did, and no other hub knows what this one holds."
    );
    describe_gauge!(NODES, Unit::Count, "Nodes whose lease lasts.");
}
