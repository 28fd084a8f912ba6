//! Stations, sites, tokens and commands: made, listed, changed, forgotten.

use model::{
    Connector, ConnectorRef, ConnectorState, Direction, MessageEntry, StationId, StoredReading,
};
use serde_json::{Value, json};
use store::{MessageStore, NoticeRecord, NoticeStore, SessionStore, StationStore};

use super::{NOW, TestApi};

fn ids(page: &Value, field: &str) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_station_is_made_shown_changed_and_forgotten() {
    let api = TestApi::start().await;
    api.made("/api/v1/sites", json!({"id": "depot"})).await;
    let body = json!({"id": "RDAM|123", "site": "depot", "note": "by the gate"});
    let made = api.post("/api/v1/stations", body.clone()).await;
    assert_eq!(made.status, 201);
    let path = "/api/v1/stations/RDAM%7C123";
    assert_eq!(made.headers["location"], path);
    assert_eq!(made.body["admission"], "accepted");
    assert_eq!(made.body["created_at"], NOW.to_string());
    assert_eq!(made.body["connected"], Value::Null);
    assert!(
        api.post("/api/v1/stations", body)
            .await
            .detail(409)
            .contains("RDAM|123")
    );

    let id = StationId::new("RDAM|123").unwrap();
    let outlet = Connector {
        connector: ConnectorRef::of_16(2),
        state: ConnectorState::Charging,
        error_code: None,
        info: None,
        at: NOW,
    };
    api.store.put_connector(&id, outlet).await.unwrap();
    let shown = api.get(path).await;
    assert_eq!(shown["site"], "depot");
    assert_eq!(shown["connectors"][0]["evse"], 2);
    assert_eq!(shown["connectors"][0]["state"], "Charging");
    assert_eq!(shown["open_sessions"], json!([]));

    let patch = async |body| api.ask("PATCH", path, &api.operator, Some(body)).await;
    let changed = patch(json!({"admission": "rejected"})).await.body;
    assert_eq!(
        (&changed["admission"], &changed["site"]),
        (&json!("rejected"), &json!("depot"))
    );
    assert_eq!(changed["note"], "by the gate");
    let changed = patch(json!({"site": null, "note": ""})).await.body;
    assert_eq!(
        (&changed["site"], &changed["note"]),
        (&Value::Null, &json!(""))
    );
    assert_eq!(changed["connectors"][0]["state"], "Charging");
    assert!(
        patch(json!({"site": "nowhere"}))
            .await
            .detail(409)
            .contains("/api/v1/sites")
    );
    assert!(
        patch(json!({"admission": null}))
            .await
            .detail(400)
            .contains("admission")
    );
    assert_eq!(api.get(path).await["admission"], "rejected");

    assert_eq!(
        api.ask("DELETE", path, &api.operator, None).await.status,
        204
    );
    for method in ["GET", "DELETE", "PATCH"] {
        let answer = api.ask(method, path, &api.operator, Some(json!({}))).await;
        assert!(answer.detail(404).contains("RDAM|123"), "{method}");
    }
}

