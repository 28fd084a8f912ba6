//! Simulated chargers behave like real firmware, seen by a central system over real sockets.

mod bench;
mod central_system;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bench::{Bench, ID, ends_a_transaction, is_transaction_message};
use central_system::{CentralSystem, Reaction, Received};
use loadtest::{Pace, Version};

/// How a charger of that version says what a connector does.
fn status_action(version: Version) -> &'static str {
    match version {
        Version::V16 | Version::V201 => "StatusNotification",
        Version::V21 => "NotifyEvent",
    }
}

/// The meter register in a transaction message.
fn register(call: &Received) -> f64 {
    let payload = &call.payload;
    let sample = &payload["meterValue"][0]["sampledValue"][0]["value"];
    [sample, &payload["meterStart"], &payload["meterStop"]]
        .into_iter()
        .find_map(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()))
        .expect("every transaction message has a register")
}

#[tokio::test]
async fn a_car_comes_is_authorised_charges_and_leaves() {
    for version in Version::ALL {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let _bench = Bench::start(&system, version, Pace::Natural);
        let calls = system
            .until(ID, |calls| {
                let end = calls.iter().position(ends_a_transaction)?;
                Some(calls[..=end].to_vec())
            })
            .await;
        let first = |action: &str| calls.iter().position(|call| call.action == action);
        assert_eq!(first("BootNotification"), Some(0), "{version}: {calls:#?}");
        assert!(
            first(status_action(version)) < first("Authorize"),
            "{version}: {calls:#?}"
        );
        let session: Vec<_> = calls
            .iter()
            .filter(|call| is_transaction_message(call))
            .collect();
        assert!(
            session.len() > 2,
            "{version}: a session has meter values: {session:#?}"
        );
        let registers: Vec<_> = session.iter().map(|call| register(call)).collect();
        assert!(registers.is_sorted(), "{version}: {registers:?}");
        assert!(
            registers[0] < registers[registers.len() - 1],
            "{version}: no energy: {registers:?}"
        );
    }
}

#[tokio::test]
async fn after_a_lost_socket_every_transaction_message_arrives_in_order_exactly_once() {
    for version in Version::ALL {
        // The 3rd, 6th and 7th transaction messages are received but not answered: the socket drops instead.
        let seen = AtomicUsize::new(0);
        let system = CentralSystem::start(move |call| {
            let number = if is_transaction_message(call) {
                seen.fetch_add(1, Ordering::SeqCst)
            } else {
                0
            };
            if matches!(number, 2 | 5 | 6) {
                Reaction::Drop
            } else {
                Reaction::Usual
            }
        })
        .await;
        let bench = Bench::start(&system, version, Pace::Natural);
        let started = |calls: &[Received]| calls.iter().any(is_transaction_message).then_some(());
        system.until(ID, started).await;
        // Offline for a while: the car goes on charging and the messages wait.
        system.set_reachable(false);
        let queued = bench.notes.queued.load(Ordering::SeqCst);
        until(|| bench.notes.queued.load(Ordering::SeqCst) >= queued + 5).await;
        system.set_reachable(true);
        bench
            .orders
            .send_modify(|orders| orders.pace = Pace::Leaving);
        until(|| {
            let acknowledged = bench.notes.acknowledged.lock().expect("no panic");
            let ended =
                |payload: &String| payload.contains("Ended") || payload.contains("meterStop");
            acknowledged.last().is_some_and(ended)
                && acknowledged.len() == bench.notes.queued.load(Ordering::SeqCst)
        })
        .await;

        let mut arrived: Vec<String> = Vec::new();
        for call in system
            .received(ID)
            .iter()
            .filter(|call| is_transaction_message(call))
        {
            let payload = call.payload.to_string();
            // A message whose answer was lost comes again, unchanged and before any other.
            if arrived.last() != Some(&payload) {
                arrived.push(payload);
            }
        }
        let known: Vec<String> = bench
            .notes
            .acknowledged
            .lock()
            .expect("no panic")
            .iter()
            .map(|text| {
                serde_json::from_str::<serde_json::Value>(text)
                    .expect("JSON")
                    .to_string()
            })
            .collect();
        assert_eq!(arrived, known, "{version}");
        let transmissions = system
            .received(ID)
            .iter()
            .filter(|it| is_transaction_message(it))
            .count();
        assert_eq!(
            transmissions,
            known.len() + 3,
            "{version}: each drop costs one more transmission"
        );
        let calls = system.received(ID);
        let registers: Vec<_> = calls
            .iter()
            .filter(|it| is_transaction_message(it))
            .map(register)
            .collect();
        assert!(
            registers.is_sorted(),
            "{version}: out of order: {registers:?}"
        );
    }
}

