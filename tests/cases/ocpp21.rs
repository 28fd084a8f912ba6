//! What OCPP 2.1 has besides 2.0.1, over real sockets.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess, until};

async fn booted(hub: &HubProcess) -> Charger {
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V21).await;
    assert_eq!(charger.boot(Dialect::V21).await["status"], "Accepted");
    charger
}

/// A NotifyEvent that tells the availability of an outlet.
fn availability(evse: u32, state: &str) -> Value {
    json!({
        "generatedAt": "2026-11-24T10:00:00Z", "seqNo": 0, "eventData": [{
            "eventId": evse, "timestamp": "2026-11-24T10:00:00Z", "trigger": "Delta", "actualValue": state,
            "component": {"name": "Connector", "evse": {"id": evse, "connectorId": 1}},
            "variable": {"name": "AvailabilityState"}, "eventNotificationType": "HardWiredNotification",
        }],
    })
}

async fn state_of(api: &Api, evse: u32) -> Value {
    let station = api.get("/stations/CP").await;
    let connectors = station["connectors"].as_array().expect("a list").clone();
    let of = |it: &&Value| it["evse"] == evse;
    connectors
        .iter()
        .find(of)
        .map_or(Value::Null, |it| it["state"].clone())
}

#[tokio::test]
async fn the_state_of_an_outlet_may_come_as_an_event_or_as_a_status() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub).await;
    charger
        .call("NotifyEvent", availability(1, "Occupied"))
        .await;
    charger
        .call("NotifyEvent", availability(2, "Faulted"))
        .await;
    assert_eq!(state_of(&api, 1).await, "Occupied");
    assert_eq!(state_of(&api, 2).await, "Faulted");
    let status = json!({
        "timestamp": "2026-11-24T10:01:00Z", "connectorStatus": "Available", "evseId": 2, "connectorId": 1,
    });
    charger.call("StatusNotification", status).await;
    assert_eq!(state_of(&api, 2).await, "Available");
}

#[tokio::test]
async fn a_car_that_gives_energy_back_does_not_change_what_its_session_took() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    // 2.1 tokens may be 255 long and of any type.
    let uid = "V".repeat(200);
    api.post("/tokens", json!({"uid": uid})).await;
    let mut charger = booted(&hub).await;
    let event = |kind: &str, seq: u32, minute: u32, wh: f64, power: Value| {
        let at = format!("2026-11-24T10:{minute:02}:00Z");
        let register = json!({"value": wh, "measurand": "Energy.Active.Import.Register"});
        json!({
            "eventType": kind, "timestamp": at, "triggerReason": "OperationModeChanged", "seqNo": seq,
            "transactionInfo": {"transactionId": "tx-1", "operationMode": "CentralSetpoint", "tariffId": "T1"},
            "evse": {"id": 1, "connectorId": 1}, "idToken": {"idToken": uid, "type": "EVCCID"},
            "meterValue": [{"timestamp": at, "sampledValue": [register, power]}],
        })
    };
    let takes = json!({"value": 11_000, "measurand": "Power.Active.Import"});
    let gives = json!({"value": -7_000, "measurand": "Power.Active.Import"});
    let exports = json!({"value": 700, "measurand": "Energy.Active.Export.Register"});
    let mut last = event("Ended", 3, 30, 2_000.0, exports);
    last["transactionInfo"]["stoppedReason"] = "ReqEnergyTransferRejected".into();
    last["costDetails"] = json!({
        "totalCost": {"currency": "EUR", "typeOfCost": "NormalCost", "total": {"exclTax": 1.5}},
        "totalUsage": {"energy": 1.0, "chargingTime": 1800, "idleTime": 0},
    });
    for payload in [
        event("Started", 0, 0, 1_000.0, takes),
        event("Updated", 1, 10, 2_000.0, gives.clone()),
        event("Updated", 2, 20, 2_000.0, gives),
        last,
    ] {
        let answer = charger.call("TransactionEvent", payload).await;
        assert_eq!(answer["idTokenInfo"]["status"], "Accepted", "{answer}");
    }
    let session = &api.get("/sessions?station=CP").await["items"][0];
    assert_eq!(session["state"], "ended", "{session:#}");
    assert_eq!(session["energy_wh"], 1_000.0);
    assert_eq!(session["duration_s"], 1_800);
    assert_eq!(session["stop_reason"], "ReqEnergyTransferRejected");
}

#[tokio::test]
async fn what_is_new_in_2_1_is_answered_and_in_the_message_log() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub).await;
    let at = "2026-11-24T10:00:00Z";
    for (action, payload, answer) in [
        (
            "NotifyDERAlarm",
            json!({"controlType": "LVMustTrip", "timestamp": at}),
            json!({}),
        ),
        (
            "NotifyPriorityCharging",
            json!({"transactionId": "tx-1", "activated": true}),
            json!({}),
        ),
        (
            "OpenPeriodicEventStream",
            json!({"constantStreamData": {"id": 1, "params": {"interval": 5}, "variableMonitoringId": 2}}),
            json!({"status": "Rejected"}),
        ),
    ] {
        assert_eq!(charger.call(action, payload).await, answer, "{action}");
    }
    let refused = charger
        .ask("VatNumberValidation", json!({"vatNumber": "NL1"}))
        .await;
    assert_eq!(
        (&refused[0], &refused[2]),
        (&json!(4), &json!("NotSupported"))
    );
    let stream = json!({"id": 1, "pending": 0, "basetime": at, "data": [{"t": 0, "v": "1"}]});
    charger
        .send(&json!([6, "s-1", "NotifyPeriodicEventStream", stream]).to_string())
        .await;
    // A SEND is not answered: the next frame is the next call's answer.
    charger.call("Heartbeat", json!({})).await;
    for action in [
        "NotifyDERAlarm",
        "VatNumberValidation",
        "NotifyPeriodicEventStream",
    ] {
        let path = format!("/stations/CP/messages?direction=in&text={action}");
        until("the message log has it", || async {
            let page = api.get(&path).await;
            (page["items"][0]["action"] == action).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_command_that_only_2_1_has_is_checked_and_sent() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    let mut charger = booted(&hub).await;
    let ask = |payload: Value| {
        let body = json!({"action": "UsePriorityCharging", "payload": payload});
        api.ask(reqwest::Method::POST, "/stations/CP/commands", Some(body))
    };
    let (status, refused) = ask(json!({"transactionId": "tx-1"})).await;
    assert_eq!(status, 400, "{refused}");
    let good = ask(json!({"transactionId": "tx-1", "activate": true}));
    let ((status, record), (action, _)) =
        tokio::join!(good, charger.answer(json!({"status": "NoProfile"})));
    assert_eq!((status, &*action), (200, "UsePriorityCharging"));
    assert_eq!(record["answer"]["status"], "NoProfile");
}
