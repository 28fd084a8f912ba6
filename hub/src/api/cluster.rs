//! The cluster, as the hub that is asked sees it.

use std::sync::Arc;

use axum::extract::State;
use placement::ClusterView;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Api;
use crate::fleet::OtherHub;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// The cluster, as the hub that is asked sees it.
#[derive(Debug, Serialize, ToSchema)]
struct Cluster {
    #[serde(flatten)]
    view: ClusterView,
    /// The other hubs that live, and whether the hub that is asked and they reach each other.
    others: Vec<OtherHub>,
    /// Writes of sessions that the store refused this hub since it started, because another hub held the
    /// charger by then.
    fenced_writes: u64,
}

/// The cluster, as the hub that is asked sees it
///
/// Its nodes, how many chargers and shards of sites each holds, what has happened to the hub that is asked, and how
/// it gets on with Redis; which of the others it reaches, since when, and why not. A hub that is alone is a cluster of one.
#[utoipa::path(get, path = "/api/v1/cluster", tag = "cluster", operation_id = "show_cluster",
    security(("api_key" = ["viewer"])),
    responses((status = 200, description = "The cluster.", body = Cluster)))]
async fn show(State(api): State<Arc<Api>>) -> axum::Json<Cluster> {
    axum::Json(Cluster {
        view: api.actors.placement().view(),
        others: api.fleet.others(api.clock.now()),
        fenced_writes: api.actors.fenced_writes(),
    })
}
