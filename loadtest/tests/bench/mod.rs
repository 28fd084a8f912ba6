//! One simulated charger at a small central system, and what a test looks at.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadtest::{Backoff, Event, Observer, Orders, Pace, Profile, SimCharger, Target, Version};
use tokio::sync::watch;

use crate::central_system::{CentralSystem, Received, is_answer};

pub(crate) const ID: &str = "CP-1";

/// Notes what is queued and what is acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) queued: AtomicUsize,
    pub(crate) acknowledged: Mutex<Vec<String>>,
}

impl Observer for Notes {
    fn observe(&self, _identity: &str, event: &Event<'_>) {
        match event {
            Event::Queued { .. } => {
                self.queued.fetch_add(1, Ordering::SeqCst);
            }
            Event::Acknowledged { payload, .. } => {
                self.acknowledged
                    .lock()
                    .expect("no panic")
                    .push((*payload).to_owned());
            }
            _ => {}
        }
    }
}

/// One charger, an hour of whose cars takes a second.
pub(crate) struct Bench {
    pub(crate) orders: watch::Sender<Orders>,
    pub(crate) notes: Arc<Notes>,
}

impl Bench {
    pub(crate) fn start(system: &CentralSystem, version: Version, pace: Pace) -> Self {
        let target = Target::new(&system.url, None).expect("a good URL");
        let profile = Profile {
            speed: 3_600.0,
            meter_interval: Duration::from_millis(20),
            retry_interval: Duration::from_millis(20),
            backoff: Backoff {
                minimum: Duration::from_millis(20),
                range: Duration::from_millis(20),
                doublings: 2,
            },
            seed: 4,
            ..Profile::new(target, version)
        };
        let notes = Arc::new(Notes::default());
        let (orders, following) = watch::channel(Orders {
            pace,
            ..Orders::default()
        });
        let charger = SimCharger::new(Arc::new(profile), ID, 1, notes.clone(), following);
        tokio::spawn(charger.run());
        Self { orders, notes }
    }
}

pub(crate) fn is_transaction_message(call: &Received) -> bool {
    matches!(
        call.action.as_str(),
        "StartTransaction" | "StopTransaction" | "MeterValues" | "TransactionEvent"
    )
}

pub(crate) fn ends_a_transaction(call: &Received) -> bool {
    call.action == "StopTransaction" || call.payload["eventType"] == "Ended"
}

pub(crate) async fn wait_for(system: &CentralSystem, action: &str) -> Received {
    let find = |calls: &[Received]| {
        calls
            .iter()
            .find(|it| it.action == action && !is_answer(it))
            .cloned()
    };
    system.until(ID, find).await
}
