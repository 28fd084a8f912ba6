//! How a session begins: its claim, and what is written from it.

use model::{RetryKey, Session, SessionEventRecord, SessionId, StationId};
use store::{Committed, WriteError};
use uuid::Uuid;

use super::{
    Traits,
    commit::{Prepared, Settled},
    head::{Cells, Head},
    held::{Owned, Version},
    owner::{Owner, Writer},
};
use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    json, metrics,
};

const CLAIM_KEY: Statement = Statement::once(
    "INSERT INTO ks.starts (station, kind, name, session, retry_key, epoch, writer, snapshot, entry)
     VALUES (?, 'key', ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);
const CLAIM_NAME: Statement = Statement::once(
    "INSERT INTO ks.starts (station, kind, name, session, retry_key)
     VALUES (?, 'transaction', ?, ?, ?) IF NOT EXISTS",
);
const OF_NAME: &str =
    "SELECT retry_key FROM ks.starts WHERE station = ? AND kind = 'transaction' AND name = ?";
const OF_KEY: &str = "SELECT session, epoch, writer, snapshot, entry FROM ks.starts
     WHERE station = ? AND kind = 'key' AND name = ?";

/// What is not answered is asked once more: then the first asking is decided.
const TRIES: u32 = 2;

/// How claims are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sight {
    /// Those that are decided.
    Decided,
    /// After deciding those that are under way.
    Serial,
}

impl Sight {
    fn of(self, text: &'static str) -> Statement {
        match self {
            Self::Decided => Statement::plain(text),
            Self::Serial => Statement::serial(text),
        }
    }
}

/// A start that was claimed.
struct Claim {
    id: SessionId,
    owner: Owner,
    snapshot: String,
    entry: String,
}

impl ScyllaStore {
    /// Begins the session, unless its key or its name is taken.
    pub(crate) async fn begin(&self, commit: &Prepared) -> Result<Settled, WriteError> {
        let station = &commit.traits.station;
        // One start at a time of a station in this process: they would only get in each other's way.
        let _turn = self.starting.turn(station).await;
        let claim = Claim {
            id: commit.id,
            owner: Owner::first(commit.epoch, self.writer.clone()),
            snapshot: commit.snapshot.clone(),
            entry: commit.entry.clone(),
        };
        if self.claim(commit, &claim).await? {
            let head = self.complete(&claim).await.map_err(in_doubt)?;
            return Ok(Settled {
                committed: Committed::Written,
                version: head.version,
                of: commit.id,
                owned: Some(Owned {
                    owner: claim.owner,
                    last: head.last,
                    traits: commit.traits.clone(),
                }),
            });
        }
        let sight = Sight::Serial;
        let read = self.started_by(station, &commit.key, sight).await;
        if let Some(head) = read.map_err(CqlError::before_writing)? {
            return Ok(Settled::found(head, Committed::Repeat));
        }
        let name = &commit.traits.transaction;
        let read = self.called(station, name, sight).await;
        match read.map_err(CqlError::before_writing)? {
            Some(head) => Ok(Settled::found(head, Committed::Taken)),
            None => Err(WriteError::Unknown(
                "a start was refused, and neither its key nor its name is taken".into(),
            )),
        }
    }

    /// Claims key and name; whether both were free.
    async fn claim(&self, commit: &Prepared, claim: &Claim) -> Result<bool, WriteError> {
        let station = commit.traits.station.as_str();
        let key = commit.key.0.as_str();
        let of_key = (
            station,
            key,
            claim.id.0,
            key,
            claim.owner.epoch,
            claim.owner.writer.0.as_str(),
            claim.snapshot.as_str(),
            claim.entry.as_str(),
        );
        let of_name = (station, commit.traits.transaction.as_str(), claim.id.0, key);
        let mut tries = 1;
        loop {
            let claimed = self
                .cql
                .both_once([CLAIM_KEY, CLAIM_NAME], (&of_key, &of_name))
                .await;
            match claimed.map_err(WriteError::from) {
                Err(WriteError::Unknown(_)) if tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    /// The session that begins with this key.
    pub(crate) async fn started_by(
        &self,
        station: &StationId,
        key: &RetryKey,
        sight: Sight,
    ) -> Result<Option<Head>, CqlError> {
        type Columns = (Uuid, i64, String, String, String);
        let values = (station.as_str(), key.0.as_str());
        let row: Option<Columns> = self.cql.row(sight.of(OF_KEY), values).await?;
        let Some((id, epoch, writer, snapshot, entry)) = row else {
            return Ok(None);
        };
        let id = SessionId(id);
        if let Some(head) = self.head(id).await? {
            return Ok(Some(head));
        }
        ::metrics::counter!(metrics::COMPLETED).increment(1);
        let claim = Claim {
            id,
            owner: Owner::first(epoch, Writer(writer)),
            snapshot,
            entry,
        };
        self.complete(&claim).await.map(Some)
    }

    /// The session that a station calls so.
    pub(crate) async fn called(
        &self,
        station: &StationId,
        name: &str,
        sight: Sight,
    ) -> Result<Option<Head>, CqlError> {
        let row: Option<(String,)> = self
            .cql
            .row(sight.of(OF_NAME), (station.as_str(), name))
            .await?;
        match row {
            Some((key,)) => self.started_by(station, &RetryKey(key), sight).await,
            None => Ok(None),
        }
    }

    /// Writes what follows from a claim. Done twice, it is done once: all of it is in the claim.
    async fn complete(&self, claim: &Claim) -> Result<Head, CqlError> {
        let Claim {
            id,
            owner,
            snapshot,
            entry,
        } = claim;
        let session: Session = json::read(snapshot)?;
        let key = json::read::<SessionEventRecord>(entry)?.retry_key;
        let (station, traits) = (&session.station, Traits::of(&session));
        let stamp = owner.stamp_at(1);
        let number = async {
            match session.number() {
                Some(number) => self.raise_number(station, number).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(
            number,
            self.raise_epoch(station, owner.epoch),
            self.point(station, &key, (*id, 1), stamp),
            self.put_on_lists(*id, None, &traits, stamp),
        )?;
        let cells = Cells {
            session: *id,
            no: 1,
            snapshot,
            entry,
        };
        self.write_first(cells, owner).await?;
        Ok(Head {
            session,
            last: 1,
            version: Version {
                stamp,
                writer: owner.writer.clone(),
            },
            owner: owner.clone(),
        })
    }
}

/// The claim is there: whoever comes next completes it.
fn in_doubt(error: CqlError) -> WriteError {
    WriteError::Unknown(error.to_string())
}
