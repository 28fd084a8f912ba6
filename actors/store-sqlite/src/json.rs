//! Columns that hold JSON.

use rusqlite::Row;
use serde::{Serialize, de::DeserializeOwned};
use store::WriteError;

use crate::names::unreadable;

/// The JSON of a value.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<String, WriteError> {
    serde_json::to_string(value).map_err(|error| WriteError::NotWritten(error.to_string()))
}

/// The value whose JSON stands in a column.
pub(crate) fn read<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?, column)
}

/// As [`read`], where the column may be empty.
pub(crate) fn read_optional<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| parse(text, column)).transpose()
}

fn parse<T: DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(column, error))
}
