//! Bad input, and what is said to it.

use axum::{
    body::Body,
    http::{Request, header},
    response::IntoResponse,
};
use serde_json::json;
use store::{ReadError, WriteError};

use super::TestApi;
use crate::api::problem::Problem;

#[tokio::test]
async fn a_bad_query_is_told_what_is_wrong_with_it() {
    let api = TestApi::start().await;
    for (query, says) in [
        ("limit=0", "between 1 and 500"),
        ("limit=501", "between 1 and 500"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("after=x", "cursor"),
        ("after=", "cursor"),
        ("limt=5", "this takes site, search, limit, after"),
        ("site=", "must not be empty"),
        ("site=a&site=b", "twice"),
        ("%6Cimit=1&limit=2", "twice"),
    ] {
        let answer = api
            .ask(
                "GET",
                &format!("/api/v1/stations?{query}"),
                &api.viewer,
                None,
            )
            .await;
        assert!(
            answer.detail(400).contains(says),
            "{query}: {}",
            answer.body
        );
    }
    let answer = api.ask("GET", "/live?verbose=1", "", None).await;
    assert!(answer.detail(400).contains("this takes none"));
}

#[tokio::test]
async fn a_bad_path_is_told_what_is_wrong_with_it() {
    let api = TestApi::start().await;
    let long = "x".repeat(256);
    for (path, says) in [
        ("/stations/%FF", "UTF-8"),
        ("/stations/a%0Ab", "control characters"),
        (&format!("/stations/{long}"), "at most 255"),
        ("/sessions/12", "UUID"),
        ("/commands/12", "UUID"),
        ("/dead-letters/12", "UUID"),
    ] {
        let answer = api
            .ask("GET", &format!("/api/v1{path}"), &api.viewer, None)
            .await;
        assert!(answer.detail(400).contains(says), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_bad_body_is_told_what_is_wrong_with_it() {
    let api = TestApi::start().await;
    let long = "x".repeat(1001);
    for (path, body, says) in [
        ("/stations", json!({}), "missing field `id`"),
        ("/stations", json!([]), "struct"),
        ("/stations", json!({"id": ""}), "must not be empty"),
        (
            "/stations",
            json!({"id": "CP", "admision": "accepted"}),
            "unknown field `admision`",
        ),
        (
            "/stations",
            json!({"id": "CP", "admission": "maybe"}),
            "admission: unknown variant `maybe`",
        ),
        (
            "/stations",
            json!({"id": "CP", "note": long}),
            "at most 1000",
        ),
        ("/sites", json!({"id": "s", "limit_w": -1}), "below zero"),
        (
            "/tokens",
            json!({"uid": "T", "expires_at": "tomorrow"}),
            "expires_at",
        ),
        (
            "/tokens",
            json!({"uid": "T", "max_concurrent": -1}),
            "max_concurrent",
        ),
        (
            "/stations/CP/commands",
            json!({"action": "Reset", "timeout_s": 301}),
            "between 1 and 300",
        ),
        (
            "/stations/CP/commands",
            json!({"action": "Reset", "payload": []}),
            "payload",
        ),
    ] {
        let answer = api.post(&format!("/api/v1{path}"), body.clone()).await;
        assert!(answer.detail(400).contains(says), "{body}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_not_declared_or_too_long_is_refused() {
    let api = TestApi::start().await;
    let send = async |kind: &str, body: Vec<u8>| {
        let request = Request::post("/api/v1/stations")
            .header(header::AUTHORIZATION, format!("Bearer {}", api.operator))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body));
        api.send(request.unwrap()).await
    };
    let answer = send("application/json", b"{\"id\":".to_vec()).await;
    assert!(answer.detail(400).contains("not JSON"));
    let answer = send("text/plain", b"{\"id\":\"CP\"}".to_vec()).await;
    assert!(answer.detail(415).contains("application/json"));
    let answer = send("application/json", vec![b' '; 256 * 1024 + 1]).await;
    assert!(answer.detail(413).contains("262144"));
}

#[tokio::test]
async fn a_store_that_fails_is_a_503_that_tells_what_is_known_and_not_what_the_store_said() {
    let said = || "disk I/O error at /secret/place".to_owned();
    for (problem, says) in [
        (Problem::from(ReadError(said())), "cannot be read"),
        (
            Problem::from(WriteError::NotWritten(said())),
            "nothing was changed",
        ),
        (
            Problem::from(WriteError::Unknown(said())),
            "may or may not have been made",
        ),
    ] {
        let response = problem.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
        assert!(text.contains(says) && !text.contains("secret"), "{text}");
    }
}
