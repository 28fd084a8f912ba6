//! The message log of a station.

use std::sync::Arc;

use axum::extract::State;
use model::{Direction, MessageEntry, StationId, Timestamp};
use serde::Deserialize;
use store::MessageFilter;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    extract::{Path, Query},
    page::{List, Listed, Paging},
    problem::Problem,
    stations,
};

const MESSAGES: List = List("messages");

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which messages; all that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this OCPP action.
    action: Option<String>,
    /// Which way: `in` is station to hub.
    direction: Option<Direction>,
    /// Whose frame holds this text, without regard to ASCII case.
    text: Option<String>,
    /// Not before this time.
    from: Option<Timestamp>,
    /// Before this time.
    to: Option<Timestamp>,
}

/// What a station and the hub said to each other, the newest first
#[utoipa::path(get, path = "/api/v1/stations/{identity}/messages", tag = "stations", operation_id = "list_messages",
    security(("api_key" = ["viewer"])),
    params(("identity" = StationId, Path, description = "The station's identity, percent-encoded."), Filter, Paging),
    responses((status = 200, description = "A page of messages.", body = Listed<MessageEntry>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Path(station): Path<StationId>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<MessageEntry>>, Problem> {
    let page = MESSAGES.request(&paging)?;
    stations::known(&api, &station).await?;
    let filter = MessageFilter {
        action: filter.action,
        direction: filter.direction,
        text: filter.text,
        from: filter.from,
        to: filter.to,
    };
    let page = api.store.messages(&station, filter, page).await?;
    Ok(axum::Json(MESSAGES.show(page)))
}
