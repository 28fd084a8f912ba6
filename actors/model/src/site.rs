//! Sites: stations behind one grid connection.

use serde::{Deserialize, Serialize};

use crate::{SiteId, Timestamp};

/// A site as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// What its stations may draw together, in W; absent: not limited.
    #[serde(default)]
    pub limit_w: Option<f64>,
    /// When it was made.
    pub created_at: Timestamp,
}
