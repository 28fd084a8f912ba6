//! BootNotification (OCPP 1.6 §4.2): the station says what it is. Nothing in it is needed to serve
//! a station, so nothing missing or too long in it is refused (quirks 4, 5).

use model::{BootInfo, BootStatus, StationEvent, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    inbound::Handler,
    outbound::json,
    reading::{Reading, Unread},
    wire::{Text, said},
};

pub(super) const HANDLER: Handler = Handler {
    action: "BootNotification",
    is_transaction: false,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    charge_point_vendor: Option<Text<'a>>,
    charge_point_model: Option<Text<'a>>,
    charge_point_serial_number: Option<Text<'a>>,
    /// Deprecated in 1.6, and still where some put it.
    charge_box_serial_number: Option<Text<'a>>,
    firmware_version: Option<Text<'a>>,
    iccid: Option<Text<'a>>,
    imsi: Option<Text<'a>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let vendor = reading.expected(request.charge_point_vendor)?;
    let model = reading.expected(request.charge_point_model)?;
    Ok(StationEvent::Boot(Box::new(BootInfo {
        vendor: vendor.map(|text| text.0.into_owned()).unwrap_or_default(),
        model: model.map(|text| text.0.into_owned()).unwrap_or_default(),
        serial: said(request.charge_point_serial_number)
            .or_else(|| said(request.charge_box_serial_number)),
        firmware: said(request.firmware_version),
        iccid: said(request.iccid),
        imsi: said(request.imsi),
        reason: None,
    })))
}

/// The two versions answer in the same words (OCPP 2.0.1 B01).
pub(crate) fn reply(status: BootStatus, interval_s: u32, now: Timestamp) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response {
        status: &'static str,
        current_time: Timestamp,
        interval: u32,
    }
    json(&Response {
        status: match status {
            BootStatus::Accepted => "Accepted",
            BootStatus::Pending => "Pending",
            BootStatus::Rejected => "Rejected",
        },
        current_time: now,
        interval: interval_s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::decoded_16;

    fn boot(payload: &str) -> BootInfo {
        match decoded_16("BootNotification", payload).event {
            StationEvent::Boot(info) => *info,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn quirk_04_a_serial_number_too_long_is_kept_whole() {
        let serial = "3N160240583B2N1TB2900000000000000000006";
        let payload = format!(
            r#"{{"chargePointVendor":"Schneider Electric","chargePointModel":"MONOBLOCK","chargePointSerialNumber":"{serial}"}}"#
        );
        assert_eq!(boot(&payload).serial.as_deref(), Some(serial));
    }

    #[test]
    fn quirk_05_the_vendor_may_be_empty_or_missing() {
        let info = boot(r#"{"chargePointVendor":"","chargePointModel":"22KT"}"#);
        assert_eq!((info.vendor.as_str(), info.model.as_str()), ("", "22KT"));
        assert_eq!(boot("{}"), BootInfo::default());
    }

    #[test]
    fn quirk_45_a_field_that_says_null_says_nothing() {
        let info = boot(
            r#"{"chargePointVendor":"ABB","chargePointModel":"T","iccid":"null","imsi":"","chargeBoxSerialNumber":"S1"}"#,
        );
        assert_eq!(
            (info.iccid, info.imsi, info.serial.as_deref()),
            (None, None, Some("S1"))
        );
    }

    #[test]
    fn the_answer_says_when_to_come_again_and_what_time_it_is() {
        assert_eq!(
            reply(BootStatus::Pending, 60, Timestamp(1_790_000_000_000)),
            r#"{"status":"Pending","currentTime":"2026-09-21T14:13:20.000Z","interval":60}"#
        );
    }
}
