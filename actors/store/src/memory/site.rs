//! Sites.

use async_trait::async_trait;
use model::{Site, SiteId};

use super::MemoryStore;
use crate::{Page, PageRequest, ReadError, SiteStore, WriteError};

#[async_trait]
impl SiteStore for MemoryStore {
    async fn site(&self, id: &SiteId) -> Result<Option<Site>, ReadError> {
        Ok(self.tables().sites.get(id).cloned())
    }

    async fn put_site(&self, mut site: Site) -> Result<(), WriteError> {
        let mut tables = self.tables();
        if let Some(kept) = tables.sites.get(&site.id) {
            site.created_at = kept.created_at;
        }
        tables.sites.insert(site.id.clone(), site);
        Ok(())
    }

    async fn delete_site(&self, id: &SiteId) -> Result<bool, WriteError> {
        let mut tables = self.tables();
        tables.power.remove(id);
        Ok(tables.sites.remove(id).is_some())
    }

    async fn sites(&self, page: PageRequest) -> Result<Page<Site>, ReadError> {
        let tables = self.tables();
        let following = tables
            .sites
            .values()
            .filter(|site| {
                page.after
                    .as_deref()
                    .is_none_or(|after| site.id.as_str() > after)
            })
            .map(|site| (site.id.clone(), site.clone()));
        Ok(Page::cut(&page, following))
    }
}
