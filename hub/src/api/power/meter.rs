//! What a site's own meter says.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use model::{SiteId, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::{
    Api,
    extract::{Json, Path},
    problem::Problem,
};
use crate::fleet::PowerAsk;

/// More than any conductor carries, in A.
const AMPS_MOST: f64 = 100_000.0;
/// How much later than now a reading may say it is, in ms.
const AHEAD_MOST_MS: i64 = 5_000;

/// A reading of the site's meter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    /// What flows, per phase in A. Below zero, where the site feeds in, counts as 0: what is generated beside the outlets may
    /// end at any time, so nobody gets more for it.
    amps: [f64; 3],
    /// Whether what the outlets below draw is in it; otherwise it is the load beside them.
    #[serde(default)]
    with_outlets: bool,
    /// When it was read; null: now.
    #[serde(default)]
    at: Option<Timestamp>,
}

/// Tell what a site's meter reads
///
/// It holds for a minute. When it is older, what the plan says is fed at most beside the outlets is booked.
#[utoipa::path(put, path = "/api/v1/sites/{id}/power/meters/{part}", tag = "power", operation_id = "put_site_meter",
    security(("api_key" = ["operator"])),
    params(
        ("id" = SiteId, Path, description = "The site's id, percent-encoded."),
        ("part" = String, Path, description = "The part of the site that the meter is at."),
    ),
    request_body = Reading,
    responses((status = 204, description = "Taken.")))]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Path((id, part)): Path<(SiteId, String)>,
    Json(reading): Json<Reading>,
) -> Result<StatusCode, Problem> {
    let sound = |amps: &f64| (-AMPS_MOST..=AMPS_MOST).contains(amps);
    if !reading.amps.iter().all(sound) {
        return Err(Problem::bad_request(format!(
            "amps must be three numbers from -{AMPS_MOST} to {AMPS_MOST}"
        )));
    }
    let now = api.clock.now();
    let at = reading.at.unwrap_or(now);
    if at.ms_since(now) > AHEAD_MOST_MS {
        return Err(Problem::bad_request(format!(
            "at is in the future; it is {now} now"
        )));
    }
    let metered = PowerAsk::Metered {
        part,
        amps: reading.amps.map(|amps| amps.max(0.0)),
        with_outlets: reading.with_outlets,
        at,
        told_at: Some(now),
    };
    let taken = api.fleet.metered(&id, metered).await;
    match taken {
        Some(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Some(Err(words)) => Err(Problem::not_found(words)),
        None => {
            super::known(&api, &id).await?;
            Err(super::not_here(&id))
        }
    }
}
