//! The verdict on a payload.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::{Field, ObjectId, Strictness, Table, Type};
use crate::{ErrorCode, time};

/// What is wrong with a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{words}", path, if path.is_empty() { "" } else { ": " })]
pub struct Violation {
    /// The code that a CALLERROR for it has.
    pub code: ErrorCode,
    /// Where, as `meterValue[0].timestamp`; empty for the payload itself.
    pub path: String,
    /// What is wrong there and what may stand there.
    pub words: String,
    /// The payload can be read in spite of it: a value not of its list, a further field, a text too
    /// long …
    pub tolerable: bool,
}

pub(super) fn check(
    table: &Table,
    root: ObjectId,
    payload: &Value,
    strictness: Strictness,
) -> Result<(), Violation> {
    Walk { table, strictness }.object(root, payload, Path::Root)
}

struct Walk<'a> {
    table: &'a Table,
    strictness: Strictness,
}

impl Walk<'_> {
    fn object(&self, id: ObjectId, value: &Value, path: Path<'_>) -> Result<(), Violation> {
        let Value::Object(members) = value else {
            let code = match path {
                Path::Root => ErrorCode::FormatViolation,
                _ => ErrorCode::TypeConstraintViolation,
            };
            return self.wrong(code, path, || "must be an object".to_owned());
        };
        let object = self.table.object(id);
        for (name, member) in members {
            let path = Path::Field(&path, name);
            match object.field(name) {
                Some(field) => self.field(field, member, path)?,
                None if object.open => {}
                None => self.odd(ErrorCode::FormatViolation, path, || {
                    let known: Vec<_> = object.fields.iter().map(|field| field.name).collect();
                    format!("is no field of this; there are {}", listed(&known))
                })?,
            }
        }
        self.nothing_missing(&object.fields, members, path)
    }

    fn nothing_missing(
        &self,
        fields: &[Field],
        members: &Map<String, Value>,
        path: Path<'_>,
    ) -> Result<(), Violation> {
        let missing = |field: &&Field| !field.optional && !members.contains_key(field.name);
        match fields.iter().find(missing) {
            Some(field) => self.wrong(
                ErrorCode::OccurrenceConstraintViolation,
                Path::Field(&path, field.name),
                || "is missing".to_owned(),
            ),
            None => Ok(()),
        }
    }

    fn field(&self, field: &Field, value: &Value, path: Path<'_>) -> Result<(), Violation> {
        let Some((min, max)) = field.list else {
            return self.value(field.kind, value, path);
        };
        let Value::Array(items) = value else {
            return self.wrong(ErrorCode::TypeConstraintViolation, path, || {
                "must be a list".to_owned()
            });
        };
        if !(min..=max).contains(&items.len()) {
            self.odd(ErrorCode::OccurrenceConstraintViolation, path, || {
                let most = if max == usize::MAX {
                    String::new()
                } else {
                    format!(" and at most {max}")
                };
                format!("must hold at least {min}{most}, holds {}", items.len())
            })?;
        }
        let mut items = items.iter().enumerate();
        items.try_for_each(|(at, item)| self.value(field.kind, item, Path::Item(&path, at)))
    }

    fn value(&self, kind: Type, value: &Value, path: Path<'_>) -> Result<(), Violation> {
        let wrong_type = |wanted: &str| {
            self.wrong(ErrorCode::TypeConstraintViolation, path, || {
                format!("must be {wanted}")
            })
        };
        match (kind, value) {
            (Type::Any, _) | (Type::Boolean, Value::Bool(_)) => Ok(()),
            (Type::Object(id), _) => self.object(id, value, path),
            (Type::Text { chars_max }, Value::String(text)) => self.length(text, chars_max, path),
            (Type::Time, Value::String(text)) => self.time(text, path),
            (Type::Enum(id), Value::String(text)) => self.one_of(self.table.values(id), text, path),
            (Type::Integer { min, max }, Value::Number(number)) if is_integer(number) => {
                self.bounds(number, min, max, path)
            }
            (Type::Number { min, max, step }, Value::Number(number)) => {
                self.bounds(number, min, max, path)?;
                self.step(number, step, path)
            }
            (Type::Boolean, _) => wrong_type("true or false"),
            (Type::Integer { .. }, _) => wrong_type("an integer"),
            (Type::Number { .. }, _) => wrong_type("a number"),
            (Type::Text { .. } | Type::Time | Type::Enum(_), _) => wrong_type("a string"),
        }
    }

    fn length(&self, text: &str, chars_max: usize, path: Path<'_>) -> Result<(), Violation> {
        // Bytes are counted at once, characters one by one.
        if text.len() <= chars_max || text.chars().count() <= chars_max {
            return Ok(());
        }
        self.odd(ErrorCode::PropertyConstraintViolation, path, || {
            format!(
                "must be at most {chars_max} characters, is {}",
                text.chars().count()
            )
        })
    }

    fn time(&self, text: &str, path: Path<'_>) -> Result<(), Violation> {
        if matches!(time::read(text), Some(read) if read.odd.is_none()) {
            return Ok(());
        }
        self.odd(ErrorCode::PropertyConstraintViolation, path, || {
            format!("must be a time like 2026-11-24T09:30:00Z, is {text:?}")
        })
    }

    fn one_of(&self, values: &[&str], text: &str, path: Path<'_>) -> Result<(), Violation> {
        if values.contains(&text) {
            return Ok(());
        }
        self.odd(ErrorCode::PropertyConstraintViolation, path, || {
            format!("must be one of {}; is {text:?}", listed(values))
        })
    }

    fn bounds(&self, number: &Number, min: f64, max: f64, path: Path<'_>) -> Result<(), Violation> {
        if number.as_f64().is_some_and(|n| n >= min && n <= max) {
            return Ok(());
        }
        self.odd(ErrorCode::PropertyConstraintViolation, path, || {
            let bounds = match (min.is_finite(), max.is_finite()) {
                (true, true) => format!("from {min} to {max}"),
                (true, false) => format!("at least {min}"),
                _ => format!("at most {max}"),
            };
            format!("must be {bounds}, is {number}")
        })
    }

    fn step(&self, number: &Number, step: Option<f64>, path: Path<'_>) -> Result<(), Violation> {
        let Some((step, value)) = step.zip(number.as_f64()) else {
            return Ok(());
        };
        // In decimal, not in binary: 3.3 is a multiple of 0.1, though 3.3 % 0.1 is not 0. The
        // nearest multiple must be the very number that was written.
        let steps_per_one = (1.0 / step).round();
        if (value * steps_per_one).round() / steps_per_one == value {
            return Ok(());
        }
        self.odd(ErrorCode::PropertyConstraintViolation, path, || {
            format!("must be a multiple of {step}, is {number}")
        })
    }

    /// Something a reader can pass over.
    fn odd(
        &self,
        code: ErrorCode,
        path: Path<'_>,
        words: impl FnOnce() -> String,
    ) -> Result<(), Violation> {
        match self.strictness {
            Strictness::Readable => Ok(()),
            Strictness::Full => Err(violation(code, path, words(), true)),
        }
    }

    /// Something a reader stumbles over.
    fn wrong(
        &self,
        code: ErrorCode,
        path: Path<'_>,
        words: impl FnOnce() -> String,
    ) -> Result<(), Violation> {
        Err(violation(code, path, words(), false))
    }
}

