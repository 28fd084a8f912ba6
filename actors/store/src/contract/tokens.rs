//! Rules of tokens.
#![expect(missing_docs, reason = "a rule is its name")]

use super::{sample, walk};
use crate::Store;

pub async fn token_lookup_ignores_case(store: &impl Store) {
    let token = sample::token("04aBcD", Some("Fleet"));
    store.put_token(token.clone()).await.unwrap();
    for uid in ["04aBcD", "04ABCD", "04abcd"] {
        let found = store.token(&sample::uid(uid)).await.unwrap();
        assert_eq!(found.as_ref(), Some(&token), "{uid}");
    }
    assert_eq!(store.token(&sample::uid("04abc")).await.unwrap(), None);
}

pub async fn a_token_replaces_one_that_differs_in_case_only(store: &impl Store) {
    store
        .put_token(sample::token("ABC", Some("g")))
        .await
        .unwrap();
    let mut second = sample::token("abc", None);
    second.blocked = true;
    second.expires_at = None;
    second.max_concurrent = None;
    store.put_token(second.clone()).await.unwrap();
    assert_eq!(walk(9, |page| store.tokens(page)).await, [second]);
}

pub async fn a_token_is_forgotten_without_regard_to_case(store: &impl Store) {
    store.put_token(sample::token("ABC", None)).await.unwrap();
    assert!(store.delete_token(&sample::uid("abc")).await.unwrap());
    assert!(!store.delete_token(&sample::uid("abc")).await.unwrap());
    assert_eq!(store.token(&sample::uid("ABC")).await.unwrap(), None);
}

pub async fn tokens_come_ascending_in_pages(store: &impl Store) {
    for uid in ["b", "C", "A", "d"] {
        store.put_token(sample::token(uid, None)).await.unwrap();
    }
    let expected = ["A", "b", "C", "d"].map(|uid| sample::token(uid, None));
    for limit in [1, 2, 4, 9] {
        assert_eq!(walk(limit, |page| store.tokens(page)).await, expected);
    }
}

/// Begins a session with `token`.
async fn begin(store: &impl Store, name: &str, token: &str) -> model::Session {
    let mut session = sample::session("CP1", name);
    session.token.as_mut().unwrap().uid = sample::uid(token);
    sample::write(store, &session, &format!("start {name}")).await;
    session
}

pub async fn open_sessions_are_counted_without_regard_to_case(store: &impl Store) {
    let token = sample::token("ABC", None);
    store.put_token(token.clone()).await.unwrap();
    assert_eq!(store.open_sessions_of(&token).await, Ok(0));
    let first = begin(store, "1", "abc").await;
    begin(store, "2", "Abc").await;
    begin(store, "3", "other").await;
    assert_eq!(store.open_sessions_of(&token).await, Ok(2));
    sample::write(store, &sample::ended(&first), "stop").await;
    assert_eq!(store.open_sessions_of(&token).await, Ok(1));
}

pub async fn open_sessions_of_a_group_count_for_each_of_its_tokens(store: &impl Store) {
    let (one, two) = (
        sample::token("one", Some("Fleet")),
        sample::token("two", Some("FLEET")),
    );
    let alone = sample::token("alone", None);
    for token in [&one, &two, &alone] {
        store.put_token(token.clone()).await.unwrap();
    }
    begin(store, "1", "ONE").await;
    begin(store, "2", "two").await;
    begin(store, "3", "alone").await;
    begin(store, "4", "stranger").await;
    assert_eq!(store.open_sessions_of(&one).await, Ok(2));
    assert_eq!(store.open_sessions_of(&two).await, Ok(2));
    assert_eq!(store.open_sessions_of(&alone).await, Ok(1));
}

pub async fn a_token_counts_for_its_group_before_it_is_kept(store: &impl Store) {
    store
        .put_token(sample::token("one", Some("Fleet")))
        .await
        .unwrap();
    begin(store, "1", "one").await;
    begin(store, "2", "new").await;
    let unkept = sample::token("new", Some("fleet"));
    assert_eq!(store.open_sessions_of(&unkept).await, Ok(2));
}
