//! Simulated chargers obey the central system, seen over real sockets.

mod bench;
mod central_system;

use bench::{Bench, ID, ends_a_transaction, is_transaction_message, wait_for};
use central_system::{CentralSystem, Reaction, Received};
use loadtest::{Pace, Version};
use serde_json::json;

#[tokio::test]
async fn a_call_that_crosses_ours_is_answered_at_once() {
    let system = CentralSystem::start(|call| match call.action.as_str() {
        "Authorize" => Reaction::CallFirst(
            json!([2, "central-cross", "GetConfiguration", { "key": ["HeartbeatInterval"] }])
                .to_string(),
        ),
        _ => Reaction::Usual,
    })
    .await;
    let _bench = Bench::start(&system, Version::V16, Pace::Natural);
    // The central system answers Authorize only after its own call was answered, so a session proves the crossing.
    system
        .until(ID, |calls| {
            calls.iter().any(is_transaction_message).then_some(())
        })
        .await;
    let calls = system.received(ID);
    let answer = calls
        .iter()
        .find(|it| it.id == "central-cross")
        .expect("answered");
    assert_eq!(
        answer.payload["configurationKey"][0]["value"], "300",
        "{answer:#?}"
    );
}

#[tokio::test]
async fn commands_are_obeyed_in_1_6() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    let _bench = Bench::start(&system, Version::V16, Pace::Quiet);
    wait_for(&system, "StatusNotification").await;
    let call = async |id: &str, action: &str, payload| {
        system
            .call(ID, &format!("central-{id}"), action, payload)
            .await
    };
    let start = call(
        "1",
        "RemoteStartTransaction",
        json!({ "idTag": "REMOTE", "connectorId": 1 }),
    )
    .await;
    assert_eq!(start.payload["status"], "Accepted");
    let started = wait_for(&system, "StartTransaction").await;
    assert_eq!(started.payload["idTag"], "REMOTE");
    wait_for(&system, "MeterValues").await;
    let stop = call(
        "2",
        "RemoteStopTransaction",
        json!({ "transactionId": 1_000 }),
    )
    .await;
    assert_eq!(stop.payload["status"], "Accepted");
    assert_eq!(
        wait_for(&system, "StopTransaction").await.payload["reason"],
        "Remote"
    );
    let wrong = call("3", "RemoteStopTransaction", json!({ "transactionId": 7 })).await;
    assert_eq!(wrong.payload["status"], "Rejected");
    let set = call(
        "4",
        "ChangeConfiguration",
        json!({ "key": "HeartbeatInterval", "value": "77" }),
    )
    .await;
    assert_eq!(set.payload["status"], "Accepted");
    let bad = call(
        "5",
        "ChangeConfiguration",
        json!({ "key": "HeartbeatInterval", "value": "soon" }),
    )
    .await;
    assert_eq!(bad.payload["status"], "Rejected");
    let get = call(
        "6",
        "GetConfiguration",
        json!({ "key": ["HeartbeatInterval", "NoSuchKey"] }),
    )
    .await;
    assert_eq!(get.payload["configurationKey"][0]["value"], "77");
    assert_eq!(get.payload["unknownKey"], json!(["NoSuchKey"]));
    let heartbeat = call(
        "7",
        "TriggerMessage",
        json!({ "requestedMessage": "Heartbeat" }),
    )
    .await;
    assert_eq!(heartbeat.payload["status"], "Accepted");
    wait_for(&system, "Heartbeat").await;
    let closed = call(
        "8",
        "ChangeAvailability",
        json!({ "connectorId": 0, "type": "Inoperative" }),
    )
    .await;
    assert_eq!(closed.payload["status"], "Accepted");
    let refused = call("9", "RemoteStartTransaction", json!({ "idTag": "REMOTE" })).await;
    assert_eq!(refused.payload["status"], "Rejected");
    assert_eq!(
        call("10", "ReserveNow", json!({})).await.action,
        "NotSupported"
    );
    assert_eq!(
        call("11", "FlyToTheMoon", json!({})).await.action,
        "NotImplemented"
    );
    assert_eq!(
        call("12", "UnlockConnector", json!({})).await.action,
        "FormationViolation"
    );
    assert_eq!(
        call("13", "Reset", json!({ "type": "Hard" })).await.payload["status"],
        "Accepted"
    );
    let boots = |calls: &[Received]| {
        (calls
            .iter()
            .filter(|it| it.action == "BootNotification")
            .count()
            == 2)
            .then_some(())
    };
    system.until(ID, boots).await;
}

