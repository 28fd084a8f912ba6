//! Rules of the power of sites.
#![expect(missing_docs, reason = "a rule is its name")]

use model::SiteMemory;

use super::{sample, walk};
use crate::Store;

pub async fn what_a_sites_power_is_managed_by_is_kept_and_taken_away(store: &impl Store) {
    let site = sample::site_id("depot");
    assert_eq!(store.site_power(&site).await, Ok(None));
    let power = sample::site_power("CP");
    let put = store.put_site_power(&site, Some(power.clone())).await;
    assert_eq!(put, Ok(()));
    assert_eq!(store.site_power(&site).await, Ok(Some(power)));
    assert_eq!(store.site_memory(&site).await, Ok(None));
    assert_eq!(store.put_site_power(&site, None).await, Ok(()));
    assert_eq!(store.site_power(&site).await, Ok(None));
}

pub async fn of_two_memories_of_a_site_the_newer_stays(store: &impl Store) {
    let site = sample::site_id("depot");
    let memory = |epoch, revision| SiteMemory {
        epoch,
        revision,
        ..sample::site_memory("CP")
    };
    let kept = async |memory: SiteMemory| {
        store.put_site_memory(&site, memory).await.unwrap();
        let kept = store.site_memory(&site).await.unwrap().unwrap();
        (kept.epoch, kept.revision)
    };
    let now = 1_790_000_000_000;
    assert_eq!(kept(memory(now, 1)).await, (now, 1));
    assert_eq!(store.site_memory(&site).await, Ok(Some(memory(now, 1))));
    assert_eq!(kept(memory(now, 2)).await, (now, 2));
    assert_eq!(kept(memory(now + 1, 0)).await, (now + 1, 0));
    assert_eq!(
        kept(memory(now, 3)).await,
        (now + 1, 0),
        "its actor was replaced"
    );
}

pub async fn a_site_that_is_forgotten_takes_its_power_along(store: &impl Store) {
    let site = sample::site("depot");
    store.put_site(site.clone()).await.unwrap();
    let power = sample::site_power("CP");
    store.put_site_power(&site.id, Some(power)).await.unwrap();
    let memory = sample::site_memory("CP");
    store.put_site_memory(&site.id, memory).await.unwrap();
    assert_eq!(store.delete_site(&site.id).await, Ok(true));
    assert_eq!(store.site_power(&site.id).await, Ok(None));
    assert_eq!(store.site_memory(&site.id).await, Ok(None));
}

pub async fn sites_with_power_come_ascending_in_pages(store: &impl Store) {
    for id in ["b", "c", "a", "d"] {
        let site = sample::site_id(id);
        let power = sample::site_power("CP");
        store.put_site_power(&site, Some(power)).await.unwrap();
    }
    store
        .put_site_memory(&sample::site_id("b"), sample::site_memory("CP"))
        .await
        .unwrap();
    for id in ["b", "d"] {
        let site = sample::site_id(id);
        store.put_site_power(&site, None).await.unwrap();
    }
    let expected = ["a", "b", "c"].map(sample::site_id);
    for limit in [1, 2, 9] {
        let all = walk(limit, |page| store.powered_sites(page)).await;
        assert_eq!(all, expected, "one that remembers is among them");
    }
}
