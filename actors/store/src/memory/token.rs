//! Tokens.

use std::collections::BTreeSet;

use async_trait::async_trait;
use model::{SessionState, Token, TokenUid};

use super::MemoryStore;
use crate::{Page, PageRequest, ReadError, TokenStore, WriteError};

#[async_trait]
impl TokenStore for MemoryStore {
    async fn token(&self, uid: &TokenUid) -> Result<Option<Token>, ReadError> {
        Ok(self.tables().tokens.get(&uid.folded()).cloned())
    }

    async fn put_token(&self, token: Token) -> Result<(), WriteError> {
        self.tables().tokens.insert(token.uid.folded(), token);
        Ok(())
    }

    async fn delete_token(&self, uid: &TokenUid) -> Result<bool, WriteError> {
        Ok(self.tables().tokens.remove(&uid.folded()).is_some())
    }

    async fn tokens(&self, page: PageRequest) -> Result<Page<Token>, ReadError> {
        let tables = self.tables();
        let following = tables
            .tokens
            .iter()
            .filter(|(folded, _)| page.after.as_ref().is_none_or(|after| *folded > after))
            .map(|(folded, token)| (folded.clone(), token.clone()));
        Ok(Page::cut(&page, following))
    }

    async fn open_sessions_of(&self, token: &Token) -> Result<u32, ReadError> {
        let tables = self.tables();
        let mut uids = BTreeSet::from([token.uid.folded()]);
        if let Some(group) = token.group.as_ref().map(TokenUid::folded) {
            let of_group = |token: &&Token| {
                token.group.as_ref().map(TokenUid::folded).as_ref() == Some(&group)
            };
            let members = tables.tokens.values().filter(of_group);
            uids.extend(members.map(|token| token.uid.folded()));
        }
        let open = tables.sessions.values().filter(|kept| {
            kept.session.state == SessionState::Active
                && kept
                    .session
                    .token
                    .as_ref()
                    .is_some_and(|token| uids.contains(&token.uid.folded()))
        });
        Ok(u32::try_from(open.count()).unwrap_or(u32::MAX))
    }
}
