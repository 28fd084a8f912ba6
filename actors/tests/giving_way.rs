//! A node lets go of a station that another claimed: not before it has dealt with what the station said to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actors::{Actors, CloseReason, Link, OutgoingCall, Settings, SystemClock};
use model::{Protocol, SessionState, StationEvent, Timestamp, TransactionEvent, TransactionPhase};
use placement::LocalPlacement;
use store::{
    MemoryStore, PageRequest, SessionFilter, SessionStore, StationStore, contract::sample,
};
use tokio::{sync::watch, time::timeout};

/// A store that lets nobody write while it is shut.
struct Shut {
    behind: MemoryStore,
    open: watch::Sender<bool>,
}

impl Shut {
    async fn when_open(&self) -> &MemoryStore {
        let mut open = self.open.subscribe();
        // The sender is here.
        let _ = open.wait_for(|open| *open).await;
        &self.behind
    }
}

store::delegate! {
    StationStore, SiteStore, PowerStore, TokenStore, NoticeStore, CommandStore, DeadLetterStore, MessageStore,
    ApiKeyStore, SessionStore, CdrStore for Shut;
    read |this| &this.behind;
    write |this| this.when_open().await;
}

/// A socket that remembers that it was closed.
#[derive(Default)]
struct Socket(AtomicBool);

impl Link for Socket {
    fn call(&self, _call: OutgoingCall) {}

    fn silent_s(&self) -> u32 {
        0
    }

    fn ping(&self) {}

    fn close(&self, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Replaced);
        self.0.store(true, Ordering::SeqCst);
    }

    fn finish(&self, _reason: CloseReason) {}
}

fn begins() -> StationEvent {
    StationEvent::Transaction(Box::new(TransactionEvent {
        phase: TransactionPhase::Started,
        transaction: Some("tx-1".to_owned()),
        retry_key: sample::key("start"),
        seq: Some(0),
        connector: None,
        token: None,
        at: Some(Timestamp(1_764_000_000_000)),
        meter_wh: None,
        samples: Vec::new(),
        stop_reason: None,
        trigger: None,
        charging_state: None,
        offline: false,
        remote_start_id: None,
        raw: None,
    }))
}

#[tokio::test]
async fn a_station_is_let_go_when_what_it_said_is_written() {
    let store = Arc::new(Shut {
        behind: MemoryStore::new(),
        open: watch::Sender::new(true),
    });
    let id = sample::station_id("CP");
    assert!(store.create_station(sample::station("CP")).await.unwrap());
    let placement = Arc::new(LocalPlacement::new("here", 1));
    let clock = Arc::new(SystemClock);
    let actors = Actors::start(store.clone(), clock, placement, Settings::default());
    let actors = actors.await.unwrap();
    let socket = Arc::<Socket>::default();
    let link: Arc<dyn Link> = socket.clone();
    let read = store.hydrate(&id).await.unwrap();
    let connected = actors.connect(&id, Protocol::Ocpp201, &link, Some(&read));
    let connection = Arc::new(connected.await.expect("it connects"));

    store.open.send_replace(false);
    let said = tokio::spawn({
        let connection = connection.clone();
        async move { connection.ask(begins(), Timestamp(1_764_000_000_500)).await }
    });
    let claimed = connection.epoch() + 1;
    let mut letting_go = tokio::spawn({
        let (actors, id) = (actors.clone(), id.clone());
        async move { actors.give_way(&id, claimed).await }
    });
    let closed = async {
        while !socket.0.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(60), closed)
        .await
        .expect("its socket is told to close");
    // The socket goes as soon as it hears that; what it was told is still under way.
    drop(connection);
    said.abort();
    let too_soon = timeout(Duration::from_millis(300), &mut letting_go).await;
    assert!(too_soon.is_err(), "something is not written yet");

    store.open.send_replace(true);
    timeout(Duration::from_secs(60), letting_go)
        .await
        .expect("it ends")
        .unwrap();
    let sessions = store
        .sessions(SessionFilter::default(), PageRequest::first(9))
        .await;
    let sessions = sessions.unwrap().items;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].state, SessionState::Active);

    // Of one that is newer than the claim nothing is asked.
    let read = store.hydrate(&id).await.unwrap();
    let newer = Arc::<Socket>::default();
    let link: Arc<dyn Link> = newer.clone();
    let connected = actors
        .connect(&id, Protocol::Ocpp201, &link, Some(&read))
        .await;
    let connection = connected.expect("it connects");
    actors.give_way(&id, connection.epoch() - 1).await;
    assert!(!newer.0.load(Ordering::SeqCst));
}
