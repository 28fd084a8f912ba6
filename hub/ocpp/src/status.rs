//! STATUS.md says what the code does: every action of every version, with the status the code gives
//! it.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    ChargingProfile, Command, ProfilePeriod, ProfilePurpose, Protocol, RateUnit, ResetKind,
    TokenKind, TokenRef, TokenUid, Variable,
};

use crate::{
    command,
    inbound::{Route, route},
    table::{Sender, Version},
};

const STATUS: &str = include_str!("../STATUS.md");

/// Action -> (sent by, status), of the section under `heading`.
fn told(heading: &str) -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let section = STATUS
        .split("\n## ")
        .find(|section| section.starts_with(heading));
    let rows = section.expect("a version has its section").lines();
    let rows = rows.filter(|line| line.starts_with("| ") && !line.starts_with("| Action"));
    rows.map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let mut cell = || cells.next().expect("a row has four cells");
        let (action, sender, status, words) = (cell(), cell(), cell(), cell());
        assert!(!words.is_empty(), "{action} has no words");
        (action, (sender, status))
    })
    .collect()
}

/// Every action that a typed command becomes.
fn typed_commands(protocol: Protocol) -> BTreeSet<&'static str> {
    let token = TokenRef {
        uid: TokenUid::new("t").unwrap(),
        kind: TokenKind::Unspecified,
    };
    let component = Some("OCPPCommCtrlr".to_owned());
    let variable = Variable {
        component,
        name: "n".to_owned(),
        value: Some("v".to_owned()),
    };
    let trigger = |message: &str| Command::Trigger {
        message: message.to_owned(),
        evse: None,
    };
    let profile = ChargingProfile {
        id: 1,
        stack_level: 1,
        purpose: ProfilePurpose::TxDefault,
        transaction: None,
        valid_to: None,
        max_offline_s: None,
        start: None,
        duration_s: None,
        unit: RateUnit::A,
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: 6.0,
            phases: None,
        }],
    };
    let every_kind = [
        Command::RemoteStart { evse: None, token },
        Command::RemoteStop {
            transaction: "1".to_owned(),
        },
        Command::Reset {
            kind: ResetKind::WhenIdle,
        },
        Command::Unlock {
            evse: 1,
            connector: None,
        },
        Command::ChangeAvailability {
            evse: None,
            operative: true,
        },
        trigger("Heartbeat"),
        trigger("LogStatusNotification"),
        Command::GetVariables {
            variables: vec![variable.clone()],
        },
        Command::SetVariables {
            variables: vec![variable],
        },
        Command::SetChargingProfile { evse: 1, profile },
        Command::ClearChargingProfile {
            id: Some(1),
            evse: None,
            purpose: None,
        },
        Command::GetCompositeSchedule {
            evse: 1,
            duration_s: 60,
            unit: None,
        },
    ];
    let encode = |command| command::encode(protocol, command).unwrap().action;
    every_kind.iter().map(encode).collect()
}

/// Every action of the version, with who sends it and what the code does with it.
fn done(protocol: Protocol) -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let commands = typed_commands(protocol);
    let status = |action: &'static str, sender| match (sender, route(protocol, action)) {
        (Sender::Csms, _) if commands.contains(action) => "handled",
        (Sender::Csms, _) => "carried",
        (_, Ok(Route::Handled(..))) => "handled",
        (_, Ok(Route::Carried(..))) => "carried",
        (_, Err(_)) => "refused",
    };
    let actions = Version::from(protocol).actions();
    let row = |(action, sender)| (action, (sent_by(sender), status(action, sender)));
    actions.map(row).collect()
}

#[test]
fn the_status_file_tells_what_the_code_does() {
    for (protocol, heading) in [
        (Protocol::Ocpp16, "OCPP 1.6"),
        (Protocol::Ocpp201, "OCPP 2.0.1"),
    ] {
        assert_eq!(told(heading), done(protocol), "{heading}");
    }
}

#[test]
fn the_status_file_tells_what_is_new_in_2_1_and_the_rest_is_as_in_2_0_1() {
    let mut new = done(Protocol::Ocpp21);
    for (action, status) in done(Protocol::Ocpp201) {
        assert_eq!(new.remove(action), Some(status), "{action}");
    }
    assert_eq!(told("OCPP 2.1"), new);
}

fn sent_by(sender: Sender) -> &'static str {
    match sender {
        Sender::Station => "station",
        Sender::Csms => "csms",
        Sender::Both => "both",
    }
}
