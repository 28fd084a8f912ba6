//! What an outlet should be held to, beside what its station says now.

use std::{sync::Arc, time::Duration};

use axum::{Extension, extract::State};
use model::{
    ChargingAnswer, ChargingAsk, Command, CommandRecord, RateUnit, SchedulePart, ScheduleView,
    SiteId, StationId, Timestamp,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::{Api, auth::Caller, extract::Path, problem::Problem};
use crate::commands::CommandAsk;

/// How long a station may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How far ahead it is asked, in s.
const AHEAD_S: u32 = 3_600;

/// An outlet's composite schedule: as calculated, and as its station tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Schedules {
    /// The station.
    station: StationId,
    /// The EVSE there.
    evse: u32,
    /// When the calculation begins.
    at: Timestamp,
    /// What the station should hold the outlet to from then on, by the profiles it took.
    calculated: Vec<SchedulePart>,
    /// What it says; null: it does not, see `command`.
    #[schema(required)]
    shown: Option<ScheduleView>,
    /// The command that asked it (GetCompositeSchedule), and what became of it.
    command: CommandRecord,
}

/// Compare what an outlet should be held to with what its station says
///
/// Asks the station for its composite schedule and waits for the answer. The last one that the hub asked for by itself is
/// in the site's live view.
#[utoipa::path(post, path = "/api/v1/sites/{id}/power/outlets/{station}/{evse}/schedule", tag = "power",
    operation_id = "compare_schedules",
    security(("api_key" = ["operator"])),
    params(
        ("id" = SiteId, Path, description = "The site's id, percent-encoded."),
        ("station" = StationId, Path, description = "The station's identity, percent-encoded."),
        ("evse" = u32, Path, description = "The EVSE there (1.6: connectorId)."),
    ),
    responses((status = 200, description = "Both schedules.", body = Schedules)))]
pub(super) async fn compare(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, station, evse)): Path<(SiteId, StationId, u32)>,
) -> Result<axum::Json<Schedules>, Problem> {
    let view = super::live::view(&api, &id).await?;
    let is_it = |it: &model::OutletPowerView| it.station == station && it.evse == evse;
    let outlet = view.outlets.into_iter().find(is_it).ok_or_else(|| {
        Problem::not_found(format!(
            "EVSE {evse} of station {station} is in no part of the site's tree; GET /api/v1/sites/{id}/power shows it"
        ))
    })?;
    let calculated = outlet.schedule;
    let unit = calculated.first().map(|part| part.unit);
    let ask = CommandAsk {
        station: station.clone(),
        action: "get_composite_schedule".to_owned(),
        payload: json!({"evse": evse, "duration_s": AHEAD_S, "unit": unit}),
        timeout: PATIENCE,
        by: caller.prefix.to_string(),
    };
    let protocol = api.commands.protocol_of(&station).await?;
    let command = api.commands.issue(ask).await?;
    let limits = (command.answer.as_ref()).and_then(|answer| told(protocol, evse, unit, answer));
    let answered_at = command.finished_at.unwrap_or(view.at);
    Ok(axum::Json(Schedules {
        shown: limits
            .filter(|limits| !limits.is_empty())
            .map(|limits| actors::shown_schedule(&calculated, &limits, answered_at)),
        station,
        evse,
        at: view.at,
        calculated,
        command,
    }))
}

/// The limits of a station's answer, if it tells any.
fn told(
    protocol: model::Protocol,
    evse: u32,
    unit: Option<RateUnit>,
    answer: &Value,
) -> Option<Vec<model::ScheduledLimit>> {
    let asked = ChargingAsk::Do(Command::GetCompositeSchedule {
        evse,
        duration_s: AHEAD_S,
        unit,
    });
    match ocpp::command::read_charging_answer(protocol, &asked, answer) {
        ChargingAnswer::Accepted(limits) => Some(limits),
        ChargingAnswer::Refused(_) | ChargingAnswer::Traits(_) => None,
    }
}
