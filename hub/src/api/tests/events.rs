//! The event stream.

use std::time::Duration;

use actors::Settings;
use axum::{
    body::{Body, BodyDataStream},
    http::{Request, Response, header},
};
use futures_util::StreamExt;
use model::{LiveEvent, Protocol, StationId};
use serde_json::Value;
use tower::ServiceExt;

use super::{NOW, TestApi};
use crate::api::RateLimits;

const DEADLINE: Duration = Duration::from_secs(10);

async fn open(api: &TestApi, query: &str) -> Response<Body> {
    let request = Request::get(format!("/api/v1/events{query}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", api.viewer))
        .body(Body::empty());
    api.router.clone().oneshot(request.unwrap()).await.unwrap()
}

async fn watch(api: &TestApi, query: &str) -> BodyDataStream {
    let response = open(api, query).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    response.into_body().into_data_stream()
}

/// The name and the data of the next event.
async fn next(stream: &mut BodyDataStream) -> (String, Value) {
    let chunk = tokio::time::timeout(DEADLINE, stream.next()).await;
    let chunk = chunk
        .expect("an event in time")
        .expect("the stream goes on")
        .unwrap();
    let text = String::from_utf8(chunk.to_vec()).unwrap();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text:?}"))
            .trim()
            .to_owned()
    };
    (
        field("event:"),
        serde_json::from_str(&field("data:")).unwrap(),
    )
}

fn connected(station: &str) -> LiveEvent {
    LiveEvent::Connected {
        station: StationId::new(station).unwrap(),
        at: NOW,
        protocol: Protocol::Ocpp201,
    }
}

#[tokio::test]
async fn what_happens_is_told_to_those_who_watch() {
    let api = TestApi::start().await;
    let mut all = watch(&api, "").await;
    let mut one = watch(&api, "?station=CP-2").await;
    api.actors.watchers().tell(|| connected("CP-1"));
    api.actors.watchers().tell(|| connected("CP-2"));
    let (name, data) = next(&mut all).await;
    assert_eq!(name, "connected");
    assert_eq!(data["type"], name.as_str());
    assert_eq!(data["station"], "CP-1");
    assert_eq!(data["protocol"], "ocpp2.0.1");
    assert_eq!(
        next(&mut one).await.1["station"],
        "CP-2",
        "CP-1 is not its business"
    );
}

#[tokio::test]
async fn a_reader_that_does_not_keep_up_is_told_how_much_it_missed() {
    let api = TestApi::start().await;
    let mut stream = watch(&api, "").await;
    // The channel may round its capacity up, so that many are sent that some must be lost.
    let sent = 4 * Settings::default().live_backlog;
    for n in 0..sent {
        api.actors.watchers().tell(|| connected(&format!("CP-{n}")));
    }
    let (name, data) = next(&mut stream).await;
    assert_eq!(name, "missed");
    let missed = data["count"].as_u64().unwrap();
    assert!(missed > 0 && missed < sent as u64);
    let (name, data) = next(&mut stream).await;
    assert_eq!(name, "connected");
    assert_eq!(
        data["station"],
        format!("CP-{missed}"),
        "the oldest that is still there"
    );
}

#[tokio::test]
async fn streams_are_bounded_and_one_that_closes_makes_room() {
    let limits = RateLimits {
        event_streams: 1,
        ..RateLimits::new(1000)
    };
    let api = TestApi::with_limits(limits).await;
    let first = watch(&api, "").await;
    let refused = open(&api, "").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    drop(first);
    assert_eq!(open(&api, "").await.status(), 200);
}
