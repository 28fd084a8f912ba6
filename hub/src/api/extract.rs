//! What handlers take from a request: axum's extractors, with problems as their errors.

use axum::extract::{FromRequest, FromRequestParts};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;

/// The query. Several may read one query, each its own part: that no parameter is left over is
/// checked by [`super::gate`], for all operations.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// What the path holds, percent-decoded.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

/// The body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Json<T>(pub(crate) T);

/// A text for people: a name, a note.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, max_length = 1000)]
pub(crate) struct Text(pub(crate) String);

impl Text {
    const MAX_CHARS: usize = 1000;
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.chars().count() > Self::MAX_CHARS {
            return Err(serde::de::Error::custom(format!(
                "a text may be at most {} characters",
                Self::MAX_CHARS
            )));
        }
        Ok(Self(text))
    }
}

/// For fields of a merge patch (RFC 7396): a field that is there has a value, which is `null` only
/// where `T` may be; a field that is not there (`#[serde(default)]`) is `None`.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
