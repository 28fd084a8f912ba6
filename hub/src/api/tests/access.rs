//! Who may do what, and how often.

use axum::http::header;
use model::Role;
use serde_json::{Value, json};
use store::ApiKeyStore;

use super::{NOW, TestApi, add_key};
use crate::api::{RateLimits, auth::new_key};

/// Every operation that needs a key, with the role it needs.
async fn guarded(api: &TestApi) -> Vec<(String, String, String)> {
    let document = api.get("/api/v1/openapi.json").await;
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if let Some(role) = operation["security"][0]["api_key"][0].as_str() {
                let path = path.replace("{id}", "00000000-0000-7000-8000-000000000000");
                let path = path.replace("{identity}", "CP").replace("{uid}", "T");
                let path = path.replace("{prefix}", "swk_none");
                found.push((method.to_ascii_uppercase(), path, role.to_owned()));
            }
        }
    }
    found
}

#[tokio::test]
async fn every_route_holds_to_the_role_its_document_names() {
    let api = TestApi::start().await;
    let guarded = guarded(&api).await;
    assert!(
        guarded.len() > 25,
        "only {} operations need a key",
        guarded.len()
    );
    for (method, path, role) in guarded {
        // An event stream does not end, so a viewer's is not read here.
        let streams = path == "/api/v1/events";
        let ask = async |key: &str| api.ask(&method, &path, key, None).await;
        let nobody = ask("").await;
        assert_eq!(nobody.status, 401, "{method} {path}");
        assert_eq!(nobody.headers[header::WWW_AUTHENTICATE], "Bearer");
        for (has, key) in [
            ("viewer", &api.viewer),
            ("operator", &api.operator),
            ("admin", &api.admin),
        ] {
            let rank = |role: &str| {
                ["viewer", "operator", "admin"]
                    .iter()
                    .position(|r| *r == role)
            };
            if rank(has) < rank(&role) {
                let refused = ask(key).await;
                assert!(
                    refused.detail(403).contains(&role),
                    "{method} {path} as {has}"
                );
            } else if !streams {
                let status = ask(key).await.status;
                assert!(
                    status != 401 && status != 403,
                    "{method} {path} as {has}: {status}"
                );
            }
        }
    }
}

#[tokio::test]
async fn roles_are_as_promised_to_operators() {
    let api = TestApi::start().await;
    let guarded = guarded(&api).await;
    let role_of = |method: &str, path: &str| {
        let operation = guarded.iter().find(|(m, p, _)| m == method && p == path);
        operation.unwrap().2.clone()
    };
    for (method, path, role) in [
        ("GET", "/api/v1/stations", "viewer"),
        ("POST", "/api/v1/stations", "operator"),
        ("POST", "/api/v1/tokens", "operator"),
        ("POST", "/api/v1/stations/CP/commands", "operator"),
        ("GET", "/api/v1/keys", "admin"),
        ("POST", "/api/v1/keys", "admin"),
        ("DELETE", "/api/v1/keys/swk_none", "admin"),
    ] {
        assert_eq!(role_of(method, path), role, "{method} {path}");
    }
    let reads_only =
        |(method, _, role): &&(String, String, String)| role == "viewer" && method != "GET";
    assert_eq!(guarded.iter().find(reads_only), None);
}

