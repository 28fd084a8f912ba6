//! Heartbeat (OCPP 1.6 §4.6, OCPP 2.0.1 G02; both in the same words): asks for the time. Whatever
//! its payload holds means nothing.

use model::{StationEvent, Timestamp};

use crate::{
    inbound::Handler,
    reading::{Reading, Unread},
};

pub(crate) const HANDLER: Handler = Handler {
    action: "Heartbeat",
    is_transaction: false,
    read,
};

fn read(_payload: &str, _reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    Ok(StationEvent::Heartbeat)
}

pub(crate) fn reply(now: Timestamp) -> String {
    format!(r#"{{"currentTime":"{now}"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::decoded_16;

    #[test]
    fn whatever_a_heartbeat_holds_it_is_answered_with_the_time() {
        for payload in ["{}", "[]", r#"{"x":1}"#, r#""""#] {
            assert_eq!(
                decoded_16("Heartbeat", payload).event,
                StationEvent::Heartbeat
            );
        }
        assert_eq!(
            reply(Timestamp(0)),
            r#"{"currentTime":"1970-01-01T00:00:00.000Z"}"#
        );
    }
}
