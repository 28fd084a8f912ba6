//! Pieces of wire types that both versions use.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

/// A string, borrowed from the message wherever it holds no escapes. (`Option<Cow<str>>` would
/// always copy.)
#[derive(Debug, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// The text, unless it says nothing: empty, or the word `null` (quirk 45: some firmware prints it).
pub(crate) fn said(text: Option<Text<'_>>) -> Option<String> {
    text.filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("null"))
        .map(|text| text.0.into_owned())
}

/// A 1.6 transaction number in decimal, as sent, be it a number or a number in quotes.
#[derive(Debug)]
pub(crate) struct TransactionNumber(pub(crate) String);

impl TransactionNumber {
    /// Whether it is one that OCPP 1.6 could mean: 64 bits are generous already.
    pub(crate) fn fits(&self) -> bool {
        self.0.parse::<i64>().is_ok()
    }
}

impl<'de> Deserialize<'de> for TransactionNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = TransactionNumber;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a transaction number")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(TransactionNumber(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(TransactionNumber(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                // Rust writes a float in full: 1e20 as 100000000000000000000.
                Ok(TransactionNumber(number.to_string()))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TransactionNumber(text.trim().to_owned()))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quirk_19_a_transaction_number_is_kept_in_decimal_whatever_its_size() {
        for (sent, kept, fits) in [
            ("9223372036854775807", "9223372036854775807", true),
            ("-1", "-1", true),
            ("18446744073709551615", "18446744073709551615", false),
            ("1e20", "100000000000000000000", false),
            ("5.0", "5", true),
            (r#""42""#, "42", true),
        ] {
            let number: TransactionNumber = serde_json::from_str(sent).unwrap();
            assert_eq!((number.0.as_str(), number.fits()), (kept, fits), "{sent}");
        }
    }

    #[test]
    fn quirk_45_the_word_null_says_nothing() {
        let text = |json| serde_json::from_str::<Text<'_>>(json).ok();
        assert_eq!(said(text(r#""null""#)), None);
        assert_eq!(said(text(r#""""#)), None);
        assert_eq!(said(text(r#""nullable""#)).as_deref(), Some("nullable"));
        assert_eq!(said(None), None);
    }
}
