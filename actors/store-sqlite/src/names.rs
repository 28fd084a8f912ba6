//! The texts by which small enums are kept. They stand in files of users: never change one.

use model::{Admission, Direction, Protocol, Role, SessionEventKind};
use rusqlite::{Row, types::Type};

/// A value that is kept by its name.
pub(crate) trait Named: Sized + Copy + PartialEq + 'static {
    const NAMES: &'static [(Self, &'static str)];

    fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("", |(_, name)| name)
    }

    fn of(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(value, _)| *value)
    }
}

macro_rules! named {
    ($type:ident { $($variant:ident = $name:literal,)* }) => {
        impl Named for $type {
            const NAMES: &'static [(Self, &'static str)] = &[$(($type::$variant, $name)),*];
        }

        // A variant without a name does not compile.
        const _: fn($type) = |value| match value {
            $($type::$variant => {})*
        };
    };
}

named!(Admission {
    Accepted = "accepted",
    Pending = "pending",
    Rejected = "rejected",
});
named!(Direction {
    In = "in",
    Out = "out",
});
named!(Protocol {
    Ocpp16 = "ocpp1.6",
    Ocpp201 = "ocpp2.0.1",
    Ocpp21 = "ocpp2.1",
});
named!(Role {
    Viewer = "viewer",
    Operator = "operator",
    Admin = "admin",
});
named!(SessionEventKind {
    Started = "started",
    Updated = "updated",
    Meter = "meter",
    Ended = "ended",
    ClosedByHub = "closed_by_hub",
});

/// The value whose name stands in a column.
pub(crate) fn read_name<T: Named>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    T::of(text).ok_or_else(|| unreadable(column, format!("{text:?} is no known name")))
}

/// As [`read_name`], where the column may be empty.
pub(crate) fn read_optional_name<T: Named>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)?.as_str_or_null()? {
        Some(_) => read_name(row, column).map(Some),
        None => Ok(None),
    }
}

/// The id whose text stands in a column.
pub(crate) fn read_id<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err = model::InvalidId>,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse()
        .map_err(|error: model::InvalidId| unreadable(column, error))
}

/// As [`read_id`], where the column may be empty.
pub(crate) fn read_optional_id<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: std::str::FromStr<Err = model::InvalidId>,
{
    match row.get_ref(column)?.as_str_or_null()? {
        Some(_) => read_id(row, column).map(Some),
        None => Ok(None),
    }
}

/// What a column holds is not what was written there.
pub(crate) fn unreadable(
    column: usize,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
