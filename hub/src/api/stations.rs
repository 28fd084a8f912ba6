//! Stations: configuration, and what they are doing now.

use std::sync::Arc;

use actors::ConnectionView;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use model::{Admission, Connector, SessionId, SiteId, Station, StationId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Hydration, Page, StationFilter};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    extract::{Json, Path, Query, Text, present},
    page::{List, Listed, Paging},
    problem::{Conflict, Problem},
};
use crate::{
    fleet::{Ask, Live},
    socket::IdentityConflict,
};

const STATIONS: List = List("stations");

/// How many stations of a page are read at once.
const READS_AT_ONCE: usize = 16;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
}

/// A station as configured and as it now is.
#[derive(Debug, Serialize, ToSchema)]
struct StationView {
    #[serde(flatten)]
    station: Station,
    /// Its socket, at whichever hub; null while it is not connected.
    #[schema(required)]
    connected: Option<ConnectionView>,
    /// Two devices use its identity: who keeps it, and who is turned away. Null otherwise.
    #[schema(required)]
    identity_conflict: Option<IdentityConflict>,
    /// What it sends crashed its actor too often; until then no socket of it is let in. Null otherwise.
    #[schema(required)]
    resting_until: Option<Timestamp>,
    /// Its outlets and their last known state.
    connectors: Vec<Connector>,
    /// The ids of its sessions that go on.
    open_sessions: Vec<SessionId>,
    /// Hubs that did not answer in time: it may be connected there, and a change may not have been heard of there.
    unanswered_hubs: Vec<String>,
}

impl StationView {
    /// As the store and the hubs know it.
    async fn of(api: &Api, station: Station, known: Hydration) -> Self {
        let (mut seen, unanswered) = api.fleet.look(vec![station.id.clone()], Vec::new()).await;
        let live = seen.stations.remove(&station.id);
        Self::new(station, known, live, &unanswered)
    }

    fn new(station: Station, known: Hydration, live: Option<Live>, unanswered: &[String]) -> Self {
        let live = live.unwrap_or_default();
        let open_sessions = known.open_sessions.iter().map(|session| session.id);
        Self {
            unanswered_hubs: match live.connected {
                Some(_) => Vec::new(),
                None => unanswered.to_vec(),
            },
            connected: live.connected,
            identity_conflict: live.identity_conflict,
            resting_until: live.resting_until,
            connectors: known.connectors,
            open_sessions: open_sessions.collect(),
            station,
        }
    }

    /// With those that did not hear of a change.
    fn unheard_by(mut self, hubs: Vec<String>) -> Self {
        self.unanswered_hubs.extend(hubs);
        self.unanswered_hubs.sort();
        self.unanswered_hubs.dedup();
        self
    }
}

/// Which stations; all that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this site only.
    site: Option<SiteId>,
    /// Whose identity holds this text, without regard to case.
    search: Option<String>,
}

/// A new station.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewStation {
    /// The identity it connects with.
    id: StationId,
    /// The site it stands at; one that exists.
    site: Option<SiteId>,
    /// Whether it may charge.
    #[serde(default)]
    admission: Admission,
    /// Serve it as OCPP 1.6 when it offers no subprotocol at all.
    #[serde(default)]
    assume_16: bool,
    /// A note for operators.
    #[serde(default)]
    note: Text,
}

/// What to change; what is left out stays (RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StationPatch {
    /// The site it stands at, one that exists; null for none.
    #[serde(default, deserialize_with = "present")]
    site: Option<Option<SiteId>>,
    /// Whether it may charge.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    admission: Option<Admission>,
    /// Serve it as OCPP 1.6 when it offers no subprotocol at all.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    assume_16: Option<bool>,
    /// A note for operators.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    note: Option<Text>,
}

/// Stations, by identity
#[utoipa::path(get, path = "/api/v1/stations", tag = "stations", operation_id = "list_stations",
    security(("api_key" = ["viewer"])),
    params(Filter, Paging),
    responses((status = 200, description = "A page of stations.", body = Listed<StationView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<StationView>>, Problem> {
    let filter = StationFilter {
        site: filter.site,
        search: filter.search,
    };
    let page = api
        .store
        .stations(filter, STATIONS.request(&paging)?)
        .await?;
    let ids = page.items.iter().map(|station| station.id.clone());
    let (mut seen, unanswered) = api.fleet.look(ids.collect(), Vec::new()).await;
    let items = page.items.into_iter().map(|station| {
        let live = seen.stations.remove(&station.id);
        (station, live)
    });
    let items = stream::iter(items.collect::<Vec<_>>())
        .map(async |(station, live)| {
            let known = api.store.hydrate(&station.id).await?;
            Ok::<_, Problem>(StationView::new(station, known, live, &unanswered))
        })
        .buffered(READS_AT_ONCE)
        .try_collect()
        .await?;
    let next = page.next;
    Ok(axum::Json(STATIONS.show(Page { items, next })))
}

/// Create a station
#[utoipa::path(post, path = "/api/v1/stations", tag = "stations", operation_id = "create_station",
    security(("api_key" = ["operator"])),
    request_body = NewStation,
    responses(
        (status = 201, description = "Created.", body = StationView,
            headers(("Location" = String, description = "Where it is."))),
        Conflict,
    ))]
