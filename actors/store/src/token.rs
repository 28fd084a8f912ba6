//! Tokens.

use async_trait::async_trait;
use model::{Token, TokenUid};

use crate::{Page, PageRequest, ReadError, WriteError};

/// Tokens. Every look-up is by [`TokenUid::folded`] through an index: a network has millions.
#[async_trait]
pub trait TokenStore: Send + Sync + 'static {
    /// The token of that uid, without regard to case.
    async fn token(&self, uid: &TokenUid) -> Result<Option<Token>, ReadError>;

    /// Keeps a token, in place of one of the same uid.
    async fn put_token(&self, token: Token) -> Result<(), WriteError>;

    /// Forgets a token. `false` when there is none.
    async fn delete_token(&self, uid: &TokenUid) -> Result<bool, WriteError>;

    /// Tokens by folded uid, ascending.
    async fn tokens(&self, page: PageRequest) -> Result<Page<Token>, ReadError>;

    /// How many sessions are open that began with this token or, when it has a group, with any token
    /// of that group.
    async fn open_sessions_of(&self, token: &Token) -> Result<u32, ReadError>;
}
