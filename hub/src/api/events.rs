//! What happens now, as server-sent events.
//!
//! Best effort: a reader that does not keep up is told how many events it missed (`event: missed`,
//! `data: {"count": n}`) and goes on with those that are still there. The store holds the truth.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, future};
use model::{LiveEvent, StationId};
use serde::Deserialize;
use serde_json::json;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, extract::Query, problem::Problem};

/// How often an idle stream is written to, so that neither end takes it for dead.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(watch))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// About this station only.
    station: Option<StationId>,
}

/// Watch what happens from now on
///
/// A stream of server-sent events. The name of each is the `type` of a LiveEvent, its data the
/// LiveEvent as JSON; `missed` tells a slow reader how many it missed (`{"count": n}`).
#[utoipa::path(get, path = "/api/v1/events", tag = "events", operation_id = "watch_events",
    security(("api_key" = ["viewer"])),
    params(Filter),
    responses((status = 200, description = "The stream.",
        body = String, content_type = "text/event-stream")))]
async fn watch(
    State(api): State<Arc<Api>>,
    Query(filter): Query<Filter>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = api.stream_place()?;
    let events = BroadcastStream::new(api.actors.watch()).filter_map(move |heard| {
        // The stream's place is free again when the stream is dropped.
        let _held = &place;
        future::ready(shown(heard, filter.station.as_ref()).map(Ok))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// An event as it is sent, if it is to be.
fn shown(
    heard: Result<Arc<LiveEvent>, BroadcastStreamRecvError>,
    of: Option<&StationId>,
) -> Option<Event> {
    let (name, data) = match heard {
        Ok(event) if of.is_some() && of != event.station() => return None,
        Ok(event) => (name(&event), serde_json::to_string(&*event)),
        Err(BroadcastStreamRecvError::Lagged(count)) => {
            ("missed", serde_json::to_string(&json!({ "count": count })))
        }
    };
    data.inspect_err(|error| tracing::error!(%error, name, "an event could not be written as JSON"))
        .ok()
        .map(|data| Event::default().event(name).data(data))
}

/// The `type` of an event.
fn name(event: &LiveEvent) -> &'static str {
    match event {
        LiveEvent::Connected { .. } => "connected",
        LiveEvent::Disconnected { .. } => "disconnected",
        LiveEvent::Status { .. } => "status",
        LiveEvent::Session { .. } => "session",
        LiveEvent::Command(_) => "command",
        LiveEvent::PowerAlarm { .. } => "power_alarm",
    }
}
