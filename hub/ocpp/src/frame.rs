//! OCPP-J arrays: `[2,"a17","Heartbeat",{}]` and the like, read and written.
//!
//! Reading allocates nothing on the happy path: ids and actions are borrowed from the text, the
//! payload is a slice of it. What chargers get wrong about the array itself is read anyway: a
//! message id or type of the other JSON type, a missing or null payload, CALLERRORs of three or
//! four elements, a byte order mark, a trailing NUL, blanks around it. Text that is not JSON at all
//! goes through [`salvage`] before it is given up.

use std::{borrow::Cow, fmt};

use model::Protocol;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

pub use crate::salvage::salvage;
use crate::{ErrorCode, wire::Text};

/// A CALLERROR's description may hold this many characters (OCPP-J §4.2.3).
const DESCRIPTION_CHARS_MAX: usize = 255;

/// The message type of a SEND (2.1): a CALL that wants no answer.
const SEND: i64 = 6;

/// One message.
#[derive(Debug)]
pub enum Frame<'a> {
    /// Type 2: a request.
    Call {
        /// Which call; echoed by its answer.
        id: Cow<'a, str>,
        /// What is asked.
        action: Cow<'a, str>,
        /// With which arguments; `{}` where the sender left it out or wrote `null`.
        payload: &'a RawValue,
    },
    /// Type 3: an answer.
    CallResult {
        /// Of which call.
        id: Cow<'a, str>,
        /// The answer; `{}` where the sender left it out or wrote `null`.
        payload: &'a RawValue,
    },
    /// Type 4: an answer that says why there is none.
    CallError {
        /// Of which call.
        id: Cow<'a, str>,
        /// The code, as sent; empty where the sender left it out.
        code: Cow<'a, str>,
        /// What a person may read; empty where the sender left it out.
        description: Cow<'a, str>,
        /// More, in any JSON shape (quirk 46: some send a string).
        details: &'a RawValue,
    },
    /// Any other message type: ignored in 1.6, answered `MessageTypeNotSupported` in 2.0.1. In 2.1 one that is not known is
    /// ignored, and those it adds want no answer: CALLRESULTERROR (5) and SEND (6).
    Unknown {
        /// The type's number.
        message_type: i64,
        /// The message's id, where it has a readable one.
        id: Option<Cow<'a, str>>,
        /// The action that a SEND is of (type 6, 2.1).
        action: Option<Cow<'a, str>>,
    },
}

/// Text that is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct BadFrame {
    /// The call's id, where at least that could be read: the answer goes there. Without one, 2.x is
    /// answered with id `-1` and 1.6 is not answered.
    pub id: Option<String>,
    /// What is wrong with it.
    pub problem: String,
}

/// Reads one message.
///
/// # Errors
/// The text is not a JSON array that starts like a message. Try [`salvage`] before giving up.
pub fn parse(text: &str) -> Result<Frame<'_>, BadFrame> {
    let text = trimmed(text);
    let elements: Elements<'_> = serde_json::from_str(text).map_err(|error| BadFrame {
        id: crate::salvage::leading_id(text),
        problem: format!("not an OCPP-J array: {error}"),
    })?;
    frame_of(elements.0)
}

/// What surrounds a message and means nothing: a byte order mark, blanks, NULs.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\u{feff}' || c == '\0' || c.is_whitespace())
}

/// Writes a request. `payload` is JSON text.
pub fn call(id: &str, action: &str, payload: &str) -> String {
    let mut out = opened('2', id, action.len() + payload.len() + 4);
    push_string(&mut out, action);
    closed(out, payload)
}

/// Writes an answer. `payload` is JSON text.
pub fn call_result(id: &str, payload: &str) -> String {
    let mut out = opened('3', id, payload.len() + 1);
    out.push_str(payload);
    out.push(']');
    out
}

/// Writes an answer that says why there is none; `description` is cut at 255 characters.
pub fn call_error(id: &str, code: ErrorCode, protocol: Protocol, description: &str) -> String {
    let end = description
        .char_indices()
        .nth(DESCRIPTION_CHARS_MAX)
        .map_or(description.len(), |(at, _)| at);
    let description = &description[..end];
    let mut out = opened('4', id, description.len() + 48);
    push_string(&mut out, code.name(protocol));
    out.push(',');
    push_string(&mut out, description);
    closed(out, "{}")
}

