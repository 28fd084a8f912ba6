//! Programs that are not ours against the hub: a charge point, and a tester of the API's document.
//!
//! They run in the Python environment that `./test` makes; `TEST_PYTHON` names its interpreter.

use std::{path::PathBuf, process::Stdio};

use serde_json::json;
use tests::HubProcess;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// The interpreter; absent where nobody made the environment and nobody insists.
fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("TEST_PYTHON") {
        return Some(python.into());
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "TEST_PYTHON is not set; run the tests with ./test, which makes the environment"
    );
    eprintln!("skipped: TEST_PYTHON is not set; ./test makes the Python environment");
    None
}

async fn charges(version: &str) {
    let Some(python) = python() else { return };
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    api.post("/tokens", json!({"uid": "PYTAG"})).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/third_party/charge_point.py");
    let mut charger = Command::new(python)
        .args([
            script,
            &format!("ws://{}/ocpp/PY", hub.chargers),
            version,
            "PYTAG",
        ])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(charger.stdout.take().unwrap()).lines();
    assert_eq!(
        lines.next_line().await.unwrap().as_deref(),
        Some("charging")
    );
    let session = &api.get("/sessions?station=PY&state=active").await["items"][0];
    assert_eq!(session["energy_wh"], 1500.0);
    let stop = format!("/sessions/{}/stop", session["id"].as_str().unwrap());
    assert_eq!(
        api.post(&stop, json!({})).await["answer"]["status"],
        "Accepted"
    );
    assert!(charger.wait().await.unwrap().success());
    let session = &api.get("/sessions?station=PY").await["items"][0];
    assert_eq!(session["state"], "ended");
    assert_eq!(session["energy_wh"], 2000.0);
    assert_eq!(session["stop_reason"], "Remote");
    assert!(session["duration_s"].as_i64().unwrap() >= 0);
    let values = format!("/sessions/{}/meter-values", session["id"].as_str().unwrap());
    let values = api.get(&values).await;
    assert!(values["items"].as_array().unwrap().len() >= 3);
}

#[tokio::test]
async fn a_third_party_charge_point_charges_in_16() {
    charges("1.6").await;
}

#[tokio::test]
async fn a_third_party_charge_point_charges_in_201() {
    charges("2.0.1").await;
}

#[tokio::test]
async fn a_third_party_charge_point_charges_in_21() {
    charges("2.1").await;
}

#[tokio::test]
async fn the_api_keeps_to_its_document_whatever_it_is_asked() {
    let Some(python) = python() else { return };
    let hub = HubProcess::start(&[]);
    let made = hub
        .command()
        .args(["api-key", "create", "--role", "admin"])
        .output()
        .unwrap();
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let tested = Command::new(python)
        .args(["-m", "schemathesis.cli", "run"])
        .arg(format!("http://{}/api/v1/openapi.json", hub.api_address))
        .args(["--header", &format!("Authorization: Bearer {key}")])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,response_schema_conformance",
        ])
        .args(["--exclude-path", "/api/v1/events"])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "15",
            "--seed",
            "1",
        ])
        .args(["--request-timeout", "10", "--no-color"])
        .current_dir(hub.data_dir())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout).replace(&key, "(key)");
    assert!(
        tested.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&tested.stderr)
    );
}
