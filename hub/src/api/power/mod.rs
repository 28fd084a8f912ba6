//! The power of sites: what it is managed by, what is told meanwhile, what it is now.

mod live;
mod meter;
mod plan;
mod preferences;
mod schedule;
mod set_points;

use std::sync::Arc;

use model::{SiteId, SitePower};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, problem::Problem};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(plan::show, plan::put, plan::delete))
        .routes(routes!(set_points::put, set_points::delete))
        .routes(routes!(meter::put))
        .routes(routes!(live::show))
        .routes(routes!(preferences::show, preferences::put))
}

/// What waits for a station, or streams for as long as somebody listens.
pub(super) fn streaming_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(live::watch))
        .routes(routes!(schedule::compare))
}

/// What the site's power is managed by, or the problem that it is not.
async fn known(api: &Api, site: &SiteId) -> Result<SitePower, Problem> {
    if api.store.site(site).await?.is_none() {
        return Err(super::sites::unknown(site));
    }
    let power = api.store.site_power(site).await?;
    power.ok_or_else(|| {
        Problem::not_found(format!(
            "the power of site {site:?} is not managed; PUT its plan to /api/v1/sites/{site}/power first"
        ))
    })
}

/// Keeps what the site's power is managed by, and has it read anew.
async fn keep(api: &Api, site: &SiteId, power: SitePower) -> Result<(), Problem> {
    actors::check_power(&power).map_err(Problem::bad_request)?;
    api.store.put_site_power(site, Some(power)).await?;
    changed(api, site).await
}

/// Has it read anew by the hub that acts for the site.
async fn changed(api: &Api, site: &SiteId) -> Result<(), Problem> {
    match api.fleet.power_changed(site).await {
        true => Ok(()),
        false => Err(Problem::unavailable(format!(
            "it is kept, and the hub that acts for site {site:?} did not hear of it in time; ask again"
        ))),
    }
}

/// The problem that the site's actor is not here, or has no time.
fn not_here(site: &SiteId) -> Problem {
    Problem::unavailable(format!(
        "the hub that manages the power of site {site:?} does not answer at the moment; try again"
    ))
}
