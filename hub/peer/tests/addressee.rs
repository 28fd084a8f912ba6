//! Two nodes at one address: neither answers for the other.

mod common;

use std::time::Duration;

use common::{Notes, PATIENCE, address, is_reached, listen, message, settings};
use futures_util::StreamExt;
use peer::{AskError, Peers, Security, Settings, Watched};
use placement::NodeAddress;

fn hasty() -> Peers {
    let settings = Settings {
        patience: Duration::from_millis(500),
        ..settings("a")
    };
    Peers::new(settings, Security::Plain)
}

#[tokio::test]
async fn a_node_that_is_not_meant_refuses_and_is_named() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let (peers, c) = (hasty(), address("c", at));
    let asked = message("hello", PATIENCE);
    let Err(AskError::Unreachable { node, why }) = peers.ask(&c, asked.clone(), None).await else {
        panic!("b answered for c");
    };
    assert_eq!(node, "c");
    assert!(why.contains("b answers at the address of c"), "{why}");
    assert_eq!(notes.times(asked.id), 0);
    let Some(Watched::Broken(why)) = Box::pin(peers.watch(&c)).next().await else {
        panic!("b is watched for c");
    };
    assert!(why.contains("b answers at the address of c"), "{why}");
    assert!(is_reached(&peers, &address("b", at)).await);
}

#[tokio::test]
async fn a_later_process_does_not_answer_for_the_one_before_it() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let before = NodeAddress {
        incarnation: 0,
        ..address("b", at)
    };
    let asked = message("hello", PATIENCE);
    let answer = hasty().ask(&before, asked.clone(), None).await;
    let Err(AskError::Unreachable { why, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("another process of b"), "{why}");
    assert_eq!(notes.times(asked.id), 0);
}
