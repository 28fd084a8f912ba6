//! The API through its router, on the in-memory store and real actors.

mod access;
mod cluster;
mod dead_letters;
mod document;
mod events;
mod power;
mod problems;
mod resources;
mod sessions;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actors::{Actors, Clock, ManualClock};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use metrics_exporter_prometheus::PrometheusBuilder;
use model::{Role, Timestamp};
use placement::LocalPlacement;
use serde_json::Value;
use store::{ApiKeyStore, MemoryStore, Store};
use tower::ServiceExt;

use super::{ApiState, RateLimits, auth::new_key, problem::PROBLEM_JSON, router};
use crate::{commands::Commands, dead_letters::DeadLetters, fleet::Fleet};

const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// The API, and a key of each role.
struct TestApi {
    router: Router,
    store: Arc<MemoryStore>,
    actors: Actors,
    clock: Arc<ManualClock>,
    ready: Arc<AtomicBool>,
    viewer: String,
    operator: String,
    admin: String,
}

/// What a request was answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl TestApi {
    async fn start() -> Self {
        Self::with_limits(RateLimits::new(10_000)).await
    }

    async fn with_limits(limits: RateLimits) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::at(NOW));
        let ready = Arc::new(AtomicBool::new(true));
        let all: Arc<dyn Store> = store.clone();
        let placement = Arc::new(LocalPlacement::new("hub", clock.now().0));
        let actors = Actors::start(
            all.clone(),
            clock.clone(),
            placement,
            actors::Settings::default(),
        )
        .await
        .unwrap();
        let conflicts = Arc::new(crate::socket::Conflicts::new(300));
        let dead_letters = DeadLetters::new(all.clone(), actors.clone());
        let fleet = Fleet::alone(actors.clone(), conflicts, dead_letters);
        let router = router(ApiState {
            fleet: fleet.clone(),
            store: all.clone(),
            actors: actors.clone(),
            commands: Commands::new(all, actors.clone(), fleet, clock.clone()),
            clock: clock.clone(),
            ready: ready.clone(),
            cluster: None,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            limits,
        });
        let api = Self {
            viewer: add_key(&store, Role::Viewer).await,
            operator: add_key(&store, Role::Operator).await,
            admin: add_key(&store, Role::Admin).await,
            router,
            store,
            actors,
            clock,
            ready,
        };
        assert_eq!(api.clock.now(), NOW);
        api
    }

    /// Asks, and holds every answer to what all answers keep to.
    async fn ask(&self, method: &str, path: &str, key: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let asked = format!("{} {}", request.method(), request.uri());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::String(text)),
        };
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        if answer.status.as_u16() >= 400 {
            answer.is_problem(&asked);
        }
        answer
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, &self.viewer, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.body
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &self.operator, Some(body)).await
    }

    async fn made(&self, path: &str, body: Value) -> Value {
        let answer = self.post(path, body).await;
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{path}: {}",
            answer.body
        );
        answer.body
    }

    fn drains(&self) {
        self.ready.store(false, Ordering::Release);
    }
}

impl Answer {
    fn is_problem(&self, asked: &str) {
        let body = &self.body;
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            PROBLEM_JSON,
            "{asked}: {body}"
        );
        assert_eq!(body["status"], self.status.as_u16(), "{asked}");
        assert_eq!(body["type"], "about:blank", "{asked}");
        for text in ["title", "detail"] {
            assert!(!body[text].as_str().unwrap().is_empty(), "{asked}: {body}");
        }
    }

    /// The answer's `detail`, of a problem with that status.
    fn detail(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["detail"].as_str().unwrap()
    }
}

async fn add_key(store: &MemoryStore, role: Role) -> String {
    let (secret, kept) = new_key(role, "test", NOW);
    store.create_api_key(kept).await.unwrap();
    secret
}
