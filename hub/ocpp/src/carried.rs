//! What a station is answered whose message is kept and not acted on, and which messages are refused
//! because their answer would have to say what the hub does not know.

use crate::table::Version;

/// The answers that are not `{}`, of 1.6: each says, as its action allows, that nothing will come of it.
const ANSWERS_16: [(&str, &str); 2] = [
    // No vendor's extension is known to the hub (OCPP 1.6 §4.3).
    ("DataTransfer", r#"{"status":"UnknownVendorId"}"#),
    // The hub runs no certificate authority.
    ("SignCertificate", r#"{"status":"Rejected"}"#),
];

/// The same of 2.x.
const ANSWERS_2X: [(&str, &str); 8] = [
    // No vendor's extension is known to the hub (OCPP 2.0.1 P01.FR.06).
    ("DataTransfer", r#"{"status":"UnknownVendorId"}"#),
    // The hub runs no certificate authority and no contract pool.
    ("SignCertificate", r#"{"status":"Rejected"}"#),
    (
        "Get15118EVCertificate",
        r#"{"status":"Failed","exiResponse":""}"#,
    ),
    ("GetCertificateStatus", r#"{"status":"Failed"}"#),
    // The hub makes no schedule of what a car needs (OCPP 2.0.1 K15.FR.05).
    ("NotifyEVChargingNeeds", r#"{"status":"Rejected"}"#),
    // "Received": it has a status for it and gives it no further meaning (OCPP 2.0.1 K15.FR.09).
    ("NotifyEVChargingSchedule", r#"{"status":"Accepted"}"#),
    // 2.1: the hub reads no streams of events, and sends no profiles of kind Dynamic.
    ("OpenPeriodicEventStream", r#"{"status":"Rejected"}"#),
    ("PullDynamicScheduleUpdate", r#"{"status":"Rejected"}"#),
];

/// What is new in 2.1 and answered `NotSupported`, and why.
const REFUSED_21: [(&str, &str); 3] = [
    (
        "GetCertificateChainStatus",
        "the hub asks no OCSP responder and has no revocation lists",
    ),
    (
        "NotifyPeriodicEventStream",
        "the hub opened no stream; one would come as SEND, not as CALL",
    ),
    ("VatNumberValidation", "the hub validates no VAT numbers"),
];

/// The answer to a carried action, as JSON.
pub(crate) fn answer(version: Version, action: &str) -> &'static str {
    let answers: &[_] = match version {
        Version::V16 => &ANSWERS_16,
        Version::V201 | Version::V21 => &ANSWERS_2X,
    };
    let found = answers.iter().find(|(name, _)| *name == action);
    found.map_or("{}", |(_, answer)| answer)
}

/// Why the hub does not answer that action, though the version has it.
pub(crate) fn refused(version: Version, action: &str) -> Option<&'static str> {
    if version != Version::V21 {
        return None;
    }
    let found = REFUSED_21.iter().find(|(name, _)| *name == action);
    found.map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use model::Protocol;

    use super::*;
    use crate::{
        inbound::{Route, route},
        table::{self, Kind},
    };

    #[test]
    fn every_carried_action_is_answered_as_the_table_allows() {
        let mut carried = 0;
        for protocol in Protocol::ALL {
            let version = Version::from(protocol);
            for (action, _) in version.actions() {
                if let Ok(Route::Carried(shape, name)) = route(protocol, action) {
                    let answer = serde_json::from_str(answer(shape, name)).unwrap();
                    let verdict = table::check(version, action, Kind::Response, &answer);
                    assert_eq!(verdict, Ok(()), "{action}");
                    carried += 1;
                }
            }
        }
        assert!(carried > 50, "{carried}");
    }
}