/// `[<type>,"<id>",` with room for `rest` more bytes.
fn opened(message_type: char, id: &str, rest: usize) -> String {
    let mut out = String::with_capacity(id.len() + rest + 8);
    out.push('[');
    out.push(message_type);
    out.push(',');
    push_string(&mut out, id);
    out.push(',');
    out
}

fn closed(mut out: String, last: &str) -> String {
    out.push(',');
    out.push_str(last);
    out.push(']');
    out
}

/// Appends `text` as a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// The longest message known has five elements; more are read over.
const ELEMENTS_MAX: usize = 5;

/// The elements of the array, unread.
struct Elements<'a>([Option<&'a RawValue>; ELEMENTS_MAX]);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArrayVisitor;
        impl<'de> Visitor<'de> for ArrayVisitor {
            type Value = [Option<&'de RawValue>; ELEMENTS_MAX];

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = [None; ELEMENTS_MAX];
                for slot in &mut elements {
                    *slot = seq.next_element()?;
                    if slot.is_none() {
                        return Ok(elements);
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(ArrayVisitor).map(Elements)
    }
}

fn frame_of<'a>(
    [first, id, third, fourth, fifth]: [Option<&'a RawValue>; ELEMENTS_MAX],
) -> Result<Frame<'a>, BadFrame> {
    let id = id.and_then(text_of);
    let bad = |id: Option<Cow<'_, str>>, problem: &str| BadFrame {
        id: id.map(Cow::into_owned),
        problem: problem.to_owned(),
    };
    let message_type = match first
        .and_then(text_of)
        .map(|text| text.trim().parse::<f64>())
    {
        Some(Ok(number)) if number.fract() == 0.0 => number as i64,
        _ => return Err(bad(id, "the first element must be the message type number")),
    };
    if !(2..=4).contains(&message_type) {
        let action = (message_type == SEND).then(|| third.and_then(text_of));
        return Ok(Frame::Unknown {
            message_type,
            id,
            action: action.flatten(),
        });
    }
    let Some(id) = id else {
        return Err(bad(None, "the second element must be the message id"));
    };
    match message_type {
        2 => match third.and_then(text_of) {
            Some(action) if !action.is_empty() => Ok(Frame::Call {
                id,
                action,
                payload: payload_of(fourth),
            }),
            _ => Err(bad(Some(id), "the third element must name the action")),
        },
        3 => Ok(Frame::CallResult {
            id,
            payload: payload_of(third),
        }),
        _ => Ok(Frame::CallError {
            id,
            code: third.and_then(text_of).unwrap_or_default(),
            description: fourth.and_then(text_of).unwrap_or_default(),
            details: payload_of(fifth),
        }),
    }
}

/// A string's text, or a number as written; nothing of any other type.
fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str::<Text<'_>>(text)
            .ok()
            .map(|text| text.0),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

