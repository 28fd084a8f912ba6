//! BootNotification (OCPP 2.0.1 B01): the station says what it is. It is answered in the words of
//! 1.6.

use model::{BootInfo, StationEvent};
use serde::Deserialize;

use crate::{
    inbound::Handler,
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
    charging_station: Option<ChargingStation<'a>>,
    reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChargingStation<'a> {
    #[serde(borrow)]
    vendor_name: Option<Text<'a>>,
    model: Option<Text<'a>>,
    serial_number: Option<Text<'a>>,
    firmware_version: Option<Text<'a>>,
    modem: Option<Modem<'a>>,
}

#[derive(Deserialize)]
struct Modem<'a> {
    #[serde(borrow)]
    iccid: Option<Text<'a>>,
    imsi: Option<Text<'a>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let reason = said(request.reason);
    let Some(station) = reading.expected(request.charging_station)? else {
        return Ok(StationEvent::Boot(Box::new(BootInfo {
            reason,
            ..BootInfo::default()
        })));
    };
    let (iccid, imsi) = station
        .modem
        .map_or((None, None), |modem| (modem.iccid, modem.imsi));
    Ok(StationEvent::Boot(Box::new(BootInfo {
        vendor: station
            .vendor_name
            .map(|text| text.0.into_owned())
            .unwrap_or_default(),
        model: station
            .model
            .map(|text| text.0.into_owned())
            .unwrap_or_default(),
        serial: said(station.serial_number),
        firmware: said(station.firmware_version),
        iccid: said(iccid),
        imsi: said(imsi),
        reason,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inbound::Decoded, repair, table::Version, testing::decoded_201};

    fn boot(payload: &str) -> (BootInfo, Decoded) {
        let decoded = decoded_201("BootNotification", payload);
        match &decoded.event {
            StationEvent::Boot(info) => ((**info).clone(), decoded),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_boot_says_what_the_station_is_and_why_it_booted() {
        let (info, decoded) = boot(
            r#"{"reason":"PowerUp","chargingStation":{"vendorName":"V","model":"M","serialNumber":"S","firmwareVersion":"1.2","modem":{"iccid":"I"}}}"#,
        );
        assert_eq!((info.vendor.as_str(), info.model.as_str()), ("V", "M"));
        assert_eq!(
            (info.serial.as_deref(), info.firmware.as_deref()),
            (Some("S"), Some("1.2"))
        );
        assert_eq!((info.iccid.as_deref(), info.imsi), (Some("I"), None));
        assert_eq!(info.reason.as_deref(), Some("PowerUp"));
        assert_eq!((decoded.shape, decoded.repairs), (Version::V201, vec![]));
    }

    #[test]
    fn a_boot_that_says_nothing_is_a_boot() {
        assert_eq!(boot("{}").0, BootInfo::default());
    }

    #[test]
    fn quirk_41_a_1_6_boot_on_a_2_0_1_socket_is_read_as_such() {
        let (info, decoded) = boot(r#"{"chargePointVendor":"FoxESS","chargePointModel":"A7300"}"#);
        assert_eq!(
            (info.vendor.as_str(), info.model.as_str()),
            ("FoxESS", "A7300")
        );
        assert_eq!(decoded.shape, Version::V16);
        assert_eq!(decoded.repairs, [repair::QUIRK_41_OTHER_VERSION]);
    }
}
