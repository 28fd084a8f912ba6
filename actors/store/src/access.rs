//! API keys.

use async_trait::async_trait;
use model::ApiKey;

use crate::{ReadError, WriteError};

/// API keys.
#[async_trait]
pub trait ApiKeyStore: Send + Sync + 'static {
    /// The key whose SHA-256, in lower-case hexadecimal, this is.
    async fn api_key(&self, sha256: &str) -> Result<Option<ApiKey>, ReadError>;

    /// Keeps a new key; [`WriteError::NotWritten`] when there is one of that hash.
    async fn create_api_key(&self, key: ApiKey) -> Result<(), WriteError>;

    /// Forgets the keys of that prefix; returns whether there was one.
    async fn delete_api_key(&self, prefix: &str) -> Result<bool, WriteError>;

    /// All keys, the oldest first. (Few: people make them by hand.)
    async fn api_keys(&self) -> Result<Vec<ApiKey>, ReadError>;
}
