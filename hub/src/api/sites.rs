//! Sites: stations behind one grid connection.

use std::sync::Arc;

use actors::SiteView;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use model::{Site, SiteId};
use placement::ShardId;
use serde::{Deserialize, Deserializer, Serialize};
use store::{Page, PageRequest, StationFilter};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    extract::{Json, Path, Query, Text},
    page::{List, Listed, Paging},
    problem::{Conflict, Problem},
};
use crate::fleet::Ask;

const SITES: List = List("sites");

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, put, delete))
}

/// A site as configured and as it now is.
#[derive(Debug, Serialize, ToSchema)]
struct SiteState {
    #[serde(flatten)]
    site: Site,
    /// What its stations do now; null while none of them has been seen since the hub started.
    #[schema(required)]
    live: Option<SiteView>,
    /// The hub that acts for it, and manages its power; null while it goes from one to another.
    #[schema(required)]
    hub: Option<String>,
    /// Hubs that did not answer in time: one of them may act for it, and a change may not have been heard of there.
    unanswered_hubs: Vec<String>,
}

impl SiteState {
    async fn of(api: &Api, site: Site) -> Self {
        let (mut seen, unanswered) = api.fleet.look(Vec::new(), vec![site.id.clone()]).await;
        let live = seen.sites.remove(&site.id);
        Self::new(api, site, live, &unanswered)
    }

    fn new(api: &Api, site: Site, live: Option<SiteView>, unanswered: &[String]) -> Self {
        let shard = ShardId::of_site(&site.id);
        let hub = api.actors.placement().shard_node(shard);
        Self {
            hub: hub.map(|hub| hub.name),
            unanswered_hubs: match live {
                Some(_) => Vec::new(),
                None => unanswered.to_vec(),
            },
            live,
            site,
        }
    }
}

/// A new site.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSite {
    /// Its id.
    id: SiteId,
    /// What people call it.
    #[serde(default)]
    name: Text,
    /// What its stations may draw together, in W; null: not limited.
    #[serde(default, deserialize_with = "watts")]
    #[schema(minimum = 0)]
    limit_w: Option<f64>,
}

/// A site, but for its id; what is left out is set to its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteSettings {
    /// What people call it.
    #[serde(default)]
    name: Text,
    /// What its stations may draw together, in W; null: not limited.
    #[serde(default, deserialize_with = "watts")]
    #[schema(minimum = 0)]
    limit_w: Option<f64>,
}

/// Sites, by id
#[utoipa::path(get, path = "/api/v1/sites", tag = "sites", operation_id = "list_sites",
    security(("api_key" = ["viewer"])),
    params(Paging),
    responses((status = 200, description = "A page of sites.", body = Listed<SiteState>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<SiteState>>, Problem> {
    let page = api.store.sites(SITES.request(&paging)?).await?;
    let ids = page.items.iter().map(|site| site.id.clone()).collect();
    let (mut seen, unanswered) = api.fleet.look(Vec::new(), ids).await;
    let items = page.items.into_iter().map(|site| {
        let live = seen.sites.remove(&site.id);
        SiteState::new(&api, site, live, &unanswered)
    });
    let items = items.collect();
    let next = page.next;
    Ok(axum::Json(SITES.show(Page { items, next })))
}

/// Create a site
#[utoipa::path(post, path = "/api/v1/sites", tag = "sites", operation_id = "create_site",
    security(("api_key" = ["operator"])),
    request_body = NewSite,
    responses(
        (status = 201, description = "Created.", body = SiteState,
            headers(("Location" = String, description = "Where it is."))),
        Conflict,
    ))]
