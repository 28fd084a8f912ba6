//! What a meter says, whichever OCPP version carried it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Readings taken at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeterSample {
    /// When the station took them. The receive time where the station's clock is plainly wrong.
    pub at: Timestamp,
    /// The readings.
    pub values: Vec<SampledValue>,
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SampledValue {
    /// What was measured.
    pub measurand: Measurand,
    /// The number in the base unit of its measurand (Wh, W, A, V, %, varh, Hz …: kilo-units and
    /// multipliers are applied); absent for signed or unreadable data, which stays in `raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The unit of `value` after scaling; as sent, where it is not one that OCPP names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// `L1`, `L2-N` …, as sent; absent for the sum or where phases do not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Where in the station it was measured.
    #[serde(default)]
    pub location: Location,
    /// `Sample.Periodic`, `Transaction.Begin` …, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The value as sent, kept where `value` could not be had from it, or where it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// What was measured. The names the hub acts on are told apart; any other is kept as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Measurand {
    /// `Energy.Active.Import.Register`, Wh: the register sessions are billed by; OCPP's default.
    EnergyImportRegister,
    /// `Power.Active.Import`, W.
    PowerImport,
    /// `Current.Import`, A.
    CurrentImport,
    /// `Voltage`, V.
    Voltage,
    /// `SoC`, %.
    StateOfCharge,
    /// Any other, as sent.
    Other(String),
}

impl Measurand {
    /// The name OCPP gives it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::EnergyImportRegister => "Energy.Active.Import.Register",
            Self::PowerImport => "Power.Active.Import",
            Self::CurrentImport => "Current.Import",
            Self::Voltage => "Voltage",
            Self::StateOfCharge => "SoC",
            Self::Other(name) => name,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Energy.Active.Import.Register" => Self::EnergyImportRegister,
            "Power.Active.Import" => Self::PowerImport,
            "Current.Import" => Self::CurrentImport,
            "Voltage" => Self::Voltage,
            "SoC" => Self::StateOfCharge,
            _ => return None,
        })
    }
}

impl From<&str> for Measurand {
    /// Copies the name only where it is kept.
    fn from(name: &str) -> Self {
        Self::named(name).unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl From<String> for Measurand {
    fn from(name: String) -> Self {
        Self::named(&name).unwrap_or(Self::Other(name))
    }
}

impl From<Measurand> for String {
    fn from(measurand: Measurand) -> Self {
        match measurand {
            Measurand::Other(name) => name,
            named => named.as_str().to_owned(),
        }
    }
}

/// Where in the station a value was measured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Location {
    /// At the outlet towards the car; OCPP's default, and the one sessions are billed by.
    #[default]
    Outlet,
    /// Any other (`Inlet`, `EV`, `Body`, `Cable`, `Upstream`), as sent.
    Other(String),
}

impl From<&str> for Location {
    /// Copies the name only where it is kept.
    fn from(name: &str) -> Self {
        if name == "Outlet" {
            Self::Outlet
        } else {
            Self::Other(name.to_owned())
        }
    }
}

impl From<String> for Location {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        match location {
            Location::Outlet => "Outlet".to_owned(),
            Location::Other(name) => name,
        }
    }
}

impl MeterSample {
    /// The register, in Wh, as OCPP 1.6 tells it with a transaction's start and stop; `context` says which
    /// (`Transaction.Begin`, `Transaction.End`).
    pub fn of_register(wh: f64, at: Timestamp, context: &str) -> Self {
        let value = SampledValue {
            measurand: Measurand::EnergyImportRegister,
            value: Some(wh),
            unit: "Wh".to_owned(),
            phase: None,
            location: Location::default(),
            context: Some(context.to_owned()),
            raw: None,
        };
        Self {
            at,
            values: vec![value],
        }
    }

    /// The import register in Wh that a session is billed by: at the outlet, summed over phases
    /// (a reading without a phase, else the sum of L1, L2 and L3). Absent when not measured.
    pub fn energy_wh(&self) -> Option<f64> {
        self.total(&Measurand::EnergyImportRegister)
    }

    /// The power drawn at the outlet in W, summed over phases. Absent when not measured.
    pub fn power_w(&self) -> Option<f64> {
        self.total(&Measurand::PowerImport)
    }

    /// What is drawn at the outlet per phase (of the station) in A: as measured, else by power and voltage, where that is
    /// told per phase; `phase_v` where no voltage is. Absent where phases are not told apart.
    pub fn currents_a(&self, phase_v: f64) -> Option<[f64; 3]> {
        let currents = self.by_phase(&Measurand::CurrentImport);
        if currents != [None; 3] {
            return Some(currents.map(Option::unwrap_or_default));
        }
        let powers = self.by_phase(&Measurand::PowerImport);
        if powers == [None; 3] {
            return None;
        }
        let volts = self.by_phase(&Measurand::Voltage);
        Some(std::array::from_fn(|phase| {
            let volts = volts[phase]
                .filter(|volts| *volts >= 1.0)
                .unwrap_or(phase_v);
            powers[phase].unwrap_or_default() / volts
        }))
    }

