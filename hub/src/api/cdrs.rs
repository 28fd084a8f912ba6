//! Charge detail records.

use std::sync::Arc;

use axum::extract::State;
use model::{CdrId, ChargeDetailRecord, SessionId, StationId, Timestamp, TokenUid};
use serde::Deserialize;
use store::CdrFilter;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    extract::{Path, Query},
    page::{List, Listed, Paging},
    problem::Problem,
};

const CDRS: List = List("charge detail records");

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
}

/// Which records; all that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this session.
    session: Option<SessionId>,
    /// Of sessions at this station.
    station: Option<StationId>,
    /// Of sessions begun with this token, without regard to case.
    token: Option<TokenUid>,
    /// Of sessions that began then or later, as the first that was heard of them tells.
    from: Option<Timestamp>,
    /// Of sessions that began before, likewise.
    to: Option<Timestamp>,
}

/// Charge detail records, the newest first
///
/// What was charged in sessions that are over, without a price. A record never changes: what turns out otherwise later
/// is cancelled by a credit, which names the record in `credits` and has its energy below zero, and recorded anew. So
/// the energy of a session's records adds up to what it was charged. They come by when their sessions began, then by
/// number.
#[utoipa::path(get, path = "/api/v1/cdrs", tag = "sessions", operation_id = "list_cdrs",
    security(("api_key" = ["viewer"])),
    params(Filter, Paging),
    responses((status = 200, description = "A page of charge detail records.", body = Listed<ChargeDetailRecord>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<ChargeDetailRecord>>, Problem> {
    let filter = CdrFilter {
        session: filter.session,
        station: filter.station,
        token: filter.token,
        from: filter.from,
        to: filter.to,
    };
    let page = api.store.cdrs(filter, CDRS.request(&paging)?).await?;
    Ok(axum::Json(CDRS.show(page)))
}

/// A charge detail record
#[utoipa::path(get, path = "/api/v1/cdrs/{id}", tag = "sessions", operation_id = "show_cdr",
    security(("api_key" = ["viewer"])),
    params(("id" = CdrId, Path, description = "The record's id.")),
    responses((status = 200, description = "The record.", body = ChargeDetailRecord)))]
async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<CdrId>,
) -> Result<axum::Json<ChargeDetailRecord>, Problem> {
    let record = api.store.cdr(id).await?;
    let unknown = || Problem::not_found(format!("there is no charge detail record {id}"));
    record.map(axum::Json).ok_or_else(unknown)
}
