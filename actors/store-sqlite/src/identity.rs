//! The numbers by which sessions and logs name their stations.

use rusqlite::{Connection, OptionalExtension};

/// A station's number, and the marks that new claims and 1.6 numbers must be above.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) no: i64,
    pub(crate) last_epoch: Option<i64>,
    pub(crate) last_number: Option<i32>,
}

/// The identity of a station, if anything was ever kept of it there.
pub(crate) fn find(db: &Connection, station: &str) -> rusqlite::Result<Option<Identity>> {
    db.prepare_cached("SELECT no, last_epoch, last_number FROM identities WHERE identity = ?1")?
        .query_row([station], |row| {
            Ok(Identity {
                no: row.get(0)?,
                last_epoch: row.get(1)?,
                last_number: row.get(2)?,
            })
        })
        .optional()
}

/// The identity of a station; made, where it has none.
pub(crate) fn find_or_make(db: &Connection, station: &str) -> rusqlite::Result<Identity> {
    if let Some(known) = find(db, station)? {
        return Ok(known);
    }
    let no = db
        .prepare_cached("INSERT INTO identities (identity) VALUES (?1)")?
        .insert([station])?;
    Ok(Identity {
        no,
        last_epoch: None,
        last_number: None,
    })
}

impl Identity {
    /// Raises the marks to what a written session bears.
    pub(crate) fn raise(
        self,
        db: &Connection,
        epoch: i64,
        number: Option<i32>,
    ) -> rusqlite::Result<()> {
        let last_epoch = self.last_epoch.max(Some(epoch));
        let last_number = self.last_number.max(number);
        // Both rise rarely: with a new connection, with a new session.
        if (last_epoch, last_number) == (self.last_epoch, self.last_number) {
            return Ok(());
        }
        db.prepare_cached("UPDATE identities SET last_epoch = ?2, last_number = ?3 WHERE no = ?1")?
            .execute((self.no, last_epoch, last_number))
            .map(drop)
    }
}
