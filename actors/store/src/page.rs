//! Pages of a list.

use std::{fmt, str::FromStr};

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// At most so many items; implementations hold to it exactly.
    pub limit: u32,
    /// The `next` of the page before; absent for the first. A text that names no place in the list
    /// gives an empty page and no error.
    pub after: Option<String>,
}

impl PageRequest {
    /// The first `limit` items.
    pub fn first(limit: u32) -> Self {
        Self { limit, after: None }
    }

    /// How many items to read: one more than the page holds tells whether another follows.
    pub fn to_read(&self) -> usize {
        self.limit as usize + 1
    }

    /// Where the page begins: `Ok(None)` at the start of the list.
    ///
    /// # Errors
    /// [`NoSuchPlace`], where `after` cannot have come from a list with such places.
    pub fn place<P: FromStr>(&self) -> Result<Option<P>, NoSuchPlace> {
        let Some(after) = &self.after else {
            return Ok(None);
        };
        after.parse().map(Some).map_err(|_| NoSuchPlace)
    }
}

/// A cursor that no list of this kind hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchPlace;

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last. Opaque: only to be handed back.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page without items, and the last.
    pub fn empty() -> Self {
        Self {
            items: Vec::new(),
            next: None,
        }
    }

    /// The page that `request` asked for, from up to [`PageRequest::to_read`] items that follow its
    /// place, each with its own place.
    pub fn cut<P: fmt::Display>(
        request: &PageRequest,
        following: impl IntoIterator<Item = (P, T)>,
    ) -> Self {
        let limit = request.limit as usize;
        let mut last = None;
        let mut items = Vec::new();
        for (place, item) in following {
            if items.len() == limit {
                let next = last.map(|place: P| place.to_string());
                return Self { items, next };
            }
            last = Some(place);
            items.push(item);
        }
        Self { items, next: None }
    }
}

/// A place in a list that is ordered by time: the time, and the number that tells apart what bears the
/// same one. Written `1790000000123.42`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimePlace {
    /// The time.
    pub at: Timestamp,
    /// The number; rises with each row written.
    pub no: i64,
}

impl fmt::Display for TimePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.0, self.no)
    }
}

impl FromStr for TimePlace {
    type Err = NoSuchPlace;
    fn from_str(text: &str) -> Result<Self, NoSuchPlace> {
        let (at, no) = text.split_once('.').ok_or(NoSuchPlace)?;
        Ok(Self {
            at: Timestamp(at.parse().map_err(|_| NoSuchPlace)?),
            no: no.parse().map_err(|_| NoSuchPlace)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: std::ops::Range<i64>) -> impl Iterator<Item = (i64, i64)> {
        range.map(|n| (n, n))
    }

    #[test]
    fn a_page_names_the_next_only_where_there_is_one() {
        let page = Page::cut(&PageRequest::first(2), numbers(0..3));
        assert_eq!((page.items, page.next.as_deref()), (vec![0, 1], Some("1")));
        let page = Page::cut(&PageRequest::first(2), numbers(0..2));
        assert_eq!((page.items, page.next), (vec![0, 1], None));
        assert_eq!(
            Page::cut(&PageRequest::first(0), numbers(0..1)),
            Page::empty()
        );
    }

    #[test]
    fn a_place_in_time_survives_its_text() {
        let place = TimePlace {
            at: Timestamp(-5),
            no: 42,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        assert_eq!("yesterday".parse::<TimePlace>(), Err(NoSuchPlace));
    }
}