#[tokio::test]
async fn a_session_begun_offline_gets_its_id_later() {
    // The answer to StartTransaction comes only after meter values were queued: the first two tries time out by a drop.
    let tries = AtomicUsize::new(0);
    let system = CentralSystem::start(move |call| {
        let drops = call.action == "StartTransaction" && tries.fetch_add(1, Ordering::SeqCst) < 2;
        if drops {
            Reaction::Drop
        } else {
            Reaction::Usual
        }
    })
    .await;
    let _bench = Bench::start(&system, Version::V16, Pace::Natural);
    let calls = system
        .until(ID, |calls| {
            let end = calls.iter().position(ends_a_transaction)?;
            Some(calls[..=end].to_vec())
        })
        .await;
    let starts: Vec<_> = calls
        .iter()
        .filter(|call| call.action == "StartTransaction")
        .collect();
    assert_eq!(starts.len(), 3);
    assert!(
        starts
            .iter()
            .all(|start| start.payload == starts[0].payload),
        "{starts:#?}"
    );
    assert!(starts[0].id != starts[1].id, "a retry has a new message id");
    for call in calls
        .iter()
        .filter(|call| is_transaction_message(call) && call.action != "StartTransaction")
    {
        assert_eq!(call.payload["transactionId"], 1_000, "{call:#?}");
    }
}

#[tokio::test]
async fn in_2_0_1_the_sequence_has_no_gap_and_offline_messages_say_so() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    let bench = Bench::start(&system, Version::V201, Pace::Natural);
    system
        .until(ID, |calls| {
            calls.iter().any(is_transaction_message).then_some(())
        })
        .await;
    system.set_reachable(false);
    bench.orders.send_modify(|orders| orders.drops += 1);
    let queued = bench.notes.queued.load(Ordering::SeqCst);
    until(|| bench.notes.queued.load(Ordering::SeqCst) >= queued + 3).await;
    system.set_reachable(true);
    let calls = system
        .until(ID, |calls| {
            let end = calls.iter().position(ends_a_transaction)?;
            Some(calls[..=end].to_vec())
        })
        .await;
    let mut events: Vec<_> = calls.into_iter().filter(is_transaction_message).collect();
    events.dedup_by(|later, earlier| later.payload == earlier.payload);
    let numbers: Vec<_> = events
        .iter()
        .filter_map(|event| event.payload["seqNo"].as_u64())
        .collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    assert!(
        events.iter().any(|event| event.payload["offline"] == true),
        "{events:#?}"
    );
    assert_eq!(events[0].payload["eventType"], "Started");
}

#[tokio::test]
async fn a_refused_message_is_discarded_after_three_tries_and_the_next_one_goes() {
    let system = CentralSystem::start(|call| match call.action.as_str() {
        "MeterValues" => Reaction::Error("InternalError"),
        _ => Reaction::Usual,
    })
    .await;
    let _bench = Bench::start(&system, Version::V16, Pace::ClosedLoop { active: 1, of: 1 });
    let calls = system
        .until(ID, |calls| {
            let end = calls.iter().position(ends_a_transaction)?;
            Some(calls[..end].to_vec())
        })
        .await;
    let meter_values: Vec<_> = calls
        .iter()
        .filter(|call| call.action == "MeterValues")
        .collect();
    assert_eq!(meter_values.len(), 8 * 3);
    for tries in meter_values.chunks(3) {
        assert!(
            tries.iter().all(|it| it.payload == tries[0].payload),
            "{tries:#?}"
        );
    }
}

#[tokio::test]
async fn the_closed_loop_is_one_session_after_the_other() {
    for version in Version::ALL {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let _bench = Bench::start(&system, version, Pace::ClosedLoop { active: 1, of: 1 });
        let calls = system
            .until(ID, |calls| (calls.len() > 60).then(|| calls.to_vec()))
            .await;
        let begin = calls
            .iter()
            .position(|call| call.action == "Authorize")
            .expect("a session");
        let (start, meter, stop) = match version {
            Version::V16 => ("StartTransaction", "MeterValues", "StopTransaction"),
            Version::V201 | Version::V21 => {
                ("TransactionEvent", "TransactionEvent", "TransactionEvent")
            }
        };
        let mut session = vec!["Authorize", start];
        session.extend([meter; 8]);
        session.extend([stop, status_action(version)]);
        for (call, expected) in calls[begin..].iter().zip(session.iter().cycle()) {
            assert_eq!(&call.action, expected, "{version}");
        }
    }
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(central_system::PATIENCE, wait)
        .await
        .expect("not seen in time");
}
