//! The operator API: `/api/v1`, its OpenAPI page, health and metrics.
//!
//! One file per resource holds its handlers, bodies and views. Around them, in the order a request
//! meets them: [`gate`] (key, role, rate limit, known query parameters, all by the OpenAPI document of
//! [`openapi`]), [`extract`] and [`page`] (path, query and body), the handler, and [`problem`] for
//! whatever goes wrong on the way.
//!
//! What answers here stays: paths and fields are added, never renamed or taken away.

pub mod auth;
mod cdrs;
mod cluster;
mod commands;
mod dead_letters;
mod events;
mod extract;
mod gate;
mod health;
mod keys;
mod limits;
mod messages;
mod notices;
mod openapi;
mod page;
mod power;
mod problem;
mod serve;
mod sessions;
mod sites;
mod stations;
#[cfg(test)]
mod tests;
mod tokens;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actors::{Actors, Clock};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
};
use metrics_exporter_prometheus::PrometheusHandle;
use store::Store;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::RequestBodyDeadlineLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub use limits::RateLimits;
pub use serve::serve;

use crate::{Cluster, commands::Commands, fleet::Fleet};

/// The longest body a request may have.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the API works with.
#[derive(Clone)]
pub struct ApiState {
    /// What the hub remembers.
    pub store: Arc<dyn Store>,
    /// What it decides with.
    pub actors: Actors,
    /// The way to the stations.
    pub commands: Commands,
    /// The stations and sites of all hubs.
    pub fleet: Fleet,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether the hub takes chargers; false while it starts and while it drains.
    pub ready: Arc<AtomicBool>,
    /// The cluster that the hub remembers in, where it does.
    pub cluster: Option<Cluster>,
    /// Where the metrics are.
    pub metrics: PrometheusHandle,
    /// How much one may ask.
    pub limits: RateLimits,
}

/// What handlers work with: the state, and what the API keeps for itself.
struct Api {
    state: ApiState,
    document: openapi::Document,
    keys: auth::KeyRing,
    limiter: limits::Limiter,
    streams: Arc<Semaphore>,
    /// Held by whoever reads configuration, changes it and writes it back, so that of two who do so at
    /// once neither is lost.
    editing: Mutex<()>,
}

impl std::ops::Deref for Api {
    type Target = ApiState;
    fn deref(&self) -> &ApiState {
        &self.state
    }
}

impl Api {
    /// A place among the event streams, for as long as it is held.
    fn stream_place(&self) -> Result<OwnedSemaphorePermit, problem::Problem> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            problem::Problem::too_many(
                "as many event streams as may be are open; close one, or wait for one to close",
                events::KEEP_ALIVE,
            )
        })
    }
}

/// All routes of the operator API.
pub fn router(state: ApiState) -> Router {
    gate::describe_metrics();
    let (routes, generated) = routes().split_for_parts();
    let api = Arc::new(Api {
        document: openapi::Document::new(&generated),
        keys: auth::KeyRing::new(state.store.clone(), state.clock.clone()),
        limiter: limits::Limiter::new(&state.limits),
        streams: Arc::new(Semaphore::new(state.limits.event_streams.max(1) as usize)),
        editing: Mutex::default(),
        state,
    });
    routes
        .route_layer(from_fn_with_state(api.clone(), gate::gate))
        .with_state(api)
        .merge(docs_page())
        .fallback(no_such_route)
        .method_not_allowed_fallback(async || problem::Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(RequestBodyDeadlineLayer::new(BODY_TIMEOUT))
        .layer(map_response(gate::harden))
}

fn routes() -> OpenApiRouter<Arc<Api>> {
    let quick = OpenApiRouter::new()
        .merge(stations::routes())
        .merge(commands::routes())
        .merge(dead_letters::routes())
        .merge(messages::routes())
        .merge(notices::routes())
        .merge(sessions::routes())
        .merge(cdrs::routes())
        .merge(tokens::routes())
        .merge(sites::routes())
        .merge(power::routes())
        .merge(keys::routes())
        .merge(cluster::routes())
        .merge(health::routes())
        .route_layer(from_fn(gate::in_time));
    // These wait for a station, or for ever.
    let waiting = OpenApiRouter::new()
        .merge(commands::waiting_routes())
        .merge(events::routes())
        .merge(power::streaming_routes());
    OpenApiRouter::with_openapi(openapi::Base::openapi())
        .merge(quick)
        .merge(waiting)
}

/// The page that shows the OpenAPI document.
fn docs_page() -> Router {
    let page = SwaggerUi::new("/api/docs").config(Config::from("/api/v1/openapi.json"));
    Router::from(page).layer(map_response(async |response: Response| {
        // The page answers a file it does not have with a bare 404.
        match response.status() {
            StatusCode::NOT_FOUND => no_such_route().await.into_response(),
            _ => response,
        }
    }))
}

async fn no_such_route() -> problem::Problem {
    problem::Problem::not_found("there is nothing at this path; /api/docs shows what there is")
}

/// A text as a segment of a path.
fn path_segment(text: &str) -> impl std::fmt::Display {
    // What RFC 3986 calls unreserved stays as it is.
    const ENCODED: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(text, &ENCODED)
}