#[tokio::test]
async fn health_metrics_and_documents_need_no_key() {
    let api = TestApi::start().await;
    for path in [
        "/live",
        "/ready",
        "/metrics",
        "/api/v1/openapi.json",
        "/api/docs/",
    ] {
        assert_eq!(api.ask("GET", path, "", None).await.status, 200, "{path}");
    }
    api.drains();
    assert!(
        api.ask("GET", "/ready", "", None)
            .await
            .detail(503)
            .contains("stopping")
    );
    assert_eq!(api.ask("GET", "/live", "", None).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused() {
    let api = TestApi::start().await;
    let unknown = new_key(Role::Admin, "never kept", NOW).0;
    let short = &unknown[..unknown.len() - 2];
    for key in ["x", "swk_", "swk_****", short, &unknown] {
        assert_eq!(
            api.ask("GET", "/api/v1/stations", key, None).await.status,
            401,
            "{key}"
        );
    }
}

#[tokio::test]
async fn a_key_is_shown_once_works_at_once_and_not_after_it_is_revoked() {
    let api = TestApi::start().await;
    let body = json!({"name": "dashboard", "role": "viewer"});
    let made = api
        .ask("POST", "/api/v1/keys", &api.admin, Some(body))
        .await;
    assert_eq!(made.status, 201);
    let key = made.body["key"].as_str().unwrap();
    let prefix = made.body["prefix"].as_str().unwrap();
    assert!(key.starts_with(prefix) && key.len() > prefix.len() + 30);
    assert_eq!(
        api.ask("GET", "/api/v1/stations", key, None).await.status,
        200
    );

    let listed = api.ask("GET", "/api/v1/keys", &api.admin, None).await.body;
    let shown = listed.to_string();
    assert!(
        shown.contains(prefix) && shown.contains("dashboard"),
        "{shown}"
    );
    assert!(!shown.contains(key) && !shown.contains("sha256"), "{shown}");
    assert_eq!(listed["next"], Value::Null);

    let path = format!("/api/v1/keys/{prefix}");
    assert_eq!(api.ask("DELETE", &path, &api.admin, None).await.status, 204);
    assert_eq!(
        api.ask("GET", "/api/v1/stations", key, None).await.status,
        401
    );
    assert_eq!(api.ask("DELETE", &path, &api.admin, None).await.status, 404);
}

#[tokio::test]
async fn keys_are_listed_page_by_page_also_when_one_is_revoked_meanwhile() {
    let api = TestApi::start().await;
    let page = async |query: &str| {
        let path = format!("/api/v1/keys?limit=1{query}");
        api.ask("GET", &path, &api.admin, None).await.body
    };
    let first = page("").await;
    let (mut listed, mut next) = (
        vec![first["items"][0]["prefix"].clone()],
        first["next"].clone(),
    );
    let revoked = listed[0].as_str().unwrap();
    assert!(api.store.delete_api_key(revoked).await.unwrap());
    while let Some(after) = next.as_str() {
        let more = page(&format!("&after={after}")).await;
        assert_eq!(more["items"].as_array().unwrap().len(), 1);
        listed.push(more["items"][0]["prefix"].clone());
        next = more["next"].clone();
    }
    let mut expected: Vec<_> = [&api.viewer, &api.operator, &api.admin]
        .map(|key| json!(key[..12]))
        .into();
    for keys in [&mut listed, &mut expected] {
        keys.sort_by_key(Value::to_string);
    }
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn a_key_revoked_elsewhere_is_refused_once_the_memory_of_it_is_old() {
    let api = TestApi::start().await;
    let status = async || {
        api.ask("GET", "/api/v1/stations", &api.viewer, None)
            .await
            .status
    };
    assert_eq!(status().await, 200);
    let prefix = &api.viewer[..12];
    assert!(api.store.delete_api_key(prefix).await.unwrap());
    assert_eq!(
        status().await,
        200,
        "it is remembered, so this was not a read"
    );
    api.clock.advance_ms(10_000);
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let limits = RateLimits {
        burst: 3,
        ..RateLimits::new(1)
    };
    let api = TestApi::with_limits(limits).await;
    let ask = async |key: &str| api.ask("GET", "/api/v1/stations", key, None).await;
    for _ in 0..3 {
        assert_eq!(ask(&api.viewer).await.status, 200);
    }
    let refused = ask(&api.viewer).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    assert_eq!(ask(&api.operator).await.status, 200);
}

#[tokio::test]
async fn guessing_is_slow_and_does_not_lock_out_those_who_work() {
    let limits = RateLimits {
        unknown_keys_per_minute: 4,
        ..RateLimits::new(1000)
    };
    let api = TestApi::with_limits(limits).await;
    let ask = async |key: &str| api.ask("GET", "/api/v1/stations", key, None).await.status;
    assert_eq!(ask(&api.viewer).await, 200);
    let guess = || new_key(Role::Admin, "a guess", NOW).0;
    for _ in 0..3 {
        assert_eq!(ask(&guess()).await, 401);
    }
    assert_eq!(ask(&guess()).await, 429);
    assert_eq!(ask(&api.viewer).await, 200);
    api.clock.advance_ms(60_000);
    assert_eq!(
        ask(&api.viewer).await,
        200,
        "known before, though looked up anew"
    );
    let new = add_key(&api.store, Role::Viewer).await;
    assert_eq!(
        ask(&new).await,
        429,
        "not known before, so it waits like a guess"
    );
}
