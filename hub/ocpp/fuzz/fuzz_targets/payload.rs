//! No payload panics a decoder, and a transaction message is always read. The first byte chooses
//! the action.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Protocol, Timestamp};
use ocpp::{inbound, table::Version};
use serde_json::value::RawValue;

const TRANSACTIONAL: [(Protocol, &str); 5] = [
    (Protocol::Ocpp16, "StartTransaction"),
    (Protocol::Ocpp16, "StopTransaction"),
    (Protocol::Ocpp16, "MeterValues"),
    (Protocol::Ocpp201, "TransactionEvent"),
    (Protocol::Ocpp201, "MeterValues"),
];

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let Ok(payload) = serde_json::from_str::<&RawValue>(text) else { return };
    let protocol = if choice % 2 == 0 { Protocol::Ocpp16 } else { Protocol::Ocpp201 };
    let actions = || Version::from(protocol).actions();
    let (action, _) = actions().nth(usize::from(choice / 2) % actions().count()).expect("within the count");
    let decoded = inbound::decode(protocol, action, payload, Timestamp(0));
    assert!(decoded.is_ok() || !TRANSACTIONAL.contains(&(protocol, action)), "{action} {text}");
});
