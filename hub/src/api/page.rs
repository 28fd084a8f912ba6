//! Pages of a list: `limit` and `after` in, `items` and `next` out.
//!
//! The store's cursors are wrapped before they are shown, together with a check tag over the list they
//! belong to: a cursor that was cut short, invented, or taken from another list is a 400 and never
//! reaches the store. The tag tells mistakes, not attackers: a store copes with any cursor.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use store::{Page, PageRequest};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// At most so many items.
    #[serde(default = "default_limit", deserialize_with = "limit")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    pub(crate) limit: u32,
    /// The `next` of the page before; left out for the first.
    after: Option<String>,
}

/// Part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The `after` of the next page; null on the last.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A list, by name; its cursors fit no other list.
pub(crate) struct List(pub(crate) &'static str);

impl List {
    const TAG_BYTES: usize = 4;

    /// What to ask the store for.
    pub(crate) fn request(&self, paging: &Paging) -> Result<PageRequest, Problem> {
        let after = match &paging.after {
            Some(shown) => Some(self.open(shown).ok_or_else(|| {
                Problem::bad_request(
                    "the query cannot be read: after: not a cursor of this list; hand back the \
                     `next` of the page before, or leave it out for the first page",
                )
            })?),
            None => None,
        };
        Ok(PageRequest {
            limit: paging.limit,
            after,
        })
    }

    /// The store's page as it is shown.
    pub(crate) fn show<T>(&self, page: Page<T>) -> Listed<T> {
        Listed {
            items: page.items,
            next: page.next.map(|cursor| self.wrap(&cursor)),
        }
    }

    fn wrap(&self, cursor: &str) -> String {
        let mut bytes = self.tag(cursor).to_vec();
        bytes.extend_from_slice(cursor.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open(&self, shown: &str) -> Option<String> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(shown).ok()?;
        let (tag, cursor) = bytes.split_at_checked(Self::TAG_BYTES)?;
        let cursor = std::str::from_utf8(cursor).ok()?;
        (self.tag(cursor) == tag).then(|| cursor.to_owned())
    }

    fn tag(&self, cursor: &str) -> [u8; Self::TAG_BYTES] {
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update([0])
            .chain_update(cursor)
            .finalize();
        std::array::from_fn(|i| digest[i])
    }
}

fn default_limit() -> u32 {
    100
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        limit @ 1..=500 => Ok(limit),
        other => Err(serde::de::Error::custom(format!(
            "{other} is not between 1 and 500"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_from_its_own_list_only() {
        let shown = List("stations").wrap("RDAM|123");
        assert_eq!(List("stations").open(&shown).as_deref(), Some("RDAM|123"));
        assert_eq!(List("tokens").open(&shown), None);
        assert_eq!(List("stations").open(&shown[1..]), None);
        for invented in ["", "x", "AAAA", "RDAM|123"] {
            assert_eq!(List("stations").open(invented), None, "{invented:?}");
        }
    }
}
