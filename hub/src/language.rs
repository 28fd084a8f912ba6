//! What sites say to stations about charging, in the stations' own versions.

use actors::Language;
use model::{ChargingAnswer, ChargingAsk, Protocol};
use serde_json::Value;

use crate::metrics;

/// OCPP, as far as sites speak it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ocpp;

impl Language for Ocpp {
    fn say(&self, protocol: Protocol, ask: &ChargingAsk) -> Result<(String, String), String> {
        let outgoing = ocpp::command::encode_charging(protocol, ask);
        let outgoing = outgoing.map_err(|fault| fault.to_string())?;
        Ok((outgoing.action.to_owned(), outgoing.payload.to_string()))
    }

    fn read(&self, protocol: Protocol, ask: &ChargingAsk, answer: &str) -> ChargingAnswer {
        let mut answer = serde_json::from_str(answer).unwrap_or(Value::Null);
        if let Ok(outgoing) = ocpp::command::encode_charging(protocol, ask) {
            for repair in ocpp::command::coerce_answer(protocol, outgoing.action, &mut answer) {
                ::metrics::counter!(metrics::REPAIRS, "repair" => repair).increment(1);
            }
        }
        ocpp::command::read_charging_answer(protocol, ask, &answer)
    }
}
