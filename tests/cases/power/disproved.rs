//! What a station's meter showed against it: neither a schedule that agrees nor its next session takes that back.

use super::*;

/// A station of OCPP 1.6 that takes every profile and shows a schedule of it, and draws what it likes.
struct Pretender {
    charger: Charger,
    calls: u32,
    /// What it was last told to keep to, in A.
    limit_a: f64,
    /// How often it showed that.
    shown: u32,
}

impl Pretender {
    async fn connect(hub: &HubProcess, identity: &str) -> Self {
        let mut charger = Charger::connect(&hub.chargers, identity, Dialect::V16).await;
        charger.boot(Dialect::V16).await;
        Self {
            charger,
            calls: 0,
            limit_a: MOST_A,
            shown: 0,
        }
    }

    /// Calls the hub, and answers what it asks meanwhile.
    async fn call(&mut self, action: &str, payload: Value) -> Value {
        self.calls += 1;
        let id = format!("p-{}", self.calls);
        let call = json!([2, id, action, payload]);
        self.charger.send(&call.to_string()).await;
        loop {
            let frame = self.charger.read().await;
            if frame[1] == id.as_str() {
                return frame[2].clone();
            }
            self.answer(&frame).await;
        }
    }

    /// Answers the hub until it was shown the schedule so often.
    async fn shows(&mut self, times: u32) {
        let until = self.shown + times;
        while self.shown < until {
            let frame = self.charger.read().await;
            self.answer(&frame).await;
        }
    }

    async fn answer(&mut self, call: &Value) {
        let accepted = json!({"status": "Accepted"});
        let answer = match text_of(&call[2]) {
            "SetChargingProfile" => {
                let periods =
                    &call[3]["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"];
                self.limit_a = periods[0]["limit"].as_f64().expect("a limit");
                accepted
            }
            "GetCompositeSchedule" => {
                self.shown += 1;
                json!({
                    "status": "Accepted", "connectorId": 1, "scheduleStart": SystemClock.now(),
                    "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [
                        {"startPeriod": 0, "limit": self.limit_a},
                    ]},
                })
            }
            "GetConfiguration" => json!({"configurationKey": [], "unknownKey": []}),
            _ => accepted,
        };
        let answer = json!([3, call[1], answer]);
        self.charger.send(&answer.to_string()).await;
    }

    async fn begins(&mut self) -> Value {
        let start = json!({
            "connectorId": 1, "idTag": "DRIVER", "meterStart": 0, "timestamp": SystemClock.now(),
        });
        self.call("StartTransaction", start).await["transactionId"].clone()
    }

    async fn ends(&mut self, transaction: &Value) {
        let stop = json!({
            "transactionId": transaction, "meterStop": 1_000, "timestamp": SystemClock.now(),
        });
        self.call("StopTransaction", stop).await;
    }

    async fn draws(&mut self, transaction: &Value, amps: f64) {
        let values = ["L1", "L2", "L3"].map(|phase| {
            json!({
                "value": amps.to_string(), "measurand": "Current.Import", "phase": phase, "unit": "A",
            })
        });
        let reading = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [
            {"timestamp": SystemClock.now(), "sampledValue": values},
        ]});
        self.call("MeterValues", reading).await;
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_a_meter_showed_is_taken_back_by_no_schedule_that_agrees_and_by_no_other_session() {
    let hub = hub();
    let good = ("GOOD", Version::V16, Faults::default(), vec![(6, LONG)]);
    let site = Site::start(&hub, 40.0, vec![good]).await;
    let station = json!({"id": "BAD", "site": "depot"});
    site.api.post("/stations", station).await;
    let plan = json!({"sharing": "fair", "grid": {
        "name": "grid", "breaker_a": [40, 40, 40], "outlets": [outlet("GOOD"), outlet("BAD")],
    }});
    let path = "/sites/depot/power";
    site.api.ok(Method::PUT, path, Some(plan)).await;
    let mut bad = Pretender::connect(&hub, "BAD").await;
    bad.shows(1).await;
    // What is seen before may be what a hub before this one granted.
    site.until("the site has learned", |view| {
        view["learns_until"].is_null()
    })
    .await;
    let is_known = |view: &Value| {
        alarms(view).contains(&("overdrawn", "BAD")) && of(view, "BAD")["reserved_a"] == MOST_A
    };
    let transaction = bad.begins().await;
    let started = Instant::now();
    while !is_known(&site.live().await) {
        assert!(started.elapsed() < PATIENCE, "{:#}", site.live().await);
        bad.draws(&transaction, 31.0).await;
        sleep(Duration::from_millis(100)).await;
    }
    // Its meter falls silent; it is asked for its schedule each lease, which is what it was told.
    bad.shows(3).await;
    let view = site.live().await;
    assert!(is_known(&view), "a schedule clears no meter: {view:#}");

    bad.ends(&transaction).await;
    let is_over = |view: &Value| of(view, "BAD")["session"].is_null();
    let view = site.until("its session is over", is_over).await;
    assert!(is_known(&view), "nor does the end of a session: {view:#}");

    bad.begins().await;
    bad.shows(2).await;
    let view = site.live().await;
    assert!(!is_over(&view), "{view:#}");
    assert!(is_known(&view), "nor another session: {view:#}");
    assert!(
        of(&view, "GOOD")["granted_a"].as_f64() <= Some(8.0),
        "{view:#}"
    );
}
