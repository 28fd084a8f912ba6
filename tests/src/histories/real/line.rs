//! The real hub, as a station reaches it: OCPP-J over a WebSocket.

use std::time::Duration;

use model::{Protocol, RetryKey, StationId};
use rand::{rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::super::message::{Answer, Line, Message, Reachable, Step};
use crate::{Charger, Dialect};

/// How long a station waits for an answer before it takes its hub for dead.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hubs that listen, or will again. A station takes any of them each time it connects.
pub(super) struct RealHubs {
    /// Where chargers connect, as `host:port`.
    pub(super) addresses: Vec<String>,
}

/// A station's open socket.
pub(super) struct SocketLine(Charger);

impl Reachable for RealHubs {
    type Line = SocketLine;

    async fn connect(
        &self,
        station: &StationId,
        protocol: Protocol,
        chance: &mut StdRng,
    ) -> Option<SocketLine> {
        let address = self.addresses.choose(chance)?;
        let dialect = match protocol {
            Protocol::Ocpp16 => Dialect::V16,
            Protocol::Ocpp201 => Dialect::V201,
            Protocol::Ocpp21 => Dialect::V21,
        };
        let offer = Some(dialect.subprotocol());
        let boot = dialect.boot().to_string();
        let booted = async {
            let connected = Charger::try_connect(address, station.as_str(), offer).await;
            let (mut charger, _) = connected.ok()?;
            charger.try_ask("BootNotification", &boot).await?;
            Some(SocketLine(charger))
        };
        timeout(PATIENCE, booted).await.ok()?
    }
}

impl Line for SocketLine {
    async fn say(&mut self, message: &Message) -> Option<Answer> {
        let (action, payload) = written(message);
        let payload = payload.to_string();
        let asked = timeout(PATIENCE, self.0.try_ask(action, &payload)).await;
        let answer = asked.ok()??;
        if answer[0] != 3 {
            return Some(Answer::Refused(answer.to_string()));
        }
        let number = answer[2]["transactionId"].as_i64();
        Some(Answer::Taken {
            key: key(message, &payload),
            number: number.and_then(|number| i32::try_from(number).ok()),
        })
    }
}

/// The message as OCPP writes it. A repeat is written alike to the last byte; its message id is new.
fn written(message: &Message) -> (&'static str, Value) {
    let at = message.at.to_string();
    // A 1.6 transaction has a number for its name.
    let number = || -> Option<i64> { message.transaction.as_ref()?.parse().ok() };
    match (message.protocol, message.step) {
        (Protocol::Ocpp16, Step::Start) => (
            "StartTransaction",
            json!({
                "connectorId": 1,
                "idTag": message.token,
                "meterStart": whole(message.wh),
                "timestamp": at,
            }),
        ),
        (Protocol::Ocpp16, Step::Values) => (
            "MeterValues",
            json!({
                "connectorId": 1,
                "transactionId": number(),
                "meterValue": [{
                    "timestamp": at,
                    "sampledValue": [{"value": whole(message.wh).to_string()}],
                }],
            }),
        ),
        (Protocol::Ocpp16, Step::Stop) => (
            "StopTransaction",
            json!({
                "transactionId": number(),
                "meterStop": whole(message.wh),
                "timestamp": at,
                "reason": "Local",
            }),
        ),
        (Protocol::Ocpp201 | Protocol::Ocpp21, step) => {
            ("TransactionEvent", event_2x(message, step, &at))
        }
    }
}

fn event_2x(message: &Message, step: Step, at: &str) -> Value {
    let mut event = json!({
        "eventType": event_type(step),
        "timestamp": at,
        "triggerReason": match step {
            Step::Start => "Authorized",
            Step::Values => "MeterValuePeriodic",
            Step::Stop => "StopAuthorized",
        },
        "seqNo": message.seq,
        "transactionInfo": {"transactionId": message.transaction},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": message.wh}]}],
    });
    if step == Step::Start {
        event["idToken"] = json!({"idToken": message.token, "type": "ISO14443"});
    }
    event
}

fn event_type(step: Step) -> &'static str {
    match step {
        Step::Start => "Started",
        Step::Values => "Updated",
        Step::Stop => "Ended",
    }
}

/// The key under which the hub has to hold the message: the rule of [`RetryKey`], written here once more
/// because the checker is not to believe the hub's own hand.
fn key(message: &Message, payload: &str) -> RetryKey {
    match (message.protocol, message.step) {
        (Protocol::Ocpp16, Step::Start) => {
            let at = message.at.to_string();
            let wh = whole(message.wh).to_string();
            RetryKey::of("start", &["1", &message.token, &at, &wh])
        }
        (Protocol::Ocpp16, Step::Values) => RetryKey::of("meter", &[payload]),
        (Protocol::Ocpp16, Step::Stop) => RetryKey::of("stop", &[payload]),
        (Protocol::Ocpp201 | Protocol::Ocpp21, step) => {
            let transaction = message.transaction.as_deref().unwrap_or_default();
            let (seq, at) = (message.seq.to_string(), message.at.to_string());
            let token = match step {
                Step::Start => &*message.token,
                Step::Values | Step::Stop => "",
            };
            let wh = message.wh.to_string();
            let parts = [transaction, &seq, event_type(step), &at, token, &wh];
            RetryKey::of("event", &parts)
        }
    }
}

/// Meters of these stations count whole Wh.
#[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
fn whole(wh: f64) -> i64 {
    wh as i64
}
