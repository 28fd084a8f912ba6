//! Sites.

use async_trait::async_trait;
use model::{Site, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Row};
use store::{Page, PageRequest, ReadError, SiteStore, WriteError};

use crate::{SqliteStore, names::read_id, select::Select};

const COLUMNS: &str = "SELECT id, name, limit_w, created_at FROM sites";

fn read(row: &Row<'_>) -> rusqlite::Result<Site> {
    Ok(Site {
        id: read_id(row, 0)?,
        name: row.get(1)?,
        limit_w: row.get(2)?,
        created_at: Timestamp(row.get(3)?),
    })
}

#[async_trait]
impl SiteStore for SqliteStore {
    async fn site(&self, id: &SiteId) -> Result<Option<Site>, ReadError> {
        let id = id.clone();
        self.readers
            .read(move |db| {
                db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?
                    .query_row([id.as_str()], read)
                    .optional()
            })
            .await
    }

    async fn put_site(&self, site: Site) -> Result<(), WriteError> {
        self.writer
            .write(move |db| {
                db.prepare_cached(
                    "INSERT INTO sites (id, name, limit_w, created_at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (id) DO UPDATE SET name = excluded.name, limit_w = excluded.limit_w",
                )?
                .execute((site.id.as_str(), &site.name, site.limit_w, site.created_at.0))
                .map(drop)
            })
            .await
    }

    async fn delete_site(&self, id: &SiteId) -> Result<bool, WriteError> {
        let id = id.clone();
        self.writer
            .write(move |db| {
                db.prepare_cached("DELETE FROM site_power WHERE site = ?1")?
                    .execute([id.as_str()])?;
                let deleted = db
                    .prepare_cached("DELETE FROM sites WHERE id = ?1")?
                    .execute([id.as_str()])?;
                Ok(deleted > 0)
            })
            .await
    }

    async fn sites(&self, page: PageRequest) -> Result<Page<Site>, ReadError> {
        let mut select = Select::all(COLUMNS);
        select.and_if("id > ?", page.after.clone());
        self.readers
            .read(move |db| {
                select.page(db, "id", &page, |row| {
                    let site = read(row)?;
                    Ok((site.id.clone(), site))
                })
            })
            .await
    }
}
