//! Who may use this API.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use model::{ApiKey, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::new_key,
    extract::{Json, Path, Text},
    page::Listed,
    problem::Problem,
};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(delete))
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// Whose it is.
    name: Text,
    /// What it may do.
    role: Role,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
struct MadeKey {
    /// The key itself. It is shown this once.
    key: String,
    #[serde(flatten)]
    kept: ApiKey,
}

/// All keys, the oldest first
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", operation_id = "list_keys",
    security(("api_key" = ["admin"])),
    responses((status = 200, description = "All keys, on one page.", body = Listed<ApiKey>)))]
async fn list(State(api): State<Arc<Api>>) -> Result<axum::Json<Listed<ApiKey>>, Problem> {
    let items = api.store.api_keys().await?;
    Ok(axum::Json(Listed { items, next: None }))
}

/// Make a key
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", operation_id = "create_key",
    security(("api_key" = ["admin"])),
    request_body = NewKey,
    responses((status = 201, description = "Made. The key itself is shown this once.", body = MadeKey)))]
async fn create(
    State(api): State<Arc<Api>>,
    Json(NewKey { name, role }): Json<NewKey>,
) -> Result<(StatusCode, axum::Json<MadeKey>), Problem> {
    let (key, kept) = new_key(role, &name.0, api.clock.now());
    api.store.create_api_key(kept.clone()).await?;
    Ok((StatusCode::CREATED, axum::Json(MadeKey { key, kept })))
}

/// Revoke a key
#[utoipa::path(delete, path = "/api/v1/keys/{prefix}", tag = "keys", operation_id = "delete_key",
    security(("api_key" = ["admin"])),
    params(("prefix" = String, Path, description = "The prefix of the key.")),
    responses((status = 204, description = "Revoked; it is refused from now on.")))]
async fn delete(
    State(api): State<Arc<Api>>,
    Path(prefix): Path<String>,
) -> Result<StatusCode, Problem> {
    if !api.store.delete_api_key(&prefix).await? {
        return Err(Problem::not_found(format!(
            "there is no key with the prefix {prefix:?}; GET /api/v1/keys lists them"
        )));
    }
    api.keys.forget(&prefix);
    api.limiter.forget_idle();
    Ok(StatusCode::NO_CONTENT)
}
