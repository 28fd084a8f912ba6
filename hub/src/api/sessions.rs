//! Charging sessions, their logs and their meter values.

use std::sync::Arc;

use axum::extract::State;
use model::{
    CdrId, MeterSample, Session, SessionEventKind, SessionEventRecord, SessionId, SessionState,
    StationId, Timestamp, TokenUid,
};
use serde::{Deserialize, Serialize};
use store::{CdrFilter, Page, PageRequest, SessionFilter};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    extract::{Path, Query},
    page::{List, Listed, Paging},
    problem::Problem,
};

/// A session's charge detail records that are shown with it, at most.
const MOST_CDRS: u32 = 100;

const SESSIONS: List = List("sessions");
/// Events and meter values are two views of one list in the store.
const SESSION_EVENTS: List = List("session events");

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(events))
        .routes(routes!(meter_values))
}

/// Which sessions; all that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// At this station.
    station: Option<StationId>,
    /// Begun with this token, without regard to case.
    token: Option<TokenUid>,
    /// Going on or over.
    state: Option<SessionState>,
}

/// Readings of a session, as one message carried them.
#[derive(Debug, Serialize, ToSchema)]
struct MeterValues {
    /// What the message was.
    kind: SessionEventKind,
    /// When it was sent, by the station's clock.
    at: Timestamp,
    /// When the hub received it.
    received_at: Timestamp,
    /// The readings.
    samples: Vec<MeterSample>,
}

/// A session, and what was recorded of it.
#[derive(Debug, Serialize, ToSchema)]
struct Recorded {
    #[serde(flatten)]
    session: Session,
    /// Its charge detail records, the newest first; of more than a hundred the newest.
    cdrs: Vec<CdrId>,
}

/// Sessions, the newest first
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", operation_id = "list_sessions",
    security(("api_key" = ["viewer"])),
    params(Filter, Paging),
    responses((status = 200, description = "A page of sessions.", body = Listed<Session>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<Session>>, Problem> {
    let filter = SessionFilter {
        station: filter.station,
        token: filter.token,
        state: filter.state,
    };
    let page = api
        .store
        .sessions(filter, SESSIONS.request(&paging)?)
        .await?;
    Ok(axum::Json(SESSIONS.show(page)))
}

/// A session and its totals
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "show_session",
    security(("api_key" = ["viewer"])),
    params(("id" = SessionId, Path, description = "The session's id.")),
    responses((status = 200, description = "The session.", body = Recorded)))]
async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<SessionId>,
) -> Result<axum::Json<Recorded>, Problem> {
    let session = known(&api, id).await?;
    let newest = PageRequest::first(MOST_CDRS);
    let records = api.store.cdrs(CdrFilter::of_session(id), newest).await?;
    let cdrs = records.items.iter().map(|record| record.id).collect();
    Ok(axum::Json(Recorded { session, cdrs }))
}

/// A session's log, in the order it was written
#[utoipa::path(get, path = "/api/v1/sessions/{id}/events", tag = "sessions", operation_id = "list_session_events",
    security(("api_key" = ["viewer"])),
    params(("id" = SessionId, Path, description = "The session's id."), Paging),
    responses((status = 200, description = "A page of events.", body = Listed<SessionEventRecord>)))]
async fn events(
    State(api): State<Arc<Api>>,
    Path(id): Path<SessionId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<SessionEventRecord>>, Problem> {
    let page = SESSION_EVENTS.request(&paging)?;
    known(&api, id).await?;
    let page = api.store.session_events(id, page).await?;
    Ok(axum::Json(SESSION_EVENTS.show(page)))
}

/// A session's meter values, in the order they were written
#[utoipa::path(get, path = "/api/v1/sessions/{id}/meter-values", tag = "sessions", operation_id = "list_meter_values",
    security(("api_key" = ["viewer"])),
    params(("id" = SessionId, Path, description = "The session's id."), Paging),
    responses((status = 200, description = "A page of meter values, one item per message that carried some.",
        body = Listed<MeterValues>)))]
async fn meter_values(
    State(api): State<Arc<Api>>,
    Path(id): Path<SessionId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<MeterValues>>, Problem> {
    let mut request = SESSION_EVENTS.request(&paging)?;
    known(&api, id).await?;
    let mut items = Vec::new();
    // Events without readings are passed over until the page is full, so that no page but the last
    // is short.
    loop {
        let page = api.store.session_events(id, request.clone()).await?;
        items.extend(page.items.into_iter().filter_map(with_readings));
        let found = u32::try_from(items.len()).unwrap_or(u32::MAX);
        match page.next {
            Some(next) if found < paging.limit => {
                request.after = Some(next);
                request.limit = paging.limit - found;
            }
            next => return Ok(axum::Json(SESSION_EVENTS.show(Page { items, next }))),
        }
    }
}

fn with_readings(event: SessionEventRecord) -> Option<MeterValues> {
    (!event.samples.is_empty()).then_some(MeterValues {
        kind: event.kind,
        at: event.at,
        received_at: event.received_at,
        samples: event.samples,
    })
}

/// The session of that id, or the problem that there is none.
pub(super) async fn known(api: &Api, id: SessionId) -> Result<Session, Problem> {
    let session = api.store.session(id).await?;
    session.ok_or_else(|| Problem::not_found(format!("there is no session {id}")))
}
