//! The storm scenarios of the binary, each with a central system that misbehaves on purpose.

mod central_system;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use central_system::{CentralSystem, PATIENCE, Reaction, Received, is_answer};
use serde_json::Value;
use tokio::process::Command;

/// Runs the binary; returns its exit code and all it wrote.
async fn loadtest(system: &CentralSystem, arguments: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(arguments)
        .args(["--url", &system.url, "--seed", "7"])
        .output()
        .await
        .expect("the binary starts");
    let words = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    (done.status.code(), words)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_that_is_refused_at_first_passes_and_shows_the_refusals() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    system.set_reachable(false);
    // The binary looks once whether anybody listens, then come ten chargers.
    let open_after_all_were_refused = async {
        until(|| system.refused() >= 11).await;
        system.set_reachable(true);
    };
    let run = loadtest(&system, &["reconnect-storm", "--chargers", "10"]);
    let ((code, words), ()) = tokio::join!(run, open_after_all_were_refused);
    assert_eq!(code, Some(0), "{words}");
    assert!(
        words.contains("10 connections failed and were tried again"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charger_that_is_not_back_in_time_fails_the_flap() {
    // Available, Preparing, Charging, and the fourth after the drop: there its socket is lost again.
    let statuses = Mutex::new(0);
    let system = CentralSystem::start(move |call| {
        if call.action != "StatusNotification" || call.identity != "SIM-000002" {
            return Reaction::Usual;
        }
        let mut statuses = statuses.lock().expect("no panic");
        *statuses += 1;
        if *statuses == 4 {
            Reaction::Drop
        } else {
            Reaction::Usual
        }
    })
    .await;
    let arguments = "flap --chargers 5 --rounds 1 --deadline 500ms";
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let (code, words) = loadtest(&system, &arguments).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(
        words.contains("in 1 of 1 rounds not all chargers were back in time"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replayed_comes_in_order_and_says_that_it_is_old() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    let arguments =
        "offline-replay --chargers 3 --offline 1s --meter-interval 50ms --version 2.0.1";
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let (code, words) = loadtest(&system, &arguments).await;
    assert_eq!(code, Some(0), "{words}");
    for station in ["SIM-000000", "SIM-000001", "SIM-000002"] {
        let mut events = transaction_messages(&system, station);
        events.dedup();
        let numbers: Vec<_> = events
            .iter()
            .filter_map(|event| event["seqNo"].as_u64())
            .collect();
        let ends = events.len() as u64;
        assert_eq!(numbers, (0..ends).collect::<Vec<_>>(), "{station}");
        let old = events.iter().filter(|event| event["offline"] == true);
        assert!(old.count() >= 5, "{station}: {events:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_each_kill_all_come_back_and_the_file_holds_what_was_acknowledged() {
    for version in ["1.6", "2.0.1", "2.1"] {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let marker = temporary("marker");
        let file = temporary("acknowledged");
        // The command asks this test to crash the system, and waits until it is up again.
        let command = format!(
            "touch {0}; while [ -e {0} ]; do sleep 0.01; done",
            marker.display()
        );
        let path = file.display().to_string();
        let arguments = [
            "kill",
            "--kill-cmd",
            &command,
            "--kills",
            "3",
            "--within",
            "300ms",
            "--chargers",
            "8",
            "--meter-interval",
            "30ms",
            "--version",
            version,
            "--acknowledged",
            &path,
        ];
        let crash_three_times = async {
            for _ in 0..3 {
                until(|| marker.exists()).await;
                system.set_reachable(false);
                system.crash();
                system.set_reachable(true);
                std::fs::remove_file(&marker).expect("the marker is there");
            }
        };
        let ((code, words), ()) = tokio::join!(loadtest(&system, &arguments), crash_three_times);
        assert_eq!(code, Some(0), "{words}");
        assert!(words.contains("recovered after: "), "{words}");

        let text = std::fs::read_to_string(&file).expect("the file was written");
        std::fs::remove_file(&file).expect("our own file");
        let mut acknowledged: HashMap<String, Vec<Value>> = HashMap::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("each line is JSON");
            assert!(line["answer"].is_object(), "{line}");
            let station = line["station"].as_str().expect("a name").to_owned();
            acknowledged
                .entry(station)
                .or_default()
                .push(line["payload"].clone());
        }
        assert_eq!(acknowledged.len(), 8, "{words}");
        for (station, acknowledged) in &acknowledged {
            // A message whose answer was lost came again, unchanged and before any other.
            let mut arrived = transaction_messages(&system, station);
            arrived.dedup();
            assert_eq!(&arrived, acknowledged, "{station}, OCPP {version}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_command_that_does_not_kill_ends_the_run_with_advice() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    for (command, advice) in [
        ("true", "no charger lost its socket"),
        ("exit 3", "the kill command failed (exit status: 3)"),
    ] {
        let arguments = [
            "kill",
            "--kill-cmd",
            command,
            "--kills",
            "1",
            "--within",
            "10ms",
            "--deadline",
            "200ms",
            "--chargers",
            "2",
        ];
        let (code, words) = loadtest(&system, &arguments).await;
        assert_eq!(code, Some(2), "{words}");
        assert!(words.contains(advice), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_refuses_options_that_it_cannot_keep() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    for (option, advice) in [
        ("--workers=2", "at most 15000 chargers"),
        ("--hub-pid=auto", "takes no --hub-pid"),
    ] {
        let (code, words) = loadtest(&system, &["kill", "--kill-cmd", "true", option]).await;
        assert_eq!(code, Some(2), "{words}");
        assert!(words.contains(advice), "{words}");
    }
}

fn transaction_messages(system: &CentralSystem, station: &str) -> Vec<Value> {
    let is_transaction_message = |call: &Received| {
        !is_answer(call)
            && matches!(
                call.action.as_str(),
                "StartTransaction" | "StopTransaction" | "MeterValues" | "TransactionEvent"
            )
    };
    let received = system.received(station).into_iter();
    received
        .filter(is_transaction_message)
        .map(|call| call.payload)
        .collect()
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("loadtest-{name}-{}", uuid::Uuid::new_v4()))
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("not seen in time");
}
