//! Power of sites.

use async_trait::async_trait;
use model::{SiteId, SiteMemory, SitePower};
use serde::de::DeserializeOwned;
use store::{Page, PageRequest, PowerStore, ReadError, WriteError};

use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    json,
};

const READ: Statement =
    Statement::plain("SELECT power FROM ks.site_power WHERE bucket = 0 AND site = ?");
const READ_MEMORY: Statement =
    Statement::plain("SELECT memory FROM ks.site_power WHERE bucket = 0 AND site = ?");
const PUT: Statement =
    Statement::plain("INSERT INTO ks.site_power (bucket, site, power) VALUES (0, ?, ?)");
const PUT_MEMORY: Statement = Statement::plain(
    "INSERT INTO ks.site_power (bucket, site, memory) VALUES (0, ?, ?) USING TIMESTAMP ?",
);
const DELETE: Statement =
    Statement::plain("DELETE FROM ks.site_power WHERE bucket = 0 AND site = ?");
const LIST: Statement = Statement::plain(
    "SELECT site, power, memory FROM ks.site_power WHERE bucket = 0 AND site > ? LIMIT ?",
);

impl ScyllaStore {
    /// A site's JSON column.
    async fn of_site<T: DeserializeOwned>(
        &self,
        statement: Statement,
        site: &SiteId,
    ) -> Result<Option<T>, CqlError> {
        let row: Option<(Option<String>,)> = self.cql.row(statement, (site.as_str(),)).await?;
        let text = row.and_then(|(text,)| text);
        text.map(|text| json::read(&text)).transpose()
    }

    /// The site takes its power along.
    pub(crate) async fn forget_power(&self, site: &SiteId) -> Result<(), WriteError> {
        self.cql.write(DELETE, (site.as_str(),)).await?;
        Ok(())
    }
}

#[async_trait]
impl PowerStore for ScyllaStore {
    async fn site_power(&self, site: &SiteId) -> Result<Option<SitePower>, ReadError> {
        Ok(self.of_site(READ, site).await?)
    }

    async fn put_site_power(
        &self,
        site: &SiteId,
        power: Option<SitePower>,
    ) -> Result<(), WriteError> {
        let text = power.as_ref().map(json::write).transpose()?;
        self.cql.write(PUT, (site.as_str(), text)).await?;
        Ok(())
    }

    async fn powered_sites(&self, page: PageRequest) -> Result<Page<SiteId>, ReadError> {
        let limit = page.to_read();
        let mut after = page.after.clone().unwrap_or_default();
        let mut sites: Vec<SiteId> = Vec::new();
        // Rows whose power was taken away are skipped, so that a page may need more than one reading.
        while sites.len() < limit {
            let wanted = i32::try_from(limit).unwrap_or(i32::MAX);
            let rows: Vec<(String, Option<String>, Option<String>)> =
                self.cql.rows(LIST, (after.as_str(), wanted)).await?;
            let Some((last, ..)) = rows.last() else {
                break;
            };
            after.clone_from(last);
            for (site, power, memory) in rows {
                if power.is_some() || memory.is_some() {
                    let site = site.parse();
                    sites.push(site.map_err(|error| CqlError::unreadable(&error))?);
                }
            }
        }
        let following = sites.into_iter().map(|site| (site.clone(), site));
        Ok(Page::cut(&page, following))
    }

    async fn site_memory(&self, site: &SiteId) -> Result<Option<SiteMemory>, ReadError> {
        Ok(self.of_site(READ_MEMORY, site).await?)
    }

    async fn put_site_memory(&self, site: &SiteId, memory: SiteMemory) -> Result<(), WriteError> {
        let text = json::write(&memory)?;
        // A life begins at its epoch in ms and writes less than once in a µs: none reaches into the next one's.
        let age_us = memory
            .epoch
            .saturating_mul(1_000)
            .saturating_add(i64::from(memory.revision));
        self.cql
            .write(PUT_MEMORY, (site.as_str(), text, age_us))
            .await?;
        Ok(())
    }
}
