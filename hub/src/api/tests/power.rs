//! The power of sites: plans, set-points, meters, preferences, views.

use std::time::Duration;

use axum::http::StatusCode;
use model::{SessionState, SiteId};
use serde_json::{Value, json};
use store::PowerStore;

use super::{
    Answer, NOW, TestApi,
    sessions::{keep, session},
};

const POWER: &str = "/api/v1/sites/depot/power";

fn plan() -> Value {
    json!({
        "grid": {
            "name": "grid",
            "breaker_a": [63, 63, 63],
            "unmanaged_a": [5, 5, 5],
            "parts": [{
                "name": "garage",
                "most_w": 22_000,
                "caps": [{
                    "from": "2026-11-24T17:00:00Z", "until": "2026-11-24T20:00:00Z",
                    "repeat": "daily", "most_a": [20, 20, 20],
                }],
                "outlets": [{
                    "station": "CP", "wiring": {"phases": ["L2", "L3", "L1"]},
                    "most_a": 32, "floor_a": 6,
                }],
            }],
        },
    })
}

impl TestApi {
    async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, &self.operator, Some(body)).await
    }

    /// A site with a station, and its plan.
    async fn with_plan() -> Self {
        let api = Self::start().await;
        api.made("/api/v1/sites", json!({"id": "depot"})).await;
        let station = json!({"id": "CP", "site": "depot"});
        api.made("/api/v1/stations", station).await;
        assert_eq!(api.put(POWER, plan()).await.status, 201);
        api
    }

    /// The live view, once it is so.
    async fn live(&self, so: impl Fn(&Value) -> bool) -> Value {
        let path = format!("{POWER}/live");
        for _ in 0..1_000 {
            let answer = self.ask("GET", &path, &self.viewer, None).await;
            if answer.status == StatusCode::OK && so(&answer.body) {
                return answer.body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it did not come about");
    }
}

/// What the first limit of a part is: that of its L1.
fn limit<'a>(view: &'a Value, part: &str) -> &'a Value {
    let limits = view["limits"].as_array().expect("a list");
    let of = limits.iter().find(|limit| limit["part"] == part);
    &of.expect("it is limited")["limit"]
}

#[tokio::test]
async fn a_plan_is_kept_shown_changed_and_taken_away() {
    let api = TestApi::with_plan().await;
    let shown = api.get(POWER).await;
    let outlet = &shown["plan"]["grid"]["parts"][0]["outlets"][0];
    assert_eq!(outlet["evse"], 1);
    assert_eq!(shown["plan"]["phase_v"], 230.0);
    assert_eq!(shown["plan"]["sharing"], "urgent");
    assert_eq!(shown["set_points"], json!([]));
    let view = api.live(|_| true).await;
    assert_eq!(
        view["alarms"],
        json!([]),
        "its station may be about to come"
    );
    api.clock.advance_ms(60_000);
    let is_raised = |view: &Value| view["alarms"][0]["kind"] == "cannot_limit";
    let view = api.live(is_raised).await;
    assert_eq!(limit(&view, "grid"), 58.0);
    assert_eq!(view["outlets"][0]["reserved_a"], 32.0, "nothing is known");
    assert_eq!(api.put(POWER, plan()).await.status, 200);

    let delete = async || api.ask("DELETE", POWER, &api.operator, None).await;
    assert_eq!(delete().await.status, 204);
    let gone = api.ask("GET", POWER, &api.viewer, None).await;
    assert!(gone.detail(404).contains("PUT its plan"));
    assert_eq!(delete().await.status, 404);
}

#[tokio::test]
async fn an_impossible_plan_is_refused_with_the_reason() {
    let api = TestApi::with_plan().await;
    let refused = async |change: &dyn Fn(&mut Value)| {
        let mut plan = plan();
        change(&mut plan);
        api.put(POWER, plan).await
    };
    let floors = refused(&|plan| plan["grid"]["breaker_a"] = json!([10, 63, 63])).await;
    assert!(floors.detail(400).contains("lower the floors"));
    let twice = refused(&|plan| plan["grid"]["parts"][0]["name"] = json!("grid")).await;
    assert!(twice.detail(400).contains("two nodes are called grid"));
    let unknown = refused(&|plan| plan["grid"]["colour"] = json!("red")).await;
    assert!(unknown.detail(400).contains("colour"));
    let elsewhere = refused(&|plan| {
        plan["grid"]["parts"][0]["outlets"][0]["station"] = json!("OTHER");
    })
    .await;
    assert!(elsewhere.detail(409).contains("does not stand at site"));
    let nowhere = api.put("/api/v1/sites/nowhere/power", plan()).await;
    assert!(nowhere.detail(404).contains("no site"));
    let viewer = api.ask("PUT", POWER, &api.viewer, Some(plan())).await;
    assert_eq!(viewer.status, 403);
}

#[tokio::test]
async fn a_station_that_is_planned_is_neither_moved_nor_forgotten() {
    let api = TestApi::with_plan().await;
    api.made("/api/v1/sites", json!({"id": "other"})).await;
    let path = "/api/v1/stations/CP";
    let patch = async |body| api.ask("PATCH", path, &api.operator, Some(body)).await;
    for elsewhere in [json!("other"), Value::Null] {
        let moved = patch(json!({"site": elsewhere})).await;
        assert!(moved.detail(409).contains("PUT a plan without it"));
    }
    assert_eq!(
        patch(json!({"site": "depot", "note": "x"})).await.status,
        200
    );
    let delete = async |path| api.ask("DELETE", path, &api.operator, None).await;
    assert!(delete(path).await.detail(409).contains("power plan"));
    assert_eq!(delete(POWER).await.status, 204);
    assert_eq!(patch(json!({"site": "other"})).await.status, 200);
    assert_eq!(delete(path).await.status, 204);
}

