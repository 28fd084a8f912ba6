//! Sessions, their logs and meter values.

use std::collections::BTreeSet;

use model::{
    Authorization, ConnectorRef, Location, Measurand, MeterSample, Protocol, RetryKey,
    SampledValue, Session, SessionEventKind, SessionEventRecord, SessionId, SessionState,
    StationId, TokenKind, TokenRef, TokenUid,
};
use serde_json::{Value, json};
use store::{SessionCommit, SessionStore};

use super::{NOW, TestApi};

pub(super) fn session(
    station: &str,
    transaction: &str,
    token: &str,
    state: SessionState,
) -> Session {
    Session {
        id: SessionId::fresh(),
        station: StationId::new(station).unwrap(),
        site: None,
        connector: Some(ConnectorRef::of_16(1)),
        protocol: Protocol::Ocpp16,
        transaction: transaction.to_owned(),
        state,
        token: Some(TokenRef {
            uid: TokenUid::new(token).unwrap(),
            kind: TokenKind::Unspecified,
        }),
        authorization: Some(Authorization::Accepted),
        started_at: NOW,
        ended_at: (state == SessionState::Ended).then_some(NOW.plus_ms(60_000)),
        duration_s: 60,
        energy_wh: 1500.0,
        meter_start_wh: Some(100.0),
        meter_last_wh: Some(1600.0),
        meter_last_at: Some(NOW),
        meter_points: Vec::new(),
        energy_before_wh: 0.0,
        power_w: Some(11_000.0),
        stop_reason: None,
        charging_state: None,
        remote_start_id: None,
        last_seq: None,
        missing_seqs: Vec::new(),
        flags: BTreeSet::new(),
        updated_at: NOW,
    }
}

/// Keeps a session with one log entry per number; those of 0 carry no reading.
pub(super) async fn keep(api: &TestApi, session: &Session, wh: &[f64]) {
    for (n, wh) in wh.iter().enumerate() {
        let reading = SampledValue {
            measurand: Measurand::EnergyImportRegister,
            value: Some(*wh),
            unit: "Wh".to_owned(),
            phase: None,
            location: Location::Outlet,
            context: None,
            raw: None,
        };
        let sample = MeterSample {
            at: NOW,
            values: vec![reading],
        };
        let event = SessionEventRecord {
            retry_key: RetryKey::of("t", &[&session.transaction, &n.to_string()]),
            kind: if n == 0 {
                SessionEventKind::Started
            } else {
                SessionEventKind::Meter
            },
            seq: None,
            at: NOW,
            received_at: NOW,
            trigger: None,
            offline: false,
            samples: if *wh == 0.0 { Vec::new() } else { vec![sample] },
            raw: None,
        };
        let commit = SessionCommit {
            session: session.clone(),
            event,
            epoch: 1,
        };
        api.store.commit_session(commit).await.unwrap();
    }
}

fn transactions(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["transaction"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_found_by_their_filters() {
    let api = TestApi::start().await;
    for (station, transaction, token, state) in [
        ("CP-1", "1", "TAG", SessionState::Ended),
        ("CP-1", "2", "tag", SessionState::Active),
        ("CP-2", "3", "OTHER", SessionState::Active),
    ] {
        keep(&api, &session(station, transaction, token, state), &[100.0]).await;
    }
    for (query, found) in [
        ("", vec!["3", "2", "1"]),
        ("?station=CP-1", vec!["2", "1"]),
        ("?token=TAG", vec!["2", "1"]),
        ("?state=ended", vec!["1"]),
        ("?station=CP-1&token=tag&state=active", vec!["2"]),
        ("?station=NO", vec![]),
    ] {
        let page = api.get(&format!("/api/v1/sessions{query}")).await;
        assert_eq!(transactions(&page), found, "{query}");
    }
    let first = api.get("/api/v1/sessions?limit=2").await;
    assert_eq!(transactions(&first), ["3", "2"]);
    let next = first["next"].as_str().unwrap();
    let second = api
        .get(&format!("/api/v1/sessions?limit=2&after={next}"))
        .await;
    assert_eq!(transactions(&second), ["1"]);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn a_session_shows_its_totals_and_its_station_names_it() {
    let api = TestApi::start().await;
    let kept = session("CP", "7", "TAG", SessionState::Active);
    keep(&api, &kept, &[100.0]).await;
    let shown = api.get(&format!("/api/v1/sessions/{}", kept.id)).await;
    assert_eq!(shown["energy_wh"], 1500.0);
    assert_eq!(shown["duration_s"], 60);
    assert_eq!(shown["token"]["uid"], "TAG");
    api.made("/api/v1/stations", json!({"id": "CP"})).await;
    let station = api.get("/api/v1/stations/CP").await;
    assert_eq!(station["open_sessions"], json!([kept.id]));
}

#[tokio::test]
async fn meter_values_pass_over_events_without_any_and_still_fill_their_pages() {
    let api = TestApi::start().await;
    let kept = session("CP", "7", "TAG", SessionState::Active);
    keep(
        &api,
        &kept,
        &[100.0, 0.0, 0.0, 200.0, 0.0, 300.0, 400.0, 0.0],
    )
    .await;
    let base = format!("/api/v1/sessions/{}", kept.id);
    let events = api.get(&format!("{base}/events")).await;
    assert_eq!(events["items"].as_array().unwrap().len(), 8);
    assert_eq!(events["items"][0]["kind"], "started");

    let readings = |page: &Value| -> Vec<f64> {
        let items = page["items"].as_array().unwrap();
        let value = |item: &Value| item["samples"][0]["values"][0]["value"].as_f64().unwrap();
        items.iter().map(value).collect()
    };
    let first = api.get(&format!("{base}/meter-values?limit=2")).await;
    assert_eq!(readings(&first), [100.0, 200.0]);
    let next = first["next"].as_str().unwrap();
    let second = api
        .get(&format!("{base}/meter-values?limit=5&after={next}"))
        .await;
    assert_eq!(readings(&second), [300.0, 400.0]);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn stopping_asks_the_station_and_only_for_what_goes_on() {
    let api = TestApi::start().await;
    api.made("/api/v1/stations", json!({"id": "CP"})).await;
    let over = session("CP", "1", "TAG", SessionState::Ended);
    let going_on = session("CP", "2", "TAG", SessionState::Active);
    keep(&api, &over, &[100.0]).await;
    keep(&api, &going_on, &[100.0]).await;
    let stop = async |id: SessionId| {
        let path = format!("/api/v1/sessions/{id}/stop");
        api.ask("POST", &path, &api.operator, None).await
    };
    assert!(stop(over.id).await.detail(409).contains("over"));
    let stopped = stop(going_on.id).await;
    assert_eq!(stopped.status, 200, "{}", stopped.body);
    assert_eq!(stopped.body["state"], "station_gone");
    assert!(stopped.body["payload"].to_string().contains('2'));
    let none = SessionId::fresh();
    assert!(stop(none).await.detail(404).contains(&none.to_string()));
    for list in ["", "/events", "/meter-values"] {
        let path = format!("/api/v1/sessions/{none}{list}");
        assert_eq!(api.ask("GET", &path, &api.viewer, None).await.status, 404);
    }
}
