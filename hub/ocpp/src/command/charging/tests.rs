//! What goes over the wire, and how answers are read.

use model::{ProfilePeriod, Timestamp};
use serde_json::json;

use super::*;
use crate::command::encode;

fn grant(unit: RateUnit) -> ChargingProfile {
    ChargingProfile {
        id: 12,
        stack_level: 2,
        purpose: ProfilePurpose::Tx,
        transaction: Some("77".into()),
        valid_to: Some(Timestamp(1_790_000_045_000)),
        max_offline_s: Some(15),
        start: None,
        duration_s: None,
        unit,
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: 13.79,
            phases: Some(3),
        }],
    }
}

fn set(evse: u32, profile: ChargingProfile) -> Command {
    Command::SetChargingProfile { evse, profile }
}

#[test]
fn a_grant_is_said_in_every_version() {
    let command = set(1, grant(RateUnit::A));
    let said = |protocol| {
        let outgoing = encode(protocol, &command).expect("it can be said");
        assert_eq!(outgoing.action, "SetChargingProfile");
        outgoing.payload
    };
    let period = json!([{"startPeriod": 0, "limit": 13.7, "numberPhases": 3}]);
    assert_eq!(
        said(Protocol::Ocpp16),
        json!({"connectorId": 1, "csChargingProfiles": {
            "chargingProfileId": 12, "transactionId": 77, "stackLevel": 2,
            "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
            "validTo": "2026-09-21T14:14:05.000Z",
            "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": period},
        }})
    );
    assert_eq!(
        said(Protocol::Ocpp201),
        json!({"evseId": 1, "chargingProfile": {
            "id": 12, "transactionId": "77", "stackLevel": 2,
            "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
            "validTo": "2026-09-21T14:14:05.000Z",
            "chargingSchedule": [
                {"id": 12, "chargingRateUnit": "A", "chargingSchedulePeriod": period}
            ],
        }})
    );
    let mut with_an_end_offline = said(Protocol::Ocpp201);
    let profile = &mut with_an_end_offline["chargingProfile"];
    profile["maxOfflineDuration"] = json!(15);
    profile["invalidAfterOfflineDuration"] = json!(true);
    assert_eq!(said(Protocol::Ocpp21), with_an_end_offline);
}

#[test]
fn a_floor_begins_at_its_start_and_never_ends() {
    let floor = ChargingProfile {
        purpose: ProfilePurpose::StationMax,
        transaction: None,
        valid_to: None,
        start: Some(Timestamp(1_790_000_000_000)),
        ..grant(RateUnit::W)
    };
    let command = set(0, floor);
    let payload = encode(Protocol::Ocpp16, &command).unwrap().payload;
    let profile = &payload["csChargingProfiles"];
    assert_eq!(profile["chargingProfilePurpose"], "ChargePointMaxProfile");
    assert_eq!(profile["chargingProfileKind"], "Absolute");
    assert_eq!(
        profile["chargingSchedule"]["startSchedule"],
        "2026-09-21T14:13:20.000Z"
    );
    assert!(profile.get("validTo").is_none());
    let payload = encode(Protocol::Ocpp201, &command).unwrap().payload;
    let profile = &payload["chargingProfile"];
    assert_eq!(
        profile["chargingProfilePurpose"],
        "ChargingStationMaxProfile"
    );
}

#[test]
fn what_is_no_profile_is_told() {
    let fault = |evse, change: &dyn Fn(&mut ChargingProfile)| {
        let mut profile = grant(RateUnit::A);
        change(&mut profile);
        encode(Protocol::Ocpp16, &set(evse, profile)).unwrap_err().0
    };
    assert!(fault(0, &|_| {}).contains("not for EVSE 0"));
    assert!(fault(1, &|it| it.transaction = None).contains("names its transaction"));
    assert!(fault(1, &|it| it.transaction = Some("t".into())).contains("by number"));
    assert!(fault(1, &|it| it.periods.clear()).contains("begins at 0"));
    assert!(fault(1, &|it| it.purpose = ProfilePurpose::StationMax).contains("for EVSE 0"));
    let default = |it: &mut ChargingProfile| it.purpose = ProfilePurpose::TxDefault;
    assert!(fault(1, &default).contains("only one of purpose tx"));
}

#[test]
fn profiles_are_forgotten_by_number_or_by_what_they_are_for() {
    let said = |protocol, id, evse, purpose| {
        let command = Command::ClearChargingProfile { id, evse, purpose };
        encode(protocol, &command).unwrap().payload
    };
    let tx = Some(ProfilePurpose::TxDefault);
    assert_eq!(
        said(Protocol::Ocpp16, Some(12), None, None),
        json!({"id": 12})
    );
    assert_eq!(
        said(Protocol::Ocpp16, None, Some(1), tx),
        json!({"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile"})
    );
    assert_eq!(
        said(Protocol::Ocpp201, Some(12), Some(1), None),
        json!({"chargingProfileId": 12})
    );
    assert_eq!(
        said(Protocol::Ocpp201, None, Some(1), tx),
        json!({"chargingProfileCriteria": {"evseId": 1, "chargingProfilePurpose": "TxDefaultProfile"}})
    );
}

