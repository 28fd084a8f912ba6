//! The binary against a small central system: it counts right, and fails when the central system does.

mod central_system;

use std::process::Stdio;

use central_system::{CentralSystem, Reaction};
use serde_json::Value;
use tokio::process::Command;

struct Run {
    code: Option<i32>,
    output: String,
    report: Value,
}

async fn loadtest(system: &CentralSystem, arguments: &str) -> Run {
    let json = std::env::temp_dir().join(format!("loadtest-{}.json", uuid::Uuid::new_v4()));
    let done = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(arguments.split_whitespace())
        .args(["--url", &system.url, "--seed", "7", "--json"])
        .arg(&json)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the binary starts");
    let output = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    let report = std::fs::read_to_string(&json).unwrap_or_else(|_| panic!("no report: {output}"));
    std::fs::remove_file(&json).expect("our own file");
    let report = serde_json::from_str(&report).expect("JSON");
    Run {
        code: done.status.code(),
        output,
        report,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_passes_a_good_central_system() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    for (scenario, more) in [
        ("ramp", "--hold 100ms"),
        ("steady", "--duration 2s --speed 2000 --meter-interval 50ms"),
        ("idle", "--hub-pid auto"),
        (
            "sessions",
            "--active 5 --duration 1s --hub-pid auto --with-echo --yardstick nproc",
        ),
        ("drop-reconnect", "--rounds 5"),
        ("reconnect-storm", ""),
        ("flap", "--rounds 3 --pause 50ms --meter-interval 50ms"),
        (
            "offline-replay",
            "--offline 500ms --meter-interval 50ms --speed 600",
        ),
    ] {
        for version in ["1.6", "2.0.1", "2.1"] {
            let arguments = format!(
                "{scenario} {more} --chargers 20 --workers 2 --version {version} --id-prefix {scenario}{version}"
            );
            let run = loadtest(&system, &arguments).await;
            assert_eq!(run.code, Some(0), "{arguments}: {}", run.output);
            let report = &run.report;
            assert_eq!(report["booted"], 20, "{arguments}");
            assert_eq!(report["transaction_messages"]["lost"], 0, "{arguments}");
            match scenario {
                "steady" => assert!(
                    report["transaction_messages"]["queued"].as_u64() > Some(20),
                    "{report:#}"
                ),
                "idle" => {
                    assert_eq!(
                        report["actions"]["MeterValues"]["answered"], 20,
                        "{report:#}"
                    );
                    assert!(
                        report["hub"]["bytes_per_charger_measured"].is_number(),
                        "{report:#}"
                    );
                }
                "sessions" => {
                    assert!(
                        report["hub"]["cpu_us_per_message"].as_f64() > Some(0.0),
                        "{report:#}"
                    );
                    assert_eq!(
                        report["echo"]["cpu_us_per_message"]
                            .as_array()
                            .map(Vec::len),
                        Some(2),
                        "{report:#}"
                    );
                    let yardstick = &report["yardstick"];
                    assert_eq!(
                        yardstick["messages_per_second"].as_array().map(Vec::len),
                        Some(2),
                        "{report:#}"
                    );
                    assert!(yardstick["reached"].as_f64() > Some(0.0), "{report:#}");
                }
                "drop-reconnect" => {
                    assert_eq!(report["disconnects"]["dropped on order"], 100, "{report:#}");
                    assert_eq!(
                        report["rounds"]["count"], 10,
                        "five rounds of each worker: {report:#}"
                    );
                }
                "reconnect-storm" => {
                    assert_eq!(report["returns"]["count"], 20, "{report:#}");
                    assert_eq!(report["rounds"]["count"], 2, "one of each worker");
                }
                "flap" => {
                    assert_eq!(report["disconnects"]["dropped on order"], 60, "{report:#}");
                    assert_eq!(report["returns"]["count"], 60, "{report:#}");
                    assert_eq!(report["rounds"]["count"], 6, "three of each worker");
                    assert!(
                        report["transaction_messages"]["queued"].as_u64() > Some(40),
                        "{report:#}"
                    );
                }
                "offline-replay" => {
                    assert!(
                        report["replay"]["waiting"].as_u64() > Some(40),
                        "{report:#}"
                    );
                    assert_eq!(report["replay"]["undrained"], 0, "{report:#}");
                }
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_central_system_that_fails_is_named() {
    let system = CentralSystem::start(|call| match call.action.as_str() {
        "MeterValues" => Reaction::Error("InternalError"),
        _ => Reaction::Usual,
    })
    .await;
    let run = loadtest(&system, "idle --chargers 3").await;
    assert_eq!(run.code, Some(1), "{}", run.output);
    assert!(
        run.output
            .contains("MeterValues failed: CALLERROR InternalError (3 times)"),
        "{}",
        run.output
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_tokens_are_a_fault_with_advice() {
    let refusal = serde_json::json!({ "idTagInfo": { "status": "Invalid" } });
    let system = CentralSystem::start(move |call| match call.action.as_str() {
        "Authorize" => Reaction::Answer(refusal.clone()),
        _ => Reaction::Usual,
    })
    .await;
    let run = loadtest(&system, "sessions --chargers 2 --active 1 --duration 200ms").await;
    assert_eq!(run.code, Some(1), "{}", run.output);
    assert!(
        run.output.contains("Authorize refused: Invalid"),
        "{}",
        run.output
    );
    assert!(run.output.contains("--token"), "{}", run.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_one_clear_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["ramp", "--url", "ws://127.0.0.1:1/{id}"])
        .output()
        .await
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("ws://127.0.0.1:1/{id}") && words.contains("is the central system running"),
        "{words}"
    );
    assert_eq!(words.lines().count(), 1, "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_open_files_end_the_run_with_advice() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    let few_files = format!(
        "ulimit -n 60 && exec {} ramp --chargers 100 --url '{}'",
        env!("CARGO_BIN_EXE_loadtest"),
        system.url
    );
    let output = Command::new("sh")
        .args(["-c", &few_files])
        .output()
        .await
        .expect("a shell");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains("--workers"), "{words}");
}
