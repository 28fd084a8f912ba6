//! Tokens.

use async_trait::async_trait;
use model::{Timestamp, Token, TokenKind, TokenUid};
use rusqlite::{OptionalExtension, Row};
use store::{Page, PageRequest, ReadError, TokenStore, WriteError};

use crate::{
    SqliteStore,
    names::{read_id, read_optional_id},
    select::Select,
};

const COLUMNS: &str =
    "SELECT uid, kind, group_uid, blocked, expires_at, max_concurrent, note FROM tokens";

/// Of all tokens of the group and the token itself, which may not be kept, or in another group.
const COUNT_OPEN: &str = "SELECT count(*) FROM sessions WHERE open = 1 AND token IN (
    SELECT ?1 UNION SELECT folded FROM tokens WHERE group_folded = ?2)";

fn read(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        uid: read_id(row, 0)?,
        kind: TokenKind::from(row.get::<_, String>(1)?),
        group: read_optional_id(row, 2)?,
        blocked: row.get(3)?,
        expires_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        max_concurrent: row.get(5)?,
        note: row.get(6)?,
    })
}

#[async_trait]
impl TokenStore for SqliteStore {
    async fn token(&self, uid: &TokenUid) -> Result<Option<Token>, ReadError> {
        let folded = uid.folded();
        self.readers
            .read(move |db| {
                db.prepare_cached(&format!("{COLUMNS} WHERE folded = ?1"))?
                    .query_row([&folded], read)
                    .optional()
            })
            .await
    }

    async fn put_token(&self, token: Token) -> Result<(), WriteError> {
        self.writer
            .write(move |db| {
                db.prepare_cached(
                    "INSERT OR REPLACE INTO tokens (folded, uid, kind, group_uid, group_folded,
                         blocked, expires_at, max_concurrent, note)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute((
                    token.uid.folded(),
                    token.uid.as_str(),
                    String::from(token.kind.clone()),
                    token.group.as_ref().map(TokenUid::as_str),
                    token.group.as_ref().map(TokenUid::folded),
                    token.blocked,
                    token.expires_at.map(|at| at.0),
                    token.max_concurrent,
                    &token.note,
                ))
                .map(drop)
            })
            .await
    }

    async fn delete_token(&self, uid: &TokenUid) -> Result<bool, WriteError> {
        let folded = uid.folded();
        self.writer
            .write(move |db| {
                let deleted = db
                    .prepare_cached("DELETE FROM tokens WHERE folded = ?1")?
                    .execute([&folded])?;
                Ok(deleted > 0)
            })
            .await
    }

    async fn tokens(&self, page: PageRequest) -> Result<Page<Token>, ReadError> {
        let mut select = Select::all(COLUMNS);
        select.and_if("folded > ?", page.after.clone());
        self.readers
            .read(move |db| {
                select.page(db, "folded", &page, |row| {
                    let token = read(row)?;
                    Ok((token.uid.folded(), token))
                })
            })
            .await
    }

    async fn open_sessions_of(&self, token: &Token) -> Result<u32, ReadError> {
        let folded = token.uid.folded();
        let group = token.group.as_ref().map(TokenUid::folded);
        self.readers
            .read(move |db| {
                db.prepare_cached(COUNT_OPEN)?
                    .query_row((&folded, &group), |row| row.get(0))
            })
            .await
    }
}
