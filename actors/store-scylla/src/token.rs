//! Tokens.

use std::collections::HashSet;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::{Token, TokenUid};
use store::{Page, PageRequest, ReadError, TokenStore, WriteError};

use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    json, names,
};

const READ: Statement = Statement::plain("SELECT body FROM ks.tokens WHERE folded = ?");
const PUT: Statement = Statement::plain("INSERT INTO ks.tokens (folded, body) VALUES (?, ?)");
const DELETE: Statement = Statement::plain("DELETE FROM ks.tokens WHERE folded = ?");

/// The name list of all tokens.
const TOKENS: &str = "tokens";
/// Tokens read side by side.
const ABREAST: usize = 32;

fn of_group(group: &str) -> String {
    format!("group/{group}")
}

fn folded_group(token: &Token) -> Option<String> {
    token.group.as_ref().map(TokenUid::folded)
}

impl ScyllaStore {
    async fn read_token(&self, folded: &str) -> Result<Option<Token>, CqlError> {
        let row: Option<(String,)> = self.cql.row(READ, (folded,)).await?;
        row.map(|(token,)| json::read(&token)).transpose()
    }

    /// The tokens of these names that are there, in that order.
    async fn read_tokens(&self, names: Vec<String>) -> Result<Vec<Token>, CqlError> {
        let read = async |name: String| self.read_token(&name).await;
        let tokens = stream::iter(names).map(read).buffered(ABREAST);
        let tokens: Vec<Option<Token>> = tokens.try_collect().await?;
        Ok(tokens.into_iter().flatten().collect())
    }
}

#[async_trait]
impl TokenStore for ScyllaStore {
    async fn token(&self, uid: &TokenUid) -> Result<Option<Token>, ReadError> {
        Ok(self.read_token(&uid.folded()).await?)
    }

    async fn put_token(&self, token: Token) -> Result<(), WriteError> {
        let folded = token.uid.folded();
        let known = self.read_token(&folded).await;
        let before = known.map_err(CqlError::before_writing)?;
        let before = before.as_ref().and_then(folded_group);
        let now = folded_group(&token);
        let text = json::write(&token)?;
        // On its lists first: whoever finds it there looks.
        let (shard, group) = (names::shard(TOKENS, &folded), now.as_deref().map(of_group));
        tokio::try_join!(
            self.put_name(&shard, &folded),
            self.put_name_if(group.as_deref(), &folded),
        )
        .map_err(CqlError::before_writing)?;
        self.cql.write(PUT, (folded.as_str(), text)).await?;
        if let Some(left) = before.filter(|before| Some(before) != now.as_ref()) {
            self.take_name(&of_group(&left), &folded).await?;
        }
        Ok(())
    }

    async fn delete_token(&self, uid: &TokenUid) -> Result<bool, WriteError> {
        let folded = uid.folded();
        let known = self.read_token(&folded).await;
        let Some(known) = known.map_err(CqlError::before_writing)? else {
            return Ok(false);
        };
        self.cql.write(DELETE, (folded.as_str(),)).await?;
        self.take_name(&names::shard(TOKENS, &folded), &folded)
            .await?;
        if let Some(group) = folded_group(&known) {
            self.take_name(&of_group(&group), &folded).await?;
        }
        Ok(true)
    }

    async fn tokens(&self, page: PageRequest) -> Result<Page<Token>, ReadError> {
        let shards = names::shards(TOKENS);
        let mut after = page.after.clone().unwrap_or_default();
        let mut found = Vec::new();
        loop {
            let limit = page.to_read() - found.len();
            let names = self.following(&shards, &after, limit).await?;
            let is_last = names.len() < limit;
            after = names.last().cloned().unwrap_or(after);
            found.extend(self.read_tokens(names).await?);
            if is_last || found.len() >= page.to_read() {
                break;
            }
        }
        let following = found.into_iter().map(|token| (token.uid.folded(), token));
        Ok(Page::cut(&page, following))
    }

    async fn open_sessions_of(&self, token: &Token) -> Result<u32, ReadError> {
        let mut tokens = HashSet::from([token.uid.folded()]);
        if let Some(group) = folded_group(token) {
            let names = self.following(&[of_group(&group)], "", usize::MAX).await?;
            let members = self.read_tokens(names).await?;
            let members = members
                .iter()
                .filter(|it| folded_group(it).as_ref() == Some(&group));
            tokens.extend(members.map(|member| member.uid.folded()));
        }
        let open = self.open_of_tokens(&tokens).await?;
        Ok(u32::try_from(open).unwrap_or(u32::MAX))
    }
}
