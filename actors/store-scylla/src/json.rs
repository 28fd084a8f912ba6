//! Columns that hold JSON.

use serde::{Serialize, de::DeserializeOwned};
use store::WriteError;

use crate::cql::CqlError;

/// The JSON of a value.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<String, WriteError> {
    serde_json::to_string(value).map_err(|error| WriteError::NotWritten(error.to_string()))
}

/// The value whose JSON this is.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, CqlError> {
    serde_json::from_str(text).map_err(|error| CqlError::unreadable(&error))
}