async fn create(
    State(api): State<Arc<Api>>,
    Json(body): Json<NewSite>,
) -> Result<impl IntoResponse, Problem> {
    let site = Site {
        id: body.id,
        name: body.name.0,
        limit_w: body.limit_w,
        created_at: api.clock.now(),
    };
    let _editing = api.editing.lock().await;
    if api.store.site(&site.id).await?.is_some() {
        return Err(Problem::conflict(format!(
            "there is a site {:?} already; PUT changes it",
            site.id
        )));
    }
    let location = format!("/api/v1/sites/{}", super::path_segment(site.id.as_str()));
    let site = keep(&api, site).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], site))
}

/// A site
#[utoipa::path(get, path = "/api/v1/sites/{id}", tag = "sites", operation_id = "show_site",
    security(("api_key" = ["viewer"])),
    params(("id" = SiteId, Path, description = "The site's id, percent-encoded.")),
    responses((status = 200, description = "The site.", body = SiteState)))]
async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<SiteId>,
) -> Result<axum::Json<SiteState>, Problem> {
    let site = api.store.site(&id).await?.ok_or_else(|| unknown(&id))?;
    Ok(axum::Json(SiteState::of(&api, site).await))
}

/// Set a site, whether or not there is one
#[utoipa::path(put, path = "/api/v1/sites/{id}", tag = "sites", operation_id = "put_site",
    security(("api_key" = ["operator"])),
    params(("id" = SiteId, Path, description = "The site's id, percent-encoded.")),
    request_body = SiteSettings,
    responses(
        (status = 200, description = "Changed.", body = SiteState),
        (status = 201, description = "Created.", body = SiteState),
    ))]
async fn put(
    State(api): State<Arc<Api>>,
    Path(id): Path<SiteId>,
    Json(settings): Json<SiteSettings>,
) -> Result<impl IntoResponse, Problem> {
    let _editing = api.editing.lock().await;
    let (status, created_at) = match api.store.site(&id).await? {
        Some(site) => (StatusCode::OK, site.created_at),
        None => (StatusCode::CREATED, api.clock.now()),
    };
    let site = Site {
        id,
        name: settings.name.0,
        limit_w: settings.limit_w,
        created_at,
    };
    Ok((status, keep(&api, site).await?))
}

/// Forget a site
///
/// Only one at which no station stands any more.
#[utoipa::path(delete, path = "/api/v1/sites/{id}", tag = "sites", operation_id = "delete_site",
    security(("api_key" = ["operator"])),
    params(("id" = SiteId, Path, description = "The site's id, percent-encoded.")),
    responses((status = 204, description = "Forgotten."), Conflict))]
async fn delete(
    State(api): State<Arc<Api>>,
    Path(id): Path<SiteId>,
) -> Result<StatusCode, Problem> {
    let _editing = api.editing.lock().await;
    let here = StationFilter {
        site: Some(id.clone()),
        search: None,
    };
    if !api
        .store
        .stations(here, PageRequest::first(1))
        .await?
        .items
        .is_empty()
    {
        return Err(Problem::conflict(
            "stations still stand at this site; PATCH them to another, or to null, first",
        ));
    }
    if !api.store.delete_site(&id).await? {
        return Err(unknown(&id));
    }
    api.fleet.tell(Ask::SiteChanged { site: id }).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn keep(api: &Api, site: Site) -> Result<axum::Json<SiteState>, Problem> {
    api.store.put_site(site.clone()).await?;
    let change = Ask::SiteChanged {
        site: site.id.clone(),
    };
    let unheard = api.fleet.tell(change).await;
    let mut state = SiteState::of(api, site).await;
    state.unanswered_hubs.extend(unheard);
    state.unanswered_hubs.sort();
    state.unanswered_hubs.dedup();
    Ok(axum::Json(state))
}

/// The problem that there is no such site.
pub(super) fn unknown(id: &SiteId) -> Problem {
    Problem::not_found(format!(
        "no site {id:?} is known; GET /api/v1/sites lists them"
    ))
}

fn watts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(watts) if watts < 0.0 => Err(serde::de::Error::custom(format!(
            "{watts} W is below zero; null lifts the limit"
        ))),
        limit => Ok(limit),
    }
}
