//! A site's power as it now is, once and as a stream.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use model::{SiteId, SitePowerView};

use super::super::{Api, events::KEEP_ALIVE, extract::Path, problem::Problem};

/// How often a stream looks whether something changed.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// A site's power as it now is
#[utoipa::path(get, path = "/api/v1/sites/{id}/power/live", tag = "power", operation_id = "show_live_site_power",
    security(("api_key" = ["viewer"])),
    params(("id" = SiteId, Path, description = "The site's id, percent-encoded.")),
    responses((status = 200, description = "Limits, outlets and sessions: what is allowed, measured, granted, reserved, and why.",
        body = SitePowerView)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<SiteId>,
) -> Result<axum::Json<SitePowerView>, Problem> {
    view(&api, &id).await.map(axum::Json)
}

/// Watch a site's power
///
/// A stream of server-sent events called `site_power`, each a SitePowerView as JSON: now, and whenever something other
/// than the time changed, at most once a second.
#[utoipa::path(get, path = "/api/v1/sites/{id}/power/events", tag = "power", operation_id = "watch_site_power",
    security(("api_key" = ["viewer"])),
    params(("id" = SiteId, Path, description = "The site's id, percent-encoded.")),
    responses((status = 200, description = "The stream.",
        body = String, content_type = "text/event-stream")))]
pub(super) async fn watch(
    State(api): State<Arc<Api>>,
    Path(id): Path<SiteId>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = api.stream_place()?;
    let first = view(&api, &id).await?;
    let began = (api, id, None::<SitePowerView>, Some(first), place);
    let views = stream::unfold(began, async |(api, id, mut last, first, place)| {
        let mut next = first;
        loop {
            if let Some(view) = next.take()
                && differs(&view, last.as_ref())
            {
                let data = serde_json::to_string(&view).unwrap_or_default();
                last = Some(view);
                let event = Event::default().event("site_power").data(data);
                return Some((Ok(event), (api, id, last, None, place)));
            }
            tokio::time::sleep(LOOKS_EVERY).await;
            // A site that is being started again is shown when it is back.
            next = api.fleet.power_view(&id).await;
        }
    });
    Ok(Sse::new(views).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn differs(view: &SitePowerView, last: Option<&SitePowerView>) -> bool {
    last.is_none_or(|last| {
        let same_time = SitePowerView {
            at: last.at,
            ..view.clone()
        };
        same_time != *last
    })
}

/// The site's power as it now is.
pub(super) async fn view(api: &Api, id: &SiteId) -> Result<SitePowerView, Problem> {
    if let Some(view) = api.fleet.power_view(id).await {
        return Ok(view);
    }
    super::known(api, id).await?;
    Err(super::not_here(id))
}
