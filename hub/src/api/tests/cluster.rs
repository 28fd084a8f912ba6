//! The view of the cluster.

use placement::SHARDS;
use serde_json::json;

use super::{NOW, TestApi};

#[tokio::test]
async fn a_hub_that_is_alone_is_a_cluster_of_one() {
    let api = TestApi::start().await;
    let placement = api.actors.placement();
    for name in ["CP-1", "CP-2"] {
        let station = model::StationId::new(name).unwrap();
        placement.claim(&station, NOW.0).await;
    }
    let cluster = api.get("/api/v1/cluster").await;
    assert_eq!(cluster["nodes"].as_array().unwrap().len(), 1);
    let node = &cluster["nodes"][0];
    assert_eq!(
        (
            &node["name"],
            &node["alive"],
            &node["chargers"],
            &node["shards"]
        ),
        (&cluster["me"], &json!(true), &json!(2), &json!(SHARDS))
    );
    assert_eq!(cluster["chargers_here"], 2);
    assert_eq!(
        (&cluster["shards_unowned"], &cluster["fenced_writes"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(cluster["happened"]["shards_gained"], json!(SHARDS));
    assert_eq!(cluster["backend"]["up"], true);
}
