//! Who may use the operator API.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// An API key, without the key itself: only a hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKey {
    /// The first characters of the key, by which people name it.
    pub prefix: String,
    /// SHA-256 of the whole key, in hexadecimal (the key is 256 random bits, so a slow hash adds nothing).
    #[serde(skip_serializing)]
    pub sha256: String,
    /// What it may do.
    pub role: Role,
    /// Whose it is.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a key may do; each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, and send commands.
    Operator,
    /// Everything, configuration and keys included.
    Admin,
}
