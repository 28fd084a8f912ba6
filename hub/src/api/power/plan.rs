//! The plan: a tree of limits.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::StatusCode};
use futures_util::{StreamExt, TryStreamExt, stream};
use model::{PowerPlan, SetPoint, SiteId, SitePower, StationId};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{
    Api,
    extract::{Json, Path},
    problem::{Conflict, Problem},
};

/// How many stations are looked up at once.
const LOOKED_UP_AT_ONCE: usize = 16;

/// What a site's power is managed by.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PowerState {
    /// The plan.
    plan: PowerPlan,
    /// What was told since and has not expired.
    set_points: Vec<SetPoint>,
}

/// What a site's power is managed by
#[utoipa::path(get, path = "/api/v1/sites/{id}/power", tag = "power", operation_id = "show_site_power",
    security(("api_key" = ["viewer"])),
    params(("id" = SiteId, Path, description = "The site's id, percent-encoded.")),
    responses((status = 200, description = "The plan, and the set-points that hold or are to come.", body = PowerState)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<SiteId>,
) -> Result<axum::Json<PowerState>, Problem> {
    let power = super::known(&api, &id).await?;
    let now = api.clock.now();
    let lasting = power.set_points.into_iter();
    Ok(axum::Json(PowerState {
        plan: power.plan,
        set_points: lasting.filter(|it| it.expires_at > now).collect(),
    }))
}

/// Manage a site's power by this plan
///
/// The plan is checked: names and outlets are there once, and what is drawn in any case (the floors of outlets, those
/// that cannot be limited, unmanaged load) fits below every limit. Another plan may take the place of the one that holds
/// while cars charge: outlets that are in both go on from what they were told, and what is to be less is told at once.
/// Where an outlet that had more than its floor is in it no more, nothing is raised for one lease.
#[utoipa::path(put, path = "/api/v1/sites/{id}/power", tag = "power", operation_id = "put_site_power",
    security(("api_key" = ["operator"])),
    params(("id" = SiteId, Path, description = "The site's id, percent-encoded.")),
    request_body = PowerPlan,
    responses(
        (status = 200, description = "Changed.", body = PowerState),
        (status = 201, description = "The site's power is managed from now on.", body = PowerState),
        Conflict,
    ))]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Path(id): Path<SiteId>,
    Json(plan): Json<PowerPlan>,
) -> Result<(StatusCode, axum::Json<PowerState>), Problem> {
    let _editing = api.editing.lock().await;
    if api.store.site(&id).await?.is_none() {
        return Err(super::super::sites::unknown(&id));
    }
    let now = api.clock.now();
    let (status, set_points) = match api.store.site_power(&id).await? {
        Some(power) => (StatusCode::OK, power.set_points),
        None => (StatusCode::CREATED, Vec::new()),
    };
    let power = SitePower {
        plan: plan.clone(),
        set_points: set_points
            .into_iter()
            .filter(|it| it.expires_at > now)
            .collect(),
    };
    let set_points = power.set_points.clone();
    actors::check_power(&power).map_err(Problem::bad_request)?;
    stand_here(&api, &id, &plan).await?;
    super::keep(&api, &id, power).await?;
    Ok((status, axum::Json(PowerState { plan, set_points })))
}

/// Manage a site's power no more
///
/// Nothing is granted any more, and stations that are connected are told to forget their floors; others keep them until
/// ClearChargingProfile takes them away.
#[utoipa::path(delete, path = "/api/v1/sites/{id}/power", tag = "power", operation_id = "delete_site_power",
    security(("api_key" = ["operator"])),
    params(("id" = SiteId, Path, description = "The site's id, percent-encoded.")),
    responses((status = 204, description = "Not managed any more.")))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Path(id): Path<SiteId>,
) -> Result<StatusCode, Problem> {
    let _editing = api.editing.lock().await;
    super::known(&api, &id).await?;
    api.store.put_site_power(&id, None).await?;
    super::changed(&api, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A station that stands elsewhere would be booked here and heard there.
async fn stand_here(api: &Api, site: &SiteId, plan: &PowerPlan) -> Result<(), Problem> {
    let stations: BTreeSet<StationId> = (plan.outlets().iter())
        .map(|outlet| outlet.station.clone())
        .collect();
    stream::iter(stations)
        .map(|station| async move {
            let known = api.store.station(&station).await?;
            match known {
                Some(known) if known.site.as_ref() == Some(site) => Ok(()),
                _ => Err(Problem::conflict(format!(
                    "station {station} does not stand at site {site:?}; PATCH its site at /api/v1/stations first"
                ))),
            }
        })
        .buffered(LOOKED_UP_AT_ONCE)
        .try_collect::<()>()
        .await
}
