//! When nothing more can be kept, chargers keep it.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess, until};
use tokio_tungstenite::tungstenite;

fn meter_values(number: u64) -> Value {
    // Some weight, so that the disk is full soon.
    let values: Vec<Value> = (0..20)
        .map(|_| json!({"value": number.to_string(), "measurand": "Energy.Active.Import.Register"}))
        .collect();
    json!([2, format!("m{number}"), "MeterValues", {"connectorId": 1, "meterValue": [
        {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": values}]}])
}

/// Sends meter values until the hub takes no more; returns how many it acknowledged.
async fn fill(charger: &mut Charger) -> u64 {
    for number in 0..20_000 {
        charger.send(&meter_values(number).to_string()).await;
        loop {
            match charger.read_message().await {
                Some(Ok(tungstenite::Message::Text(answer))) => {
                    assert_eq!(
                        answer.as_str(),
                        format!(r#"[3,"m{number}",{{}}]"#),
                        "never an error"
                    );
                    break;
                }
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(1013));
                    return number;
                }
                Some(Ok(_)) => {}
                other => panic!("expected an answer or a goodbye, got {other:?}"),
            }
        }
    }
    panic!("the disk never filled");
}

/// How many readings the hub has of the charger.
async fn kept(api: &Api) -> u64 {
    let (mut kept, mut after) = (0, String::new());
    loop {
        let page = api
            .get(&format!("/stations/CP/readings?limit=500{after}"))
            .await;
        kept += page["items"].as_array().unwrap().len() as u64;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return kept,
        }
    }
}

#[tokio::test]
async fn a_full_disk_closes_sockets_refuses_new_ones_and_loses_nothing() {
    let full = [
        ("DATA__MAX_BYTES", "1500000"),
        ("MESSAGE_LOG__ENABLED", "false"),
    ];
    let mut hub = HubProcess::start(&full);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let acknowledged = fill(&mut charger).await;
    assert!(acknowledged > 0);
    let next = meter_values(acknowledged)[3].to_string();
    until("the hub says which limit it has met", || async {
        let (status, said) = Api::new(&hub.api_address, "").page("/ready").await;
        if status == 503 && said.contains("data.max_bytes") {
            return Some(());
        }
        // Something small may have fitted in meanwhile; this does not.
        let again = Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
        if let Ok((mut again, _)) = again {
            again.try_ask("MeterValues", &next).await;
        }
        None
    })
    .await;
    until("new sockets are refused", || async {
        match Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6"))
            .await
            .err()
            .map(|e| *e)
        {
            Some(tungstenite::Error::Http(refusal)) => {
                assert_eq!(refusal.status(), 503);
                assert!(refusal.headers().contains_key("Retry-After"));
                Some(())
            }
            // One a second is let in as a trial, and let down with its first message.
            _ => None,
        }
    })
    .await;

    hub.kill();
    hub.set("DATA__MAX_BYTES", "100000000");
    hub.start_again();
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.send(&meter_values(acknowledged).to_string()).await;
    assert_eq!(charger.read().await[0], 3);
    assert_eq!(
        kept(&hub.api("viewer")).await,
        acknowledged + 1,
        "what was acknowledged, each once, and the one sent again"
    );
}

/// A file system of its own, with so little room.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.run("mount", &["-t", "tmpfs", "-o", "size=2m", "tmpfs"]);
        disk
    }

    fn enlarge(&self) {
        self.run("mount", &["-o", "remount,size=50m"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = std::process::Command::new(program);
        let status = command.args(arguments).arg(self.0.path()).status();
        assert!(
            status.unwrap().success(),
            "{program} {arguments:?}: needs root"
        );
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there keeps it until then.
        self.run("umount", &["--lazy"]);
    }
}

#[tokio::test]
#[ignore = "mounts a tmpfs, so it needs root: cargo test -p tests --test cases -- --ignored real_disk"]
async fn a_real_disk_that_is_full_loses_nothing_and_the_hub_goes_on_when_there_is_room() {
    let disk = SmallDisk::mount();
    let data = disk.0.path().join("data");
    let settings = [
        ("DATA__DIR", data.to_str().unwrap()),
        ("MESSAGE_LOG__ENABLED", "false"),
    ];
    let hub = HubProcess::start(&settings);
    let api = hub.api("viewer");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let acknowledged = fill(&mut charger).await;
    assert!(acknowledged > 0);
    disk.enlarge();
    let next = meter_values(acknowledged)[3].to_string();
    let answer = until("the hub takes messages again", || async {
        let back = Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
        back.ok()?.0.try_ask("MeterValues", &next).await
    })
    .await;
    assert_eq!(answer[0], 3, "{answer}");
    assert_eq!(kept(&api).await, acknowledged + 1);
}
