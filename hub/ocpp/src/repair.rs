//! The second look at a payload that plain parsing refused: values of the wrong JSON type become
//! what the table says they are, where one meaning is possible.
//!
//! A number in quotes loses them, a bare number where text belongs gains them, `5.0` becomes 5,
//! null becomes absent, one object where a list belongs becomes a list of one. Unknown values of
//! lists, further fields and texts too long are none of its business: they stay.

use serde_json::{Number, Value};

use crate::{
    salvage,
    table::{Field, Kind, ObjectId, Table, Type, Version},
};

/// What had to be repaired: a short name that is also a metric label. Those of the vendor quirks
/// begin `quirk_NN_`.
pub type Repair = &'static str;

/// A null was taken as absent.
pub const NULL_AS_ABSENT: Repair = "null_as_absent";
/// An empty list stood for an empty object.
pub const EMPTY_LIST_AS_OBJECT: Repair = "empty_list_as_object";
/// A number in quotes.
pub const NUMBER_IN_QUOTES: Repair = "number_in_quotes";
/// A number or boolean where text belongs.
pub const TEXT_WITHOUT_QUOTES: Repair = "text_without_quotes";
/// An integer written as a fraction.
pub const FRACTION_AS_INTEGER: Repair = "fraction_as_integer";
/// A boolean written as text or number.
pub const BOOLEAN_AS_OTHER: Repair = "boolean_as_other";
/// One object where a list belongs.
pub const OBJECT_AS_LIST: Repair = "object_as_list";
/// A field that could not be read was left out.
pub const FIELD_UNREADABLE: Repair = "field_unreadable";
/// A field that the message should have is missing.
pub const FIELD_MISSING: Repair = "field_missing";
/// Nothing of the payload could be read.
pub const PAYLOAD_UNREADABLE: Repair = "payload_unreadable";
/// A time in another form than RFC 3339.
pub const TIME_FORM: Repair = "time_form";
/// A text that is no time.
pub const TIME_UNREADABLE: Repair = "time_unreadable";
/// JSON inside the payload that no parser takes.
pub const QUIRK_07_BAD_JSON: Repair = "quirk_07_bad_json";
/// A time without a zone, taken as UTC.
pub const QUIRK_08_NO_ZONE: Repair = "quirk_08_no_zone";
/// An offset of hours only.
pub const QUIRK_09_SHORT_OFFSET: Repair = "quirk_09_short_offset";
/// A time before 2010: the station's clock was never set.
pub const QUIRK_11_CLOCK_NOT_SET: Repair = "quirk_11_clock_not_set";
/// An empty time, taken as absent.
pub const QUIRK_12_EMPTY_TIME: Repair = "quirk_12_empty_time";
/// A measured value as a number.
pub const QUIRK_15_NUMBER_AS_STRING: Repair = "quirk_15_number_as_string";
/// A configuration value as a number or boolean, or `readonly` as a number.
pub const QUIRK_16_CONFIGURATION_VALUE: Repair = "quirk_16_configuration_value";
/// A transaction number beyond 64 bits.
pub const QUIRK_19_TRANSACTION_NUMBER: Repair = "quirk_19_transaction_number";
/// A 1.6 message on a 2.0.1 socket.
pub const QUIRK_41_OTHER_VERSION: Repair = "quirk_41_other_version";
/// A TransactionEvent that does not say what caused it.
pub const QUIRK_43_NO_TRIGGER: Repair = "quirk_43_no_trigger";

/// `text` as JSON, whatever it takes; nothing where nothing helps.
pub(crate) fn value_of(text: &str, repairs: &mut Vec<Repair>) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let repaired = salvage::repaired_json(text)?;
    let value = serde_json::from_str(&repaired).ok()?;
    note(repairs, QUIRK_07_BAD_JSON);
    Some(value)
}

/// Gives the values of `payload` the types that the table says; what cannot be given its type
/// stays.
pub(crate) fn coerce(
    version: Version,
    action: &str,
    kind: Kind,
    payload: &mut Value,
    repairs: &mut Vec<Repair>,
) {
    let table = version.table();
    if let Some(root) = table.message(action, kind) {
        let mut pass = Pass {
            table,
            repairs,
            misfits: Misfits::Stay,
        };
        pass.object(root, payload);
    }
}

