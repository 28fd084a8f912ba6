//! MeterValue and SampledValue (OCPP 1.6 §7.33, §7.43), as MeterValues and StopTransaction carry
//! them.

use model::{MeterSample, SampledValue as Sampled};
use serde::Deserialize;

use crate::{
    meter,
    reading::Reading,
    repair,
    wire::{Text, said},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MeterValue<'a> {
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(default)]
    sampled_value: Vec<SampledValue<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SampledValue<'a> {
    #[serde(borrow)]
    value: Option<Text<'a>>,
    context: Option<Text<'a>>,
    format: Option<Text<'a>>,
    measurand: Option<Text<'a>>,
    phase: Option<Text<'a>>,
    location: Option<Text<'a>>,
    unit: Option<Text<'a>>,
}

/// The readings; those without a readable time were taken when they arrived.
pub(super) fn samples(values: Vec<MeterValue<'_>>, reading: &mut Reading<'_>) -> Vec<MeterSample> {
    values
        .into_iter()
        .map(|value| sample(value, reading))
        .collect()
}

fn sample(value: MeterValue<'_>, reading: &mut Reading<'_>) -> MeterSample {
    if value.timestamp.is_none() {
        reading.note(repair::FIELD_MISSING);
    }
    MeterSample {
        at: reading
            .time(value.timestamp.as_ref())
            .unwrap_or(reading.received_at),
        values: value
            .sampled_value
            .into_iter()
            .map(|value| sampled(value, reading))
            .collect(),
    }
}

fn sampled(value: SampledValue<'_>, reading: &mut Reading<'_>) -> Sampled {
    let is_signed = value.format.is_some_and(|format| &*format == "SignedData");
    let text = value.value.map(|text| text.0).unwrap_or_default();
    let number = if is_signed { None } else { number_of(&text) };
    if number.is_none() && !is_signed {
        reading.note(repair::FIELD_UNREADABLE);
    }
    meter::sampled(meter::Sent {
        measurand: value.measurand.as_deref(),
        raw: number.is_none().then(|| text.into_owned()),
        number,
        unit: value.unit.as_deref(),
        multiplier: 0,
        phase: said(value.phase),
        location: value.location.as_deref(),
        context: said(value.context),
    })
}

fn number_of(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}
