//! Hubs whose clocks differ: who writes later wins.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use std::{
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::{Token, TokenUid};
use scylla::client::session_builder::SessionBuilder;
use store::{TokenStore, contract::sample};
use store_scylla::{HubClock, ScyllaStore};

const OFF: Duration = Duration::from_secs(3);

fn right() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970")
}

fn ahead() -> Duration {
    right() + OFF
}

fn behind() -> Duration {
    right() - OFF
}

#[tokio::test]
async fn the_later_of_two_hubs_writes_wins_whatever_their_clocks_show() {
    let options = common::options(&format!("clocks_{}", process::id()));
    let open = async |clock: HubClock| {
        let store = ScyllaStore::open_by_clock(&options, clock).await;
        store.unwrap_or_else(|error| panic!("{error}"))
    };
    let (early, late) = (open(ahead).await, open(behind).await);
    let token = sample::token("CARD", None);
    let uid = &token.uid;
    // Longer than a node is away, and much less than the clocks differ.
    let pause = async || tokio::time::sleep(Duration::from_millis(100)).await;
    for round in 0..3 {
        for (blocked, hub) in [
            (false, &early),
            (true, &late),
            (false, &late),
            (true, &early),
        ] {
            let put = Token {
                blocked,
                ..token.clone()
            };
            hub.put_token(put).await.unwrap();
            pause().await;
            assert_eq!(is_blocked(&late, uid).await, Some(blocked), "{round}");
        }
        for (deletes, puts) in [(&early, &late), (&late, &early)] {
            assert_eq!(deletes.delete_token(uid).await, Ok(true), "{round}");
            pause().await;
            assert_eq!(is_blocked(&early, uid).await, None, "{round}");
            puts.put_token(token.clone()).await.unwrap();
            pause().await;
            let is_there = is_blocked(&early, uid).await.is_some();
            assert!(is_there, "{round}: it was put after it was deleted");
        }
    }
    let session = SessionBuilder::new().known_nodes(&options.contact_points);
    let session = session.build().await.expect("the server is there");
    let drop = format!("DROP KEYSPACE {}", options.keyspace);
    session.query_unpaged(drop, ()).await.expect("it is gone");
}

async fn is_blocked(hub: &ScyllaStore, uid: &TokenUid) -> Option<bool> {
    let token = hub.token(uid).await.unwrap();
    token.map(|token| token.blocked)
}
