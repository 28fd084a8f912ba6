//! What a station told outside sessions: kept messages, and readings of idle outlets.

use std::sync::Arc;

use axum::extract::State;
use model::{StationId, StoredReading, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{NoticeRecord, Page};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    extract::{Path, Query},
    page::{List, Listed, Paging},
    problem::Problem,
    stations,
};

const NOTICES: List = List("notices");
const READINGS: List = List("readings");

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list_notices))
        .routes(routes!(list_readings))
}

/// Which notices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this OCPP action.
    action: Option<String>,
}

/// A message that is kept as it is (a report, an event, a security event …).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notice)]
struct NoticeView {
    /// When the hub received it.
    received_at: Timestamp,
    /// The OCPP action.
    action: String,
    /// The payload.
    payload: Value,
}

impl From<NoticeRecord> for NoticeView {
    fn from(notice: NoticeRecord) -> Self {
        Self {
            received_at: notice.received_at,
            action: notice.action,
            payload: notice.payload,
        }
    }
}

/// Messages of a station that are kept as they are, the newest first
#[utoipa::path(get, path = "/api/v1/stations/{identity}/notices", tag = "stations", operation_id = "list_notices",
    security(("api_key" = ["viewer"])),
    params(("identity" = StationId, Path, description = "The station's identity, percent-encoded."), Filter, Paging),
    responses((status = 200, description = "A page of notices.", body = Listed<NoticeView>)))]
async fn list_notices(
    State(api): State<Arc<Api>>,
    Path(station): Path<StationId>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<NoticeView>>, Problem> {
    let page = NOTICES.request(&paging)?;
    stations::known(&api, &station).await?;
    let page = api.store.notices(&station, filter.action, page).await?;
    Ok(axum::Json(NOTICES.show(Page {
        items: page.items.into_iter().map(NoticeView::from).collect(),
        next: page.next,
    })))
}

/// A station's readings outside sessions, the newest first
#[utoipa::path(get, path = "/api/v1/stations/{identity}/readings", tag = "stations", operation_id = "list_readings",
    security(("api_key" = ["viewer"])),
    params(("identity" = StationId, Path, description = "The station's identity, percent-encoded."), Paging),
    responses((status = 200, description = "A page of readings.", body = Listed<StoredReading>)))]
async fn list_readings(
    State(api): State<Arc<Api>>,
    Path(station): Path<StationId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<StoredReading>>, Problem> {
    let page = READINGS.request(&paging)?;
    stations::known(&api, &station).await?;
    let page = api.store.readings(&station, page).await?;
    Ok(axum::Json(READINGS.show(page)))
}
