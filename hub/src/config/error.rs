//! What is wrong with a configuration, in words that say what to do.

use figment::error::Kind;

/// Why the configuration cannot be used, in one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(super) String);

impl ConfigError {
    /// All that could not be read.
    pub(super) fn of(error: &figment::Error) -> Self {
        let lines: Vec<String> = error
            .clone()
            .into_iter()
            .map(|error| in_words(&error))
            .collect();
        Self(lines.join("; ").replace('\n', " "))
    }
}

/// Which key, what is wrong with it, and where it was set.
fn in_words(error: &figment::Error) -> String {
    let key = error.path.join(".").to_lowercase();
    let kind = match &error.kind {
        // Its own words put each in quotation marks twice.
        Kind::UnknownVariant(found, known) => {
            format!("`{found}` is none of {}", quoted(known))
        }
        Kind::UnknownField(found, known) => {
            format!("there is no key `{found}`; there are {}", quoted(known))
        }
        kind => kind.to_string(),
    };
    let hint = match kind.as_str() {
        kind if kind.contains("socket address") => "; write it as 127.0.0.1:9220",
        kind if kind.contains("expected a boolean") => "; write true or false",
        _ => "",
    };
    let place = match &error.metadata {
        Some(place) if place.name.contains("environment") => " (set in the environment)".to_owned(),
        Some(place) => format!(" (set in {})", place.name),
        None => String::new(),
    };
    let key = if key.is_empty() {
        String::new()
    } else {
        format!("{key}: ")
    };
    format!("{key}{kind}{hint}{place}")
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
