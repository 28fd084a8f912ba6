//! Dead letters: listed, shown, forgotten, replayed.

use axum::response::IntoResponse;
use model::{DeadLetter, DeadLetterId, Protocol, RetryKey, StationId};
use serde_json::{Value, json};
use store::{DeadLetterStore, SessionStore};

use super::{NOW, TestApi};
use crate::{api::problem::Problem, dead_letters::ReplayError};

const LIST: &str = "/api/v1/dead-letters";
/// What the hub gave the start in answer: seconds from 2020 to a minute before [`NOW`].
const NUMBER: i32 = 212_163_140;

/// A 1.6 start whose actor crashed a minute ago.
fn start(station: &str) -> DeadLetter {
    DeadLetter {
        id: DeadLetterId::fresh(),
        station: StationId::new(station).unwrap(),
        protocol: Protocol::Ocpp16,
        retry_key: RetryKey("start:1".into()),
        received_at: NOW.plus_ms(-60_000),
        action: "StartTransaction".into(),
        payload: json!({
            "connectorId": 1,
            "idTag": "04A1B2",
            "meterStart": 100,
            "timestamp": "2026-09-21T14:12:00Z",
        })
        .to_string(),
        number: Some(NUMBER),
    }
}

impl TestApi {
    async fn has_dead_letter(&self, letter: &DeadLetter) {
        let kept = self.store.record_dead_letter(letter.clone()).await;
        assert_eq!(kept.as_ref(), Ok(letter));
    }

    async fn waiting(&self) -> Vec<String> {
        let page = self.get(LIST).await;
        let items = page["items"].as_array().unwrap();
        let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
        items.iter().map(id).collect()
    }
}

#[tokio::test]
async fn dead_letters_are_listed_newest_first_in_pages_and_shown_as_they_were_sent() {
    let api = TestApi::start().await;
    let mut letters: Vec<_> = (0..3).map(|n| start(&format!("CP-{n}"))).collect();
    letters[0].protocol = Protocol::Ocpp201;
    letters[0].number = None;
    for letter in &letters {
        api.has_dead_letter(letter).await;
    }
    letters.sort_by_key(|letter| std::cmp::Reverse(letter.id));
    let page = api.get(&format!("{LIST}?limit=2")).await;
    assert_eq!(page["items"], json!(letters[..2]));
    let next = page["next"].as_str().unwrap();
    let page = api.get(&format!("{LIST}?limit=2&after={next}")).await;
    assert_eq!(page, json!({"items": letters[2..], "next": null}));

    for letter in letters {
        let shown = api.get(&format!("{LIST}/{}", letter.id)).await;
        assert_eq!(shown["payload"], letter.payload);
        assert_eq!(shown["received_at"], letter.received_at.to_string());
        assert_eq!(shown, json!(letter));
    }
}

#[tokio::test]
async fn a_dead_letter_is_forgotten_unread_only_when_asked() {
    let api = TestApi::start().await;
    let (one, other) = (start("CP-1"), start("CP-2"));
    api.has_dead_letter(&one).await;
    api.has_dead_letter(&other).await;
    let path = format!("{LIST}/{}", one.id);
    let delete = async |key: &str| api.ask("DELETE", &path, key, None).await;
    assert!(delete(&api.viewer).await.detail(403).contains("operator"));
    assert_eq!(delete(&api.operator).await.status, 204);
    assert!(delete(&api.operator).await.detail(404).contains(LIST));
    let gone = api.ask("GET", &path, &api.viewer, None).await;
    assert!(gone.detail(404).contains(&one.id.to_string()));
    assert_eq!(api.waiting().await, [other.id.to_string()]);
}

#[tokio::test]
async fn a_replayed_dead_letter_becomes_the_session_its_station_was_told_of() {
    let api = TestApi::start().await;
    api.made("/api/v1/stations", json!({"id": "CP"})).await;
    let letter = start("CP");
    api.has_dead_letter(&letter).await;
    let path = format!("{LIST}/{}/replay", letter.id);
    let replay = async |key: &str| api.ask("POST", &path, key, None).await;
    assert!(replay(&api.viewer).await.detail(403).contains("operator"));
    let replayed = replay(&api.operator).await;
    assert_eq!(replayed.status, 204, "{}", replayed.body);
    let session = api
        .store
        .session_by_transaction(&letter.station, &NUMBER.to_string())
        .await
        .unwrap()
        .expect("the letter began a session");
    assert_eq!(session.meter_start_wh, Some(100.0));
    assert_eq!(api.waiting().await, Vec::<String>::new());
    assert!(replay(&api.operator).await.detail(404).contains("replayed"));
}

#[tokio::test]
async fn a_dead_letter_of_a_rejected_station_stays() {
    let api = TestApi::start().await;
    let station = json!({"id": "CP", "admission": "rejected"});
    api.made("/api/v1/stations", station).await;
    let letter = start("CP");
    api.has_dead_letter(&letter).await;
    let path = format!("{LIST}/{}/replay", letter.id);
    let refused = api.ask("POST", &path, &api.operator, None).await;
    assert!(refused.detail(409).contains("not accepted"));
    assert_eq!(api.waiting().await, [letter.id.to_string()]);
}

#[tokio::test]
async fn a_replay_that_fails_says_why_and_not_what_the_store_said() {
    for (failed, status, says) in [
        (ReplayError::Unknown, 404, "no such dead letter"),
        (ReplayError::CrashedAgain, 409, "crashed its actor again"),
        (ReplayError::NotAccepted, 409, "not accepted"),
        (ReplayError::Store("secret".into()), 503, "try again"),
    ] {
        let response = Problem::from(failed.clone()).into_response();
        assert_eq!(response.status(), status, "{failed:?}");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
        assert!(text.contains(says) && !text.contains("secret"), "{text}");
    }
}
