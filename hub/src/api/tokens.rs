//! Tokens: what drivers identify with.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use model::{Timestamp, Token, TokenKind, TokenUid};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    extract::{Json, Path, Query, Text},
    page::{List, Listed, Paging},
    problem::{Conflict, Problem},
};

const TOKENS: List = List("tokens");

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, put, delete))
}

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// The uid; unique without regard to case.
    uid: TokenUid,
    /// Its kind.
    #[serde(default)]
    kind: TokenKind,
    /// Tokens of one group may stop each other's sessions and share `max_concurrent`.
    group: Option<TokenUid>,
    /// Refused with `Blocked`.
    #[serde(default)]
    blocked: bool,
    /// Refused with `Expired` from this time on.
    expires_at: Option<Timestamp>,
    /// How many sessions the token (its group, when it has one) may have at once; null: no limit.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295u32)]
    max_concurrent: Option<u32>,
    /// A note for operators.
    #[serde(default)]
    note: Text,
}

/// A token, but for its uid; what is left out is set to its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenSettings {
    /// Its kind.
    #[serde(default)]
    kind: TokenKind,
    /// Tokens of one group may stop each other's sessions and share `max_concurrent`.
    group: Option<TokenUid>,
    /// Refused with `Blocked`.
    #[serde(default)]
    blocked: bool,
    /// Refused with `Expired` from this time on.
    expires_at: Option<Timestamp>,
    /// How many sessions the token (its group, when it has one) may have at once; null: no limit.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295u32)]
    max_concurrent: Option<u32>,
    /// A note for operators.
    #[serde(default)]
    note: Text,
}

/// Tokens, by uid
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", operation_id = "list_tokens",
    security(("api_key" = ["viewer"])),
    params(Paging),
    responses((status = 200, description = "A page of tokens.", body = Listed<Token>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<Token>>, Problem> {
    let page = api.store.tokens(TOKENS.request(&paging)?).await?;
    Ok(axum::Json(TOKENS.show(page)))
}

/// Create a token
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", operation_id = "create_token",
    security(("api_key" = ["operator"])),
    request_body = NewToken,
    responses(
        (status = 201, description = "Created.", body = Token,
            headers(("Location" = String, description = "Where it is."))),
        Conflict,
    ))]
async fn create(
    State(api): State<Arc<Api>>,
    Json(body): Json<NewToken>,
) -> Result<impl IntoResponse, Problem> {
    let token = Token {
        uid: body.uid,
        kind: body.kind,
        group: body.group,
        blocked: body.blocked,
        expires_at: body.expires_at,
        max_concurrent: body.max_concurrent,
        note: body.note.0,
    };
    let _editing = api.editing.lock().await;
    if api.store.token(&token.uid).await?.is_some() {
        return Err(Problem::conflict(format!(
            "there is a token {:?} already (case does not count); PUT changes it",
            token.uid
        )));
    }
    api.store.put_token(token.clone()).await?;
    let location = format!("/api/v1/tokens/{}", super::path_segment(token.uid.as_str()));
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        axum::Json(token),
    ))
}

/// A token
#[utoipa::path(get, path = "/api/v1/tokens/{uid}", tag = "tokens", operation_id = "show_token",
    security(("api_key" = ["viewer"])),
    params(("uid" = TokenUid, Path, description = "The token's uid, percent-encoded; case does not count.")),
    responses((status = 200, description = "The token.", body = Token)))]
async fn show(
    State(api): State<Arc<Api>>,
    Path(uid): Path<TokenUid>,
) -> Result<axum::Json<Token>, Problem> {
    let token = api.store.token(&uid).await?;
    token.map(axum::Json).ok_or_else(|| unknown(&uid))
}

/// Set a token, whether or not there is one
#[utoipa::path(put, path = "/api/v1/tokens/{uid}", tag = "tokens", operation_id = "put_token",
    security(("api_key" = ["operator"])),
    params(("uid" = TokenUid, Path, description = "The token's uid, percent-encoded; case does not count.")),
    request_body = TokenSettings,
    responses(
        (status = 200, description = "Changed.", body = Token),
        (status = 201, description = "Created.", body = Token),
    ))]
async fn put(
    State(api): State<Arc<Api>>,
    Path(uid): Path<TokenUid>,
    Json(settings): Json<TokenSettings>,
) -> Result<impl IntoResponse, Problem> {
    let _editing = api.editing.lock().await;
    let (status, uid) = match api.store.token(&uid).await? {
        // Kept as it was first written.
        Some(token) => (StatusCode::OK, token.uid),
        None => (StatusCode::CREATED, uid),
    };
    let token = Token {
        uid,
        kind: settings.kind,
        group: settings.group,
        blocked: settings.blocked,
        expires_at: settings.expires_at,
        max_concurrent: settings.max_concurrent,
        note: settings.note.0,
    };
    api.store.put_token(token.clone()).await?;
    Ok((status, axum::Json(token)))
}

/// Forget a token
#[utoipa::path(delete, path = "/api/v1/tokens/{uid}", tag = "tokens", operation_id = "delete_token",
    security(("api_key" = ["operator"])),
    params(("uid" = TokenUid, Path, description = "The token's uid, percent-encoded; case does not count.")),
    responses((status = 204, description = "Forgotten.")))]
async fn delete(
    State(api): State<Arc<Api>>,
    Path(uid): Path<TokenUid>,
) -> Result<StatusCode, Problem> {
    let _editing = api.editing.lock().await;
    if api.store.delete_token(&uid).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&uid))
    }
}

fn unknown(uid: &TokenUid) -> Problem {
    Problem::not_found(format!(
        "no token {uid:?} is known; GET /api/v1/tokens lists them"
    ))
}
