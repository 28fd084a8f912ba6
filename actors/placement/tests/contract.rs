//! The rules, on the placement of a hub that is alone and on nodes over a cluster in memory.

use placement::{LocalPlacement, Placement, Timing, contract::Bench, memory::MemoryCluster};

mod local {
    use super::*;

    async fn open() -> Box<LocalPlacement> {
        Box::new(LocalPlacement::new("hub", 1_764_000_000_000))
    }

    placement::contract_tests!(open);
}

mod alone_over_memory {
    use super::*;

    async fn open() -> Box<dyn Placement> {
        let cluster = MemoryCluster::default();
        cluster.node("hub-a", Timing::default().sped_up(10)).await
    }

    placement::contract_tests!(open);
}

mod many_over_memory {
    use super::*;

    async fn bench() -> MemoryCluster {
        MemoryCluster::default()
    }

    placement::cluster_contract_tests!(bench);
}
