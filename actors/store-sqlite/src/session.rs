//! Session commits: a snapshot and the log entry that led to it.
//!
//! What a commit costs is what a meter value costs, so the common case (a session that goes on) is
//! kept short: two look-ups, one insert, one update that touches no index.

use model::{SessionEventKind, SessionId, SessionState, StationId, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use store::{Committed, SessionCommit, WriteError};

use crate::{
    identity, json,
    names::Named,
    session_read::{by_key, by_transaction},
};

/// A commit as the writer needs it: made by who asks, so that the one writer neither makes JSON nor frees
/// what it does not need.
pub(crate) struct Prepared {
    id: SessionId,
    station: StationId,
    transaction: String,
    token: Option<String>,
    open: bool,
    epoch: i64,
    number: Option<i32>,
    snapshot: String,
    event: PreparedEvent,
}

struct PreparedEvent {
    retry_key: String,
    kind: SessionEventKind,
    seq: Option<i64>,
    at: Timestamp,
    received_at: Timestamp,
    cause: Option<String>,
    offline: bool,
    samples: Option<String>,
    raw: Option<String>,
}

/// What became of a commit; the inner error is a refusal, after which nothing has been written.
pub(crate) type Outcome = Result<Committed, WriteError>;

struct Kept {
    no: i64,
    station: i64,
    transaction: String,
    token: Option<String>,
    open: bool,
    epoch: i64,
}

impl Prepared {
    pub(crate) fn new(commit: SessionCommit) -> Result<Self, WriteError> {
        commit.check()?;
        let number = commit.session.number();
        let SessionCommit {
            session,
            event,
            epoch,
        } = commit;
        let samples = (!event.samples.is_empty()).then(|| json::write(&event.samples));
        Ok(Self {
            snapshot: json::write(&session)?,
            id: session.id,
            token: session.token.as_ref().map(|token| token.uid.folded()),
            open: session.state == SessionState::Active,
            station: session.station,
            transaction: session.transaction,
            epoch,
            number,
            event: PreparedEvent {
                retry_key: event.retry_key.0,
                kind: event.kind,
                seq: event.seq,
                at: event.at,
                received_at: event.received_at,
                cause: event.trigger,
                offline: event.offline,
                samples: samples.transpose()?,
                raw: event.raw,
            },
        })
    }

    pub(crate) fn write(&self, db: &Connection) -> rusqlite::Result<Outcome> {
        let identity = identity::find_or_make(db, self.station.as_str())?;
        let station = identity.no;
        let repeat = || by_key(db, station, &self.event.retry_key);

        match find(db, self.id)? {
            None => {
                if let Some(known) = repeat()? {
                    return Ok(Ok(Committed::Repeat(Box::new(known))));
                }
                if let Some(holder) = by_transaction(db, station, &self.transaction)? {
                    return Ok(Ok(Committed::Taken(Box::new(holder))));
                }
                let no = self.insert(db, station)?;
                self.append(db, no, station)?;
                if !self.open {
                    self.is_to_be_recorded(db, no)?;
                }
            }
            Some(kept) => {
                if let Err(refusal) = self.may_follow(&kept, station) {
                    let known = repeat()?.map(|known| Committed::Repeat(Box::new(known)));
                    return Ok(known.ok_or(refusal));
                }
                if !self.append(db, kept.no, station)?
                    && let Some(known) = repeat()?
                {
                    return Ok(Ok(Committed::Repeat(Box::new(known))));
                }
                self.update(db, &kept)?;
                if !self.open {
                    self.is_to_be_recorded(db, kept.no)?;
                }
            }
        }
        identity.raise(db, self.epoch, self.number)?;
        Ok(Ok(Committed::Written))
    }

    fn may_follow(&self, kept: &Kept, station: i64) -> Result<(), WriteError> {
        if self.epoch < kept.epoch {
            return Err(WriteError::Stale);
        }
        if kept.station != station || kept.transaction != self.transaction {
            return Err(WriteError::Refused(format!(
                "session {} cannot change its station or its transaction name",
                self.id
            )));
        }
        Ok(())
    }

    fn insert(&self, db: &Connection, station: i64) -> rusqlite::Result<i64> {
        db.prepare_cached(
            "INSERT INTO sessions (id, station, transaction_name, token, open, epoch, snapshot)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .insert((
            self.id.0.as_bytes(),
            station,
            &self.transaction,
            &self.token,
            self.open,
            self.epoch,
            &self.snapshot,
        ))
    }

    fn update(&self, db: &Connection, kept: &Kept) -> rusqlite::Result<()> {
        // Naming an indexed column makes SQLite rewrite its index entries, changed or not.
        if kept.open == self.open && kept.token == self.token {
            db.prepare_cached("UPDATE sessions SET epoch = ?2, snapshot = ?3 WHERE no = ?1")?
                .execute((kept.no, self.epoch, &self.snapshot))
        } else {
            db.prepare_cached(
                "UPDATE sessions SET epoch = ?2, snapshot = ?3, open = ?4, token = ?5 WHERE no = ?1",
            )?
            .execute((
                kept.no,
                self.epoch,
                &self.snapshot,
                self.open,
                &self.token,
            ))
        }
        .map(drop)
    }

    /// After its end a session is to be recorded, anew with each entry: the one that was just appended.
    fn is_to_be_recorded(&self, db: &Connection, session: i64) -> rusqlite::Result<()> {
        db.prepare_cached("UPDATE sessions SET to_record = ?2 WHERE no = ?1")?
            .execute((session, db.last_insert_rowid()))
            .map(drop)
    }

    /// Appends to the log; `false` where the station's log holds the key.
    fn append(&self, db: &Connection, session: i64, station: i64) -> rusqlite::Result<bool> {
        let event = &self.event;
        let added = db
            .prepare_cached(
                "INSERT INTO session_events (session, station, retry_key, kind, seq, at,
                     received_at, cause, offline, samples, raw)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (station, retry_key) DO NOTHING",
            )?
            .execute((
                session,
                station,
                &event.retry_key,
                event.kind.name(),
                event.seq,
                event.at.0,
                event.received_at.0,
                &event.cause,
                event.offline,
                &event.samples,
                &event.raw,
            ))?;
        Ok(added > 0)
    }
}

fn find(db: &Connection, id: SessionId) -> rusqlite::Result<Option<Kept>> {
    db.prepare_cached(
        "SELECT no, station, transaction_name, token, open, epoch FROM sessions WHERE id = ?1",
    )?
    .query_row([id.0.as_bytes()], |row| {
        Ok(Kept {
            no: row.get(0)?,
            station: row.get(1)?,
            transaction: row.get(2)?,
            token: row.get(3)?,
            open: row.get(4)?,
            epoch: row.get(5)?,
        })
    })
    .optional()
}