#[tokio::test]
async fn commands_are_obeyed_in_2_0_1() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    let _bench = Bench::start(&system, Version::V201, Pace::Quiet);
    wait_for(&system, "StatusNotification").await;
    let call = async |id: &str, action: &str, payload| {
        system
            .call(ID, &format!("central-{id}"), action, payload)
            .await
    };
    let token = json!({ "idToken": "REMOTE", "type": "Central" });
    let start = call(
        "1",
        "RequestStartTransaction",
        json!({ "remoteStartId": 9, "idToken": token }),
    )
    .await;
    assert_eq!(start.payload["status"], "Accepted");
    let started = wait_for(&system, "TransactionEvent").await;
    assert_eq!(started.payload["transactionInfo"]["remoteStartId"], 9);
    let id = &started.payload["transactionInfo"]["transactionId"];
    // No current at all: the charging state changes, and says why.
    let profile = json!({ "id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative", "chargingSchedule": [
        { "id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 0 }] }] });
    let limit = call(
        "2",
        "SetChargingProfile",
        json!({ "evseId": 1, "chargingProfile": profile }),
    )
    .await;
    assert_eq!(limit.payload["status"], "Accepted");
    system
        .until(ID, |calls| {
            calls
                .iter()
                .find(|it| it.payload["transactionInfo"]["chargingState"] == "SuspendedEVSE")
                .cloned()
        })
        .await;
    let status = call("3", "GetTransactionStatus", json!({ "transactionId": id })).await;
    assert_eq!(status.payload["ongoingIndicator"], true);
    let stop = call(
        "4",
        "RequestStopTransaction",
        json!({ "transactionId": id }),
    )
    .await;
    assert_eq!(stop.payload["status"], "Accepted");
    let ended = system
        .until(ID, |calls| {
            calls.iter().find(|it| ends_a_transaction(it)).cloned()
        })
        .await;
    assert_eq!(ended.payload["triggerReason"], "RemoteStop");
    let variable = |component: &str, name: &str| json!({ "component": { "name": component }, "variable": { "name": name } });
    let asked = [
        variable("OCPPCommCtrlr", "HeartbeatInterval"),
        variable("OCPPCommCtrlr", "NoSuch"),
        variable("NoSuch", "NoSuch"),
    ];
    let get = call("5", "GetVariables", json!({ "getVariableData": asked })).await;
    let results = get.payload["getVariableResult"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert_eq!(results[0]["attributeValue"], "300");
    let statuses: Vec<_> = results
        .iter()
        .filter_map(|it| it["attributeStatus"].as_str())
        .collect();
    assert_eq!(
        statuses,
        ["Accepted", "UnknownVariable", "UnknownComponent"]
    );
    let report = call(
        "6",
        "GetBaseReport",
        json!({ "requestId": 5, "reportBase": "FullInventory" }),
    )
    .await;
    assert_eq!(report.payload["status"], "Accepted");
    assert_eq!(
        wait_for(&system, "NotifyReport").await.payload["requestId"],
        5
    );
    assert_eq!(call("7", "GetLog", json!({})).await.action, "NotSupported");
    assert_eq!(
        call("8", "RemoteStartTransaction", json!({})).await.action,
        "NotImplemented"
    );
}
