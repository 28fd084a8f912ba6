//! Whatever is written in whatever order, the cluster and the twin answer alike and hold the same.
//! A failure prints the seed; SEED repeats it.

mod common;

use model::{Session, SessionId, TokenRef};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::{
    MemoryStore, PageRequest, SessionCommit, SessionFilter, SessionStore, Store, WriteError,
    contract::sample,
};
use uuid::Uuid;

const STATIONS: [&str; 2] = ["CP1", "CP2"];
const KEYS: u8 = 12;

/// A commit in small numbers, so that ids, names, keys and epochs often meet.
fn commit(chance: &mut StdRng) -> SessionCommit {
    let name = chance.random_range(0..5_u8).to_string();
    let station = STATIONS[chance.random_range(0..2)];
    let token = chance.random_range(0..4);
    let uid = ["a", "A", "b"].get(token).map(|uid| sample::uid(uid));
    let mut session = Session {
        id: SessionId(Uuid::from_u128(chance.random_range(0..5))),
        token: uid.map(|uid| TokenRef {
            uid,
            kind: model::TokenKind::Unspecified,
        }),
        ..sample::session(station, &name)
    };
    if chance.random() {
        session = sample::ended(&session);
    }
    SessionCommit {
        epoch: chance.random_range(1..4),
        ..sample::commit(&session, &chance.random_range(0..KEYS).to_string())
    }
}

async fn holds(store: &impl Store) -> String {
    let page = PageRequest::first(100);
    let mut all = Vec::new();
    let sessions = store.sessions(SessionFilter::default(), page.clone()).await;
    for session in &sessions.unwrap().items {
        let events = store.session_events(session.id, page.clone()).await;
        all.push(format!("{session:?} {:?}", events.unwrap().items));
    }
    for station in STATIONS {
        let id = sample::station_id(station);
        all.push(format!("{:?}", store.hydrate(&id).await.unwrap()));
        for n in 0..KEYS {
            let key = sample::key(&n.to_string());
            let by_key = store.session_by_key(&id, &key).await.unwrap();
            let by_name = store.session_by_transaction(&id, &key.0).await.unwrap();
            let id = |session: Option<Session>| session.map(|session| session.id);
            all.push(format!("{:?} {:?}", id(by_key), id(by_name)));
        }
    }
    for uid in ["a", "b"] {
        let open = store.open_sessions_of(&sample::token(uid, None)).await;
        all.push(format!("{open:?}"));
    }
    all.join("\n")
}

#[tokio::test]
async fn the_cluster_and_the_twin_answer_alike() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| rand::rng().random());
    eprintln!("SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    for _ in 0..12 {
        let store = common::empty("twin").await;
        let twin = MemoryStore::new();
        for _ in 0..chance.random_range(1..60) {
            let commit = commit(&mut chance);
            let here = store.commit_session(commit.clone()).await;
            let there = twin.commit_session(commit.clone()).await;
            match (&here, &there) {
                // The words may differ, not the meaning.
                (Err(WriteError::Refused(_)), Err(WriteError::Refused(_))) => {}
                _ => assert_eq!(here, there, "{commit:?}"),
            }
        }
        assert_eq!(holds(&*store).await, holds(&twin).await);
    }
}
