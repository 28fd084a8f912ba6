//! One commit, from the question whether it is a repeat to the answer.

use std::time::Instant;

use model::{RetryKey, Session, SessionId};
use store::{Committed, SessionCommit, WriteError};

use super::{
    Traits,
    head::{Cells, Head},
    held::{Owned, Version, insert},
    owner::Owner,
};
use crate::{ScyllaStore, cql::CqlError, json, metrics};

/// A commit as the cluster gets it.
pub(crate) struct Prepared {
    pub(crate) id: SessionId,
    pub(crate) traits: Traits,
    pub(crate) key: RetryKey,
    pub(crate) epoch: i64,
    pub(crate) snapshot: String,
    pub(crate) entry: String,
}

impl Prepared {
    fn new(commit: SessionCommit) -> Result<Self, WriteError> {
        commit.check()?;
        Ok(Self {
            id: commit.session.id,
            traits: Traits::of(&commit.session),
            snapshot: json::write(&commit.session)?,
            entry: json::write(&commit.event)?,
            key: commit.event.retry_key,
            epoch: commit.epoch,
        })
    }

    fn may_follow(&self, epoch: i64, kept: &Traits) -> Result<(), WriteError> {
        if self.epoch < epoch {
            return Err(WriteError::Stale);
        }
        if kept.station != self.traits.station || kept.transaction != self.traits.transaction {
            return Err(WriteError::Refused(format!(
                "session {} cannot change its station or its transaction name",
                self.id
            )));
        }
        Ok(())
    }
}

/// What became of a commit.
pub(crate) struct Settled {
    pub(crate) committed: Committed,
    /// The session that whoever asked goes on with, and its version.
    pub(crate) of: SessionId,
    pub(crate) version: Version,
    /// The session of the commit, if it is ours and in order.
    pub(crate) owned: Option<Owned>,
}

impl Settled {
    /// Nothing was written, because of this session.
    pub(crate) fn found(head: Head, committed: impl FnOnce(Box<Session>) -> Committed) -> Self {
        Self {
            of: head.session.id,
            version: head.version,
            committed: committed(Box::new(head.session)),
            owned: None,
        }
    }
}

/// A session that is ours to write, or the repeat that taking it over has shown.
enum TakenOver {
    Ours(Owned),
    Repeat(Box<Head>),
}

impl ScyllaStore {
    pub(crate) async fn commit(&self, commit: SessionCommit) -> Result<Committed, WriteError> {
        let begun = Instant::now();
        let commit = Prepared::new(commit)?;
        let mut turn = self.held.turn(commit.id).await;
        // What fails, or is dropped, from here on leaves it in doubt whether the session is in order.
        let owned = turn.remove(&commit.id);
        let settled = self.settle(&commit, owned).await?;
        self.held.note(settled.of, settled.version);
        if let Some(owned) = settled.owned {
            insert(&mut turn, commit.id, owned);
        }
        ::metrics::histogram!(metrics::COMMIT_SECONDS).record(begun.elapsed());
        Ok(settled.committed)
    }

    async fn settle(&self, commit: &Prepared, owned: Option<Owned>) -> Result<Settled, WriteError> {
        let holder = self.holder(&commit.traits.station, &commit.key);
        let (holder, kept) = match owned {
            Some(owned) => (holder.await.map_err(CqlError::before_writing)?, Ok(owned)),
            None => {
                let read = tokio::try_join!(holder, self.head(commit.id));
                let (holder, head) = read.map_err(CqlError::before_writing)?;
                (holder, Err(head))
            }
        };
        if let Some(head) = holder {
            let settled = Settled::found(head, Committed::Repeat);
            let owned = kept.ok();
            return Ok(Settled { owned, ..settled });
        }
        let owner = match kept {
            Ok(owned) => {
                commit.may_follow(owned.owner.epoch, &owned.traits)?;
                if owned.owner.epoch == commit.epoch {
                    return self.append(commit, owned).await;
                }
                owned.owner
            }
            Err(None) => return self.begin(commit).await,
            Err(Some(head)) => {
                commit.may_follow(head.owner.epoch, &Traits::of(&head.session))?;
                head.owner
            }
        };
        match self.take_over(commit, &owner).await? {
            TakenOver::Ours(owned) => self.append(commit, owned).await,
            TakenOver::Repeat(head) => Ok(Settled::found(*head, Committed::Repeat)),
        }
    }

    /// Makes the session ours, after `before`. Nothing that fails here is in the log.
    async fn take_over(&self, commit: &Prepared, before: &Owner) -> Result<TakenOver, WriteError> {
        let Some(owner) = before.next(commit.epoch, self.writer.clone()) else {
            return Err(WriteError::NotWritten(format!(
                "session {} has changed hands too often under one epoch",
                commit.id
            )));
        };
        ::metrics::counter!(metrics::TAKEOVERS).increment(1);
        let not_written = CqlError::before_writing;
        // The mark first: a claim after this one must be above it, whatever becomes of it.
        let station = &commit.traits.station;
        let raised = self.raise_epoch(station, commit.epoch).await;
        raised.map_err(not_written)?;
        let fenced = self.fence(commit.id, &owner).await;
        fenced.map_err(not_written)?;
        let read = tokio::try_join!(self.holder(station, &commit.key), self.head(commit.id));
        let (holder, head) = read.map_err(not_written)?;
        if let Some(head) = holder {
            return Ok(TakenOver::Repeat(Box::new(head)));
        }
        let Some(head) = head.filter(|head| head.owner == owner) else {
            return Err(WriteError::Outdated);
        };
        let read_in = self.held.take(commit.id);
        if read_in.is_some_and(|version| version != head.version) {
            return Err(WriteError::Outdated);
        }
        Ok(TakenOver::Ours(Owned {
            owner,
            last: head.last,
            traits: Traits::of(&head.session),
        }))
    }

    /// Writes snapshot and entry of a session that is ours.
    async fn append(&self, commit: &Prepared, owned: Owned) -> Result<Settled, WriteError> {
        let Owned {
            owner,
            last,
            traits,
        } = owned;
        let Some(no) = last.checked_add(1) else {
            return Err(WriteError::Refused(format!(
                "the log of session {} is full",
                commit.id
            )));
        };
        let (id, stamp) = (commit.id, owner.stamp_at(no));
        tokio::try_join!(
            self.point(&commit.traits.station, &commit.key, (id, no), stamp),
            self.put_on_lists(id, Some(&traits), &commit.traits, stamp),
        )
        .map_err(CqlError::before_writing)?;
        let cells = Cells {
            session: id,
            no,
            snapshot: &commit.snapshot,
            entry: &commit.entry,
        };
        self.write_next(cells, &owner).await?;
        match self.is_owner(id, &owner).await {
            Ok(true) => {
                // Not before: an owner that has been replaced must not hide what another goes on with.
                self.take_off_lists(id, &traits, &commit.traits, stamp)
                    .await;
                Ok(Settled {
                    committed: Committed::Written,
                    of: id,
                    version: Version {
                        stamp,
                        writer: owner.writer.clone(),
                    },
                    owned: Some(Owned {
                        owner,
                        last: no,
                        traits: commit.traits.clone(),
                    }),
                })
            }
            Ok(false) => Err(WriteError::Outdated),
            Err(error) => Err(WriteError::Unknown(error.to_string())),
        }
    }
}
