//! Sites.

use async_trait::async_trait;
use model::{Site, SiteId};
use store::{Page, PageRequest, ReadError, SiteStore, WriteError};

use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    json,
};

const READ: Statement = Statement::plain("SELECT site FROM ks.sites WHERE bucket = 0 AND id = ?");
const PUT: Statement = Statement::plain("INSERT INTO ks.sites (bucket, id, site) VALUES (0, ?, ?)");
const DELETE: Statement = Statement::plain("DELETE FROM ks.sites WHERE bucket = 0 AND id = ?");
const LIST: Statement =
    Statement::plain("SELECT site FROM ks.sites WHERE bucket = 0 AND id > ? LIMIT ?");

impl ScyllaStore {
    async fn read_site(&self, id: &SiteId) -> Result<Option<Site>, CqlError> {
        let row: Option<(String,)> = self.cql.row(READ, (id.as_str(),)).await?;
        row.map(|(site,)| json::read(&site)).transpose()
    }
}

#[async_trait]
impl SiteStore for ScyllaStore {
    async fn site(&self, id: &SiteId) -> Result<Option<Site>, ReadError> {
        Ok(self.read_site(id).await?)
    }

    async fn put_site(&self, mut site: Site) -> Result<(), WriteError> {
        let known = self.read_site(&site.id).await;
        if let Some(known) = known.map_err(CqlError::before_writing)? {
            site.created_at = known.created_at;
        }
        let text = json::write(&site)?;
        self.cql.write(PUT, (site.id.as_str(), text)).await?;
        Ok(())
    }

    async fn delete_site(&self, id: &SiteId) -> Result<bool, WriteError> {
        let known = self.read_site(id).await;
        if known.map_err(CqlError::before_writing)?.is_none() {
            return Ok(false);
        }
        self.forget_power(id).await?;
        self.cql.write(DELETE, (id.as_str(),)).await?;
        Ok(true)
    }

    async fn sites(&self, page: PageRequest) -> Result<Page<Site>, ReadError> {
        let after = page.after.as_deref().unwrap_or_default();
        let limit = i32::try_from(page.to_read()).unwrap_or(i32::MAX);
        let rows: Vec<(String,)> = self.cql.rows(LIST, (after, limit)).await?;
        let sites = rows.iter().map(|(site,)| json::read::<Site>(site));
        let sites = sites.collect::<Result<Vec<_>, _>>()?;
        let following = sites.into_iter().map(|site| (site.id.clone(), site));
        Ok(Page::cut(&page, following))
    }
}
