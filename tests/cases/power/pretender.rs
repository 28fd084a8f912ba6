//! A station that keeps to what it was told on paper only.

use model::Timestamp;

use super::*;

/// A station of OCPP 1.6 that takes every profile and shows a schedule of it, and draws what it likes.
pub(super) struct Pretender {
    charger: Charger,
    calls: u32,
    /// What it was last told to keep to, in A.
    limit_a: f64,
    /// How often it showed that.
    shown: u32,
    /// How far its clock is ahead.
    pub(super) ahead: Duration,
}

impl Pretender {
    pub(super) async fn connect(hub: &HubProcess, identity: &str) -> Self {
        let mut charger = Charger::connect(&hub.chargers, identity, Dialect::V16).await;
        charger.boot(Dialect::V16).await;
        Self {
            charger,
            calls: 0,
            limit_a: MOST_A,
            shown: 0,
            ahead: Duration::ZERO,
        }
    }

    /// What time it is by its clock.
    fn now(&self) -> Timestamp {
        let ahead_ms = i64::try_from(self.ahead.as_millis()).expect("a moderate lead");
        SystemClock.now().plus_ms(ahead_ms)
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
    pub(super) async fn shows(&mut self, times: u32) {
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
                    "status": "Accepted", "connectorId": 1, "scheduleStart": self.now(),
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

    pub(super) async fn begins(&mut self) -> Value {
        let start = json!({
            "connectorId": 1, "idTag": "DRIVER", "meterStart": 0, "timestamp": self.now(),
        });
        self.call("StartTransaction", start).await["transactionId"].clone()
    }

    pub(super) async fn ends(&mut self, transaction: &Value) {
        let stop = json!({
            "transactionId": transaction, "meterStop": 1_000, "timestamp": self.now(),
        });
        self.call("StopTransaction", stop).await;
    }

    pub(super) async fn draws(&mut self, transaction: &Value, amps: f64) {
        let values = ["L1", "L2", "L3"].map(|phase| {
            json!({
                "value": amps.to_string(), "measurand": "Current.Import", "phase": phase, "unit": "A",
            })
        });
        let reading = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [
            {"timestamp": self.now(), "sampledValue": values},
        ]});
        self.call("MeterValues", reading).await;
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
