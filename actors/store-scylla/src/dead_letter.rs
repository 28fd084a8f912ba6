//! Dead letters: claimed once by station and key, found by id through a list that is written before.

use async_trait::async_trait;
use model::{DeadLetter, DeadLetterId};
use store::{DeadLetterStore, Page, PageRequest, ReadError, WriteError};

use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    json,
};

const LIST: Statement = Statement::plain(
    "INSERT INTO ks.dead_letter_ids (bucket, id, station, retry_key) VALUES (0, ?, ?, ?)",
);
const UNLIST: Statement =
    Statement::plain("DELETE FROM ks.dead_letter_ids WHERE bucket = 0 AND id = ?");
const FIND: Statement = Statement::plain(
    "SELECT id, station, retry_key FROM ks.dead_letter_ids WHERE bucket = 0 AND id = ?",
);
const FOLLOWING: Statement = Statement::plain(
    "SELECT id, station, retry_key FROM ks.dead_letter_ids WHERE bucket = 0 AND id < ? LIMIT ?",
);
const CLAIM: Statement = Statement::once(
    "INSERT INTO ks.dead_letters (station, retry_key, id, letter) VALUES (?, ?, ?, ?) IF NOT EXISTS",
);
const READ: Statement =
    Statement::serial("SELECT letter FROM ks.dead_letters WHERE station = ? AND retry_key = ?");
const DELETE: Statement =
    Statement::once("DELETE FROM ks.dead_letters WHERE station = ? AND retry_key = ? IF id = ?");

/// Sorts after every id.
const END: [u8; 17] = [0xff; 17];

type Listed = (Vec<u8>, String, String);

impl ScyllaStore {
    /// The letter that a row of the list names; `None` where it does not (any more).
    async fn listed(&self, (id, station, key): Listed) -> Result<Option<DeadLetter>, CqlError> {
        let letter = self.kept(&station, &key).await?;
        Ok(letter.filter(|letter| letter.id.0.as_bytes().as_slice() == id))
    }

    async fn kept(&self, station: &str, key: &str) -> Result<Option<DeadLetter>, CqlError> {
        let row: Option<(String,)> = self.cql.row(READ, (station, key)).await?;
        row.map(|(letter,)| json::read(&letter)).transpose()
    }

    async fn find_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, CqlError> {
        let row = self.cql.row(FIND, (id.0.as_bytes().as_slice(),)).await?;
        match row {
            Some(listed) => self.listed(listed).await,
            None => Ok(None),
        }
    }

    async fn list_letter(&self, letter: &DeadLetter) -> Result<(), CqlError> {
        let id = letter.id.0.as_bytes().as_slice();
        let values = (id, letter.station.as_str(), letter.retry_key.0.as_str());
        self.cql.write(LIST, values).await
    }
}

#[async_trait]
impl DeadLetterStore for ScyllaStore {
    async fn record_dead_letter(&self, letter: DeadLetter) -> Result<DeadLetter, WriteError> {
        // One at a time of a station in this process: they would only get in each other's way.
        let _turn = self.starting.turn(&letter.station).await;
        let text = json::write(&letter)?;
        let (station, key) = (letter.station.as_str(), letter.retry_key.0.as_str());
        let listed = self.list_letter(&letter).await;
        listed.map_err(CqlError::before_writing)?;
        let claim = (station, key, letter.id.0, text.as_str());
        if self.cql.once(CLAIM, claim).await? {
            return Ok(letter);
        }
        let Some(first) = self.kept(station, key).await? else {
            return Err(WriteError::Unknown(
                "a dead letter was refused, and there is none of its key".into(),
            ));
        };
        if first.id != letter.id {
            let id = letter.id.0.as_bytes().as_slice();
            self.cql.write(UNLIST, (id,)).await?;
        }
        Ok(first)
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, ReadError> {
        Ok(self.find_letter(id).await?)
    }

    async fn dead_letters(&self, page: PageRequest) -> Result<Page<DeadLetter>, ReadError> {
        let Ok(after) = page.place::<DeadLetterId>() else {
            return Ok(Page::empty());
        };
        let mut after = after.map_or_else(|| END.to_vec(), |id| id.0.as_bytes().to_vec());
        let mut found = Vec::new();
        loop {
            let limit = page.to_read() - found.len();
            let most = i32::try_from(limit).unwrap_or(i32::MAX);
            let rows: Vec<Listed> = self.cql.rows(FOLLOWING, (after.as_slice(), most)).await?;
            let is_last = rows.len() < limit;
            after = rows.last().map_or(after, |(id, ..)| id.clone());
            for row in rows {
                found.extend(self.listed(row).await?);
            }
            if is_last || found.len() >= page.to_read() {
                break;
            }
        }
        let following = found.into_iter().map(|letter| (letter.id, letter));
        Ok(Page::cut(&page, following))
    }

    async fn delete_dead_letter(&self, id: DeadLetterId) -> Result<bool, WriteError> {
        let found = self.find_letter(id).await;
        let Some(letter) = found.map_err(CqlError::before_writing)? else {
            return Ok(false);
        };
        let values = (letter.station.as_str(), letter.retry_key.0.as_str(), id.0);
        let deleted = self.cql.once(DELETE, values).await?;
        self.cql
            .write(UNLIST, (id.0.as_bytes().as_slice(),))
            .await?;
        Ok(deleted)
    }
}