    /// A current without a phase, in A: of one phase, or of all together, as the station likes.
    pub fn plain_current_a(&self) -> Option<f64> {
        let plain = |v: &&SampledValue| {
            v.measurand == Measurand::CurrentImport
                && v.location == Location::Outlet
                && v.phase.is_none()
        };
        self.values.iter().find(plain)?.value
    }

    /// The battery's charge in percent.
    pub fn state_of_charge_pct(&self) -> Option<f64> {
        let of = |v: &&SampledValue| v.measurand == Measurand::StateOfCharge;
        self.values.iter().find(of)?.value
    }

    /// `L1`, `L1-N`, `L1-L2` are the first phase, and so on. Nothing is known of any where one is told and cannot be read.
    fn by_phase(&self, wanted: &Measurand) -> [Option<f64>; 3] {
        let (mut phases, mut told) = ([None; 3], [false; 3]);
        for value in &self.values {
            if value.measurand != *wanted || value.location != Location::Outlet {
                continue;
            }
            let phase = match value.phase.as_deref().map(str::as_bytes) {
                Some([b'L', number @ b'1'..=b'3', ..]) => usize::from(number - b'1'),
                _ => continue,
            };
            phases[phase] = value.value.or(phases[phase]);
            told[phase] = true;
        }
        let is_read = |phase: usize| phases[phase].is_some() || !told[phase];
        if (0..3).all(is_read) {
            phases
        } else {
            [None; 3]
        }
    }

    fn total(&self, wanted: &Measurand) -> Option<f64> {
        let at_outlet = || {
            self.values
                .iter()
                .filter(|v| v.measurand == *wanted && v.location == Location::Outlet)
        };
        if let Some(sum) = at_outlet().find(|v| v.phase.is_none()) {
            return sum.value;
        }
        let phases: Vec<f64> = at_outlet().filter_map(|v| v.value).collect();
        (!phases.is_empty()).then(|| phases.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(value: f64, phase: Option<&str>) -> SampledValue {
        SampledValue {
            measurand: Measurand::EnergyImportRegister,
            value: Some(value),
            unit: "Wh".into(),
            phase: phase.map(str::to_owned),
            location: Location::Outlet,
            context: None,
            raw: None,
        }
    }

    #[test]
    fn currents_are_measured_or_follow_from_power_and_voltage() {
        let at = Timestamp(0);
        let of = |measurand: Measurand, value: f64, phase: Option<&str>| SampledValue {
            measurand,
            ..reading(value, phase)
        };
        let currents = |values| MeterSample { at, values }.currents_a(230.0);
        let measured = vec![
            of(Measurand::CurrentImport, 16.0, Some("L1-N")),
            of(Measurand::CurrentImport, 15.0, Some("L3")),
            of(Measurand::CurrentImport, 1.0, Some("N")),
        ];
        assert_eq!(currents(measured), Some([16.0, 0.0, 15.0]));
        let by_power = vec![
            of(Measurand::PowerImport, 2_300.0, Some("L1")),
            of(Measurand::PowerImport, 2_200.0, Some("L2")),
            of(Measurand::Voltage, 220.0, Some("L2-N")),
        ];
        assert_eq!(currents(by_power), Some([10.0, 10.0, 0.0]));
        let unreadable = SampledValue {
            value: None,
            raw: Some("NaN".into()),
            ..of(Measurand::CurrentImport, 0.0, Some("L1"))
        };
        let other = of(Measurand::CurrentImport, 3.0, Some("L2"));
        assert_eq!(currents(vec![unreadable, other]), None, "L1 is not 0");
        assert_eq!(
            currents(vec![of(Measurand::PowerImport, 2_300.0, None)]),
            None
        );
    }

    #[test]
    fn the_total_is_preferred_and_phases_are_summed_without_one() {
        let at = Timestamp(0);
        let phases = vec![reading(1.0, Some("L1")), reading(2.0, Some("L2"))];
        let mut both = phases.clone();
        both.push(reading(9.0, None));
        assert_eq!(MeterSample { at, values: phases }.energy_wh(), Some(3.0));
        assert_eq!(MeterSample { at, values: both }.energy_wh(), Some(9.0));
        assert_eq!(MeterSample { at, values: vec![] }.energy_wh(), None);
    }
}
