//! What drivers want of their sessions.

use std::sync::Arc;

use axum::extract::State;
use model::{Session, SessionId, SessionPreferences, SessionState, SiteId, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::{
    Api,
    extract::{Json, Path},
    problem::{Conflict, Problem},
    sessions,
};

/// More than any car takes, in Wh.
const ENERGY_MOST_WH: f64 = 2_000_000.0;

/// What a driver wants; what is left out is not known.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Preferences {
    /// When the car leaves; a time that is over is refused. Who stays for longer keeps its session's other preferences.
    #[serde(default)]
    departure_at: Option<Timestamp>,
    /// How much the session shall be given in all, in Wh.
    #[serde(default)]
    energy_wh: Option<f64>,
    /// What it weighs, 0.1 to 10; 1 is usual, 2 gets twice the share.
    #[serde(default)]
    weight: Option<f64>,
}

/// What the driver wants of a session
#[utoipa::path(get, path = "/api/v1/sessions/{id}/preferences", tag = "power", operation_id = "show_session_preferences",
    security(("api_key" = ["viewer"])),
    params(("id" = SessionId, Path, description = "The session's id.")),
    responses((status = 200, description = "What the driver told.", body = SessionPreferences)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<SessionId>,
) -> Result<axum::Json<SessionPreferences>, Problem> {
    let session = sessions::known(&api, id).await?;
    let told = match &session.site {
        Some(site) => api.fleet.preferences(site, id).await,
        None => None,
    };
    told.map(axum::Json)
        .ok_or_else(|| Problem::not_found(format!("nothing was told of session {id}")))
}

/// Tell what the driver wants of a session
///
/// Where departure and energy are known, power goes to whom it is urgent.
#[utoipa::path(put, path = "/api/v1/sessions/{id}/preferences", tag = "power", operation_id = "put_session_preferences",
    security(("api_key" = ["operator"])),
    params(("id" = SessionId, Path, description = "The session's id.")),
    request_body = Preferences,
    responses((status = 200, description = "They hold.", body = SessionPreferences), Conflict))]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Path(id): Path<SessionId>,
    Json(body): Json<Preferences>,
) -> Result<axum::Json<SessionPreferences>, Problem> {
    check(&body, api.clock.now())?;
    let session = sessions::known(&api, id).await?;
    let site = managed_site(&api, &session).await?;
    let preferences = SessionPreferences {
        session: id,
        departure_at: body.departure_at,
        energy_wh: body.energy_wh,
        weight: body.weight,
    };
    if !api.fleet.prefer(&site, preferences).await {
        return Err(super::not_here(&site));
    }
    Ok(axum::Json(preferences))
}

fn check(body: &Preferences, now: Timestamp) -> Result<(), Problem> {
    if body.departure_at.is_some_and(|at| at <= now) {
        return Err(Problem::bad_request(format!(
            "departure_at is over; it is {now} now. Tell when the car is to leave, or leave it out where that is not known"
        )));
    }
    let energy = body.energy_wh.unwrap_or_default();
    if !(0.0..=ENERGY_MOST_WH).contains(&energy) {
        return Err(Problem::bad_request(format!(
            "energy_wh must be from 0 to {ENERGY_MOST_WH}"
        )));
    }
    if !(0.1..=10.0).contains(&body.weight.unwrap_or(1.0)) {
        return Err(Problem::bad_request(
            "weight must be from 0.1 to 10; 1 is usual",
        ));
    }
    Ok(())
}

/// The site at which the session goes on, whose power is managed.
async fn managed_site(api: &Api, session: &Session) -> Result<SiteId, Problem> {
    if session.state != SessionState::Active {
        return Err(Problem::conflict("the session is over"));
    }
    let site = session.site.clone().ok_or_else(|| {
        Problem::conflict("the session is at no site; only a site's power is shared")
    })?;
    if api.store.site_power(&site).await?.is_none() {
        return Err(Problem::conflict(format!(
            "the power of site {site:?} is not managed; PUT its plan to /api/v1/sites/{site}/power first"
        )));
    }
    Ok(site)
}
