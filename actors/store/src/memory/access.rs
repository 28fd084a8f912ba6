//! API keys.

use async_trait::async_trait;
use model::ApiKey;

use super::MemoryStore;
use crate::{ApiKeyStore, ReadError, WriteError};

#[async_trait]
impl ApiKeyStore for MemoryStore {
    async fn api_key(&self, sha256: &str) -> Result<Option<ApiKey>, ReadError> {
        let tables = self.tables();
        Ok(tables
            .api_keys
            .iter()
            .find(|key| key.sha256 == sha256)
            .cloned())
    }

    async fn create_api_key(&self, key: ApiKey) -> Result<(), WriteError> {
        let mut tables = self.tables();
        if tables.api_keys.iter().any(|kept| kept.sha256 == key.sha256) {
            return Err(WriteError::NotWritten("the key is already kept".into()));
        }
        tables.api_keys.push(key);
        Ok(())
    }

    async fn delete_api_key(&self, prefix: &str) -> Result<bool, WriteError> {
        let mut tables = self.tables();
        let before = tables.api_keys.len();
        tables.api_keys.retain(|key| key.prefix != prefix);
        Ok(tables.api_keys.len() < before)
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, ReadError> {
        let mut keys = self.tables().api_keys.clone();
        keys.sort_by_key(|key| key.created_at);
        Ok(keys)
    }
}
