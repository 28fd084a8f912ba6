//! A session's partition: what it is now, its log, and who may write it.

use model::{RetryKey, Session, SessionEventRecord, SessionId};

use super::{
    held::Version,
    owner::{Owner, Writer},
};
use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    json,
};

const HEAD: Statement = Statement::plain(
    "SELECT snapshot, last, stamp, owner FROM ks.sessions WHERE session = ? LIMIT 1",
);
const OWNER: Statement =
    Statement::plain("SELECT owner FROM ks.sessions WHERE session = ? LIMIT 1");
const ENTRY: Statement = Statement::plain(
    "SELECT snapshot, last, stamp, owner, entry FROM ks.sessions WHERE session = ? AND no = ?",
);
const LOG: Statement = Statement::plain(
    "SELECT no, entry FROM ks.sessions WHERE session = ? AND no > ? ORDER BY no ASC LIMIT ?",
);
const BEGIN: Statement = Statement::plain(
    "INSERT INTO ks.sessions (session, no, snapshot, last, stamp, owner, entry)
     VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
);
const APPEND: Statement = Statement::plain(
    "INSERT INTO ks.sessions (session, no, snapshot, last, stamp, entry)
     VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
);
const FENCE: Statement =
    Statement::plain("UPDATE ks.sessions USING TIMESTAMP ? SET owner = ? WHERE session = ?");

type OwnerColumn = (i64, i32, String);
type HeadColumns = (
    Option<String>,
    Option<i32>,
    Option<i64>,
    Option<OwnerColumn>,
);

/// A session as it now stands, and who may write it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) session: Session,
    /// The position of the log's newest entry.
    pub(crate) last: i32,
    pub(crate) version: Version,
    pub(crate) owner: Owner,
}

/// What a commit writes into the partition.
pub(crate) struct Cells<'a> {
    pub(crate) session: SessionId,
    pub(crate) no: i32,
    pub(crate) snapshot: &'a str,
    pub(crate) entry: &'a str,
}

impl Owner {
    fn column(&self) -> OwnerColumn {
        (self.epoch, self.turn, self.writer.0.clone())
    }
}

fn owner((epoch, turn, writer): OwnerColumn) -> Owner {
    let writer = Writer(writer);
    Owner {
        epoch,
        turn,
        writer,
    }
}

fn head(columns: HeadColumns) -> Result<Option<Head>, CqlError> {
    let (Some(snapshot), Some(last), Some(stamp), Some(owned_by)) = columns else {
        return Ok(None);
    };
    let (writer, session) = signed(&snapshot)?;
    Ok(Some(Head {
        session: json::read(session)?,
        last,
        version: Version { stamp, writer },
        owner: owner(owned_by),
    }))
}

fn signed(cell: &str) -> Result<(Writer, &str), CqlError> {
    Writer::signed(cell).ok_or_else(|| CqlError::unreadable(&"a cell without its writer"))
}

fn entry(cell: &str) -> Result<SessionEventRecord, CqlError> {
    json::read(signed(cell)?.1)
}

impl ScyllaStore {
    pub(crate) async fn head(&self, id: SessionId) -> Result<Option<Head>, CqlError> {
        match self.cql.row(HEAD, (id.0,)).await? {
            Some(columns) => head(columns),
            None => Ok(None),
        }
    }

    /// The session, if its log has that key at that position.
    pub(crate) async fn head_if(
        &self,
        id: SessionId,
        no: i32,
        key: &RetryKey,
    ) -> Result<Option<Head>, CqlError> {
        type Columns = (
            Option<String>,
            Option<i32>,
            Option<i64>,
            Option<OwnerColumn>,
            String,
        );
        let row: Option<Columns> = self.cql.row(ENTRY, (id.0, no)).await?;
        let Some((snapshot, last, stamp, owner, cell)) = row else {
            return Ok(None);
        };
        if entry(&cell)?.retry_key != *key {
            return Ok(None);
        }
        head((snapshot, last, stamp, owner))
    }

    /// Up to `limit` entries of the log that follow a position.
    pub(crate) async fn log(
        &self,
        id: SessionId,
        after: i32,
        limit: i32,
    ) -> Result<Vec<(i32, SessionEventRecord)>, CqlError> {
        let rows: Vec<(i32, String)> = self.cql.rows(LOG, (id.0, after, limit)).await?;
        rows.into_iter()
            .map(|(no, cell)| Ok((no, entry(&cell)?)))
            .collect()
    }

    /// Writes a session's first entry and who owns it.
    pub(crate) async fn write_first(
        &self,
        cells: Cells<'_>,
        owner: &Owner,
    ) -> Result<(), CqlError> {
        let stamp = owner.stamp_at(cells.no);
        let values = (
            cells.session.0,
            cells.no,
            owner.writer.sign(cells.snapshot),
            cells.no,
            stamp,
            owner.column(),
            owner.writer.sign(cells.entry),
            stamp,
        );
        self.cql.write(BEGIN, values).await
    }

    /// Writes snapshot and entry, both or neither.
    pub(crate) async fn write_next(&self, cells: Cells<'_>, owner: &Owner) -> Result<(), CqlError> {
        let stamp = owner.stamp_at(cells.no);
        let values = (
            cells.session.0,
            cells.no,
            owner.writer.sign(cells.snapshot),
            cells.no,
            stamp,
            owner.writer.sign(cells.entry),
            stamp,
        );
        self.cql.write(APPEND, values).await
    }

    /// Makes it known who writes from now on.
    pub(crate) async fn fence(&self, id: SessionId, owner: &Owner) -> Result<(), CqlError> {
        let values = (owner.stamp(), owner.column(), id.0);
        self.cql.write(FENCE, values).await
    }

    /// Whether the session is still this owner's.
    pub(crate) async fn is_owner(&self, id: SessionId, of: &Owner) -> Result<bool, CqlError> {
        let row: Option<(Option<OwnerColumn>,)> = self.cql.row(OWNER, (id.0,)).await?;
        Ok(row.and_then(|(column,)| column).map(owner).as_ref() == Some(of))
    }
}
