//! The table of facts: what every message of OCPP 1.6, 2.0.1 and 2.1 may hold.
//!
//! `table/*.facts` say it in text; a version's text is read once, when first asked for. One
//! interpreter answers everything that is asked of it: the verdict on a payload, with path and
//! error code, here; the repair of one in `crate::repair`.

mod check;
mod facts;

use std::{fmt, sync::LazyLock};

pub use check::Violation;
pub(crate) use facts::{Field, ObjectId, Table, Type};
use model::Protocol;
use serde_json::Value;

use crate::ErrorCode;

/// A version of OCPP that the table knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// OCPP 1.6 with the security whitepaper.
    V16,
    /// OCPP 2.0.1.
    V201,
    /// OCPP 2.1.
    V21,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V16 => "1.6",
            Self::V201 => "2.0.1",
            Self::V21 => "2.1",
        })
    }
}

impl From<Protocol> for Version {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Ocpp16 => Self::V16,
            Protocol::Ocpp201 => Self::V201,
            Protocol::Ocpp21 => Self::V21,
        }
    }
}

impl Version {
    /// All that the table knows.
    pub const ALL: [Self; 3] = [Self::V16, Self::V201, Self::V21];

    pub(crate) fn table(self) -> &'static Table {
        static V16: LazyLock<Table> =
            LazyLock::new(|| Table::read(include_str!("../../table/v16.facts")));
        static V201: LazyLock<Table> =
            LazyLock::new(|| Table::read(include_str!("../../table/v201.facts")));
        static V21: LazyLock<Table> =
            LazyLock::new(|| Table::read(include_str!("../../table/v21.facts")));
        match self {
            Self::V16 => &V16,
            Self::V201 => &V201,
            Self::V21 => &V21,
        }
    }

    /// Every action of the version and who sends its request, by name.
    pub fn actions(self) -> impl Iterator<Item = (&'static str, Sender)> {
        self.table().actions.iter().copied()
    }

    /// Who sends the request of `action`; nothing where the version has no such action.
    pub fn sender(self, action: &str) -> Option<Sender> {
        self.named(action).map(|(_, sender)| sender)
    }

    /// The action's own name, which outlives `action`, and who sends its request.
    pub(crate) fn named(self, action: &str) -> Option<(&'static str, Sender)> {
        let actions = &self.table().actions;
        let found = actions
            .binary_search_by_key(&action, |(name, _)| name)
            .ok()?;
        Some(actions[found])
    }
}

/// Who sends an action's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The charging station.
    Station,
    /// The central system: this hub.
    Csms,
    /// Either (DataTransfer).
    Both,
}

/// Which of an action's two payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The CALL's.
    Request,
    /// The CALLRESULT's.
    Response,
}

/// Whether `payload` is one that `version` allows for `action`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(version: Version, action: &str, kind: Kind, payload: &Value) -> Result<(), Violation> {
    check_with(version, action, kind, payload, Strictness::Full)
}

/// Whether `payload` can at least be read: what is tolerable ([`Violation::tolerable`]) is passed
/// over.
pub(crate) fn check_readable(
    version: Version,
    action: &str,
    kind: Kind,
    payload: &Value,
) -> Result<(), Violation> {
    check_with(version, action, kind, payload, Strictness::Readable)
}

/// What counts as wrong.
#[derive(Clone, Copy, PartialEq)]
enum Strictness {
    Full,
    Readable,
}

fn check_with(
    version: Version,
    action: &str,
    kind: Kind,
    payload: &Value,
    strictness: Strictness,
) -> Result<(), Violation> {
    let table = version.table();
    let Some(root) = table.message(action, kind) else {
        return Err(Violation {
            code: ErrorCode::NotImplemented,
            path: String::new(),
            words: format!("there is no action {action:?}"),
            tolerable: false,
        });
    };
    check::check(table, root, payload, strictness)
}

/// The action's own name, if any version has it: what may be used as a metric label.
pub fn canonical_action(action: &str) -> Option<&'static str> {
    Version::ALL
        .into_iter()
        .filter_map(|version| version.named(action))
        .map(|(name, _)| name)
        .next()
}
