//! Set-points: limits that are told while the site runs, as by the grid operator.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use model::{SetPoint, SiteId, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::{
    Api,
    extract::{Json, Path},
    problem::Problem,
};

/// A limit for a time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSetPoint {
    /// The part of the site; null: its grid connection.
    #[serde(default)]
    part: Option<String>,
    /// What each phase may carry, in A.
    #[serde(default)]
    most_a: Option<[f64; 3]>,
    /// What all phases together may carry, in W.
    #[serde(default)]
    most_w: Option<f64>,
    /// From when; null: from now on.
    #[serde(default)]
    from: Option<Timestamp>,
    /// Until when.
    expires_at: Timestamp,
}

/// Tell a site a limit for a time
///
/// Decreases are sent to its stations at once. A limit below the floors leaves outlets at their floors, and an alarm says
/// so.
#[utoipa::path(put, path = "/api/v1/sites/{id}/power/set-points/{name}", tag = "power", operation_id = "put_set_point",
    security(("api_key" = ["operator"])),
    params(
        ("id" = SiteId, Path, description = "The site's id, percent-encoded."),
        ("name" = String, Path, description = "What it is called; one of that name is replaced."),
    ),
    request_body = NewSetPoint,
    responses((status = 200, description = "It holds.", body = SetPoint)))]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Path((id, name)): Path<(SiteId, String)>,
    Json(body): Json<NewSetPoint>,
) -> Result<axum::Json<SetPoint>, Problem> {
    let now = api.clock.now();
    if body.expires_at <= now {
        return Err(Problem::bad_request(format!(
            "expires_at is over; it is {now} now"
        )));
    }
    let _editing = api.editing.lock().await;
    let mut power = super::known(&api, &id).await?;
    let set_point = SetPoint {
        part: body.part.unwrap_or_else(|| power.plan.grid.name.clone()),
        name,
        most_a: body.most_a,
        most_w: body.most_w,
        from: body.from.unwrap_or(now),
        expires_at: body.expires_at,
    };
    let stays = |it: &SetPoint| it.name != set_point.name && it.expires_at > now;
    power.set_points.retain(stays);
    power.set_points.push(set_point.clone());
    super::keep(&api, &id, power).await?;
    Ok(axum::Json(set_point))
}

/// Lift a limit that was told
#[utoipa::path(delete, path = "/api/v1/sites/{id}/power/set-points/{name}", tag = "power", operation_id = "delete_set_point",
    security(("api_key" = ["operator"])),
    params(
        ("id" = SiteId, Path, description = "The site's id, percent-encoded."),
        ("name" = String, Path, description = "What it is called."),
    ),
    responses((status = 204, description = "Lifted.")))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Path((id, name)): Path<(SiteId, String)>,
) -> Result<StatusCode, Problem> {
    let _editing = api.editing.lock().await;
    let mut power = super::known(&api, &id).await?;
    let before = power.set_points.len();
    power.set_points.retain(|it| it.name != name);
    if power.set_points.len() == before {
        return Err(Problem::not_found(format!(
            "there is no set-point {name:?}; GET /api/v1/sites/{id}/power lists them"
        )));
    }
    super::keep(&api, &id, power).await?;
    Ok(StatusCode::NO_CONTENT)
}
