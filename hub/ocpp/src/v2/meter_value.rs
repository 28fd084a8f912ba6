//! MeterValueType and SampledValueType (OCPP 2.0.1 part 2, §2.32, §2.43), as TransactionEvent and
//! MeterValues carry them.

use model::{MeterSample, SampledValue as Sampled, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

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
    value: Option<f64>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    measurand: Option<Text<'a>>,
    phase: Option<Text<'a>>,
    location: Option<Text<'a>>,
    signed_meter_value: Option<&'a RawValue>,
    unit_of_measure: Option<UnitOfMeasure<'a>>,
}

#[derive(Deserialize)]
struct UnitOfMeasure<'a> {
    #[serde(borrow)]
    unit: Option<Text<'a>>,
    multiplier: Option<i64>,
}

/// The readings; those without a readable time were taken at `at`, the time of the message that
/// carries them.
pub(super) fn samples(
    values: Vec<MeterValue<'_>>,
    at: Option<Timestamp>,
    reading: &mut Reading<'_>,
) -> Vec<MeterSample> {
    let fallback = at.unwrap_or(reading.received_at);
    values
        .into_iter()
        .map(|value| sample(value, fallback, reading))
        .collect()
}

fn sample(value: MeterValue<'_>, fallback: Timestamp, reading: &mut Reading<'_>) -> MeterSample {
    if value.timestamp.is_none() {
        reading.note(repair::FIELD_MISSING);
    }
    MeterSample {
        at: reading.time(value.timestamp.as_ref()).unwrap_or(fallback),
        values: value
            .sampled_value
            .into_iter()
            .map(|value| sampled(value, reading))
            .collect(),
    }
}

fn sampled(value: SampledValue<'_>, reading: &mut Reading<'_>) -> Sampled {
    if value.value.is_none() {
        reading.note(repair::FIELD_MISSING);
    }
    let (unit, multiplier) = value
        .unit_of_measure
        .map_or((None, None), |of| (of.unit, of.multiplier));
    meter::sampled(meter::Sent {
        measurand: value.measurand.as_deref(),
        number: value.value,
        raw: value
            .signed_meter_value
            .map(|signed| signed.get().to_owned()),
        unit: unit.as_deref(),
        multiplier: multiplier.unwrap_or(0),
        phase: said(value.phase),
        location: value.location.as_deref(),
        context: said(value.context),
    })
}
