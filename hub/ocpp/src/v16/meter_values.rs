//! MeterValues (OCPP 1.6 §4.7): readings of an outlet, in a transaction or out of one. A
//! transaction message: it is always read and answered.

use model::{ConnectorRef, MeterReading, RetryKey, StationEvent};
use serde::Deserialize;

use super::meter_value::{self, MeterValue};
use crate::{
    inbound::Handler,
    reading::{Reading, Unread},
    wire::TransactionNumber,
};

pub(super) const HANDLER: Handler = Handler {
    action: "MeterValues",
    is_transaction: true,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    connector_id: Option<i64>,
    transaction_id: Option<TransactionNumber>,
    #[serde(borrow)]
    meter_value: Option<Vec<MeterValue<'a>>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let connector_id = reading.expected(request.connector_id)?;
    let values = reading.expected(request.meter_value)?.unwrap_or_default();
    // Without an outlet it is the station's main meter (connectorId 0).
    let connector = reading
        .connector_16(connector_id)
        .unwrap_or(ConnectorRef::of_16(0));
    Ok(StationEvent::Meter(Box::new(MeterReading {
        transaction: reading.transaction_16(request.transaction_id),
        connector,
        retry_key: RetryKey::of("meter", &[reading.sent]),
        samples: meter_value::samples(values, reading),
        raw: reading.raw(),
    })))
}

#[cfg(test)]
mod tests {
    use model::{Location, Measurand};

    use super::*;
    use crate::{
        inbound::Decoded,
        repair,
        testing::{RECEIVED_AT, decoded_16},
    };

    fn meter(payload: &str) -> (MeterReading, Vec<repair::Repair>) {
        let Decoded { event, repairs, .. } = decoded_16("MeterValues", payload);
        match event {
            StationEvent::Meter(reading) => (*reading, repairs),
            other => panic!("{other:?}"),
        }
    }

    fn one_value(fields: &str) -> String {
        format!(
            r#"{{"connectorId":1,"transactionId":7,"meterValue":[{{"timestamp":"2026-11-24T09:30:00Z","sampledValue":[{{{fields}}}]}}]}}"#
        )
    }

    #[test]
    fn readings_are_scaled_and_named() {
        let (reading, repairs) = meter(&one_value(
            r#""value":"12.345","unit":"kWh","context":"Sample.Periodic","location":"Inlet","phase":"L1""#,
        ));
        assert_eq!(reading.transaction.as_deref(), Some("7"));
        assert_eq!(reading.connector, ConnectorRef::of_16(1));
        assert_eq!((reading.raw, repairs), (None, vec![]));
        let value = &reading.samples[0].values[0];
        assert_eq!(value.measurand, Measurand::EnergyImportRegister);
        assert_eq!((value.value, value.unit.as_str()), (Some(12_345.0), "Wh"));
        assert_eq!(value.location, Location::Other("Inlet".into()));
        assert_eq!(value.phase.as_deref(), Some("L1"));
    }

    #[test]
    fn quirk_06_a_transaction_id_that_is_null_is_absent() {
        let payload = r#"{"connectorId":1,"transactionId":null,"meterValue":[]}"#;
        assert_eq!(meter(payload).0.transaction, None);
    }

    #[test]
    fn quirk_11_a_reading_from_1970_was_taken_when_it_arrived() {
        let payload = one_value(r#""value":"1""#).replace("2026", "1970");
        let (reading, repairs) = meter(&payload);
        assert_eq!(reading.samples[0].at, RECEIVED_AT);
        assert_eq!(repairs, [repair::QUIRK_11_CLOCK_NOT_SET]);
        assert_eq!(reading.raw.as_deref(), Some(&*payload));
    }

    #[test]
    fn quirk_14_a_unit_or_context_that_ocpp_does_not_name_is_kept() {
        let (reading, _) = meter(&one_value(
            r#""value":"50.01","measurand":"Frequency","unit":"Hz","context":"Sample.Weird""#,
        ));
        let value = &reading.samples[0].values[0];
        assert_eq!((value.value, value.unit.as_str()), (Some(50.01), "Hz"));
        assert_eq!(value.context.as_deref(), Some("Sample.Weird"));
    }

    #[test]
    fn quirk_15_a_value_may_be_a_number() {
        let payload = one_value(r#""value":1234.5"#);
        let (reading, repairs) = meter(&payload);
        assert_eq!(reading.samples[0].values[0].value, Some(1234.5));
        assert_eq!(repairs, [repair::QUIRK_15_NUMBER_AS_STRING]);
        assert_eq!(reading.raw.as_deref(), Some(&*payload));
    }

    #[test]
    fn quirk_17_and_18_transaction_0_and_minus_1_are_told_as_sent() {
        for id in ["0", "-1"] {
            let payload = one_value(r#""value":"1""#)
                .replace(r#""transactionId":7"#, &format!(r#""transactionId":{id}"#));
            let (reading, repairs) = meter(&payload);
            assert_eq!(reading.transaction.as_deref(), Some(id));
            assert_eq!(repairs, [""; 0]);
        }
    }

    #[test]
    fn quirk_22_a_repeat_has_the_same_retry_key_and_another_message_has_not() {
        let key = |value: &str| {
            meter(&one_value(&format!(r#""value":"{value}""#)))
                .0
                .retry_key
        };
        assert_eq!(key("1"), key("1"));
        assert_ne!(key("1"), key("2"));
    }

    #[test]
    fn signed_and_unreadable_values_stay_as_they_were_sent() {
        let (signed, repairs) = meter(&one_value(r#""value":"OCMF|x","format":"SignedData""#));
        let value = &signed.samples[0].values[0];
        assert_eq!((value.value, value.raw.as_deref()), (None, Some("OCMF|x")));
        assert_eq!(repairs, [""; 0]);
        let (odd, repairs) = meter(&one_value(r#""value":"n/a""#));
        let value = &odd.samples[0].values[0];
        assert_eq!((value.value, value.raw.as_deref()), (None, Some("n/a")));
        assert_eq!(repairs, [repair::FIELD_UNREADABLE]);
    }

    #[test]
    fn whatever_it_carries_it_is_read() {
        for payload in [
            "{}",
            "[]",
            "null",
            "7",
            r#""cut off""#,
            r#"{"meterValue":{"sampledValue":[7]}}"#,
        ] {
            assert_eq!(meter(payload).0.raw.as_deref(), Some(payload));
        }
    }
}