fn payload_of(raw: Option<&RawValue>) -> &RawValue {
    match raw {
        Some(raw) if raw.get() != "null" => raw,
        _ => serde_json::from_str("{}").expect("an empty object is JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String, String) {
        match parse(text).unwrap_or_else(|e| panic!("{text}: {e}")) {
            Frame::Call {
                id,
                action,
                payload,
            } => (id.into(), action.into(), payload.get().into()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_call_is_read_without_copying() {
        let text = r#"[2,"a17","Heartbeat",{"x": 1}]"#;
        let Ok(Frame::Call {
            id: Cow::Borrowed("a17"),
            action: Cow::Borrowed("Heartbeat"),
            payload,
        }) = parse(text)
        else {
            panic!("not borrowed")
        };
        assert_eq!(payload.get(), r#"{"x": 1}"#);
    }

    #[test]
    fn what_chargers_get_wrong_about_the_array_is_read_anyway() {
        let heartbeat = |id: &str| (id.to_owned(), "Heartbeat".to_owned(), "{}".to_owned());
        for (text, id) in [
            (r#"[2,17,"Heartbeat",{}]"#, "17"),
            (r#"["2","a","Heartbeat",{}]"#, "a"),
            (r#"[2,"a","Heartbeat"]"#, "a"),
            (r#"[2,"a","Heartbeat",null]"#, "a"),
            (r#"[2,"a","Heartbeat",{},"extra"]"#, "a"),
            (r#"[2,"a","Heartbeat",{},1,2,3]"#, "a"),
            ("\u{feff}[2,\"a\",\"Heartbeat\",{}]", "a"),
            ("[2,\"a\",\"Heartbeat\",{}]\0", "a"),
            (" \r\n[2,\"a\",\"Heartbeat\",{}]\r\n ", "a"),
            (r#"[2,"a\"b","Heartbeat",{}]"#, "a\"b"),
        ] {
            assert_eq!(parsed(text), heartbeat(id), "{text}");
        }
        let long = "x".repeat(90);
        let text = format!(r#"[2,"{long}","Heartbeat",{{}}]"#);
        assert_eq!(parsed(&text), heartbeat(&long));
    }

    #[test]
    fn quirk_46_a_call_error_may_be_short_or_have_details_of_any_shape() {
        for (text, expected) in [
            (
                r#"[4,"a","GenericError","why",{"k":1}]"#,
                ("GenericError", "why", r#"{"k":1}"#),
            ),
            (
                r#"[4,"a","GenericError","why","text"]"#,
                ("GenericError", "why", r#""text""#),
            ),
            (
                r#"[4,"a","GenericError","why"]"#,
                ("GenericError", "why", "{}"),
            ),
            (r#"[4,"a","GenericError"]"#, ("GenericError", "", "{}")),
            (r#"[4,"a",null,null,null]"#, ("", "", "{}")),
        ] {
            let Ok(Frame::CallError {
                code,
                description,
                details,
                ..
            }) = parse(text)
            else {
                panic!("{text}")
            };
            assert_eq!((&*code, &*description, details.get()), expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_message_type_is_told_apart_from_a_broken_frame() {
        assert!(matches!(
            parse(r#"[6,"a","NotifyPeriodicEventStream",{}]"#),
            Ok(Frame::Unknown { message_type: 6, id: Some(id), action: Some(action) })
                if id == "a" && action == "NotifyPeriodicEventStream"
        ));
        assert!(matches!(
            parse("[9]"),
            Ok(Frame::Unknown {
                message_type: 9,
                id: None,
                action: None
            })
        ));
    }

    #[test]
    fn a_broken_frame_tells_the_id_it_is_to_be_answered_with() {
        for (text, id) in [
            (r#"[2,"a17","Heartbeat",{"x":}]"#, Some("a17")),
            (r#"[2,"a17",{}]"#, Some("a17")),
            (r#"[2,"a17"]"#, Some("a17")),
            (r#"[2, 17 ,"#, Some("17")),
            (r#"["x","a17","Heartbeat",{}]"#, Some("a17")),
            (r#"[2,{},"Heartbeat",{}]"#, None),
            ("{}", None),
            ("", None),
            ("hello", None),
        ] {
            assert_eq!(parse(text).unwrap_err().id.as_deref(), id, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let id = "a\"\\\n\u{1}é";
        let text = call(id, "Reset", r#"{"type":"Soft"}"#);
        assert_eq!(
            parsed(&text),
            (id.into(), "Reset".into(), r#"{"type":"Soft"}"#.into())
        );
        assert_eq!(call_result("7", "{}"), r#"[3,"7",{}]"#);
        assert_eq!(
            call_error("7", ErrorCode::FormatViolation, Protocol::Ocpp16, "no"),
            r#"[4,"7","FormationViolation","no",{}]"#
        );
    }

    #[test]
    fn a_description_is_cut_at_255_characters_not_bytes() {
        let text = call_error(
            "7",
            ErrorCode::GenericError,
            Protocol::Ocpp201,
            &"é".repeat(300),
        );
        let Ok(Frame::CallError { description, .. }) = parse(&text) else {
            panic!("{text}")
        };
        assert_eq!(description, "é".repeat(255));
    }
}
