//! Transactions that their station names wrongly, or not so that they can be told apart.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess};

async fn booted(hub: &HubProcess, dialect: Dialect) -> Charger {
    let mut charger = Charger::connect(&hub.chargers, "CP", dialect).await;
    charger.boot(dialect).await;
    charger
}

/// The oldest first.
async fn sessions(api: &Api) -> Vec<Value> {
    let listed = api.get("/sessions?station=CP").await["items"].clone();
    let mut sessions = listed.as_array().unwrap().clone();
    sessions.reverse();
    sessions
}

fn has_flag(session: &Value, flag: &str) -> bool {
    session["flags"].as_array().unwrap().contains(&json!(flag))
}

/// A 2.0.1 event of transaction `1`.
fn event(kind: &str, seq: u32, minute: u32, card: &str, wh: u32) -> Value {
    json!({"eventType": kind, "timestamp": format!("2026-11-24T10:{minute:02}:00Z"),
        "triggerReason": "Authorized", "seqNo": seq, "evse": {"id": 1, "connectorId": 1},
        "transactionInfo": {"transactionId": "1"},
        "idToken": {"idToken": card, "type": "ISO14443"},
        "meterValue": [{"timestamp": format!("2026-11-24T10:{minute:02}:00Z"),
            "sampledValue": [{"value": wh, "measurand": "Energy.Active.Import.Register"}]}]})
}

#[tokio::test]
async fn a_2_0_1_name_that_is_used_again_begins_another_session_and_each_event_counts_once() {
    each_use_of_a_name_is_a_session([0, 20, 40]).await;
}

#[tokio::test]
async fn whatever_the_clock_says_a_2_0_1_name_that_is_used_again_begins_another_session() {
    for begun in [[0, 0, 0], [40, 20, 0], [20, 25, 15]] {
        each_use_of_a_name_is_a_session(begun).await;
    }
}

/// Three drivers, the last of them the first again; the station counts from 0 each time, and says that they
/// began in these minutes.
async fn each_use_of_a_name_is_a_session(begun: [u32; 3]) {
    let mut hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub, Dialect::V201).await;
    let [first, second, third] = begun;
    let lives: Vec<[Value; 3]> = [("A", first, 0), ("B", second, 1000), ("A", third, 1500)]
        .map(|(card, minute, wh)| {
            [
                event("Started", 0, minute, card, wh),
                event("Updated", 1, minute + 5, card, wh + 200),
                event("Ended", 2, minute + 10, card, wh + 500),
            ]
        })
        .into();
    for (life, events) in lives.iter().enumerate() {
        for sent in events {
            charger.call("TransactionEvent", sent.clone()).await;
            // The answer was lost.
            charger.call("TransactionEvent", sent.clone()).await;
        }
        if life == 1 {
            hub.kill();
            hub.start_again();
            charger = booted(&hub, Dialect::V201).await;
        }
    }
    for sent in lives.iter().flatten() {
        charger.call("TransactionEvent", sent.clone()).await;
    }
    let mut sessions = sessions(&api).await;
    sessions.sort_by_key(|session| session["transaction"].as_str().map(str::to_owned));
    let told: Vec<_> = sessions
        .iter()
        .map(|session| {
            (
                session["transaction"].as_str().unwrap(),
                session["token"]["uid"].as_str().unwrap(),
            )
        })
        .collect();
    let uses = [("1", "A"), ("1 again 2", "B"), ("1 again 3", "A")];
    assert_eq!(told, uses, "{begun:?}");
    for session in &sessions {
        assert_eq!(session["energy_wh"], 500.0, "{session}");
        assert_eq!(session["state"], "ended", "{session}");
        assert!(!has_flag(session, "event_after_end"), "{session}");
        let id = session["id"].as_str().unwrap();
        let log = api.get(&format!("/sessions/{id}/events")).await;
        assert_eq!(log["items"].as_array().unwrap().len(), 3, "{log}");
    }
    assert!(has_flag(&sessions[1], "transaction_reused"));
}

const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// An event of the transaction of that name.
fn of(name: &str, mut event: Value) -> Value {
    event["transactionInfo"]["transactionId"] = json!(name);
    event
}

/// What each session is called and counted, and whether it is over.
async fn told(api: &Api) -> Vec<(String, f64, bool)> {
    let tells = |session: &Value| {
        let name = session["transaction"].as_str().unwrap().to_owned();
        let is_over = session["state"] == "ended";
        (name, session["energy_wh"].as_f64().unwrap(), is_over)
    };
    let mut told: Vec<_> = sessions(api).await.iter().map(tells).collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    told
}

#[tokio::test]
async fn the_events_of_a_name_that_is_used_again_may_come_in_any_order() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub, Dialect::V201).await;
    let mut expected = Vec::new();
    for begun in [20, 0] {
        for order in ORDERS {
            let name = format!("{begun} {order:?}");
            let life = |minute, card, wh| {
                [
                    event("Started", 0, minute, card, wh),
                    event("Updated", 1, minute + 5, card, wh + 200),
                    event("Ended", 2, minute + 10, card, wh + 500),
                ]
            };
            let (first, second) = (life(0, "A", 0), life(begun, "B", 1000));
            // All of the second is said again.
            let all = first.iter().chain(order.map(|nth| &second[nth]));
            for sent in all.chain(&second) {
                let sent = of(&name, sent.clone());
                charger.call("TransactionEvent", sent).await;
            }
            let uses = [name.clone(), format!("{name} again 2")];
            expected.extend(uses.map(|name| (name, 500.0, true)));
        }
    }
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(told(&api).await, expected);
}