#[test]
fn a_composite_schedule_is_asked_for_and_read() {
    let command = Command::GetCompositeSchedule {
        evse: 1,
        duration_s: 60,
        unit: Some(RateUnit::A),
    };
    let asked = |protocol| encode(protocol, &command).unwrap().payload;
    assert_eq!(
        asked(Protocol::Ocpp16),
        json!({"connectorId": 1, "duration": 60, "chargingRateUnit": "A"})
    );
    assert_eq!(
        asked(Protocol::Ocpp201),
        json!({"evseId": 1, "duration": 60, "chargingRateUnit": "A"})
    );
    let schedule = json!({"chargingRateUnit": "A", "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": 16, "numberPhases": 1}, {"startPeriod": 30, "limit": 6.0}
    ]});
    let expected =
        [(0, 16.0, Some(1)), (30, 6.0, None)].map(|(start_s, limit, phases)| ScheduledLimit {
            start_s,
            limit,
            unit: RateUnit::A,
            phases,
        });
    let ask = ChargingAsk::Do(command.clone());
    let read = |protocol, answer| read_charging_answer(protocol, &ask, &answer);
    assert_eq!(
        read(
            Protocol::Ocpp16,
            json!({"status": "Accepted", "chargingSchedule": schedule})
        ),
        ChargingAnswer::Accepted(expected.to_vec())
    );
    assert_eq!(
        read(
            Protocol::Ocpp201,
            json!({"status": "Accepted", "schedule": schedule})
        ),
        ChargingAnswer::Accepted(expected.to_vec())
    );
    assert_eq!(
        read(
            Protocol::Ocpp21,
            json!({"status": "Accepted", "schedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 10, "limit_L2": 12, "limit_L3": 8}
            ]}})
        ),
        ChargingAnswer::Accepted(vec![ScheduledLimit {
            start_s: 0,
            limit: 12.0,
            unit: RateUnit::A,
            phases: None
        }])
    );
    // A period whose limit is not told may allow anything.
    assert_eq!(
        read(
            Protocol::Ocpp21,
            json!({"status": "Accepted", "schedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 6}, {"startPeriod": 20, "setpoint": 32}
            ]}})
        ),
        ChargingAnswer::Accepted(Vec::new())
    );
    assert_eq!(
        read(Protocol::Ocpp16, json!({"status": "Rejected"})),
        ChargingAnswer::Refused("Rejected".into())
    );
    assert_eq!(
        read(Protocol::Ocpp16, json!("nonsense")),
        ChargingAnswer::Refused("no status".into())
    );
}

#[test]
fn what_profiles_a_station_takes_is_asked_and_read() {
    let ask = ChargingAsk::Traits;
    assert_eq!(
        encode_charging(Protocol::Ocpp16, &ask).unwrap().payload,
        json!({"key": ["ChargingScheduleAllowedChargingRateUnit", "ChargeProfileMaxStackLevel"]})
    );
    let payload = encode_charging(Protocol::Ocpp201, &ask).unwrap().payload;
    assert_eq!(
        payload["getVariableData"][0],
        json!({"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "RateUnit"}})
    );
    let both = ChargingTraits {
        units: vec![RateUnit::A, RateUnit::W],
        stack_level_most: Some(8),
        minds_offline: false,
    };
    let answer = json!({"configurationKey": [
        {"key": "chargeprofilemaxstacklevel", "readonly": true, "value": "8"},
        {"key": "ChargingScheduleAllowedChargingRateUnit", "readonly": true, "value": "\"Current, Power\""},
        {"key": "X", "readonly": true},
    ], "unknownKey": ["Y"]});
    assert_eq!(
        read_charging_answer(Protocol::Ocpp16, &ask, &answer),
        ChargingAnswer::Traits(both.clone())
    );
    let told = |name: &str, value: &str| {
        json!({"attributeStatus": "Accepted", "attributeValue": value,
            "component": {"name": "SmartChargingCtrlr"}, "variable": {"name": name}})
    };
    let answer =
        json!({"getVariableResult": [told("RateUnit", "A,W"), told("ProfileStackLevel", "8")]});
    assert_eq!(
        read_charging_answer(Protocol::Ocpp201, &ask, &answer),
        ChargingAnswer::Traits(both.clone())
    );
    let payload = encode_charging(Protocol::Ocpp21, &ask).unwrap().payload;
    assert_eq!(
        payload["getVariableData"][2]["variable"]["name"],
        "SupportsMaxOfflineDuration"
    );
    for (word, minds_offline) in [("true", true), ("False", false), ("", true)] {
        let told = [
            "RateUnit",
            "ProfileStackLevel",
            "SupportsMaxOfflineDuration",
        ]
        .into_iter()
        .zip(["A,W", "8", word])
        .map(|(name, value)| told(name, value));
        let answer = json!({"getVariableResult": told.collect::<Vec<_>>()});
        assert_eq!(
            read_charging_answer(Protocol::Ocpp21, &ask, &answer),
            ChargingAnswer::Traits(ChargingTraits {
                minds_offline,
                ..both.clone()
            })
        );
    }
    // An optional variable, which a station that minds it need not have.
    assert_eq!(
        read_charging_answer(Protocol::Ocpp21, &ask, &json!({"getVariableResult": []})),
        ChargingAnswer::Traits(ChargingTraits {
            minds_offline: true,
            ..ChargingTraits::default()
        })
    );
    let unknown = json!({"getVariableResult": [
        {"attributeStatus": "UnknownVariable",
         "component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "RateUnit"}},
    ]});
    assert_eq!(
        read_charging_answer(Protocol::Ocpp201, &ask, &unknown),
        ChargingAnswer::Traits(ChargingTraits::default())
    );
}
