//! API keys: few, so all in one partition. Written by light-weight transactions only.

use async_trait::async_trait;
use model::{ApiKey, Role, Timestamp};
use serde::{Deserialize, Serialize};
use store::{ApiKeyStore, ReadError, WriteError};

use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    json,
};

const READ: Statement =
    Statement::plain("SELECT sha256, body FROM ks.api_keys WHERE bucket = 0 AND sha256 = ?");
const ALL: Statement = Statement::plain("SELECT sha256, body FROM ks.api_keys WHERE bucket = 0");
const CREATE: Statement = Statement::once(
    "INSERT INTO ks.api_keys (bucket, sha256, body) VALUES (0, ?, ?) IF NOT EXISTS",
);
const DELETE: Statement =
    Statement::once("DELETE FROM ks.api_keys WHERE bucket = 0 AND sha256 = ? IF EXISTS");

/// A key without its hash, which is not to be shown and so stands in no JSON.
#[derive(Serialize, Deserialize)]
struct Body {
    prefix: String,
    role: Role,
    name: String,
    created_at: Timestamp,
}

fn read((sha256, body): (String, String)) -> Result<ApiKey, CqlError> {
    let Body {
        prefix,
        role,
        name,
        created_at,
    } = json::read(&body)?;
    Ok(ApiKey {
        prefix,
        sha256,
        role,
        name,
        created_at,
    })
}

impl ScyllaStore {
    async fn all_keys(&self) -> Result<Vec<ApiKey>, CqlError> {
        let rows = self.cql.rows(ALL, ()).await?;
        let keys = rows.into_iter().map(read);
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
        keys.sort_by_key(|key| key.created_at);
        Ok(keys)
    }
}

#[async_trait]
impl ApiKeyStore for ScyllaStore {
    async fn api_key(&self, sha256: &str) -> Result<Option<ApiKey>, ReadError> {
        let row = self.cql.row(READ, (sha256,)).await?;
        Ok(row.map(read).transpose()?)
    }

    async fn create_api_key(&self, key: ApiKey) -> Result<(), WriteError> {
        let body = json::write(&Body {
            prefix: key.prefix,
            role: key.role,
            name: key.name,
            created_at: key.created_at,
        })?;
        match self.cql.once(CREATE, (key.sha256.as_str(), body)).await? {
            true => Ok(()),
            false => Err(WriteError::NotWritten("the key is already kept".into())),
        }
    }

    async fn delete_api_key(&self, prefix: &str) -> Result<bool, WriteError> {
        let all = self.all_keys().await;
        let mut keys = all.map_err(CqlError::before_writing)?;
        keys.retain(|key| key.prefix == prefix);
        let mut deleted = false;
        for key in keys {
            deleted |= self.cql.once(DELETE, (key.sha256.as_str(),)).await?;
        }
        Ok(deleted)
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, ReadError> {
        Ok(self.all_keys().await?)
    }
}
