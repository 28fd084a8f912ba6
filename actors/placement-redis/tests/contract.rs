//! The rules of every placement, on one real Redis server.

mod common;

use placement::{Placement, Timing};

/// A node, and the server that it is on.
struct Alone(
    Box<dyn Placement>,
    #[expect(dead_code, reason = "dropped last")] common::Servers,
);

impl std::ops::Deref for Alone {
    type Target = dyn Placement;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

async fn alone() -> Alone {
    let servers = common::Servers::up("single");
    let node = common::node(&servers.options(), "hub-a", Timing::default().sped_up(5));
    Alone(Box::new(node), servers)
}

async fn bench() -> common::Servers {
    common::Servers::up("single")
}

mod one_node {
    placement::contract_tests!(super::alone);
}

mod nodes {
    placement::cluster_contract_tests!(super::bench);
}