/// Like [`coerce`], but leaves out what cannot be given its type.
pub(crate) fn coerce_or_drop(
    version: Version,
    action: &str,
    payload: &mut Value,
    repairs: &mut Vec<Repair>,
) {
    let table = version.table();
    if let Some(root) = table.message(action, Kind::Request) {
        let mut pass = Pass {
            table,
            repairs,
            misfits: Misfits::Go,
        };
        pass.object(root, payload);
    }
}

/// A repair is named once a message, however often it was needed.
pub(crate) fn note(repairs: &mut Vec<Repair>, repair: Repair) {
    if !repairs.contains(&repair) {
        repairs.push(repair);
    }
}

/// What becomes of a value that cannot be given its type.
#[derive(PartialEq)]
enum Misfits {
    Stay,
    Go,
}

struct Pass<'a> {
    table: &'a Table,
    repairs: &'a mut Vec<Repair>,
    misfits: Misfits,
}

impl Pass<'_> {
    /// Whether `value` is now one.
    fn object(&mut self, id: ObjectId, value: &mut Value) -> bool {
        if matches!(value, Value::Array(items) if items.is_empty()) {
            *value = Value::Object(serde_json::Map::new());
            note(self.repairs, EMPTY_LIST_AS_OBJECT);
        }
        let Value::Object(members) = value else {
            return false;
        };
        let object = self.table.object(id);
        members.retain(|name, member| {
            let Some(field) = object.field(name) else {
                return true;
            };
            if member.is_null() && field.kind != Type::Any {
                note(self.repairs, NULL_AS_ABSENT);
                return false;
            }
            let fits = self.field(object.name, field, member);
            if !fits && self.misfits == Misfits::Go {
                note(self.repairs, FIELD_UNREADABLE);
                return false;
            }
            true
        });
        true
    }

    fn field(&mut self, owner: &str, field: &Field, value: &mut Value) -> bool {
        if field.list.is_none() {
            return self.value(owner, field, value);
        }
        if !value.is_array() {
            *value = Value::Array(vec![value.take()]);
            note(self.repairs, OBJECT_AS_LIST);
        }
        let Value::Array(items) = value else {
            return false;
        };
        items.retain_mut(|item| {
            let fits = self.value(owner, field, item);
            if !fits && self.misfits == Misfits::Go {
                note(self.repairs, FIELD_UNREADABLE);
                return false;
            }
            true
        });
        true
    }

    fn value(&mut self, owner: &str, field: &Field, value: &mut Value) -> bool {
        let repaired = match (field.kind, &*value) {
            (Type::Object(id), _) => return self.object(id, value),
            (Type::Any, _)
            | (Type::Text { .. } | Type::Time | Type::Enum(_), Value::String(_))
            | (Type::Number { .. }, Value::Number(_))
            | (Type::Boolean, Value::Bool(_)) => return true,
            (Type::Integer { .. }, Value::Number(number)) if number.is_i64() => return true,
            (Type::Integer { .. }, Value::Number(number)) => {
                integer_of(number).map(|n| (n.into(), FRACTION_AS_INTEGER))
            }
            (Type::Integer { .. } | Type::Number { .. }, Value::String(text)) => {
                let only_integer = matches!(field.kind, Type::Integer { .. });
                number_of(text, only_integer).map(|n| (Value::Number(n), NUMBER_IN_QUOTES))
            }
            (Type::Text { .. }, Value::Number(_) | Value::Bool(_)) => {
                Some((value.to_string().into(), text_repair(owner)))
            }
            (Type::Time | Type::Enum(_), Value::Number(_) | Value::Bool(_)) => {
                Some((value.to_string().into(), TEXT_WITHOUT_QUOTES))
            }
            (Type::Boolean, other) => boolean_of(other).map(|b| (b.into(), boolean_repair(owner))),
            _ => None,
        };
        let Some((becomes, repair)) = repaired else {
            return false;
        };
        *value = becomes;
        note(self.repairs, repair);
        true
    }
}

