//! What an operator meant by an action that the station's version does not have.

use model::Protocol;

use crate::table::{Sender, Version};

/// One thing by its 1.6 and its 2.0.1 name.
const RENAMED: [(&str, &str); 8] = [
    ("RemoteStartTransaction", "RequestStartTransaction"),
    ("RemoteStopTransaction", "RequestStopTransaction"),
    ("GetConfiguration", "GetVariables"),
    ("ChangeConfiguration", "SetVariables"),
    ("GetDiagnostics", "GetLog"),
    ("ExtendedTriggerMessage", "TriggerMessage"),
    ("SignedUpdateFirmware", "UpdateFirmware"),
    ("GetConfiguration", "GetReport"),
];

/// Names the action the station's version has for it, or the one spelt most like it.
pub(super) fn unknown_action(protocol: Protocol, action: &str) -> String {
    let ours = Version::from(protocol);
    let renamed = RENAMED.iter().find_map(|&(v16, v201)| match protocol {
        Protocol::Ocpp16 => (v201 == action).then_some(v16),
        Protocol::Ocpp201 | Protocol::Ocpp21 => (v16 == action).then_some(v201),
    });
    let theirs = Version::ALL
        .into_iter()
        .find(|other| other.named(action).is_some());
    if let (Some(name), Some(theirs)) = (renamed, theirs) {
        return format!("{action} is OCPP {theirs}; this station speaks {ours}: {name}");
    }
    if let Some(theirs) = theirs {
        return format!(
            "{action} is OCPP {theirs}; this station speaks {ours}, which has no such action"
        );
    }
    let candidates = ours
        .actions()
        .filter(|(_, sender)| *sender != Sender::Station);
    let nearest = candidates
        .map(|(name, _)| (distance(action, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len() / 3);
    match nearest {
        Some((_, name)) => format!("OCPP {ours} has no action {action:?}; did you mean {name}?"),
        None => format!("OCPP {ours} has no action {action:?}"),
    }
}

/// How many letters have to be changed, added or left out to make one of the other (Levenshtein),
/// without regard to case.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<u8> = other.bytes().map(|b| b.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    // No action is longer than 64 letters, so more of it does not come nearer to one.
    for (i, a) in one.bytes().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a.to_ascii_lowercase() != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_the_stations_version_is_told() {
        assert_eq!(
            unknown_action(Protocol::Ocpp16, "RequestStartTransaction"),
            "RequestStartTransaction is OCPP 2.0.1; this station speaks 1.6: RemoteStartTransaction"
        );
        assert_eq!(
            unknown_action(Protocol::Ocpp201, "ChangeConfiguration"),
            "ChangeConfiguration is OCPP 1.6; this station speaks 2.0.1: SetVariables"
        );
        assert_eq!(
            unknown_action(Protocol::Ocpp21, "GetConfiguration"),
            "GetConfiguration is OCPP 1.6; this station speaks 2.1: GetVariables"
        );
        assert!(unknown_action(Protocol::Ocpp16, "GetBaseReport").contains("no such action"));
        assert_eq!(
            unknown_action(Protocol::Ocpp201, "SetDERControl"),
            "SetDERControl is OCPP 2.1; this station speaks 2.0.1, which has no such action"
        );
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_nonsense_is_not() {
        let advice = |action| unknown_action(Protocol::Ocpp16, action);
        assert!(advice("resett").ends_with("did you mean Reset?"));
        assert!(advice("RemoteStart").ends_with("has no action \"RemoteStart\""));
        assert!(advice("unlockconnector").ends_with("did you mean UnlockConnector?"));
        assert!(advice("Frobnicate").ends_with("has no action \"Frobnicate\""));
    }

    #[test]
    fn distances_count_changes() {
        assert_eq!(distance("Reset", "reset"), 0);
        assert_eq!(distance("Rset", "Reset"), 1);
        assert_eq!(distance("", "Reset"), 5);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
