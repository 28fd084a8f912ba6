//! No payload panics a decoder, and a transaction message is always read. The first two bytes
//! choose the action.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Protocol, Timestamp};
use ocpp::{inbound, table::Version};
use serde_json::value::RawValue;

const TRANSACTIONAL: [(Protocol, &str); 7] = [
    (Protocol::Ocpp16, "StartTransaction"),
    (Protocol::Ocpp16, "StopTransaction"),
    (Protocol::Ocpp16, "MeterValues"),
    (Protocol::Ocpp201, "TransactionEvent"),
    (Protocol::Ocpp201, "MeterValues"),
    (Protocol::Ocpp21, "TransactionEvent"),
    (Protocol::Ocpp21, "MeterValues"),
];

fuzz_target!(|input: (u16, &str)| {
    let (choice, text) = input;
    let Ok(payload) = serde_json::from_str::<&RawValue>(text) else { return };
    let choice = usize::from(choice);
    let protocol = Protocol::ALL[choice % Protocol::ALL.len()];
    let actions = || Version::from(protocol).actions();
    let (action, _) = actions().nth(choice / Protocol::ALL.len() % actions().count()).expect("within the count");
    let decoded = inbound::decode(protocol, action, payload, Timestamp(0));
    assert!(decoded.is_ok() || !TRANSACTIONAL.contains(&(protocol, action)), "{action} {text}");
});
