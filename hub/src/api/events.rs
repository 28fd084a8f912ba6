//! What happens now, as server-sent events.
//!
//! Best effort: a reader that does not keep up is told how many events it missed (`event: missed`,
//! `data: {"count": n}`) and goes on with those that are still there. The store holds the truth.
//!
//! Events of all hubs of a cluster are told, each once; of a hub that cannot be heard it is said so (`event: hub_away`,
//! `data: {"hub": name}`), and when it is heard again (`hub_back`).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, future, stream};
use model::{LiveEvent, StationId};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, extract::Query, problem::Problem};
use crate::fleet::Heard;

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
/// LiveEvent as JSON; `missed` tells a slow reader how many it missed (`{"count": n}`); `hub_away` and `hub_back`
/// tell that another hub of the cluster is not heard for the time being (`{"hub": name}`).
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
    let events = everywhere(&api).await.filter_map(move |heard| {
        // The stream's place is free again when the stream is dropped.
        let _held = &place;
        future::ready(shown(heard, filter.station.as_ref()).map(Ok))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// What happens at all hubs from now on.
async fn everywhere(api: &Api) -> impl Stream<Item = Heard> + Send + use<> {
    let here = api.actors.watch();
    let (there, away) = match api.fleet.elsewhere() {
        Some(elsewhere) => elsewhere.watch(&api.fleet).await,
        // A hub that is alone hears nobody.
        None => (broadcast::Sender::new(1).subscribe(), Vec::new()),
    };
    let missed = |BroadcastStreamRecvError::Lagged(count)| Heard::Missed(count);
    let here = BroadcastStream::new(here).map(move |heard| heard.map_or_else(missed, Heard::Event));
    let there = BroadcastStream::new(there).map(move |heard| heard.unwrap_or_else(missed));
    stream::iter(away.into_iter().map(Heard::Away)).chain(stream::select(here, there))
}

/// An event as it is sent, if it is to be.
fn shown(heard: Heard, of: Option<&StationId>) -> Option<Event> {
    let (name, data) = match heard {
        Heard::Event(event) if of.is_some() && of != event.station() => return None,
        Heard::Event(event) => (name(&event), serde_json::to_string(&*event)),
        Heard::Missed(count) => ("missed", serde_json::to_string(&json!({ "count": count }))),
        Heard::Away(hub) => ("hub_away", serde_json::to_string(&json!({ "hub": hub }))),
        Heard::Back(hub) => ("hub_back", serde_json::to_string(&json!({ "hub": hub }))),
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
