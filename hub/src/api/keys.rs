//! Who may use this API.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use model::{ApiKey, Role};
use serde::{Deserialize, Serialize};
use store::{Page, PageRequest};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::new_key,
    extract::{Json, Path, Query, Text},
    page::{List, Listed, Paging},
    problem::Problem,
};

const KEYS: List = List("keys");

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
    params(Paging),
    responses((status = 200, description = "The keys.", body = Listed<ApiKey>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<ApiKey>>, Problem> {
    let request = KEYS.request(&paging)?;
    let page = page_of(api.store.api_keys().await?, &request);
    Ok(axum::Json(KEYS.show(page)))
}

/// The store gives them all: they are as few as those who use the API.
fn page_of(mut keys: Vec<ApiKey>, request: &PageRequest) -> Page<ApiKey> {
    // In digits that sort as the times do; times before 1970 are nobody's.
    let place = |key: &ApiKey| format!("{:020} {}", key.created_at.0.max(0), key.prefix);
    keys.sort_by_cached_key(place);
    let mut rest = keys.into_iter().filter(|key| {
        request
            .after
            .as_ref()
            .is_none_or(|after| place(key) > *after)
    });
    let items: Vec<ApiKey> = rest.by_ref().take(request.limit as usize).collect();
    let next = rest.next().and(items.last()).map(place);
    Page { items, next }
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
