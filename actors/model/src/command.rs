//! What the hub asks of a station.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ChargingProfile, CommandId, ProfilePurpose, RateUnit, StationId, Timestamp, TokenRef};

/// A command, free of OCPP versions; crate `ocpp` writes it in the station's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(
    tag = "action",
    content = "payload",
    rename_all = "snake_case",
    deny_unknown_fields
)]
pub enum Command {
    /// Start charging (RemoteStartTransaction, RequestStartTransaction).
    RemoteStart {
        /// The EVSE (1.6: connectorId); absent: the station chooses.
        evse: Option<u32>,
        /// Who charges.
        token: TokenRef,
    },
    /// Stop charging (RemoteStopTransaction, RequestStopTransaction).
    RemoteStop {
        /// What the station calls the transaction.
        transaction: String,
    },
    /// Restart the station.
    Reset {
        /// At once or when idle.
        kind: ResetKind,
    },
    /// Let go of the cable.
    Unlock {
        /// The EVSE (1.6: connectorId).
        evse: u32,
        /// The connector of the EVSE; 1 when absent.
        #[serde(default)]
        connector: Option<u32>,
    },
    /// Take an outlet out of service, or back into it.
    ChangeAvailability {
        /// The EVSE (1.6: connectorId); absent: the whole station.
        evse: Option<u32>,
        /// Into service or out of it.
        operative: bool,
    },
    /// Have the station send a message now.
    Trigger {
        /// The OCPP name of the message.
        message: String,
        /// For which EVSE.
        #[serde(default)]
        evse: Option<u32>,
    },
    /// Read configuration (GetConfiguration, GetVariables).
    GetVariables {
        /// Which; 1.6: none for all.
        variables: Vec<Variable>,
    },
    /// Write configuration (ChangeConfiguration: one at a time; SetVariables).
    SetVariables {
        /// Which, and what to.
        variables: Vec<Variable>,
    },
    /// Limit what is drawn (SetChargingProfile).
    SetChargingProfile {
        /// The EVSE (1.6: connectorId); 0 is the station as a whole.
        evse: u32,
        /// The limit.
        profile: ChargingProfile,
    },
    /// Forget charging profiles: those that match all that is named (ClearChargingProfile).
    ClearChargingProfile {
        /// The one of this number.
        #[serde(default)]
        id: Option<i32>,
        /// Those of this EVSE (1.6: connectorId).
        #[serde(default)]
        evse: Option<u32>,
        /// Those for this.
        #[serde(default)]
        purpose: Option<ProfilePurpose>,
    },
    /// Ask what limits an EVSE has by all its charging profiles (GetCompositeSchedule).
    GetCompositeSchedule {
        /// The EVSE (1.6: connectorId); 0 is the station as a whole.
        evse: u32,
        /// From now on for so many s.
        duration_s: u32,
        /// In this unit; absent: the station chooses.
        #[serde(default)]
        unit: Option<RateUnit>,
    },
}

/// A configuration key (1.6) or a variable of a component (2.x).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// The component (2.x; 1.6 has none).
    #[serde(default)]
    pub component: Option<String>,
    /// The variable's or key's name.
    pub name: String,
    /// What to set it to; not used for reading.
    #[serde(default)]
    pub value: Option<String>,
}

/// How to restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResetKind {
    /// 1.6 Soft, 2.x OnIdle.
    WhenIdle,
    /// 1.6 Hard, 2.x Immediate.
    Immediate,
}

/// A command and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommandRecord {
    /// Its id.
    pub id: CommandId,
    /// To whom.
    pub station: StationId,
    /// The OCPP action.
    pub action: String,
    /// The OCPP payload.
    pub payload: Value,
    /// What became of it.
    pub state: CommandState,
    /// The station's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Why there is no answer, or what is odd about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whose key asked for it.
    pub by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it must be answered.
    pub expires_at: Timestamp,
    /// When its outcome was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Waiting for the one before it.
    Queued,
    /// On the wire.
    Sent,
    /// Answered.
    Answered,
    /// Answered with a CALLERROR, or not sent at all: too many commands waited, or the station is not accepted.
    Failed,
    /// Not answered in time, by the station or by the hub that holds it.
    Expired,
    /// The station was not connected, or went before it answered.
    StationGone,
}

impl CommandState {
    /// Whether nothing more will become of it.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sent)
    }
}
