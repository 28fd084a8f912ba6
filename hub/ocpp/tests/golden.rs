//! Plays the golden frames: each message of a station gets the very answer that is written beside
//! it.

use std::{fs, path::Path};

use model::{
    Authorization, BootStatus, Protocol, StationEvent, StationReply, Timestamp, TokenVerdict,
};
use ocpp::{
    frame::{self, Frame},
    inbound, outbound,
};

/// 2026-11-24T12:00:00Z, where time stands still.
const NOW: Timestamp = Timestamp(1_795_521_600_000);

#[test]
fn every_golden_message_gets_its_golden_answer() {
    let mut played = 0;
    for protocol in Protocol::ALL {
        let name = format!("golden/{}.frames", protocol.subprotocol());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let frames = fs::read_to_string(path).expect("the golden frames are part of the package");
        for line in frames.lines().filter(|line| !line.starts_with('#')) {
            let [decision, message, answer] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("not three parts: {line}");
            };
            assert_eq!(answered(protocol, decision, message), answer, "{message}");
            played += 1;
        }
    }
    assert!(played > 40, "{played}");
}

/// What the link does with a message, with `decision` in the actors' place.
fn answered(protocol: Protocol, decision: &str, message: &str) -> String {
    let salvaged;
    let parsed = match frame::parse(message) {
        Ok(parsed) => parsed,
        Err(_) => {
            salvaged =
                frame::salvage(message).unwrap_or_else(|| panic!("beyond salvage: {message}"));
            frame::parse(&salvaged).expect("what is salvaged is a message")
        }
    };
    let Frame::Call {
        id,
        action,
        payload,
    } = parsed
    else {
        panic!("no call: {message}");
    };
    match inbound::decode(protocol, &action, payload, NOW) {
        Ok(decoded) => {
            let reply = decided(decision, &decoded.event);
            frame::call_result(&id, &outbound::reply(decoded.shape, &action, &reply))
        }
        Err(fault) => {
            assert_eq!(decision, "error", "{message}: {fault}");
            frame::call_error(&id, fault.code, protocol, &fault.description)
        }
    }
}

fn decided(decision: &str, event: &StationEvent) -> StationReply {
    let accepted = TokenVerdict {
        authorization: Authorization::Accepted,
        group: None,
        expires_at: None,
    };
    match (decision.split(' ').collect::<Vec<_>>()[..].as_ref(), event) {
        (["boot"], StationEvent::Boot(_)) => StationReply::Boot {
            status: BootStatus::Accepted,
            interval_s: 300,
            now: NOW,
        },
        (["now"], StationEvent::Heartbeat) => StationReply::Now(NOW),
        (["token"], StationEvent::Authorize(_)) => StationReply::Token(accepted),
        (["start", number], StationEvent::Transaction(_)) => StationReply::Transaction {
            number: number.parse().ok(),
            token: Some(accepted),
        },
        (["token-event"], StationEvent::Transaction(_)) => StationReply::Transaction {
            number: None,
            token: Some(accepted),
        },
        (["event"], StationEvent::Transaction(_)) => StationReply::Transaction {
            number: None,
            token: None,
        },
        (
            ["received"],
            StationEvent::Status(_) | StationEvent::Meter(_) | StationEvent::Notice(_),
        ) => StationReply::Received,
        _ => panic!("{decision} is no answer to {event:?}"),
    }
}
