//! What a station is answered whose message is kept and not acted on.

use crate::inbound::Shape;

/// The answers that are not `{}`: each says, as its action allows, that nothing will come of it.
const ANSWERS: [(Shape, &str, &str); 7] = [
    // No vendor's extension is known to the hub (OCPP 1.6 §4.3, OCPP 2.0.1 P01.FR.06).
    (
        Shape::V16,
        "DataTransfer",
        r#"{"status":"UnknownVendorId"}"#,
    ),
    (Shape::V2, "DataTransfer", r#"{"status":"UnknownVendorId"}"#),
    // The hub runs no certificate authority and no contract pool.
    (Shape::V16, "SignCertificate", r#"{"status":"Rejected"}"#),
    (Shape::V2, "SignCertificate", r#"{"status":"Rejected"}"#),
    (
        Shape::V2,
        "Get15118EVCertificate",
        r#"{"status":"Failed","exiResponse":""}"#,
    ),
    (Shape::V2, "GetCertificateStatus", r#"{"status":"Failed"}"#),
    // The hub makes no schedule of what a car needs (OCPP 2.0.1 K15.FR.05).
    (
        Shape::V2,
        "NotifyEVChargingNeeds",
        r#"{"status":"Rejected"}"#,
    ),
];

/// "Received", in an action that has a status for it and gives it no further meaning (OCPP 2.0.1
/// K15.FR.09).
const ACKNOWLEDGED: [(Shape, &str, &str); 1] = [(
    Shape::V2,
    "NotifyEVChargingSchedule",
    r#"{"status":"Accepted"}"#,
)];

/// The answer to a carried action, as JSON.
pub(crate) fn answer(shape: Shape, action: &str) -> &'static str {
    ANSWERS
        .iter()
        .chain(&ACKNOWLEDGED)
        .find(|(of, name, _)| *of == shape && *name == action)
        .map_or("{}", |(_, _, answer)| answer)
}

#[cfg(test)]
mod tests {
    use model::Protocol;

    use super::*;
    use crate::{
        inbound::{Route, route},
        table::{self, Kind, Version},
    };

    #[test]
    fn every_carried_action_is_answered_as_the_table_allows() {
        let mut carried = 0;
        for protocol in [Protocol::Ocpp16, Protocol::Ocpp201] {
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
        assert!(carried > 20, "{carried}");
    }
}
