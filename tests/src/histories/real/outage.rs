//! The CQL server of a hub goes away and comes back.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};

use super::blocking;
use crate::{Api, CqlServer, HubProcess};

/// How long what waits in the spool may take to reach the server.
const REPLAYS_WITHIN: Duration = Duration::from_secs(120);

/// Kills a node for so long. In half of the outages the hub is killed too, and started when the node is back, or
/// before.
pub(super) async fn strike(
    mut hub: HubProcess,
    lasts: Duration,
    chance: &mut StdRng,
) -> HubProcess {
    let node = chance.random_range(1..=CqlServer.nodes());
    let hub_dies_after = chance
        .random_bool(0.5)
        .then(|| lasts.mul_f64(chance.random_range(0.1..1.0)));
    let hub_waits = chance.random_bool(0.5);
    blocking(move || CqlServer.kill(node)).await;
    tokio::time::sleep(hub_dies_after.unwrap_or(lasts)).await;
    blocking(move || {
        if hub_dies_after.is_some() {
            hub.kill();
        }
        if hub_dies_after.is_some() && hub_waits {
            hub.start_again();
        }
        CqlServer.start(node);
        if hub_dies_after.is_some() && !hub_waits {
            hub.start_again();
        }
        hub
    })
    .await
}

/// Waits until nothing is left in the spool; whether that came about in time.
pub(super) async fn is_over(hub: &HubProcess) -> bool {
    let api = Api::new(&hub.api_address, "");
    let replayed = async {
        loop {
            let (_, metrics) = api.page("/metrics").await;
            if metrics.contains("switchyard_spool_records 0\n") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(REPLAYS_WITHIN, replayed).await.is_ok()
}
