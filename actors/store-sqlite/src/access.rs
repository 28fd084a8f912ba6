//! API keys.

use async_trait::async_trait;
use model::{ApiKey, Timestamp};
use rusqlite::{OptionalExtension, Row};
use store::{ApiKeyStore, ReadError, WriteError};

use crate::{
    SqliteStore,
    names::{Named, read_name},
};

const COLUMNS: &str = "SELECT prefix, sha256, role, name, created_at FROM api_keys";

fn read(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        prefix: row.get(0)?,
        sha256: row.get(1)?,
        role: read_name(row, 2)?,
        name: row.get(3)?,
        created_at: Timestamp(row.get(4)?),
    })
}

#[async_trait]
impl ApiKeyStore for SqliteStore {
    async fn api_key(&self, sha256: &str) -> Result<Option<ApiKey>, ReadError> {
        let sha256 = sha256.to_owned();
        self.readers
            .read(move |db| {
                db.prepare_cached(&format!("{COLUMNS} WHERE sha256 = ?1"))?
                    .query_row([&sha256], read)
                    .optional()
            })
            .await
    }

    async fn create_api_key(&self, key: ApiKey) -> Result<(), WriteError> {
        let added = self.writer.write(move |db| {
            db.prepare_cached(
                "INSERT INTO api_keys (prefix, sha256, role, name, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )?
            .execute((
                &key.prefix,
                &key.sha256,
                key.role.name(),
                &key.name,
                key.created_at.0,
            ))
        });
        match added.await? {
            0 => Err(WriteError::NotWritten("the key is already kept".into())),
            _ => Ok(()),
        }
    }

    async fn delete_api_key(&self, prefix: &str) -> Result<bool, WriteError> {
        let prefix = prefix.to_owned();
        self.writer
            .write(move |db| {
                let deleted = db
                    .prepare_cached("DELETE FROM api_keys WHERE prefix = ?1")?
                    .execute([&prefix])?;
                Ok(deleted > 0)
            })
            .await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, ReadError> {
        self.readers
            .read(|db| {
                db.prepare_cached(&format!("{COLUMNS} ORDER BY created_at, rowid"))?
                    .query_map([], read)?
                    .collect()
            })
            .await
    }
}