#[tokio::test]
async fn a_list_is_paged_to_its_end_without_gap_or_repeat() {
    let api = TestApi::start().await;
    api.made("/api/v1/sites", json!({"id": "depot"})).await;
    let mut all = Vec::new();
    for n in 0..7 {
        let id = format!("CP-{n}");
        let site = if n % 2 == 0 {
            json!("depot")
        } else {
            Value::Null
        };
        api.made("/api/v1/stations", json!({"id": id, "site": site}))
            .await;
        all.push(id);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/stations?limit=3".to_owned();
    loop {
        let page = api.get(&path).await;
        let found = ids(&page, "id");
        assert!(found.len() <= 3);
        seen.extend(found);
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/stations?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let of_site = api.get("/api/v1/stations?site=depot").await;
    assert_eq!(ids(&of_site, "id"), ["CP-0", "CP-2", "CP-4", "CP-6"]);
    assert_eq!(
        ids(&api.get("/api/v1/stations?search=p-3").await, "id"),
        ["CP-3"]
    );

    let next = api.get("/api/v1/stations?limit=3").await["next"].clone();
    let elsewhere = format!("/api/v1/tokens?after={}", next.as_str().unwrap());
    let answer = api.ask("GET", &elsewhere, &api.viewer, None).await;
    assert!(answer.detail(400).contains("not a cursor of this list"));
}

#[tokio::test]
async fn of_two_changes_at_once_neither_is_lost() {
    let api = TestApi::start().await;
    api.made("/api/v1/stations", json!({"id": "CP"})).await;
    let path = "/api/v1/stations/CP";
    let patch = async |body| {
        api.ask("PATCH", path, &api.operator, Some(body))
            .await
            .status
    };
    for round in 0..20 {
        let note = format!("round {round}");
        let (one, other) = tokio::join!(
            patch(json!({"note": note})),
            patch(json!({"assume_16": round % 2 == 0}))
        );
        assert_eq!((one.as_u16(), other.as_u16()), (200, 200));
        let shown = api.get(path).await;
        assert_eq!(shown["note"], note.as_str());
        assert_eq!(shown["assume_16"], round % 2 == 0);
    }
}

#[tokio::test]
async fn a_site_is_made_limited_shown_and_forgotten_when_empty() {
    let api = TestApi::start().await;
    let made = api
        .made("/api/v1/sites", json!({"id": "depot", "name": "Depot"}))
        .await;
    assert_eq!(made["limit_w"], Value::Null);
    assert!(
        api.post("/api/v1/sites", json!({"id": "depot"}))
            .await
            .detail(409)
            .contains("PUT")
    );
    let path = "/api/v1/sites/depot";
    let put = async |path, body| api.ask("PUT", path, &api.operator, Some(body)).await;
    api.clock.advance_ms(1000);
    let changed = put(path, json!({"limit_w": 50000.0})).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.body["limit_w"], 50000.0);
    assert_eq!(changed.body["created_at"], NOW.to_string());
    assert_eq!(put("/api/v1/sites/new", json!({})).await.status, 201);
    assert_eq!(ids(&api.get("/api/v1/sites").await, "id"), ["depot", "new"]);

    api.made("/api/v1/stations", json!({"id": "CP", "site": "depot"}))
        .await;
    let delete = async || api.ask("DELETE", path, &api.operator, None).await;
    assert!(delete().await.detail(409).contains("stations"));
    assert_eq!(api.get(path).await["name"], "");
    let away = json!({"site": null});
    api.ask("PATCH", "/api/v1/stations/CP", &api.operator, Some(away))
        .await;
    assert_eq!(delete().await.status, 204);
    assert!(delete().await.detail(404).contains("depot"));
}

#[tokio::test]
async fn a_token_is_found_whatever_its_case() {
    let api = TestApi::start().await;
    let body = json!({"uid": "04A1b2", "kind": "ISO14443", "max_concurrent": 1});
    api.made("/api/v1/tokens", body).await;
    let again = api.post("/api/v1/tokens", json!({"uid": "04a1B2"})).await;
    assert!(again.detail(409).contains("PUT"));
    let path = "/api/v1/tokens/04A1B2";
    assert_eq!(api.get(path).await["uid"], "04A1b2");
    let put = async |path, body| api.ask("PUT", path, &api.operator, Some(body)).await;
    let changed = put(
        path,
        json!({"blocked": true, "expires_at": "2030-01-01T00:00:00Z"}),
    )
    .await;
    assert_eq!(changed.status, 200);
    assert_eq!(
        changed.body["uid"], "04A1b2",
        "kept as it was first written"
    );
    assert_eq!(changed.body["blocked"], true);
    assert_eq!(changed.body["expires_at"], "2030-01-01T00:00:00.000Z");
    assert_eq!(
        changed.body["max_concurrent"],
        Value::Null,
        "a PUT replaces"
    );
    assert_eq!(put("/api/v1/tokens/NEW", json!({})).await.status, 201);
    assert_eq!(
        ids(&api.get("/api/v1/tokens").await, "uid"),
        ["04A1b2", "NEW"]
    );
    let delete = async || api.ask("DELETE", path, &api.operator, None).await;
    assert_eq!(delete().await.status, 204);
    assert!(delete().await.detail(404).contains("04A1B2"));
}

#[tokio::test]
async fn a_command_is_recorded_also_where_the_station_is_not_there() {
    let api = TestApi::start().await;
    let command = json!({"action": "Reset", "payload": {"type": "Soft"}, "timeout_s": 1});
    let path = "/api/v1/stations/CP/commands";
    assert!(
        api.post(path, command.clone())
            .await
            .detail(404)
            .contains("CP")
    );
    api.made("/api/v1/stations", json!({"id": "CP"})).await;
    let sent = api.post(path, command).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    assert_eq!(sent.body["state"], "station_gone");
    assert_eq!(sent.body["by"], &api.operator[..12]);
    let id = sent.body["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/api/v1/commands/{id}")).await, sent.body);
    assert_eq!(api.get(path).await["items"], json!([sent.body]));
    let none = "/api/v1/commands/00000000-0000-7000-8000-000000000000";
    assert_eq!(api.ask("GET", none, &api.viewer, None).await.status, 404);
    assert_eq!(
        api.ask("GET", "/api/v1/stations/NO/commands", &api.viewer, None)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_stations_messages_notices_and_readings_are_found_by_their_filters() {
    let api = TestApi::start().await;
    api.made("/api/v1/stations", json!({"id": "CP"})).await;
    let station = StationId::new("CP").unwrap();
    let message = |at: i64, direction, action: &str| MessageEntry {
        station: station.clone(),
        at: NOW.plus_ms(at),
        direction,
        action: action.to_owned(),
        frame: format!("[2,\"{at}\",\"{action}\",{{}}]"),
    };
    let entries = vec![
        message(0, Direction::In, "Heartbeat"),
        message(1000, Direction::Out, "Heartbeat"),
        message(2000, Direction::In, "BootNotification"),
    ];
    api.store.append_messages(entries).await.unwrap();
    for (query, found) in [
        ("", vec!["2000", "1000", "0"]),
        ("?action=Heartbeat", vec!["1000", "0"]),
        ("?direction=in", vec!["2000", "0"]),
        ("?text=bootnot", vec!["2000"]),
        (
            &format!("?from={}&to={}", NOW.plus_ms(1000), NOW.plus_ms(2000)),
            vec!["1000"],
        ),
    ] {
        let page = api
            .get(&format!("/api/v1/stations/CP/messages{query}"))
            .await;
        let frames = ids(&page, "frame");
        assert_eq!(frames.len(), found.len(), "{query}: {page}");
        assert!(
            frames
                .iter()
                .zip(found)
                .all(|(frame, at)| frame.contains(&format!("\"{at}\"")))
        );
    }

    for action in ["NotifyEvent", "NotifyReport"] {
        let notice = NoticeRecord {
            received_at: NOW,
            action: action.to_owned(),
            payload: json!({"seqNo": 0}),
        };
        api.store.record_notice(&station, notice).await.unwrap();
    }
    let notices = api
        .get("/api/v1/stations/CP/notices?action=NotifyEvent")
        .await;
    assert_eq!(ids(&notices, "action"), ["NotifyEvent"]);
    assert_eq!(notices["items"][0]["payload"]["seqNo"], 0);

    let reading = StoredReading {
        retry_key: model::RetryKey::of("m", &["1"]),
        connector: ConnectorRef::of_16(1),
        received_at: NOW,
        samples: Vec::new(),
        raw: None,
    };
    api.store.record_reading(&station, reading).await.unwrap();
    let readings = api.get("/api/v1/stations/CP/readings").await;
    assert_eq!(readings["items"][0]["connector"]["evse"], 1);
    for list in ["messages", "notices", "readings"] {
        let path = format!("/api/v1/stations/NO/{list}");
        assert_eq!(api.ask("GET", &path, &api.viewer, None).await.status, 404);
    }
}
