//! Stations: what is configured, what the last boot said, what each connector is doing.

use serde::{Deserialize, Serialize};

use crate::{SiteId, StationId, Timestamp};

/// A station as the operator and the station itself describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Station {
    /// Its identity.
    pub id: StationId,
    /// The site it stands at.
    #[serde(default)]
    pub site: Option<SiteId>,
    /// Whether it may charge.
    #[serde(default)]
    pub admission: Admission,
    /// Serve it as OCPP 1.6 when it offers no subprotocol at all (vendor quirk 1).
    #[serde(default)]
    pub assume_16: bool,
    /// A note for operators.
    #[serde(default)]
    pub note: String,
    /// What the last BootNotification said.
    #[serde(default)]
    pub boot: Option<BootInfo>,
    /// The protocol of the last connection.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// When a connection last opened or closed.
    #[serde(default)]
    pub last_seen_at: Option<Timestamp>,
    /// When the station became known.
    pub created_at: Timestamp,
}

/// Whether a station may charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Yes.
    #[default]
    Accepted,
    /// Not yet: it connected unknown, and an operator has to accept it.
    Pending,
    /// No: an operator turned it away.
    Rejected,
}

/// The OCPP version a station speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Protocol {
    /// OCPP-J 1.6.
    #[serde(rename = "ocpp1.6")]
    Ocpp16,
    /// OCPP 2.0.1.
    #[serde(rename = "ocpp2.0.1")]
    Ocpp201,
    /// OCPP 2.1.
    #[serde(rename = "ocpp2.1")]
    Ocpp21,
}

impl Protocol {
    /// All that the hub speaks, oldest first.
    pub const ALL: [Self; 3] = [Self::Ocpp16, Self::Ocpp201, Self::Ocpp21];

    /// Whether it is one of OCPP 2.x, in which stations name their transactions and say them step by step.
    pub fn is_2x(self) -> bool {
        self != Self::Ocpp16
    }

    /// The WebSocket subprotocol that names it.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Ocpp16 => "ocpp1.6",
            Self::Ocpp201 => "ocpp2.0.1",
            Self::Ocpp21 => "ocpp2.1",
        }
    }

    /// The version a subprotocol names, if the hub speaks it.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        let mut spoken = Self::ALL.into_iter();
        spoken.find(|protocol| protocol.subprotocol() == name)
    }
}

/// What a BootNotification says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BootInfo {
    /// The vendor, as sent; some send none.
    pub vendor: String,
    /// The model, as sent.
    pub model: String,
    /// The serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The firmware's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// ICCID of the SIM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<String>,
    /// IMSI of the SIM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// Why it booted (2.0.1 `BootReasonEnumType`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An outlet. OCPP 1.6 numbers connectors only: they are `evse` here, with connector 1.
/// EVSE 0 is the station itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectorRef {
    /// The EVSE (1.6: the connectorId); 0 is the station as a whole.
    pub evse: u32,
    /// The connector of that EVSE (1.6: 1; 0 for the EVSE as a whole).
    pub connector: u32,
}

impl ConnectorRef {
    /// The connector an OCPP 1.6 connectorId means.
    pub fn of_16(connector_id: u32) -> Self {
        Self {
            evse: connector_id,
            connector: u32::from(connector_id != 0),
        }
    }
}

/// An outlet and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Connector {
    /// Which.
    #[serde(flatten)]
    pub connector: ConnectorRef,
    /// What it does.
    pub state: ConnectorState,
    /// OCPP 1.6 errorCode other than `NoError`, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Vendor's words to the state (1.6 `info`, `vendorErrorCode`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// Since when, by the station's clock.
    pub at: Timestamp,
}

/// What an outlet does: OCPP 1.6's nine states, OCPP 2.0.1's `Occupied`, and anything else as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ConnectorState {
    /// Free.
    Available,
    /// 1.6: taken, not charging yet.
    Preparing,
    /// 1.6: charging.
    Charging,
    /// 1.6: the station does not offer energy.
    SuspendedEvse,
    /// 1.6: the car does not take energy.
    SuspendedEv,
    /// 1.6: ended, the car is still there.
    Finishing,
    /// 2.0.1: a car is there.
    Occupied,
    /// Reserved.
    Reserved,
    /// Out of service.
    Unavailable,
    /// Broken.
    Faulted,
    /// Anything else, as sent.
    Other(String),
}

const NAMED_STATES: [(&str, ConnectorState); 10] = [
    ("Available", ConnectorState::Available),
    ("Preparing", ConnectorState::Preparing),
    ("Charging", ConnectorState::Charging),
    ("SuspendedEVSE", ConnectorState::SuspendedEvse),
    ("SuspendedEV", ConnectorState::SuspendedEv),
    ("Finishing", ConnectorState::Finishing),
    ("Occupied", ConnectorState::Occupied),
    ("Reserved", ConnectorState::Reserved),
    ("Unavailable", ConnectorState::Unavailable),
    ("Faulted", ConnectorState::Faulted),
];

impl ConnectorState {
    /// The name OCPP gives it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            named => NAMED_STATES
                .iter()
                .find(|(_, state)| state == named)
                .map_or("", |(name, _)| name),
        }
    }

    /// Whether the car there suspends charging; none where the state does not tell that (`Occupied`, of 2.x).
    pub fn car_rests(&self) -> Option<bool> {
        match self {
            Self::SuspendedEv => Some(true),
            Self::Available
            | Self::Preparing
            | Self::Charging
            | Self::SuspendedEvse
            | Self::Finishing => Some(false),
            Self::Occupied
            | Self::Reserved
            | Self::Unavailable
            | Self::Faulted
            | Self::Other(_) => None,
        }
    }
}

impl From<String> for ConnectorState {
    fn from(name: String) -> Self {
        NAMED_STATES
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Self::Other(name), |(_, state)| state.clone())
    }
}

impl From<ConnectorState> for String {
    fn from(state: ConnectorState) -> Self {
        state.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_name() {
        for (name, state) in NAMED_STATES {
            assert_eq!(ConnectorState::from(name.to_owned()), state);
            assert_eq!(state.as_str(), name);
        }
        let vendors = ConnectorState::from("Warming".to_owned());
        assert_eq!(vendors.as_str(), "Warming");
    }
}
