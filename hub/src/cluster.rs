//! This hub among others: which placement it goes by.

use std::sync::Arc;

use placement::{LocalPlacement, Node, Placement, Settings};
use placement_redis::RedisBackend;

use crate::{HubError, config::Member};

/// What a hub that is alone is called.
const ALONE: &str = "hub";

/// Takes part in the cluster, or is alone. Waits for nobody: Redis may be away. `now`: ms since 1970.
///
/// # Errors
/// [`HubError::Cluster`]: a file for TLS cannot be used, or the servers cannot be addressed so.
pub(crate) fn placement(member: Option<&Member>, now: i64) -> Result<Arc<dyn Placement>, HubError> {
    let Some(member) = member else {
        return Ok(Arc::new(LocalPlacement::new(ALONE, now)));
    };
    let backend = RedisBackend::new(&member.redis)
        .map_err(|error| HubError::Cluster(format!("cluster.redis: {error}")))?;
    let settings = Settings::new(&member.name, &member.address);
    tracing::info!(name = %member.name, address = %member.address, "this hub is one of a cluster");
    Ok(Arc::new(Node::start(backend, settings)))
}