async fn create(
    State(api): State<Arc<Api>>,
    Json(body): Json<NewStation>,
) -> Result<impl IntoResponse, Problem> {
    let station = Station {
        id: body.id,
        site: body.site,
        admission: body.admission,
        assume_16: body.assume_16,
        note: body.note.0,
        boot: None,
        protocol: None,
        last_seen_at: None,
        created_at: api.clock.now(),
    };
    let _editing = api.editing.lock().await;
    site_exists(&api, station.site.as_ref()).await?;
    if !api.store.create_station(station.clone()).await? {
        return Err(Problem::conflict(format!(
            "there is a station {:?} already; PATCH changes it",
            station.id
        )));
    }
    let unheard = changed(&api, &station.id).await;
    let location = format!(
        "/api/v1/stations/{}",
        super::path_segment(station.id.as_str())
    );
    let known = api.store.hydrate(&station.id).await?;
    let view = StationView::of(&api, station, known).await;
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        axum::Json(view.unheard_by(unheard)),
    ))
}

/// A station
#[utoipa::path(get, path = "/api/v1/stations/{identity}", tag = "stations", operation_id = "show_station",
    security(("api_key" = ["viewer"])),
    params(("identity" = StationId, Path, description = "The station's identity, percent-encoded.")),
    responses((status = 200, description = "The station.", body = StationView)))]
async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<StationId>,
) -> Result<axum::Json<StationView>, Problem> {
    let mut known = api.store.hydrate(&id).await?;
    let station = known.station.take().ok_or_else(|| unknown(&id))?;
    Ok(axum::Json(StationView::of(&api, station, known).await))
}

/// Change a station
///
/// One whose outlets are in the power plan of its site is not moved to another: the plan comes first.
#[utoipa::path(patch, path = "/api/v1/stations/{identity}", tag = "stations", operation_id = "change_station",
    security(("api_key" = ["operator"])),
    params(("identity" = StationId, Path, description = "The station's identity, percent-encoded.")),
    request_body = StationPatch,
    responses((status = 200, description = "The station as it now is.", body = StationView), Conflict))]
async fn change(
    State(api): State<Arc<Api>>,
    Path(id): Path<StationId>,
    Json(patch): Json<StationPatch>,
) -> Result<axum::Json<StationView>, Problem> {
    let _editing = api.editing.lock().await;
    let mut known = api.store.hydrate(&id).await?;
    let mut station = known.station.take().ok_or_else(|| unknown(&id))?;
    if let Some(site) = patch.site {
        site_exists(&api, site.as_ref()).await?;
        if site != station.site {
            is_unplanned(&api, &station).await?;
        }
        station.site = site;
    }
    station.admission = patch.admission.unwrap_or(station.admission);
    station.assume_16 = patch.assume_16.unwrap_or(station.assume_16);
    if let Some(Text(note)) = patch.note {
        station.note = note;
    }
    if !api.store.configure_station(station.clone()).await? {
        return Err(unknown(&id));
    }
    let unheard = changed(&api, &id).await;
    let view = StationView::of(&api, station, known).await;
    Ok(axum::Json(view.unheard_by(unheard)))
}

/// Forget a station
///
/// Its socket is closed; its sessions stay. One whose outlets are in the power plan of its site is not forgotten: the plan
/// comes first.
#[utoipa::path(delete, path = "/api/v1/stations/{identity}", tag = "stations", operation_id = "delete_station",
    security(("api_key" = ["operator"])),
    params(("identity" = StationId, Path, description = "The station's identity, percent-encoded.")),
    responses((status = 204, description = "Forgotten."), Conflict))]
async fn delete(
    State(api): State<Arc<Api>>,
    Path(id): Path<StationId>,
) -> Result<StatusCode, Problem> {
    let _editing = api.editing.lock().await;
    if let Some(station) = api.store.station(&id).await? {
        is_unplanned(&api, &station).await?;
    }
    if !api.store.delete_station(&id).await? {
        return Err(unknown(&id));
    }
    api.fleet.tell(Ask::StationRemoved { station: id }).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Has the hubs read a station's configuration anew; those that did not hear of it.
async fn changed(api: &Api, id: &StationId) -> Vec<String> {
    let station = id.clone();
    api.fleet.tell(Ask::StationChanged { station }).await
}

/// Refuses a station that is not known.
pub(super) async fn known(api: &Api, id: &StationId) -> Result<(), Problem> {
    match api.store.station(id).await? {
        Some(_) => Ok(()),
        None => Err(unknown(id)),
    }
}

fn unknown(id: &StationId) -> Problem {
    Problem::not_found(format!(
        "no station {id:?} is known; GET /api/v1/stations lists them"
    ))
}

/// Refuses a station that its site's power plan names: its outlets would stay there, booked and never heard of.
async fn is_unplanned(api: &Api, station: &Station) -> Result<(), Problem> {
    let Some(site) = &station.site else {
        return Ok(());
    };
    let power = api.store.site_power(site).await?;
    let is_named = power.is_some_and(|power| {
        let outlets = power.plan.outlets();
        outlets.iter().any(|outlet| outlet.station == station.id)
    });
    match is_named {
        false => Ok(()),
        true => Err(Problem::conflict(format!(
            "station {} is in the power plan of site {site:?}; PUT a plan without it to /api/v1/sites/{site}/power first",
            station.id
        ))),
    }
}

async fn site_exists(api: &Api, site: Option<&SiteId>) -> Result<(), Problem> {
    let Some(site) = site else { return Ok(()) };
    match api.store.site(site).await? {
        Some(_) => Ok(()),
        None => Err(Problem::conflict(format!(
            "there is no site {site:?}; create it with POST /api/v1/sites first"
        ))),
    }
}
