//! The last resort before a message is given up: text that is not JSON is made JSON again.
//!
//! Only what firmware is known to write is repaired, and only where one reading is possible:
//! `"transactionId":,` (quirk 6) becomes null, a backslash before a character that needs none
//! (quirk 7) stands for itself, a raw control character in a string is escaped, a stray comma is
//! dropped, `nan` is null. Text that was cut off is never completed: half a number is a wrong
//! number. Of a CALL whose payload is beyond repair the payload becomes one JSON string, so that a transaction
//! message can still be recorded and answered.

use crate::frame::{self, Frame, push_string};

/// The message `text` was meant to be, as JSON; nothing where not even a call's id and action can
/// be read.
pub fn salvage(text: &str) -> Option<String> {
    let text = frame::trimmed(text);
    if let Some(repaired) = repaired_json(text)
        && frame::parse(&repaired).is_ok()
    {
        return Some(repaired);
    }
    let mut scanner = Scanner { rest: text };
    let (message_type, id) = scanner.type_and_id()?;
    scanner.eat(',')?;
    let action = scanner.scalar()?;
    scanner.eat(',')?;
    if message_type != "2" || action.is_empty() {
        return None;
    }
    // The payload may be whole though the message around it is not.
    let payload = repaired_json(scanner.rest).filter(|payload| payload.starts_with('{'));
    let payload = payload.unwrap_or_else(|| {
        let mut text = String::new();
        push_string(&mut text, scanner.rest);
        text
    });
    let whole = frame::call(id, action, &payload);
    matches!(frame::parse(&whole), Ok(Frame::Call { .. })).then_some(whole)
}

/// The message id of a frame whose rest may be anything.
pub(crate) fn leading_id(text: &str) -> Option<String> {
    let (_, id) = Scanner { rest: text }.type_and_id()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// `text` as valid JSON, where the repairs above suffice.
pub(crate) fn repaired_json(text: &str) -> Option<String> {
    let mut repair = Repair {
        out: String::with_capacity(text.len() + 16),
        open: Vec::new(),
        last: Last::Start,
    };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '"' => repair.string(rest)?,
            '{' | '[' => repair.open(c)?,
            '}' | ']' => repair.close(c)?,
            ',' => repair.comma(),
            ':' => repair.colon()?,
            c if c.is_whitespace() || c == '\0' => c.len_utf8(),
            _ => repair.bare(rest)?,
        };
        rest = &rest[taken..];
        if repair.open.is_empty() && repair.last == Last::Value {
            break;
        }
    }
    let complete = repair.open.is_empty() && repair.last == Last::Value;
    complete.then_some(repair.out)
}

/// What was last written.
#[derive(PartialEq, Clone, Copy)]
enum Last {
    Start,
    Open,
    Value,
    Comma,
    Colon,
}

struct Repair {
    out: String,
    open: Vec<char>,
    last: Last,
}

impl Repair {
    fn open(&mut self, bracket: char) -> Option<usize> {
        self.begin_value()?;
        self.open.push(bracket);
        self.out.push(bracket);
        self.last = Last::Open;
        Some(1)
    }

    fn close(&mut self, bracket: char) -> Option<usize> {
        let opening = if bracket == '}' { '{' } else { '[' };
        if self.open.pop()? != opening {
            return None;
        }
        match self.last {
            Last::Colon => self.out.push_str("null"),
            Last::Comma => {
                self.out.pop();
            }
            Last::Start | Last::Open | Last::Value => {}
        }
        self.out.push(bracket);
        self.last = Last::Value;
        Some(1)
    }

    fn comma(&mut self) -> usize {
        match self.last {
            Last::Colon => self.out.push_str("null,"),
            Last::Value => self.out.push(','),
            // A comma with nothing before it is dropped.
            Last::Start | Last::Open | Last::Comma => return 1,
        }
        self.last = Last::Comma;
        1
    }

    fn colon(&mut self) -> Option<usize> {
        if self.last != Last::Value || self.open.last() != Some(&'{') {
            return None;
        }
        self.out.push(':');
        self.last = Last::Colon;
        Some(1)
    }

    /// Two values side by side have no one reading.
    fn begin_value(&mut self) -> Option<()> {
        (self.last != Last::Value).then_some(())
    }

