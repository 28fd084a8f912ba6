//! Dead letters: transaction messages that crashed whoever handled them, to look at and to replay.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use model::{DeadLetter, DeadLetterId};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    extract::{Path, Query},
    page::{List, Listed, Paging},
    problem::{Conflict, Problem},
};
use crate::dead_letters::ReplayError;

const DEAD_LETTERS: List = List("dead letters");

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, delete))
        .routes(routes!(replay))
}

/// Dead letters of all stations, the newest first
///
/// Transaction messages that crashed their actor twice. Each was acknowledged to its station and is
/// missing from its session until it is replayed.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters", operation_id = "list_dead_letters",
    security(("api_key" = ["viewer"])),
    params(Paging),
    responses((status = 200, description = "A page of dead letters.", body = Listed<DeadLetter>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<DeadLetter>>, Problem> {
    let page = DEAD_LETTERS.request(&paging)?;
    let page = api.store.dead_letters(page).await?;
    Ok(axum::Json(DEAD_LETTERS.show(page)))
}

/// A dead letter
#[utoipa::path(get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", operation_id = "show_dead_letter",
    security(("api_key" = ["viewer"])),
    params(("id" = DeadLetterId, Path, description = "The dead letter's id.")),
    responses((status = 200, description = "The dead letter.", body = DeadLetter)))]
async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<DeadLetterId>,
) -> Result<axum::Json<DeadLetter>, Problem> {
    let letter = api.store.dead_letter(id).await?;
    letter.map(axum::Json).ok_or_else(|| unknown(id))
}

/// Forget a dead letter without replaying it
///
/// What it said is lost then.
#[utoipa::path(delete, path = "/api/v1/dead-letters/{id}", tag = "dead letters", operation_id = "delete_dead_letter",
    security(("api_key" = ["operator"])),
    params(("id" = DeadLetterId, Path, description = "The dead letter's id.")),
    responses((status = 204, description = "Forgotten.")))]
async fn delete(
    State(api): State<Arc<Api>>,
    Path(id): Path<DeadLetterId>,
) -> Result<StatusCode, Problem> {
    match api.store.delete_dead_letter(id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(id)),
    }
}

/// Replay a dead letter
///
/// It is handled as if the station had just sent it, and forgotten once it is recorded. Where it cannot
/// be, it stays. Replaying it once more never counts twice.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/replay", tag = "dead letters", operation_id = "replay_dead_letter",
    security(("api_key" = ["operator"])),
    params(("id" = DeadLetterId, Path, description = "The dead letter's id.")),
    responses((status = 204, description = "Recorded, and forgotten here."), Conflict))]
async fn replay(
    State(api): State<Arc<Api>>,
    Path(id): Path<DeadLetterId>,
) -> Result<StatusCode, Problem> {
    api.fleet.replay(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<ReplayError> for Problem {
    fn from(failed: ReplayError) -> Self {
        match &failed {
            ReplayError::Unknown => Self::not_found(failed.to_string()),
            ReplayError::CrashedAgain | ReplayError::NotAccepted | ReplayError::Unreadable(_) => {
                Self::conflict(failed.to_string())
            }
            ReplayError::Elsewhere(_) => Self::unavailable(failed.to_string()),
            ReplayError::Store(error) => {
                tracing::error!(%error, "a dead letter could not be replayed");
                Self::unavailable(
                    "the dead letter could not be recorded and forgotten, and stays; try again, it \
                     is never counted twice",
                )
            }
        }
    }
}

fn unknown(id: DeadLetterId) -> Problem {
    Problem::not_found(format!(
        "there is no dead letter {id}; GET /api/v1/dead-letters lists those that wait"
    ))
}
