//! Power of sites.

use async_trait::async_trait;
use model::{SiteId, SiteMemory, SitePower};

use super::MemoryStore;
use crate::{Page, PageRequest, PowerStore, ReadError, WriteError};

/// What is kept of a site's power.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptPower {
    power: Option<SitePower>,
    memory: Option<SiteMemory>,
}

#[async_trait]
impl PowerStore for MemoryStore {
    async fn site_power(&self, site: &SiteId) -> Result<Option<SitePower>, ReadError> {
        let tables = self.tables();
        Ok(tables.power.get(site).and_then(|kept| kept.power.clone()))
    }

    async fn put_site_power(
        &self,
        site: &SiteId,
        power: Option<SitePower>,
    ) -> Result<(), WriteError> {
        self.tables().power.entry(site.clone()).or_default().power = power;
        Ok(())
    }

    async fn powered_sites(&self, page: PageRequest) -> Result<Page<SiteId>, ReadError> {
        let tables = self.tables();
        let following = tables
            .power
            .iter()
            .filter(|(_, kept)| kept.power.is_some() || kept.memory.is_some())
            .map(|(site, _)| site)
            .filter(|site| {
                page.after
                    .as_deref()
                    .is_none_or(|after| site.as_str() > after)
            })
            .map(|site| (site.clone(), site.clone()));
        Ok(Page::cut(&page, following))
    }

    async fn site_memory(&self, site: &SiteId) -> Result<Option<SiteMemory>, ReadError> {
        let tables = self.tables();
        Ok(tables.power.get(site).and_then(|kept| kept.memory.clone()))
    }

    async fn put_site_memory(&self, site: &SiteId, memory: SiteMemory) -> Result<(), WriteError> {
        let mut tables = self.tables();
        let kept = tables.power.entry(site.clone()).or_default();
        let age = |memory: &SiteMemory| (memory.epoch, memory.revision);
        if kept.memory.as_ref().map(age) < Some(age(&memory)) {
            kept.memory = Some(memory);
        }
        Ok(())
    }
}