/// The integer a fraction stands for; one beyond 64 bits has none.
fn integer_of(number: &Number) -> Option<i64> {
    let rounded = number.as_f64()?.round();
    (rounded.abs() < 2f64.powi(63)).then_some(rounded as i64)
}

fn number_of(text: &str, only_integer: bool) -> Option<Number> {
    let text = text.trim();
    if let Ok(integer) = text.parse::<i64>() {
        return Some(integer.into());
    }
    // A decimal comma, where it cannot be a thousands separator beside a point.
    let text = if text.contains('.') {
        text.to_owned()
    } else {
        text.replacen(',', ".", 1)
    };
    let number = Number::from_f64(text.parse().ok()?)?;
    if only_integer {
        return integer_of(&number).map(Number::from);
    }
    Some(number)
}

fn boolean_of(value: &Value) -> Option<bool> {
    match value {
        Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

fn text_repair(owner: &str) -> Repair {
    if owner.ends_with("sampledValue") {
        QUIRK_15_NUMBER_AS_STRING
    } else if owner.ends_with("configurationKey") {
        QUIRK_16_CONFIGURATION_VALUE
    } else {
        TEXT_WITHOUT_QUOTES
    }
}

fn boolean_repair(owner: &str) -> Repair {
    if owner.ends_with("configurationKey") {
        QUIRK_16_CONFIGURATION_VALUE
    } else {
        BOOLEAN_AS_OTHER
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn coerced(action: &str, kind: Kind, mut payload: Value) -> (Value, Vec<Repair>) {
        let mut repairs = Vec::new();
        coerce(Version::V16, action, kind, &mut payload, &mut repairs);
        (payload, repairs)
    }

    #[test]
    fn values_become_what_the_table_says_they_are() {
        let sent = json!({
            "connectorId": "1", "idTag": 4711, "meterStart": 5.0, "timestamp": "2026-11-24T09:30:00Z",
            "reservationId": null, "vendorField": null
        });
        let meant = json!({
            "connectorId": 1, "idTag": "4711", "meterStart": 5, "timestamp": "2026-11-24T09:30:00Z",
            "vendorField": null
        });
        let (payload, repairs) = coerced("StartTransaction", Kind::Request, sent);
        assert_eq!(payload, meant);
        let names = [
            NUMBER_IN_QUOTES,
            TEXT_WITHOUT_QUOTES,
            FRACTION_AS_INTEGER,
            NULL_AS_ABSENT,
        ];
        assert!(
            names.iter().all(|name| repairs.contains(name)),
            "{repairs:?}"
        );
    }

    #[test]
    fn quirk_16_configuration_values_of_any_type_are_text_and_readonly_is_a_boolean() {
        let (payload, repairs) = coerced(
            "GetConfiguration",
            Kind::Response,
            json!({"configurationKey": [
                {"key": "HeartbeatInterval", "readonly": 0, "value": 300},
                {"key": "LocalPreAuthorize", "readonly": "true", "value": true}
            ]}),
        );
        assert_eq!(
            payload,
            json!({"configurationKey": [
                {"key": "HeartbeatInterval", "readonly": false, "value": "300"},
                {"key": "LocalPreAuthorize", "readonly": true, "value": "true"}
            ]})
        );
        assert_eq!(repairs, [QUIRK_16_CONFIGURATION_VALUE]);
    }

    #[test]
    fn what_has_no_one_meaning_stays_or_is_left_out() {
        let sent = json!({"connectorId": {"id": 1}, "idTag": "x"});
        assert_eq!(
            coerced("StartTransaction", Kind::Request, sent.clone()).0,
            sent
        );
        let (mut payload, mut repairs) = (sent, Vec::new());
        coerce_or_drop(Version::V16, "StartTransaction", &mut payload, &mut repairs);
        assert_eq!(payload, json!({"idTag": "x"}));
        assert_eq!(repairs, [FIELD_UNREADABLE]);
    }

    #[test]
    fn numbers_keep_their_value_or_are_not_read() {
        assert_eq!(number_of(" 5 ", true), Some(5.into()));
        assert_eq!(number_of("12,5", false), Number::from_f64(12.5));
        assert_eq!(number_of("1.234,5", false), None);
        assert_eq!(number_of("1e30", true), None);
        assert_eq!(number_of("nan", false), None);
    }
}