fn violation(code: ErrorCode, path: Path<'_>, words: String, tolerable: bool) -> Violation {
    let words = if matches!(path, Path::Root) {
        format!("the payload {words}")
    } else {
        words
    };
    Violation {
        code,
        path: path.to_string(),
        words,
        tolerable,
    }
}

/// JSON does not tell 5.0 from 5, and neither do drafts 6 and later of JSON schema.
fn is_integer(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn listed(words: &[&str]) -> String {
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

/// Where in a payload; built on the stack and written out only for a violation.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(owner, name) => write!(f, "{owner}.{name}"),
            Self::Item(owner, at) => write!(f, "{owner}[{at}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::table::{self, Kind, Version};

    fn verdict(action: &str, payload: &Value) -> Violation {
        table::check(Version::V16, action, Kind::Request, payload).unwrap_err()
    }

    #[test]
    fn a_verdict_says_where_what_and_with_which_code() {
        let cases = [
            (
                json!({}),
                "idTag: is missing",
                ErrorCode::OccurrenceConstraintViolation,
            ),
            (
                json!({"idTag": 5}),
                "idTag: must be a string",
                ErrorCode::TypeConstraintViolation,
            ),
            (
                json!({"idTag": "x".repeat(21)}),
                "idTag: must be at most 20 characters, is 21",
                ErrorCode::PropertyConstraintViolation,
            ),
            (
                json!({"idTag": "x", "more": 1}),
                "more: is no field of this; there are idTag",
                ErrorCode::FormatViolation,
            ),
            (
                json!([]),
                "the payload must be an object",
                ErrorCode::FormatViolation,
            ),
        ];
        for (payload, words, code) in cases {
            let verdict = verdict("Authorize", &payload);
            assert_eq!(
                (verdict.to_string().as_str(), verdict.code),
                (words, code),
                "{payload}"
            );
        }
    }

    #[test]
    fn a_path_leads_into_lists_and_objects() {
        let payload = json!({"connectorId": 1, "meterValue": [
            {"timestamp": "2026-11-24T09:30:00Z", "sampledValue": [{"value": "1"}, {"value": 1}]}
        ]});
        assert_eq!(
            verdict("MeterValues", &payload).path,
            "meterValue[0].sampledValue[1].value"
        );
    }

    #[test]
    fn a_multiple_is_checked_in_decimal() {
        let profile = |limit: f64| {
            json!({"connectorId": 1, "csChargingProfiles": {
                "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Relative", "chargingSchedule": {
                    "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]
                }
            }})
        };
        for limit in [0.1, 0.3, 3.3, 16.1, 31.9, 1e6, 0.0] {
            let verdict = table::check(
                Version::V16,
                "SetChargingProfile",
                Kind::Request,
                &profile(limit),
            );
            assert_eq!(verdict, Ok(()), "{limit}");
        }
        let verdict = verdict("SetChargingProfile", &profile(16.15));
        assert_eq!(verdict.words, "must be a multiple of 0.1, is 16.15");
    }
}
