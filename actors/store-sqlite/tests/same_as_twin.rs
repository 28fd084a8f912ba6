//! Whatever is written in whatever order, the file and the twin answer alike and hold the same.
//! A failure prints the shortest sequence that tells them apart, in full.

use std::sync::LazyLock;

use model::{Session, SessionId, TokenRef};
use proptest::prelude::*;
use store::{
    MemoryStore, PageRequest, SessionCommit, SessionFilter, SessionStore, Store, WriteError,
    contract::sample,
};
use store_sqlite::{Options, SqliteStore};
use uuid::Uuid;

const STATIONS: [&str; 2] = ["CP1", "CP2"];

/// A commit in small numbers, so that ids, names, keys and epochs often meet.
#[derive(Debug, Clone)]
struct Write {
    id: u8,
    station: usize,
    name: u8,
    key: u8,
    epoch: i64,
    over: bool,
    token: Option<u8>,
}

fn write() -> impl Strategy<Value = Write> {
    let token = proptest::option::of(0..3_u8);
    (
        0..5_u8,
        0..2_usize,
        0..5_u8,
        0..12_u8,
        1..4_i64,
        any::<bool>(),
        token,
    )
        .prop_map(|(id, station, name, key, epoch, over, token)| Write {
            id,
            station,
            name,
            key,
            epoch,
            over,
            token,
        })
}

impl Write {
    fn commit(&self) -> SessionCommit {
        let mut session = Session {
            id: SessionId(Uuid::from_u128(u128::from(self.id))),
            token: self.token.map(|token| TokenRef {
                uid: sample::uid(["a", "A", "b"][usize::from(token)]),
                kind: model::TokenKind::Unspecified,
            }),
            ..sample::session(STATIONS[self.station], &self.name.to_string())
        };
        if self.over {
            session = sample::ended(&session);
        }
        let mut commit = sample::commit(&session, &self.key.to_string());
        commit.epoch = self.epoch;
        commit
    }
}

async fn holds(store: &impl Store) -> String {
    let page = PageRequest::first(100);
    let mut all = Vec::new();
    let sessions = store.sessions(SessionFilter::default(), page.clone()).await;
    for session in &sessions.unwrap().items {
        let events = store
            .session_events(session.id, page.clone())
            .await
            .unwrap();
        all.push(format!("{session:?} {:?}", events.items));
    }
    for station in STATIONS {
        let id = sample::station_id(station);
        all.push(format!("{:?}", store.hydrate(&id).await.unwrap()));
        for n in 0..12 {
            let key = sample::key(&n.to_string());
            let by_key = store.session_by_key(&id, &key).await.unwrap();
            let by_name = store.session_by_transaction(&id, &key.0).await.unwrap();
            all.push(format!(
                "{:?} {:?}",
                by_key.map(|s| s.id),
                by_name.map(|s| s.id)
            ));
        }
    }
    for uid in ["a", "b"] {
        let open = store.open_sessions_of(&sample::token(uid, None)).await;
        all.push(format!("{open:?}"));
    }
    all.join("\n")
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("a runtime"));

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_file_and_the_twin_answer_alike(writes in proptest::collection::vec(write(), 1..60)) {
        RUNTIME.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("hub.db");
            let file = SqliteStore::open(&path, &Options::default()).unwrap();
            let twin = MemoryStore::new();
            for write in &writes {
                let here = file.commit_session(write.commit()).await;
                let there = twin.commit_session(write.commit()).await;
                match (&here, &there) {
                    // The words may differ, not the meaning.
                    (Err(WriteError::NotWritten(_)), Err(WriteError::NotWritten(_)))
                    | (Err(WriteError::Refused(_)), Err(WriteError::Refused(_))) => {}
                    _ => assert_eq!(here, there, "{write:?}"),
                }
            }
            assert_eq!(holds(&file).await, holds(&twin).await);
        });
    }
}
