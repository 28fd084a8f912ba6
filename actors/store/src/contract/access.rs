//! Rules of API keys.
#![expect(missing_docs, reason = "a rule is its name")]

use super::sample;
use crate::{Store, WriteError};

pub async fn a_key_is_found_by_its_hash(store: &impl Store) {
    let key = sample::api_key("abc", 1);
    store.create_api_key(key.clone()).await.unwrap();
    assert_eq!(store.api_key(&key.sha256).await.unwrap(), Some(key));
    assert_eq!(store.api_key("another").await.unwrap(), None);
}

pub async fn a_key_of_a_known_hash_is_not_written(store: &impl Store) {
    let key = sample::api_key("abc", 1);
    store.create_api_key(key.clone()).await.unwrap();
    let again = store.create_api_key(key.clone()).await;
    assert!(matches!(again, Err(WriteError::NotWritten(_))), "{again:?}");
    assert_eq!(store.api_keys().await.unwrap(), vec![key]);
}

pub async fn keys_are_listed_the_oldest_first(store: &impl Store) {
    assert!(store.api_keys().await.unwrap().is_empty());
    let (young, old) = (sample::api_key("young", 2), sample::api_key("old", 1));
    store.create_api_key(young.clone()).await.unwrap();
    store.create_api_key(old.clone()).await.unwrap();
    assert_eq!(store.api_keys().await.unwrap(), vec![old, young]);
}

pub async fn deleting_a_prefix_forgets_its_keys(store: &impl Store) {
    let kept = sample::api_key("kept", 1);
    store.create_api_key(kept.clone()).await.unwrap();
    store
        .create_api_key(sample::api_key("gone", 2))
        .await
        .unwrap();
    assert!(store.delete_api_key("gone").await.unwrap());
    assert!(!store.delete_api_key("gone").await.unwrap());
    assert_eq!(store.api_keys().await.unwrap(), vec![kept]);
}
