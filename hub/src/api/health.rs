//! For those who watch the hub itself: whether it lives, whether it takes chargers, its metrics, and
//! what its API looks like. None of these needs a key.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, problem::Problem};
use crate::Cluster;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(metrics))
        .routes(routes!(openapi))
}

/// How the hub is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `live` or `ready`.
    status: &'static str,
    /// What somebody has to mend, though chargers are taken and what they say is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// Does the hub live?
#[utoipa::path(get, path = "/live", tag = "health", operation_id = "live",
    responses((status = 200, description = "It answers, so it lives.", body = Health)))]
async fn live() -> axum::Json<Health> {
    axum::Json(Health {
        status: "live",
        trouble: None,
    })
}

/// Does the hub take chargers?
#[utoipa::path(get, path = "/ready", tag = "health", operation_id = "ready",
    responses(
        (status = 200, description = "It does. Where its cluster is away or refuses it what it needs, `trouble` says so: transaction messages wait in the spool then. So it does where Redis is away, or was never reached: no site moves then.", body = Health),
        (status = 503, description = "It is starting, it is stopping, its cluster has not answered since it started, or it cannot keep transaction messages now.",
            body = super::problem::ProblemBody<'static>, content_type = "application/problem+json"),
    ))]
async fn ready(State(api): State<Arc<Api>>) -> Result<axum::Json<Health>, Problem> {
    if !api.ready.load(Ordering::Acquire) {
        return Err(Problem::unavailable(
            "the hub is starting or stopping; it takes no chargers now",
        ));
    }
    let cluster = api.cluster.as_ref();
    if let Some(why) = cluster.and_then(Cluster::missing) {
        return Err(Problem::unavailable(why));
    }
    if let Some(why) = api.actors.trouble() {
        return Err(Problem::unavailable(format!(
            "transaction messages cannot be kept now, so no chargers are taken: {why}"
        )));
    }
    Ok(axum::Json(Health {
        status: "ready",
        trouble: trouble(&api),
    }))
}

fn trouble(api: &Api) -> Option<String> {
    let store = api.cluster.as_ref().and_then(Cluster::trouble);
    let placement = api.actors.placement().view().backend;
    let placement = placement
        .trouble
        .into_iter()
        .chain(placement.claims_trouble);
    let troubles: Vec<String> = store.into_iter().chain(placement).collect();
    (!troubles.is_empty()).then(|| troubles.join("; "))
}

/// The hub's metrics, as Prometheus reads them
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, description = "The metrics.", body = String,
        content_type = "text/plain")))]
async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (StatusCode::OK, kind, api.metrics.render())
}

/// This document
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "health", operation_id = "openapi",
    responses((status = 200, description = "The OpenAPI 3.1 document of this API.", body = Object,
        content_type = "application/json")))]
async fn openapi(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, api.document.json.clone())
}
