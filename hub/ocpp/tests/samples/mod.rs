//! The sample payloads of `golden/corpus`; its README says what the fields mean.

use std::{fs::File, io::Read, path::Path};

use flate2::read::GzDecoder;
use ocpp::table::{Kind, Version};
use serde::Deserialize;

/// One payload.
#[derive(Debug, Deserialize)]
pub(crate) struct Sample {
    #[serde(rename = "ver", deserialize_with = "version")]
    pub(crate) version: Version,
    pub(crate) action: String,
    #[serde(deserialize_with = "kind")]
    pub(crate) kind: Kind,
    #[serde(rename = "cat")]
    #[allow(dead_code, reason = "not every test that uses this module asks")]
    pub(crate) category: String,
    #[allow(dead_code, reason = "not every test that uses this module asks")]
    pub(crate) valid: bool,
    pub(crate) payload: String,
}

/// What the schemas allow.
pub(crate) fn valid() -> Vec<Sample> {
    read("valid.jsonl.gz")
}

/// The same, as real chargers err.
pub(crate) fn mutated() -> Vec<Sample> {
    read("mutated.jsonl.gz")
}

fn read(name: &str) -> Vec<Sample> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/corpus")
        .join(name);
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("the corpus is gzip and UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line is a sample"))
        .collect()
}

fn version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    match &*String::deserialize(deserializer)? {
        "1.6" => Ok(Version::V16),
        "2.0.1" => Ok(Version::V201),
        "2.1" => Ok(Version::V21),
        other => Err(serde::de::Error::custom(format!("no version {other}"))),
    }
}

fn kind<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
    match &*String::deserialize(deserializer)? {
        "Request" => Ok(Kind::Request),
        "Response" => Ok(Kind::Response),
        other => Err(serde::de::Error::custom(format!("no kind {other}"))),
    }
}