    /// A string that starts at `text`; how long it is there.
    fn string(&mut self, text: &str) -> Option<usize> {
        self.begin_value()?;
        self.out.push('"');
        let mut at = 1;
        loop {
            let c = text[at..].chars().next()?;
            match c {
                '"' => break,
                '\\' => {
                    let (escape, taken) = repaired_escape(&text[at..]);
                    self.out.push_str(&escape);
                    at += taken;
                    continue;
                }
                c if c.is_control() => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
            at += c.len_utf8();
        }
        self.out.push('"');
        self.last = Last::Value;
        Some(at + 1)
    }

    /// Anything that is neither a string nor punctuation.
    fn bare(&mut self, text: &str) -> Option<usize> {
        self.begin_value()?;
        let end = text
            .find(|c: char| c.is_whitespace() || ",:{}[]\"".contains(c))
            .unwrap_or(text.len());
        let word = &text[..end];
        match word.to_ascii_lowercase().as_str() {
            "true" => self.out.push_str("true"),
            "false" => self.out.push_str("false"),
            "null" | "none" | "nil" | "nan" | "-nan" | "inf" | "-inf" | "infinity"
            | "-infinity" | "undefined" => self.out.push_str("null"),
            _ if serde_json::from_str::<serde_json::Number>(word).is_ok() => {
                self.out.push_str(word);
            }
            _ => match word.parse::<f64>() {
                Ok(number) if number.is_finite() => self.out.push_str(&number.to_string()),
                _ => push_string(&mut self.out, word),
            },
        }
        self.last = Last::Value;
        Some(end)
    }
}

/// What the backslash at the start of `text` was meant to be, and how many bytes of it that is.
fn repaired_escape(text: &str) -> (String, usize) {
    let code_unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    match text.as_bytes().get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (text[..2].to_owned(), 2),
        Some(b'u') => match code_unit(0) {
            Some(0xd800..=0xdbff) if matches!(code_unit(6), Some(0xdc00..=0xdfff)) => {
                (text[..12].to_owned(), 12)
            }
            Some(0xd800..=0xdfff) => ("\\ufffd".to_owned(), 6),
            Some(_) => (text[..6].to_owned(), 6),
            None => ("\\\\".to_owned(), 1),
        },
        _ => ("\\\\".to_owned(), 1),
    }
}

/// Reads the head of a frame by hand.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn type_and_id(&mut self) -> Option<(&'a str, &'a str)> {
        self.eat('[')?;
        let message_type = self.scalar()?;
        self.eat(',')?;
        Some((message_type, self.scalar()?))
    }

    fn eat(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(c)?;
        Some(())
    }

    /// A string without escapes, or a bare word or number.
    fn scalar(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let (scalar, rest) = match text.strip_prefix('"') {
            Some(inner) => inner.split_once('"')?,
            None => text.split_at(text.find(|c: char| c.is_whitespace() || ",[]{}\"".contains(c))?),
        };
        self.rest = rest;
        (!scalar.contains('\\')).then_some(scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quirk_06_a_field_without_a_value_is_null() {
        let text = r#"[2,"a","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]"#;
        assert!(frame::parse(text).is_err());
        assert_eq!(
            salvage(text).unwrap(),
            r#"[2,"a","MeterValues",{"connectorId":1,"transactionId":null,"meterValue":[]}]"#
        );
        assert_eq!(repaired_json(r#"{"a":}"#).unwrap(), r#"{"a":null}"#);
    }

    #[test]
    fn a_whole_payload_in_a_damaged_message_is_kept() {
        let payload = r#"{"transactionId":7,"meterStop":9000}"#;
        let whole = format!(r#"[2,"a","StopTransaction",{payload}]"#);
        for damaged in [
            format!(r#"[2,"a","StopTransaction",{payload}"#),
            format!(r#"[2,"a","StopTransaction",{payload},"#),
            format!(r#"[2,"a","StopTransaction",{payload}}}"#),
        ] {
            assert_eq!(salvage(&damaged).as_deref(), Some(&*whole), "{damaged}");
        }
        let cut = r#"[2,"a","StopTransaction",{"transactionId":7,"meterStop":90"#;
        assert!(!salvage(cut).unwrap().contains(r#""meterStop":90"#));
    }

    #[test]
    fn quirk_07_a_bad_escape_stands_for_itself() {
        for (sent, meant) in [
            (r#"["\x04"]"#, r#"["\\x04"]"#),
            (r#"["\u12"]"#, r#"["\\u12"]"#),
            (r#"["\ud800"]"#, r#"["\ufffd"]"#),
            (r#"["\ud83d\ude00"]"#, r#"["\ud83d\ude00"]"#),
            (r#"["\"\\\n"]"#, r#"["\"\\\n"]"#),
            ("[\"a\u{1}b\"]", r#"["a\u0001b"]"#),
        ] {
            let repaired = repaired_json(sent).unwrap();
            assert_eq!(repaired, meant);
            serde_json::from_str::<serde_json::Value>(&repaired).unwrap();
        }
    }

    #[test]
    fn words_and_commas_firmware_writes_are_understood() {
        for (sent, meant) in [
            (r#"{"a":nan,"b":True}"#, r#"{"a":null,"b":true}"#),
            (r#"{"a":007,"b":+5,"c":.5}"#, r#"{"a":7,"b":5,"c":0.5}"#),
            (r#"{"a":1,,"b":[2,],}"#, r#"{"a":1,"b":[2]}"#),
            (r#"{"a":Accepted}"#, r#"{"a":"Accepted"}"#),
            ("{\"a\":1}\0garbage", r#"{"a":1}"#),
        ] {
            assert_eq!(repaired_json(sent).unwrap(), meant, "{sent}");
        }
    }

    #[test]
    fn a_call_cut_off_keeps_its_id_and_action_and_its_payload_as_text() {
        let text = r#"[2,"a17","StopTransaction",{"transactionId":5,"meterStop":12"#;
        assert_eq!(
            salvage(text).unwrap(),
            r#"[2,"a17","StopTransaction","{\"transactionId\":5,\"meterStop\":12"]"#
        );
    }

    #[test]
    fn text_that_is_no_call_is_not_made_one() {
        for text in [
            "",
            "hello",
            "{}",
            "[",
            r#"[3,"a",{"#,
            r#"[2,"a"#,
            r#"[2,"a","","#,
        ] {
            assert_eq!(salvage(text), None, "{text}");
        }
    }
}
