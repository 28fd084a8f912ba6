//! A hub whose role in the cluster may do too little. These want a server where one has to log in, so they are run by
//! name: `./test cql`.

use std::{
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use scylla::client::session::Session;
use serde_json::json;
use tests::{Charger, CqlServer, Dialect, HubProcess, until};
use tokio::net::TcpStream;

/// A hub with a schema that somebody else made for it, and a role of its own that may read only.
async fn hub_that_may_read() -> (HubProcess, Session, String) {
    let mut hub = HubProcess::start(&[("LOG__FILTER", "warn")]);
    hub.kill();
    let session = CqlServer.session().await;
    let role = format!("role_{}", uuid::Uuid::new_v4().simple());
    let keyspace = hub.keyspace().keyspace;
    run(
        &session,
        &format!("CREATE ROLE {role} WITH PASSWORD = 'secret' AND LOGIN = true"),
    )
    .await;
    run(
        &session,
        &format!("GRANT SELECT ON KEYSPACE {keyspace} TO {role}"),
    )
    .await;
    hub.set("STORE__USER", &role);
    hub.set("STORE__PASSWORD", "secret");
    (hub, session, role)
}

async fn run(session: &Session, cql: &str) {
    let done = session.query_unpaged(cql, ()).await;
    done.unwrap_or_else(|error| panic!("{cql}: {error}"));
}

/// The one line on standard error of a hub that does not start.
fn complaint(mut hub: Command) -> String {
    let ended = hub.stdout(Stdio::null()).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success(), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    said
}

#[tokio::test]
#[ignore = "wants a CQL server with roles"]
async fn a_hub_that_may_not_write_does_not_start_and_says_what_to_grant() {
    let (mut hub, session, _) = hub_that_may_read().await;
    let said = complaint(hub.command());
    assert!(said.contains("no MODIFY permission"), "{said}");
    // Whoever does as it says has it start.
    let (_, grants) = said.split_once("run there: ").expect("it says what to do");
    for grant in grants.trim().trim_end_matches(';').split(';') {
        run(&session, grant).await;
    }
    until("the server knows what was granted", || async {
        let listed = hub.command().args(["api-key", "list"]).output().unwrap();
        listed.status.success().then_some(())
    })
    .await;
    hub.start_again();
    let (status, ready) = hub.api("viewer").page("/ready").await;
    assert_eq!((status, ready.as_str()), (200, r#"{"status":"ready"}"#));
}

#[tokio::test]
#[ignore = "wants a CQL server with roles"]
async fn who_may_not_log_in_or_make_what_is_not_there_is_told_so() {
    let (hub, session, role) = hub_that_may_read().await;
    let mut nobody = hub.command();
    nobody
        .env_remove("SWITCHYARD_STORE__USER")
        .env_remove("SWITCHYARD_STORE__PASSWORD");
    let said = complaint(nobody);
    assert!(
        said.contains("set store.user, and store.password_file"),
        "{said}"
    );

    let mut mistaken = hub.command();
    mistaken.env("SWITCHYARD_STORE__PASSWORD", "secrets");
    let said = complaint(mistaken);
    assert!(said.contains("check store.user, and"), "{said}");
    assert!(!said.contains("secrets"), "{said}");

    let mut elsewhere = hub.command();
    elsewhere.env("SWITCHYARD_STORE__KEYSPACE", format!("{role}_b"));
    let said = complaint(elsewhere);
    assert!(said.contains("GRANT CREATE ON ALL KEYSPACES"), "{said}");

    let empty = format!("{role}_c");
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    run(
        &session,
        &format!("CREATE KEYSPACE {empty} WITH replication = {replication}"),
    )
    .await;
    let mut bare = hub.command();
    bare.env("SWITCHYARD_STORE__KEYSPACE", &empty);
    let said = complaint(bare);
    assert!(
        said.contains(&format!("GRANT CREATE ON KEYSPACE \"{empty}\"")),
        "{said}"
    );
}

#[tokio::test]
#[ignore = "wants a CQL server with roles"]
async fn what_is_withdrawn_while_the_hub_runs_is_told_once_and_nothing_is_lost_until_it_is_granted_again()
 {
    let (mut hub, session, role) = hub_that_may_read().await;
    let keyspace = hub.keyspace().keyspace;
    let (grant, revoke) = (
        format!("GRANT MODIFY ON KEYSPACE {keyspace} TO {role}"),
        format!("REVOKE MODIFY ON KEYSPACE {keyspace} FROM {role}"),
    );
    run(&session, &grant).await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let (written, lines) = (hub.start_unready(), log.clone());
    std::thread::spawn(move || written.for_each(|line| lines.lock().unwrap().push(line)));
    until("the hub takes requests", || async {
        TcpStream::connect(&hub.api_address).await.ok()
    })
    .await;
    let api = hub.api("viewer");
    let measured = async |line: &str| {
        let (_, metrics) = api.page("/metrics").await;
        metrics.lines().any(|shown| shown == line).then_some(())
    };

    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-24T10:00:00Z"});
    let transaction = charger.call("StartTransaction", start).await["transactionId"].clone();
    run(&session, &revoke).await;
    // All of them are acknowledged. The server remembers for a while what was granted.
    let mut minutes = 0;
    while measured("switchyard_cql_forbidden 1").await.is_none() {
        minutes += 1;
        let meter = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{
            "timestamp": format!("2026-11-24T{:02}:{:02}:00Z", 10 + minutes / 60, minutes % 60),
            "sampledValue": [{"value": (minutes * 100).to_string()}]}]});
        charger.call("MeterValues", meter).await;
        assert!(minutes < 400, "nothing was refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, ready) = api.page("/ready").await;
    assert_eq!(status, 200, "chargers are taken: {ready}");
    assert!(ready.contains("GRANT MODIFY ON KEYSPACE"), "{ready}");

    // That the table of the trial may be written again is not all.
    let trial = format!("GRANT MODIFY ON TABLE {keyspace}.migration_lock TO {role}");
    run(&session, &trial).await;
    let meter = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{
        "timestamp": "2026-11-24T23:00:00Z", "sampledValue": [{"value": "80000"}]}]});
    charger.call("MeterValues", meter).await;
    run(&session, &grant).await;
    until("it is seen to be granted", || {
        measured("switchyard_cql_forbidden 0")
    })
    .await;
    until("what waited has arrived", || {
        measured("switchyard_spool_records 0")
    })
    .await;
    until("there is no trouble any more", || async {
        let (status, ready) = api.page("/ready").await;
        (status == 200 && ready == r#"{"status":"ready"}"#).then_some(())
    })
    .await;
    let stop = json!({"transactionId": transaction, "meterStop": 90_000, "timestamp": "2026-11-25T10:00:00Z"});
    charger.call("StopTransaction", stop).await;

    hub.kill();
    let told = std::mem::take(&mut *log.lock().unwrap());
    let refusals = told.iter().filter(|line| line.contains("refuses role"));
    let refusals: Vec<_> = refusals.filter(|line| line.contains("ERROR")).collect();
    assert_eq!(refusals.len(), 1, "{told:?}");
    hub.start_again();
    let session = &api.get("/sessions?station=CP").await["items"][0];
    assert_eq!(session["state"], "ended");
    assert_eq!(session["energy_wh"], 90_000.0);
    let id = session["id"].as_str().unwrap();
    let events = api.get(&format!("/sessions/{id}/events?limit=500")).await;
    assert_eq!(events["items"].as_array().unwrap().len(), minutes + 3);
}
