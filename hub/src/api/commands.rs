//! Commands to stations, and what became of them.

use std::{sync::Arc, time::Duration};

use axum::{Extension, extract::State};
use model::{CommandId, CommandRecord, SessionId, SessionState, StationId};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    extract::{Json, Path, Query},
    page::{List, Listed, Paging},
    problem::{Conflict, Problem},
    sessions, stations,
};
use crate::commands::{CommandAsk, CommandRefused};

const COMMANDS: List = List("commands");

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
}

/// Those that wait for a station's answer.
pub(super) fn waiting_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(send))
        .routes(routes!(stop_session))
}

/// A command.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCommand {
    /// An OCPP action of the version the station speaks (`GetConfiguration`), or a command that is
    /// written in the station's version: `remote_start`, `remote_stop`, `reset`, `unlock`,
    /// `change_availability`, `trigger`, `get_variables`, `set_variables`.
    #[schema(examples("reset"))]
    action: String,
    /// Its payload.
    #[serde(default)]
    #[schema(value_type = Object, examples(json!({"kind": "when_idle"})))]
    payload: Map<String, Value>,
    /// How long to wait for the answer, in s; the commands before it included.
    #[serde(default = "default_timeout", deserialize_with = "timeout")]
    #[schema(minimum = 1, maximum = 300, default = 30)]
    timeout_s: u32,
}

/// Send a command and wait for its end
///
/// The answer tells what became of it, also where the station did not answer or is not connected.
#[utoipa::path(post, path = "/api/v1/stations/{identity}/commands", tag = "commands", operation_id = "send_command",
    security(("api_key" = ["operator"])),
    params(("identity" = StationId, Path, description = "The station's identity, percent-encoded.")),
    request_body = NewCommand,
    responses(
        (status = 200, description = "What became of it.", body = CommandRecord),
        Conflict,
    ))]
async fn send(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(station): Path<StationId>,
    Json(command): Json<NewCommand>,
) -> Result<axum::Json<CommandRecord>, Problem> {
    let ask = CommandAsk {
        station,
        action: command.action,
        payload: command.payload.into(),
        timeout: Duration::from_secs(command.timeout_s.into()),
        by: caller.prefix.to_string(),
    };
    issue(&api, ask).await
}

/// Stop a session at its station
///
/// Sends the command `remote_stop`; the session ends when the station says so.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/stop", tag = "sessions", operation_id = "stop_session",
    security(("api_key" = ["operator"])),
    params(("id" = SessionId, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "What became of the command.", body = CommandRecord),
        Conflict,
    ))]
async fn stop_session(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<SessionId>,
) -> Result<axum::Json<CommandRecord>, Problem> {
    let session = sessions::known(&api, id).await?;
    if session.state == SessionState::Ended {
        return Err(Problem::conflict("this session is over already"));
    }
    let ask = CommandAsk {
        station: session.station,
        action: "remote_stop".to_owned(),
        payload: json!({ "transaction": session.transaction }),
        timeout: Duration::from_secs(default_timeout().into()),
        by: caller.prefix.to_string(),
    };
    issue(&api, ask).await
}

/// A station's commands, the newest first
#[utoipa::path(get, path = "/api/v1/stations/{identity}/commands", tag = "commands", operation_id = "list_commands",
    security(("api_key" = ["viewer"])),
    params(("identity" = StationId, Path, description = "The station's identity, percent-encoded."), Paging),
    responses((status = 200, description = "A page of commands.", body = Listed<CommandRecord>)))]
async fn list(
    State(api): State<Arc<Api>>,
    Path(station): Path<StationId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listed<CommandRecord>>, Problem> {
    let page = COMMANDS.request(&paging)?;
    stations::known(&api, &station).await?;
    let page = api.store.commands(&station, page).await?;
    Ok(axum::Json(COMMANDS.show(page)))
}

/// A command and what became of it
#[utoipa::path(get, path = "/api/v1/commands/{id}", tag = "commands", operation_id = "show_command",
    security(("api_key" = ["viewer"])),
    params(("id" = CommandId, Path, description = "The command's id.")),
    responses((status = 200, description = "The command.", body = CommandRecord)))]
async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<CommandId>,
) -> Result<axum::Json<CommandRecord>, Problem> {
    match api.store.command(id).await? {
        Some(record) => Ok(axum::Json(record)),
        None => Err(Problem::not_found(format!("there is no command {id}"))),
    }
}

async fn issue(api: &Api, ask: CommandAsk) -> Result<axum::Json<CommandRecord>, Problem> {
    Ok(axum::Json(api.commands.issue(ask).await?))
}

impl From<CommandRefused> for Problem {
    fn from(refused: CommandRefused) -> Self {
        match &refused {
            CommandRefused::UnknownStation(_) => Self::not_found(refused.to_string()),
            CommandRefused::Invalid(_) => Self::bad_request(refused.to_string()),
            CommandRefused::OfItsSite { .. } => Self::conflict(refused.to_string()),
            CommandRefused::Store(error) => {
                tracing::error!(%error, "a command could not be recorded");
                Self::unavailable(
                    "the command was not sent, because it could not be recorded; try again",
                )
            }
        }
    }
}

fn default_timeout() -> u32 {
    30
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        seconds @ 1..=300 => Ok(seconds),
        other => Err(serde::de::Error::custom(format!(
            "{other} is not between 1 and 300"
        ))),
    }
}