#[tokio::test]
async fn a_set_point_holds_until_it_expires_or_is_lifted() {
    let api = TestApi::with_plan().await;
    let path = format!("{POWER}/set-points/dso");
    let set = async |body: Value| api.put(&path, body).await;
    let later = NOW.plus_ms(60_000).to_string();
    let body = json!({"most_a": [30, 30, 30], "expires_at": later});
    let answer = set(body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["part"], "grid");
    assert_eq!(answer.body["from"], NOW.to_string());
    api.live(|view| limit(view, "grid") == 25.0).await;
    assert_eq!(set(body).await.status, 200, "one of its name is replaced");
    let shown = api.get(POWER).await;
    assert_eq!(shown["set_points"].as_array().map(Vec::len), Some(1));

    let delete = async || api.ask("DELETE", &path, &api.operator, None).await;
    assert_eq!(delete().await.status, 204);
    api.live(|view| limit(view, "grid") == 58.0).await;
    assert!(delete().await.detail(404).contains("no set-point"));

    let of_garage = json!({"part": "garage", "most_w": 11_000, "expires_at": later});
    assert_eq!(set(of_garage).await.status, 200);
    api.clock.advance_ms(60_000);
    assert_eq!(api.get(POWER).await["set_points"], json!([]), "it expired");

    let over = set(json!({"most_w": 1, "expires_at": NOW.to_string()})).await;
    assert!(over.detail(400).contains("is over"));
    let later = NOW.plus_ms(600_000).to_string();
    let nothing = set(json!({"expires_at": later})).await;
    assert!(nothing.detail(400).contains("limits nothing"));
    let nowhere = set(json!({"part": "cellar", "most_w": 1, "expires_at": later})).await;
    assert!(nowhere.detail(400).contains("no part"));
}

#[tokio::test]
async fn the_site_meter_takes_the_place_of_what_is_planned_for_a_minute() {
    let api = TestApi::with_plan().await;
    api.live(|_| true).await;
    let path = format!("{POWER}/meters/grid");
    let tell = async |body: Value| api.put(&path, body).await;
    assert_eq!(tell(json!({"amps": [20, 2, 2]})).await.status, 204);
    api.live(|view| limit(view, "grid") == 43.0).await;
    api.clock.advance_ms(61_000);
    api.live(|view| limit(view, "grid") == 58.0).await;
    let fed_in = tell(json!({"amps": [-20, -3, 5]})).await;
    assert_eq!(fed_in.status, 204);
    api.live(|view| limit(view, "grid") == 63.0).await;
    let wrong = tell(json!({"amps": [-1e6, 0, 0]})).await;
    assert!(wrong.detail(400).contains("three numbers"));
    let ahead = NOW.plus_ms(3_600_000).to_string();
    let wrong = tell(json!({"amps": [1, 1, 1], "at": ahead})).await;
    assert!(wrong.detail(400).contains("future"));
    let cellar = format!("{POWER}/meters/cellar");
    let nowhere = api.put(&cellar, json!({"amps": [1, 1, 1]})).await;
    assert!(nowhere.detail(404).contains("no part"));
}

#[tokio::test]
async fn preferences_are_for_sessions_that_go_on_at_a_managed_site() {
    let api = TestApi::with_plan().await;
    api.live(|_| true).await;
    let depot = SiteId::new("depot").unwrap();
    let mut session = session("CP", "7", "T", SessionState::Active);
    session.site = Some(depot.clone());
    keep(&api, &session, &[0.0]).await;
    let id = session.id;
    let path = format!("/api/v1/sessions/{id}/preferences");
    let put = async |body: Value| api.put(&path, body).await;
    assert!(
        put(json!({"energy_wh": -1}))
            .await
            .detail(400)
            .contains("energy_wh")
    );
    assert!(
        put(json!({"weight": 0}))
            .await
            .detail(400)
            .contains("weight")
    );
    let over = put(json!({"departure_at": NOW.to_string()})).await;
    assert!(over.detail(400).contains("departure_at is over"));
    let soon = put(json!({"departure_at": "soon"})).await;
    assert!(soon.detail(400).contains("\"soon\" is no time; write it"));
    let away = put(json!({"energy_wh": 1_000})).await;
    assert!(
        away.detail(503).contains("try again"),
        "its station is not here"
    );
    let nothing = api.ask("GET", &path, &api.viewer, None).await;
    assert!(nothing.detail(404).contains("nothing was told"));
    api.store.put_site_power(&depot, None).await.unwrap();
    let unmanaged = put(json!({"energy_wh": 1_000})).await;
    assert!(unmanaged.detail(409).contains("not managed"));
}

#[tokio::test]
async fn the_schedules_of_an_outlet_are_compared() {
    let api = TestApi::with_plan().await;
    api.live(|_| true).await;
    let path = |station: &str, evse: u32| format!("{POWER}/outlets/{station}/{evse}/schedule");
    let answer = api.post(&path("CP", 1), Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let nothing = json!([{"until": null, "limit": null, "unit": "A"}]);
    assert_eq!(answer.body["calculated"], nothing, "it has no profiles yet");
    assert_eq!(answer.body["command"]["action"], "GetCompositeSchedule");
    assert_eq!(answer.body["command"]["state"], "station_gone");
    assert_eq!(answer.body["shown"], Value::Null);
    for unknown in [path("CP", 2), path("OTHER", 1)] {
        let nowhere = api.post(&unknown, Value::Null).await;
        assert!(nowhere.detail(404).contains("no part of the site's tree"));
    }
    let viewer = api.ask("POST", &path("CP", 1), &api.viewer, None).await;
    assert_eq!(viewer.status, 403);
}
