//! The OCPP versions that a simulated charger speaks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An OCPP version, chosen on the socket by its WebSocket subprotocol (OCPP-J 1.6 §3.1.2, 2.0.1 part 4 §3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// OCPP 1.6 over JSON.
    #[serde(rename = "1.6")]
    V16,
    /// OCPP 2.0.1.
    #[serde(rename = "2.0.1")]
    V201,
    /// OCPP 2.1.
    #[serde(rename = "2.1")]
    V21,
}

impl Version {
    /// All that are simulated, oldest first.
    pub const ALL: [Self; 3] = [Self::V16, Self::V201, Self::V21];

    /// The registered subprotocol name.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V16 => "1.6",
            Self::V201 => "2.0.1",
            Self::V21 => "2.1",
        })
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1.6" | "1.6J" | "ocpp1.6" => Ok(Self::V16),
            "2.0.1" | "ocpp2.0.1" => Ok(Self::V201),
            "2.1" | "ocpp2.1" => Ok(Self::V21),
            other => Err(format!(
                "OCPP version `{other}` is not simulated: use 1.6, 2.0.1 or 2.1"
            )),
        }
    }
}
