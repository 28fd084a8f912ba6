//! Thousands of payloads, valid and as real chargers err: nothing valid is refused or loses
//! anything, nothing mutated does harm, and no transaction message is ever answered with a fault.

mod samples;

use model::{Notice, Protocol, StationEvent, Timestamp};
use ocpp::{
    Decoded, ErrorCode, inbound,
    table::{self, Kind, Sender, Version},
};
use samples::{Sample, mutated, valid};
use serde_json::{Value, value::RawValue};

const RECEIVED_AT: Timestamp = Timestamp(1_790_000_000_000);

/// What 2.1 has and the hub refuses whatever it holds (STATUS.md).
const REFUSED_IN_21: [&str; 3] = [
    "GetCertificateChainStatus",
    "NotifyPeriodicEventStream",
    "VatNumberValidation",
];

/// The protocol of a sample that a station sends and the hub reads.
fn sent_by_station(sample: &Sample) -> Option<Protocol> {
    let protocol = match sample.version {
        Version::V16 => Protocol::Ocpp16,
        Version::V201 => Protocol::Ocpp201,
        Version::V21 => Protocol::Ocpp21,
    };
    let sender = sample.version.sender(&sample.action)?;
    let refused = protocol == Protocol::Ocpp21 && REFUSED_IN_21.contains(&&*sample.action);
    (sample.kind == Kind::Request && sender != Sender::Csms && !refused).then_some(protocol)
}

fn decode(protocol: Protocol, sample: &Sample) -> Result<Decoded, ocpp::CallFault> {
    let payload: &RawValue = serde_json::from_str(&sample.payload).expect("a sample is JSON");
    inbound::decode(protocol, &sample.action, payload, RECEIVED_AT)
}

#[test]
fn the_table_allows_every_valid_payload() {
    let samples = valid();
    assert_eq!(samples.len(), 7084);
    for sample in samples {
        let payload: Value = serde_json::from_str(&sample.payload).unwrap();
        let verdict = table::check(sample.version, &sample.action, sample.kind, &payload);
        assert_eq!(verdict, Ok(()), "{sample:?}");
    }
}

