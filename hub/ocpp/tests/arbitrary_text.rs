//! Whatever a stranger sends, nothing panics, a salvaged text is a message, and a transaction
//! message is read.

use std::{fs, path::Path};

use model::{Protocol, Timestamp};
use ocpp::{
    frame::{self, Frame},
    inbound,
};
use proptest::prelude::*;

/// Everything a link does with a text, up to the actors.
fn receive(text: &str) {
    let salvaged;
    let parsed = match frame::parse(text) {
        Ok(parsed) => parsed,
        Err(bad) => {
            assert!(!bad.problem.is_empty());
            let Some(repaired) = frame::salvage(text) else {
                return;
            };
            salvaged = repaired;
            frame::parse(&salvaged)
                .unwrap_or_else(|bad| panic!("{text:?} became {salvaged:?}: {bad}"))
        }
    };
    let Frame::Call {
        id,
        action,
        payload,
    } = parsed
    else {
        return;
    };
    for protocol in Protocol::ALL {
        match inbound::decode(protocol, &action, payload, Timestamp(0)) {
            Ok(decoded) => drop(decoded),
            Err(fault) => {
                let transactional = match protocol {
                    Protocol::Ocpp16 => &["StartTransaction", "StopTransaction", "MeterValues"][..],
                    Protocol::Ocpp201 | Protocol::Ocpp21 => {
                        &["TransactionEvent", "MeterValues"][..]
                    }
                };
                assert!(!transactional.contains(&&*action), "{text:?}: {fault}");
                let answer = frame::call_error(&id, fault.code, protocol, &fault.description);
                assert!(frame::parse(&answer).is_ok(), "{answer}");
            }
        }
    }
}

fn golden_messages() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let files = ["ocpp1.6.frames", "ocpp2.0.1.frames", "ocpp2.1.frames"];
    let texts = files.map(|name| fs::read_to_string(directory.join(name)).unwrap());
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .filter_map(|line| line.split('\t').nth(1))
        .map(str::to_owned)
        .collect()
}

/// A golden message with some of its characters cut out, doubled or replaced.
fn mutated_message() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        0..6usize,
        "[\\[\\]{},:\"\\\\0-9a-zA-Z\u{0}-\u{1f}é]{0,3}",
    );
    (
        prop::sample::select(golden_messages()),
        prop::collection::vec(edit, 1..5),
    )
        .prop_map(|(message, edits)| {
            let mut chars: Vec<char> = message.chars().collect();
            for (at, cut, text) in edits {
                let at = at.index(chars.len() + 1);
                let end = (at + cut).min(chars.len());
                chars.splice(at..end, text.chars());
            }
            chars.into_iter().collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_does_harm(text in any::<String>()) {
        receive(&text);
    }

    #[test]
    fn no_text_that_looks_like_json_does_harm(text in "[\\[\\]{},:\"\\\\0-9eE.+ntrufalse -]{0,60}") {
        receive(&text);
    }

    #[test]
    fn no_mutated_message_does_harm(text in mutated_message()) {
        receive(&text);
    }

    #[test]
    fn ids_and_actions_are_read_back_as_written(id in ".{1,80}", action in "[A-Za-z0-9]{1,40}") {
        let text = frame::call(&id, &action, "{}");
        match frame::parse(&text) {
            Ok(Frame::Call { id: read, action: named, .. }) => {
                prop_assert_eq!(&*read, &id);
                prop_assert_eq!(&*named, &action);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

#[test]
fn no_depth_does_harm() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        receive(&deep);
        for action in [
            "MeterValues",
            "StartTransaction",
            "TransactionEvent",
            "NotifyReport",
            "BootNotification",
        ] {
            receive(&frame::call("1", action, &deep));
            receive(&frame::call(
                "1",
                action,
                &format!(r#"{{"meterValue":{deep}}}"#),
            ));
            receive(&format!(r#"[2,"1","{action}",{}"#, open.repeat(100_000)));
        }
    }
}
