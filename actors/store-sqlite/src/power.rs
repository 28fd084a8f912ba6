//! Power of sites.

use async_trait::async_trait;
use model::{SiteId, SiteMemory, SitePower};
use rusqlite::OptionalExtension;
use serde::de::DeserializeOwned;
use store::{Page, PageRequest, PowerStore, ReadError, WriteError};

use crate::{SqliteStore, json, names::read_id, select::Select};

impl SqliteStore {
    /// A site's JSON column.
    async fn of_site<T: DeserializeOwned + Send + 'static>(
        &self,
        site: &SiteId,
        sql: &'static str,
    ) -> Result<Option<T>, ReadError> {
        let site = site.clone();
        self.readers
            .read(move |db| {
                let read = db
                    .prepare_cached(sql)?
                    .query_row([site.as_str()], |row| json::read_optional(row, 0))
                    .optional()?;
                Ok(read.flatten())
            })
            .await
    }
}

#[async_trait]
impl PowerStore for SqliteStore {
    async fn site_power(&self, site: &SiteId) -> Result<Option<SitePower>, ReadError> {
        self.of_site(site, "SELECT power FROM site_power WHERE site = ?1")
            .await
    }

    async fn put_site_power(
        &self,
        site: &SiteId,
        power: Option<SitePower>,
    ) -> Result<(), WriteError> {
        let site = site.clone();
        let power = power.as_ref().map(json::write).transpose()?;
        self.writer
            .write(move |db| {
                db.prepare_cached(
                    "INSERT INTO site_power (site, power) VALUES (?1, ?2)
                     ON CONFLICT (site) DO UPDATE SET power = excluded.power",
                )?
                .execute((site.as_str(), &power))
                .map(drop)
            })
            .await
    }

    async fn powered_sites(&self, page: PageRequest) -> Result<Page<SiteId>, ReadError> {
        let mut select = Select::all("SELECT site FROM site_power");
        select.and("(power IS NOT NULL OR memory IS NOT NULL)");
        select.and_if("site > ?", page.after.clone());
        self.readers
            .read(move |db| {
                select.page(db, "site", &page, |row| {
                    let site: SiteId = read_id(row, 0)?;
                    Ok((site.clone(), site))
                })
            })
            .await
    }

    async fn site_memory(&self, site: &SiteId) -> Result<Option<SiteMemory>, ReadError> {
        self.of_site(site, "SELECT memory FROM site_power WHERE site = ?1")
            .await
    }

    async fn put_site_memory(&self, site: &SiteId, memory: SiteMemory) -> Result<(), WriteError> {
        let site = site.clone();
        let text = json::write(&memory)?;
        self.writer
            .write(move |db| {
                db.prepare_cached(
                    "INSERT INTO site_power (site, memory, epoch, revision) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (site) DO UPDATE SET
                         memory = excluded.memory, epoch = excluded.epoch, revision = excluded.revision
                     WHERE memory IS NULL OR (excluded.epoch, excluded.revision) > (epoch, revision)",
                )?
                .execute((site.as_str(), &text, memory.epoch, memory.revision))
                .map(drop)
            })
            .await
    }
}