#[tokio::test]
async fn a_station_that_knows_one_name_only_has_a_session_for_each_use_of_it() {
    const USES: u32 = 40;
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub, Dialect::V201).await;
    for life in 0..USES {
        let events = [
            event("Started", 0, life, "A", 1000 * life),
            event("Ended", 1, life, "A", 1000 * life + 500),
        ];
        for sent in events {
            charger.call("TransactionEvent", sent.clone()).await;
            charger.call("TransactionEvent", sent).await;
        }
    }
    let told = told(&api).await;
    let each = told
        .iter()
        .filter(|(_, wh, is_over)| *wh == 500.0 && *is_over);
    assert_eq!((each.count(), told.len()), (USES as usize, USES as usize));
}

#[tokio::test]
async fn another_card_may_end_a_transaction_whatever_order_its_events_come_in() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub, Dialect::V201).await;
    for order in ORDERS {
        let events = [
            event("Started", 0, 0, "A", 0),
            event("Updated", 1, 5, "B", 200),
            event("Ended", 2, 10, "B", 500),
        ];
        for sent in order.map(|nth| &events[nth]).into_iter().chain(&events) {
            let sent = of(&format!("{order:?}"), sent.clone());
            charger.call("TransactionEvent", sent).await;
        }
    }
    let mut expected = ORDERS.map(|order| (format!("{order:?}"), 500.0, true));
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(told(&api).await, expected);
}

#[tokio::test]
async fn events_that_are_missing_are_told_until_they_come() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub, Dialect::V201).await;
    for sent in [
        event("Started", 0, 0, "A", 0),
        event("Updated", 3, 15, "A", 300),
        event("Ended", 5, 25, "A", 500),
    ] {
        charger.call("TransactionEvent", sent).await;
    }
    let session = sessions(&api).await[0].clone();
    assert!(has_flag(&session, "events_missing"), "{session}");
    let missing = json!([{"first": 1, "last": 2}, {"first": 4, "last": 4}]);
    assert_eq!(session["missing_seqs"], missing);
    for (seq, minute) in [(4, 20), (1, 5), (2, 10)] {
        let late = event("Updated", seq, minute, "A", 100 * seq);
        charger.call("TransactionEvent", late).await;
    }
    let session = sessions(&api).await[0].clone();
    assert!(!has_flag(&session, "events_missing"), "{session}");
    assert!(!has_flag(&session, "event_after_end"), "{session}");
    assert_eq!(
        (&session["missing_seqs"], &session["energy_wh"]),
        (&Value::Null, &json!(500.0))
    );
}

fn start(connector: i32, meter: u32) -> Value {
    json!({"connectorId": connector, "idTag": "T", "meterStart": meter,
        "timestamp": "2026-11-24T10:00:00Z"})
}

#[tokio::test]
async fn a_stop_of_transaction_minus_1_ends_the_only_session_whose_register_it_can_be() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    charger.call("StartTransaction", start(1, 1_000)).await;
    charger.call("StartTransaction", start(2, 70_000)).await;
    let stop = |meter: u32| json!({"transactionId": -1, "meterStop": meter, "timestamp": "2026-11-24T10:30:00Z"});
    // Either could have come to it.
    charger.call("StopTransaction", stop(75_000)).await;
    charger.call("StopTransaction", stop(4_000)).await;
    let sessions = sessions(&hub.api("viewer")).await;
    let ended = |connector: u32| {
        let mut at = sessions
            .iter()
            .filter(|session| session["connector"]["evse"] == connector);
        let session = at.next().unwrap();
        (session["state"].clone(), session["energy_wh"].clone())
    };
    assert_eq!(ended(1), (json!("ended"), json!(3_000.0)));
    assert_eq!(ended(2), (json!("active"), json!(0.0)));
    let orphan = sessions
        .iter()
        .find(|session| session["connector"].is_null())
        .unwrap();
    assert_eq!(orphan["energy_wh"], 0.0, "{orphan}");
    assert!(has_flag(orphan, "start_missing") && has_flag(orphan, "transaction_guessed"));
    assert_eq!(sessions.len(), 3);
}

#[tokio::test]
async fn starts_on_outlets_that_cannot_be_are_each_a_session_of_its_own() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    let mut numbers = Vec::new();
    for connector in [-1, -2, -1] {
        let began = charger.call("StartTransaction", start(connector, 0)).await;
        numbers.push(began["transactionId"].clone());
    }
    assert_ne!(numbers[0], numbers[1]);
    assert_eq!(numbers[0], numbers[2], "it was sent again");
    assert_eq!(sessions(&hub.api("viewer")).await.len(), 2);
}
