//! Sites.

use async_trait::async_trait;
use model::{Site, SiteId};

use crate::{Page, PageRequest, ReadError, WriteError};

/// Sites.
#[async_trait]
pub trait SiteStore: Send + Sync + 'static {
    /// The site of that id.
    async fn site(&self, id: &SiteId) -> Result<Option<Site>, ReadError>;

    /// Keeps a site, in place of one of the same id (whose `created_at` stays).
    async fn put_site(&self, site: Site) -> Result<(), WriteError>;

    /// Forgets a site. `false` when there is none.
    async fn delete_site(&self, id: &SiteId) -> Result<bool, WriteError>;

    /// Sites by id, ascending.
    async fn sites(&self, page: PageRequest) -> Result<Page<Site>, ReadError>;
}
