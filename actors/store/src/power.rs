//! What sites' power is managed by, and what their actors remember.

use async_trait::async_trait;
use model::{SiteId, SiteMemory, SitePower};

use crate::{Page, PageRequest, ReadError, WriteError};

/// The power of sites. A site that is forgotten takes all of it along.
#[async_trait]
pub trait PowerStore: Send + Sync + 'static {
    /// What the site's power is managed by; none if it is not managed.
    async fn site_power(&self, site: &SiteId) -> Result<Option<SitePower>, ReadError>;

    /// Keeps what the site's power is managed by; none: it is managed no more.
    async fn put_site_power(
        &self,
        site: &SiteId,
        power: Option<SitePower>,
    ) -> Result<(), WriteError>;

    /// Sites whose power is managed, or whose actor remembers something, by id, ascending.
    async fn powered_sites(&self, page: PageRequest) -> Result<Page<SiteId>, ReadError>;

    /// What the site's actor remembers.
    async fn site_memory(&self, site: &SiteId) -> Result<Option<SiteMemory>, ReadError>;

    /// Keeps what the site's actor remembers, unless a newer memory is kept: an actor that has been replaced writes in
    /// vain.
    async fn put_site_memory(&self, site: &SiteId, memory: SiteMemory) -> Result<(), WriteError>;
}