#[test]
fn the_table_refuses_what_the_schemas_refuse() {
    let mut refused = 0;
    for sample in mutated() {
        // Two deviations, both named in tests/table_against_schemas.rs: times are checked, and 5.0
        // is an integer.
        if sample.category.starts_with("m_dt") || sample.category == "m_intfloat" {
            continue;
        }
        let payload: Value = serde_json::from_str(&sample.payload).unwrap();
        let verdict = table::check(sample.version, &sample.action, sample.kind, &payload);
        assert_eq!(verdict.is_ok(), sample.valid, "{sample:?}: {verdict:?}");
        refused += usize::from(verdict.is_err());
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn every_valid_message_of_a_station_is_read_without_repair_or_loss() {
    let (mut read, mut refused) = (0, 0);
    for sample in valid() {
        let Some(protocol) = sent_by_station(&sample) else {
            continue;
        };
        let sent: Value = serde_json::from_str(&sample.payload).unwrap();
        let decoded = match decode(protocol, &sample) {
            Ok(decoded) => decoded,
            // The schemas give connectors no lower bound; the text of OCPP does (1.6 §7.2x:
            // connectorId ≥ 0).
            Err(fault) => {
                assert!(names_a_negative_outlet(&sent), "{sample:?}: {fault}");
                refused += 1;
                continue;
            }
        };
        let repaired = !decoded.repairs.is_empty();
        assert!(
            !repaired || is_odd_though_valid(&sent),
            "{sample:?}: {:?}",
            decoded.repairs
        );
        assert_nothing_lost(&sample, &sent, &decoded.event);
        read += 1;
    }
    assert_eq!((read, refused), (1787, 2));
}

#[test]
fn what_is_refused_in_2_1_is_not_supported_whatever_it_holds() {
    let mut refused = 0;
    for sample in mutated().into_iter().chain(valid()) {
        let of_21 = sample.version == Version::V21 && sample.kind == Kind::Request;
        if of_21 && REFUSED_IN_21.contains(&&*sample.action) {
            let fault = decode(Protocol::Ocpp21, &sample).expect_err("it is refused");
            assert_eq!(fault.code, ErrorCode::NotSupported);
            refused += 1;
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn no_mutated_message_does_harm_and_transactions_are_always_read() {
    for sample in mutated().into_iter().chain(valid()) {
        let Some(protocol) = sent_by_station(&sample) else {
            continue;
        };
        let decoded = decode(protocol, &sample);
        let transactional = matches!(
            sample.action.as_str(),
            "StartTransaction" | "StopTransaction" | "MeterValues" | "TransactionEvent"
        );
        match decoded {
            Ok(decoded) => assert_eq!(
                decoded.event.is_transactional(),
                transactional,
                "{sample:?}"
            ),
            Err(fault) => {
                assert!(!transactional, "{sample:?}: {fault}");
                assert!(!fault.description.is_empty());
                let known = [
                    ErrorCode::OccurrenceConstraintViolation,
                    ErrorCode::TypeConstraintViolation,
                    ErrorCode::PropertyConstraintViolation,
                ];
                assert!(known.contains(&fault.code), "{sample:?}: {fault:?}");
            }
        }
    }
}

#[test]
fn a_message_with_a_further_field_an_unknown_value_or_too_long_a_text_is_read() {
    for sample in mutated() {
        let Some(protocol) = sent_by_station(&sample) else {
            continue;
        };
        if matches!(
            sample.category.as_str(),
            "m_extra" | "m_unkenum" | "m_toolong" | "m_null"
        ) {
            let decoded = decode(protocol, &sample);
            assert!(decoded.is_ok(), "{sample:?}: {decoded:?}");
        }
    }
}

/// A value that the schema allows and that still means nothing: noted, and kept as it was sent.
fn is_odd_though_valid(sent: &Value) -> bool {
    names_a_negative_outlet(sent) || has_unreadable_value(sent)
}

fn names_a_negative_outlet(sent: &Value) -> bool {
    let outlets = [
        &sent["connectorId"],
        &sent["evseId"],
        &sent["evse"]["id"],
        &sent["evse"]["connectorId"],
    ];
    outlets
        .iter()
        .any(|n| n.as_i64().is_some_and(|n| n < 0 || n > i64::from(u32::MAX)))
}

/// A 1.6 SampledValue is any string; only numbers, or signed data, are values.
fn has_unreadable_value(sent: &Value) -> bool {
    any(sent, &|name, value| {
        name == "value" && value.as_str().is_some_and(|v| v.parse::<f64>().is_err())
    })
}

fn any(value: &Value, test: &dyn Fn(&str, &Value) -> bool) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| test(name, member) || any(member, test)),
        Value::Array(items) => items.iter().any(|item| any(item, test)),
        _ => false,
    }
}

/// What the event says is what was sent.
fn assert_nothing_lost(sample: &Sample, sent: &Value, event: &StationEvent) {
    let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    match event {
        StationEvent::Notice(notice) => {
            let Notice {
                action, payload, ..
            } = &**notice;
            assert_eq!((action, payload), (&sample.action, &sample.payload));
        }
        StationEvent::Boot(info) => {
            let station = &sent["chargingStation"];
            let first = |names: [&Value; 2]| names.into_iter().find_map(text);
            assert_eq!(
                info.vendor,
                first([&sent["chargePointVendor"], &station["vendorName"]]).unwrap()
            );
            assert_eq!(
                info.model,
                first([&sent["chargePointModel"], &station["model"]]).unwrap()
            );
            let firmware = first([&sent["firmwareVersion"], &station["firmwareVersion"]]);
            assert_eq!(info.firmware, firmware);
            assert_eq!(info.reason, text(&sent["reason"]));
        }
        StationEvent::Heartbeat => {}
        StationEvent::Status(status) => {
            let state = if sent["status"].is_null() {
                &sent["connectorStatus"]
            } else {
                &sent["status"]
            };
            assert_eq!(status.state.as_str(), state, "{sample:?}");
            let error = text(&sent["errorCode"]).filter(|code| code != "NoError");
            assert_eq!(status.error_code, error);
        }
        StationEvent::Authorize(asked) => {
            let uid = text(&sent["idTag"]).or_else(|| text(&sent["idToken"]["idToken"]));
            assert_eq!(Some(asked.token.uid.to_string()), uid);
        }
        StationEvent::Transaction(event) => {
            let info = &sent["transactionInfo"];
            let meter = sent["meterStart"].as_f64().or(sent["meterStop"].as_f64());
            assert_eq!(event.meter_wh, meter);
            assert_eq!(event.seq, sent["seqNo"].as_i64());
            assert_eq!(event.trigger, text(&sent["triggerReason"]));
            assert_eq!(event.charging_state, text(&info["chargingState"]));
            assert_eq!(event.remote_start_id, info["remoteStartId"].as_i64());
            assert_eq!(
                event.stop_reason,
                text(&sent["reason"]).or(text(&info["stoppedReason"]))
            );
            let transaction = sent["transactionId"].as_i64().map(|n| n.to_string());
            assert_eq!(
                event.transaction,
                transaction.or(text(&info["transactionId"]))
            );
            let values = if sent["meterValue"].is_null() {
                &sent["transactionData"]
            } else {
                &sent["meterValue"]
            };
            assert_values(values, &event.samples);
        }
        StationEvent::Meter(reading) => {
            let transaction = sent["transactionId"].as_i64().map(|n| n.to_string());
            assert_eq!(reading.transaction, transaction);
            assert_values(&sent["meterValue"], &reading.samples);
        }
    }
}

/// Every value that was sent is there: as a number where it is one, and else as it was sent.
fn assert_values(sent: &Value, read: &[model::MeterSample]) {
    let empty = Vec::new();
    let sent = sent.as_array().unwrap_or(&empty);
    assert_eq!(sent.len(), read.len());
    for (sent, read) in sent.iter().zip(read) {
        let values = sent["sampledValue"].as_array().unwrap_or(&empty);
        assert_eq!(values.len(), read.values.len());
        for (sent, read) in values.iter().zip(&read.values) {
            assert!(
                read.value.is_some() || read.raw.is_some(),
                "{sent}: {read:?}"
            );
            let measurand = sent["measurand"]
                .as_str()
                .unwrap_or("Energy.Active.Import.Register");
            assert_eq!(read.measurand.as_str(), measurand);
            assert_eq!(read.context.as_deref(), sent["context"].as_str());
        }
    }
}
