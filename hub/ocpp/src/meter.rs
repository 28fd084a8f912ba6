//! Measured values: units scaled to the base unit, vendor spellings evened out.

use model::{Location, Measurand, SampledValue};

/// A measured value as either version sends it.
#[derive(Default)]
pub(crate) struct Sent<'a> {
    pub(crate) measurand: Option<&'a str>,
    /// The number; nothing where it could not be had.
    pub(crate) number: Option<f64>,
    /// What to keep beside or instead of the number.
    pub(crate) raw: Option<String>,
    pub(crate) unit: Option<&'a str>,
    /// 2.x: the number counts in 10^multiplier of its unit.
    pub(crate) multiplier: i64,
    pub(crate) phase: Option<String>,
    pub(crate) location: Option<&'a str>,
    pub(crate) context: Option<String>,
}

/// Kilo-units, and the base unit that a thousand of are in one.
const KILO_UNITS: [(&str, &str); 6] = [
    ("kWh", "Wh"),
    ("kW", "W"),
    ("kvarh", "varh"),
    ("kvar", "var"),
    ("kVAh", "VAh"),
    ("kVA", "VA"),
];

/// The value in its base unit: 1.234 kWh is 1234 Wh, 42 with multiplier −1 is 4.2.
pub(crate) fn sampled(sent: Sent<'_>) -> SampledValue {
    let measurand = sent.measurand.filter(|name| !name.is_empty());
    let measurand = measurand.map_or(Measurand::EnergyImportRegister, Measurand::from);
    let (kilo, unit) = match sent.unit.filter(|unit| !unit.is_empty()) {
        None => (false, base_unit(&measurand)),
        Some(unit) => match KILO_UNITS
            .iter()
            .find(|(kilo, _)| kilo.eq_ignore_ascii_case(unit))
        {
            Some((_, base)) => (true, *base),
            None => (false, unit),
        },
    };
    let exponent = sent.multiplier.saturating_add(if kilo { 3 } else { 0 });
    let value = sent.number.and_then(|number| scaled(number, exponent));
    SampledValue {
        phase: sent.phase.map(|phase| evened_phase(&measurand, phase)),
        measurand,
        value,
        unit: unit.to_owned(),
        location: sent
            .location
            .filter(|name| !name.is_empty())
            .map_or(Location::Outlet, Location::from),
        context: sent.context,
        raw: sent.raw,
    }
}

/// `number` × 10^`exponent`, without the last bits that binary multiplication makes up.
fn scaled(number: f64, exponent: i64) -> Option<f64> {
    let exponent = i32::try_from(exponent).ok()?;
    let scaled = match exponent {
        0 => number,
        1.. => {
            let exact = number * 10f64.powi(exponent);
            // A micro-unit is finer than any meter; beyond 2^53 of them there is nothing to round.
            if exact.abs() < 9e9 {
                (exact * 1e6).round() / 1e6
            } else {
                exact
            }
        }
        _ => number / 10f64.powi(exponent.checked_neg()?),
    };
    scaled.is_finite().then_some(scaled)
}

/// The unit a value has whose unit is not told. OCPP's default is Wh, which only energy can have.
fn base_unit(measurand: &Measurand) -> &'static str {
    match measurand {
        Measurand::EnergyImportRegister => "Wh",
        Measurand::PowerImport => "W",
        Measurand::CurrentImport => "A",
        Measurand::Voltage => "V",
        Measurand::StateOfCharge => "Percent",
        Measurand::Other(name) if name.starts_with("Energy.Active") => "Wh",
        Measurand::Other(name) if name.starts_with("Energy.Reactive") => "varh",
        Measurand::Other(name) if name.starts_with("Current.") => "A",
        Measurand::Other(name) if name.starts_with("Power.Active") => "W",
        Measurand::Other(_) => "",
    }
}

/// A current flows in a phase, not between a phase and neutral, though some say `L1-N` (quirk 45).
fn evened_phase(measurand: &Measurand, phase: String) -> String {
    let is_current = measurand.as_str().starts_with("Current.");
    match phase.strip_suffix("-N") {
        Some(line) if is_current => line.to_owned(),
        _ => phase,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(measurand: &str, number: f64, unit: &str, multiplier: i64) -> (Option<f64>, String) {
        let sent = Sent {
            measurand: Some(measurand),
            number: Some(number),
            unit: Some(unit),
            multiplier,
            ..Sent::default()
        };
        let value = sampled(sent);
        (value.value, value.unit)
    }

    #[test]
    fn kilo_units_and_multipliers_are_applied() {
        let register = "Energy.Active.Import.Register";
        assert_eq!(
            value(register, 1.234, "kWh", 0),
            (Some(1234.0), "Wh".into())
        );
        assert_eq!(value(register, 4.35, "kWh", 0), (Some(4350.0), "Wh".into()));
        assert_eq!(
            value("Power.Active.Import", 7.4, "kW", 0),
            (Some(7400.0), "W".into())
        );
        assert_eq!(
            value(register, 12.0, "Wh", 3),
            (Some(12_000.0), "Wh".into())
        );
        assert_eq!(
            value("Current.Import", 42.0, "A", -1),
            (Some(4.2), "A".into())
        );
        assert_eq!(value(register, 1.0, "KWH", 0), (Some(1000.0), "Wh".into()));
    }

    #[test]
    fn a_scale_beyond_all_numbers_leaves_no_number() {
        assert_eq!(value("Voltage", 1.0, "V", 400).0, None);
        assert_eq!(value("Voltage", 1.0, "V", i64::MAX).0, None);
        assert_eq!(value("Voltage", 1.0, "V", i64::MIN).0, None);
        assert_eq!(value("Voltage", 0.0, "V", i64::from(i32::MIN)).0, None);
    }

    #[test]
    fn quirk_14_units_that_ocpp_does_not_name_are_kept() {
        assert_eq!(value("Frequency", 50.0, "Hz", 0), (Some(50.0), "Hz".into()));
    }

    #[test]
    fn quirk_45_a_current_is_in_a_phase_not_against_neutral() {
        let phase = |measurand, phase: &str| {
            let sent = Sent {
                measurand: Some(measurand),
                phase: Some(phase.to_owned()),
                ..Sent::default()
            };
            sampled(sent).phase
        };
        assert_eq!(phase("Current.Import", "L1-N").as_deref(), Some("L1"));
        assert_eq!(phase("Voltage", "L1-N").as_deref(), Some("L1-N"));
    }

    #[test]
    fn what_is_not_told_is_ocpps_default() {
        let value = sampled(Sent {
            number: Some(5.0),
            ..Sent::default()
        });
        assert_eq!(value.measurand, Measurand::EnergyImportRegister);
        assert_eq!(
            (value.unit.as_str(), value.location),
            ("Wh", Location::Outlet)
        );
    }
}
