//! Rules of sites.
#![expect(missing_docs, reason = "a rule is its name")]

use model::{Site, Timestamp};

use super::{sample, walk};
use crate::Store;

pub async fn a_site_is_kept_and_forgotten(store: &impl Store) {
    let site = sample::site("depot");
    assert_eq!(store.site(&site.id).await.unwrap(), None);
    store.put_site(site.clone()).await.unwrap();
    assert_eq!(store.site(&site.id).await.unwrap().as_ref(), Some(&site));
    assert!(store.delete_site(&site.id).await.unwrap());
    assert!(!store.delete_site(&site.id).await.unwrap());
    assert_eq!(store.site(&site.id).await.unwrap(), None);
}

pub async fn a_replaced_site_keeps_when_it_was_made(store: &impl Store) {
    let first = sample::site("depot");
    store.put_site(first.clone()).await.unwrap();
    let second = Site {
        name: "New".into(),
        limit_w: None,
        created_at: Timestamp(5_000),
        ..first.clone()
    };
    store.put_site(second.clone()).await.unwrap();
    let expected = Site {
        created_at: first.created_at,
        ..second
    };
    assert_eq!(store.site(&first.id).await.unwrap(), Some(expected));
}

pub async fn sites_come_ascending_in_pages(store: &impl Store) {
    for id in ["b", "C", "a", "é"] {
        store.put_site(sample::site(id)).await.unwrap();
    }
    let expected = ["C", "a", "b", "é"].map(sample::site);
    for limit in [1, 2, 4, 9] {
        assert_eq!(walk(limit, |page| store.sites(page)).await, expected);
    }
}
