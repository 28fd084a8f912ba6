//! May this token charge? The one place that answers, for Authorize and for every start.

use model::{Authorization, Timestamp, Token, TokenKind, TokenRef, TokenVerdict};
use store::{ReadError, Store};

use crate::metrics;

/// What is known of a presented token.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TokenFacts {
    /// The token, if the operator knows it.
    pub known: Option<Token>,
    /// How many sessions it (its group) has open.
    pub open_sessions: u32,
    /// Not all of it could be looked up.
    pub unchecked: bool,
}

/// What to say to tokens the operator does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownTokens {
    /// They may not charge.
    #[default]
    Refuse,
    /// They may: for a car park where anybody charges.
    Accept,
}

/// What to say to tokens that cannot be looked up, because the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnreadableTokens {
    /// They may charge: a driver does not pay for the operator's outage. The session is flagged.
    #[default]
    Accept,
    /// Nothing: the station decides by itself, and sends again what it has to say of transactions.
    Wait,
}

/// Looks up what [`decide`] needs. Sessions are counted only where a limit makes it matter.
///
/// # Errors
/// It cannot be looked up, and such tokens have to wait.
pub(crate) async fn gather(
    store: &dyn Store,
    token: &TokenRef,
    unreadable: UnreadableTokens,
) -> Result<TokenFacts, ReadError> {
    if token.kind == TokenKind::NoAuthorization {
        return Ok(TokenFacts::default());
    }
    let mut facts = TokenFacts::default();
    let looked_up = look_up(store, token, &mut facts).await;
    facts.unchecked = looked_up.is_err();
    match unreadable {
        UnreadableTokens::Accept => Ok(facts),
        UnreadableTokens::Wait => looked_up.map(|()| facts),
    }
}

async fn look_up(
    store: &dyn Store,
    token: &TokenRef,
    facts: &mut TokenFacts,
) -> Result<(), ReadError> {
    facts.known = store.token(&token.uid).await?;
    if let Some(known) = facts
        .known
        .as_ref()
        .filter(|known| known.max_concurrent.is_some())
    {
        facts.open_sessions = store.open_sessions_of(known).await?;
    }
    Ok(())
}

/// What the hub says to the token at `now`. Pure, but for the count it keeps.
pub(crate) fn decide(
    token: &TokenRef,
    facts: &TokenFacts,
    unknown: UnknownTokens,
    now: Timestamp,
) -> TokenVerdict {
    let group = facts.known.as_ref().and_then(|known| known.group.clone());
    let expires_at = facts.known.as_ref().and_then(|known| known.expires_at);
    let authorization = judge(token, facts, unknown, now);
    count(authorization);
    TokenVerdict {
        authorization,
        group,
        expires_at,
    }
}

fn count(authorization: Authorization) {
    let verdict = match authorization {
        Authorization::Accepted => "accepted",
        Authorization::Blocked => "blocked",
        Authorization::Expired => "expired",
        Authorization::Unknown => "unknown",
        Authorization::ConcurrentTx => "concurrent_tx",
    };
    ::metrics::counter!(metrics::AUTHORIZATIONS, "verdict" => verdict).increment(1);
}

fn judge(
    token: &TokenRef,
    facts: &TokenFacts,
    unknown: UnknownTokens,
    now: Timestamp,
) -> Authorization {
    // OCPP 2.0.1 C02.FR.02: a station that asks nobody is told "accepted".
    if token.kind == TokenKind::NoAuthorization {
        return Authorization::Accepted;
    }
    let Some(known) = &facts.known else {
        return match unknown {
            _ if facts.unchecked => Authorization::Accepted,
            UnknownTokens::Accept => Authorization::Accepted,
            UnknownTokens::Refuse => Authorization::Unknown,
        };
    };
    if known.blocked {
        Authorization::Blocked
    } else if known.expires_at.is_some_and(|at| at <= now) {
        Authorization::Expired
    } else if known
        .max_concurrent
        .is_some_and(|most| facts.open_sessions >= most)
    {
        Authorization::ConcurrentTx
    } else {
        Authorization::Accepted
    }
}

#[cfg(test)]
mod tests {
    use model::TokenUid;

    use super::*;

    fn presented(kind: TokenKind) -> TokenRef {
        TokenRef {
            uid: TokenUid::new("04A1").unwrap(),
            kind,
        }
    }

    fn known(change: impl FnOnce(&mut Token)) -> TokenFacts {
        let mut token = Token {
            uid: TokenUid::new("04A1").unwrap(),
            kind: TokenKind::default(),
            group: None,
            blocked: false,
            expires_at: None,
            max_concurrent: None,
            note: String::new(),
        };
        change(&mut token);
        TokenFacts {
            known: Some(token),
            open_sessions: 1,
            unchecked: false,
        }
    }

    fn said_to(facts: &TokenFacts) -> Authorization {
        let token = presented(TokenKind::default());
        decide(&token, facts, UnknownTokens::Refuse, Timestamp(100)).authorization
    }

    #[test]
    fn each_reason_to_refuse_is_told_apart() {
        assert_eq!(said_to(&known(|_| {})), Authorization::Accepted);
        assert_eq!(
            said_to(&known(|t| t.blocked = true)),
            Authorization::Blocked
        );
        assert_eq!(
            said_to(&known(|t| t.expires_at = Some(Timestamp(100)))),
            Authorization::Expired
        );
        assert_eq!(
            said_to(&known(|t| t.expires_at = Some(Timestamp(101)))),
            Authorization::Accepted
        );
        assert_eq!(
            said_to(&known(|t| t.max_concurrent = Some(1))),
            Authorization::ConcurrentTx
        );
        assert_eq!(
            said_to(&known(|t| t.max_concurrent = Some(2))),
            Authorization::Accepted
        );
        assert_eq!(said_to(&TokenFacts::default()), Authorization::Unknown);
    }

    #[test]
    fn unknown_tokens_may_charge_where_the_operator_says_so() {
        let token = presented(TokenKind::default());
        let verdict = decide(
            &token,
            &TokenFacts::default(),
            UnknownTokens::Accept,
            Timestamp(0),
        );
        assert_eq!(verdict.authorization, Authorization::Accepted);
    }

    #[test]
    fn a_token_that_cannot_be_looked_up_is_not_an_unknown_one() {
        let away = TokenFacts {
            unchecked: true,
            ..TokenFacts::default()
        };
        assert_eq!(said_to(&away), Authorization::Accepted);
        let blocked = TokenFacts {
            unchecked: true,
            ..known(|t| t.blocked = true)
        };
        assert_eq!(
            said_to(&blocked),
            Authorization::Blocked,
            "so much is known"
        );
    }

    #[test]
    fn a_station_that_asks_nobody_is_told_accepted() {
        let token = presented(TokenKind::NoAuthorization);
        let verdict = decide(
            &token,
            &TokenFacts::default(),
            UnknownTokens::Refuse,
            Timestamp(0),
        );
        assert_eq!(verdict.authorization, Authorization::Accepted);
    }
}
