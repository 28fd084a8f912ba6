//! The OpenAPI document against the router it was made from.

use std::collections::BTreeSet;

use serde_json::Value;

use super::TestApi;

#[tokio::test]
async fn every_documented_operation_answers() {
    let api = TestApi::start().await;
    let document = api.get("/api/v1/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let asked = format!("{method} {path}");
            // Without a key: what needs one says 401, so nothing is changed and nothing streams.
            let answer = api.ask(&method.to_ascii_uppercase(), path, "", None).await;
            let needs_key = operation.get("security").is_some();
            assert_eq!(answer.status, if needs_key { 401 } else { 200 }, "{asked}");
            let status = answer.status.as_str();
            assert!(
                operation["responses"].get(status).is_some(),
                "{asked}: {status}"
            );
            assert!(operation["summary"].is_string(), "{asked} has no summary");
            assert!(operation["tags"][0].is_string(), "{asked} has no tag");
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} names two operations");
        }
    }
    assert!(ids.len() > 30, "only {} operations", ids.len());
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let api = TestApi::start().await;
    let document = api.get("/api/v1/openapi.json").await;
    let mut followed = 0;
    visit(&document, &mut |value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(
                document.pointer(pointer).is_some(),
                "{target} leads nowhere"
            );
            followed += 1;
        }
    });
    assert!(followed > 100, "only {followed} references");
}

#[tokio::test]
async fn a_path_without_an_operation_is_404_and_a_method_without_one_405() {
    let api = TestApi::start().await;
    for path in [
        "/",
        "/api/v1",
        "/api/v1/nothing",
        "/api/docs/nothing",
        "/ocpp/CP",
    ] {
        let answer = api.ask("GET", path, &api.admin, None).await;
        assert!(answer.detail(404).contains("/api/docs"), "{path}");
    }
    for (path, known) in [("/api/v1/stations", "GET,HEAD,POST"), ("/live", "GET,HEAD")] {
        let answer = api.ask("PUT", path, &api.admin, None).await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.headers["allow"], known);
    }
}

#[tokio::test]
async fn no_document_shows_a_hash_of_a_key() {
    let api = TestApi::start().await;
    let document = api.get("/api/v1/openapi.json").await;
    assert!(!document.to_string().contains("sha256"));
}

fn visit(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
        Value::Object(fields) => fields.values().for_each(|field| visit(field, see)),
        _ => {}
    }
}
