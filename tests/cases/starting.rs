//! Starting beside a hub that runs. What keeps a hub from starting by itself: hub/tests/command_line.rs.

use std::process::Output;

use tests::HubProcess;
use tokio_tungstenite::tungstenite;

fn run(hub: &HubProcess, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = hub.command();
    command.args(arguments);
    for (key, value) in settings {
        command.env(format!("SWITCHYARD_{key}"), value);
    }
    command.output().unwrap()
}

/// The one line on standard error of a hub that does not start.
#[cfg(not(feature = "cql"))]
fn complaint(hub: &HubProcess, arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let ended = run(hub, arguments, settings);
    assert!(!ended.status.success());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    said
}

#[cfg(not(feature = "cql"))]
#[tokio::test]
async fn ports_that_are_taken_are_said_in_one_line() {
    let hub = HubProcess::start(&[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = ("DATA__DIR", elsewhere.path().to_str().unwrap());
    let in_use = complaint(&hub, &[], &[elsewhere]);
    assert!(
        in_use.contains("api.listen") && in_use.contains(&hub.api_address),
        "{in_use}"
    );
    let taken = complaint(&hub, &[], &[elsewhere, ("API__LISTEN", "127.0.0.1:0")]);
    assert!(
        taken.contains("chargers.listen") && taken.contains(&hub.chargers),
        "{taken}"
    );
}

#[cfg(not(feature = "cql"))]
#[tokio::test]
async fn a_second_hub_on_the_same_data_is_turned_away_and_the_first_goes_on() {
    let mut hub = HubProcess::start(&[]);
    let anywhere = [
        ("CHARGERS__LISTEN", "127.0.0.1:0"),
        ("API__LISTEN", "127.0.0.1:0"),
    ];
    let refused = complaint(&hub, &[], &anywhere);
    let data = hub.data_dir();
    assert!(
        refused.contains("data.dir") && refused.contains(data.to_str().unwrap()),
        "{refused}"
    );
    let api = hub.api("viewer");
    assert_eq!(api.page("/ready").await.0, 200);
    // Whoever was killed holds nothing.
    hub.kill();
    hub.start_again();
    assert_eq!(api.page("/ready").await.0, 200);
}

#[tokio::test]
async fn api_keys_are_made_listed_and_revoked_while_the_hub_runs() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    api.get("/stations").await;
    let listed = String::from_utf8(run(&hub, &["api-key", "list"], &[]).stdout).unwrap();
    let prefix = listed.split_whitespace().next().unwrap().to_owned();
    assert!(listed.contains("Viewer"), "{listed}");
    assert!(
        run(&hub, &["api-key", "revoke", &prefix], &[])
            .status
            .success()
    );
    tests::until("a revoked key is refused", || async {
        (api.ask(reqwest::Method::GET, "/stations", None).await.0 == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_running_hub_is_live_ready_and_measured() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    assert_eq!(api.page("/live").await.0, 200);
    assert_eq!(api.page("/ready").await.0, 200);
    let _charger = tests::Charger::connect(&hub.chargers, "CP", tests::Dialect::V16).await;
    let (status, metrics) = api.page("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("switchyard_stations_connected 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_hub_whose_cluster_does_not_answer_runs_says_so_and_takes_no_chargers() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    waits_for_its_cluster(&address).await;
}

#[tokio::test]
async fn a_cluster_whose_port_hangs_up_at_once_is_waited_for_as_one_that_is_away() {
    let rude = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = rude.local_addr().unwrap().to_string();
    // Until the test ends.
    std::thread::spawn(move || rude.incoming().for_each(drop));
    waits_for_its_cluster(&address).await;
}

async fn waits_for_its_cluster(address: &str) {
    let settings = [
        ("STORE__KIND", "scylla"),
        ("STORE__CONTACT_POINTS", address),
    ];
    let mut hub = HubProcess::start(&settings);
    let api = tests::Api::new(&hub.api_address, "");
    assert_eq!(api.page("/live").await.0, 200);
    let (status, said) = api.page("/ready").await;
    assert!(status == 503 && said.contains(address), "{status} {said}");
    assert!(!said.contains("\\n"), "in one line: {said}");
    let refused = tests::Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
    match refused.err().map(|error| *error) {
        Some(tungstenite::Error::Http(refusal)) => {
            assert_eq!(refusal.status(), 503);
            assert!(refusal.headers().contains_key("Retry-After"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(hub.terminate().await, Some(0));
}
