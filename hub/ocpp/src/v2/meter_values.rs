//! MeterValues (OCPP 2.0.1 J01): readings of an EVSE outside a transaction. A transaction message:
//! it is always read and answered.

use model::{ConnectorRef, MeterReading, RetryKey, StationEvent};
use serde::Deserialize;

use super::meter_value::{self, MeterValue};
use crate::{
    inbound::Handler,
    reading::{Reading, Unread},
};

pub(super) const HANDLER: Handler = Handler {
    action: "MeterValues",
    is_transaction: true,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    evse_id: Option<i64>,
    #[serde(borrow)]
    meter_value: Option<Vec<MeterValue<'a>>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let evse_id = reading.expected(request.evse_id)?;
    let values = reading.expected(request.meter_value)?.unwrap_or_default();
    // Without an EVSE it is the station's main meter (evseId 0).
    let evse = reading.number(evse_id).unwrap_or(0);
    Ok(StationEvent::Meter(Box::new(MeterReading {
        transaction: None,
        connector: ConnectorRef { evse, connector: 0 },
        retry_key: RetryKey::of("meter", &[reading.sent]),
        samples: meter_value::samples(values, None, reading),
        raw: reading.raw(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        repair,
        table::Version,
        testing::{RECEIVED_AT, decoded_201},
    };

    fn meter(payload: &str) -> MeterReading {
        match decoded_201("MeterValues", payload).event {
            StationEvent::Meter(reading) => *reading,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn readings_are_of_an_evse_and_scaled() {
        let reading = meter(
            r#"{"evseId":1,"meterValue":[{"timestamp":"2026-11-24T09:30:00Z","sampledValue":[{"value":12.5,"unitOfMeasure":{"unit":"Wh","multiplier":3}},{"value":7.4,"measurand":"Power.Active.Import","unitOfMeasure":{"unit":"kW"}}]}]}"#,
        );
        assert_eq!(
            reading.connector,
            ConnectorRef {
                evse: 1,
                connector: 0
            }
        );
        assert_eq!(reading.samples[0].energy_wh(), Some(12_500.0));
        assert_eq!(reading.samples[0].power_w(), Some(7400.0));
        assert_eq!(reading.raw, None);
    }

    #[test]
    fn a_value_in_quotes_is_a_number_and_a_signed_one_keeps_its_signature() {
        let payload = r#"{"evseId":1,"meterValue":[{"timestamp":"2026-11-24T09:30:00Z","sampledValue":[{"value":"12.5","signedMeterValue":{"signedMeterData":"x"}}]}]}"#;
        let decoded = decoded_201("MeterValues", payload);
        assert_eq!(decoded.repairs, [repair::NUMBER_IN_QUOTES]);
        let reading = meter(payload);
        let value = &reading.samples[0].values[0];
        assert_eq!(
            (value.value, value.raw.as_deref()),
            (Some(12.5), Some(r#"{"signedMeterData":"x"}"#))
        );
        assert_eq!(reading.raw.as_deref(), Some(payload));
    }

    #[test]
    fn quirk_41_1_6_meter_values_on_a_2_0_1_socket_are_read_as_such() {
        let decoded = decoded_201(
            "MeterValues",
            r#"{"connectorId":2,"transactionId":9,"meterValue":[{"timestamp":"2026-11-24T09:30:00Z","sampledValue":[{"value":"5"}]}]}"#,
        );
        assert_eq!(decoded.shape, Version::V16);
        let StationEvent::Meter(reading) = decoded.event else {
            panic!()
        };
        assert_eq!(reading.transaction.as_deref(), Some("9"));
        assert_eq!(reading.connector, ConnectorRef::of_16(2));
        assert_eq!(reading.samples[0].energy_wh(), Some(5.0));
    }

    #[test]
    fn whatever_it_carries_it_is_read() {
        for payload in [
            "{}",
            "[]",
            "null",
            r#""cut""#,
            r#"{"evseId":"one","meterValue":[7,{}]}"#,
        ] {
            let reading = meter(payload);
            assert_eq!(reading.raw.as_deref(), Some(payload));
            assert!(
                reading
                    .samples
                    .iter()
                    .all(|sample| sample.at == RECEIVED_AT)
            );
        }
    }
}
