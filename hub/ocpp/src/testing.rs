//! Short ways for tests to decode a message.

use model::{Protocol, Timestamp};
use serde_json::value::RawValue;

use crate::{
    CallFault,
    inbound::{Decoded, decode},
};

/// When every message of a test arrives: 2026-11-24T12:00:00Z.
pub(crate) const RECEIVED_AT: Timestamp = Timestamp(1_795_521_600_000);

fn decoded(protocol: Protocol, action: &str, payload: &str) -> Result<Decoded, CallFault> {
    let payload: &RawValue = serde_json::from_str(payload).expect("a test's payload is JSON");
    decode(protocol, action, payload, RECEIVED_AT)
}

pub(crate) fn decoded_16(action: &str, payload: &str) -> Decoded {
    decoded(Protocol::Ocpp16, action, payload).unwrap_or_else(|f| panic!("{action} {payload}: {f}"))
}

pub(crate) fn fault_16(action: &str, payload: &str) -> CallFault {
    decoded(Protocol::Ocpp16, action, payload).expect_err("a fault was expected")
}

pub(crate) fn decoded_201(action: &str, payload: &str) -> Decoded {
    decoded(Protocol::Ocpp201, action, payload)
        .unwrap_or_else(|f| panic!("{action} {payload}: {f}"))
}

pub(crate) fn decoded_21(action: &str, payload: &str) -> Decoded {
    decoded(Protocol::Ocpp21, action, payload).unwrap_or_else(|f| panic!("{action} {payload}: {f}"))
}

pub(crate) fn fault_21(action: &str, payload: &str) -> CallFault {
    decoded(Protocol::Ocpp21, action, payload).expect_err("a fault was expected")
}

pub(crate) fn fault_201(action: &str, payload: &str) -> CallFault {
    decoded(Protocol::Ocpp201, action, payload).expect_err("a fault was expected")
}
