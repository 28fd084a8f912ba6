//! The open sessions of one station, and which of them a message means. Pure.
//!
//! OCPP 1.6 stations name a transaction by the number the hub handed out, and do not always keep to
//! it: 0 or -1 after an offline start, a number of their own, the number of the session before
//! (protocol quirks 17, 18, 20, 21). What cannot be told by name is told by the outlet.

use model::{ConnectorRef, Session, Timestamp, TokenUid, TransactionEvent};

use crate::metrics;

/// The open sessions of one station: few, so a list.
#[derive(Default)]
pub(super) struct OpenSessions(Vec<Open>);

/// An open session.
pub(super) struct Open {
    pub(super) transaction: String,
    pub(super) connector: Option<ConnectorRef>,
    pub(super) token: Option<TokenUid>,
    pub(super) power_w: Option<f64>,
    pub(super) began: Option<Began>,
    /// What the station calls it, where that is not its name.
    alias: Option<String>,
}

/// When and at what reading a session began: with outlet and token, what tells its start from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Began {
    pub(crate) at: Timestamp,
    pub(crate) meter_wh: Option<f64>,
}

impl Began {
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            at: session.started_at,
            meter_wh: session.meter_start_wh,
        }
    }
}

impl Open {
    pub(super) fn new(transaction: String) -> Self {
        Self {
            transaction,
            connector: None,
            token: None,
            power_w: None,
            began: None,
            alias: None,
        }
    }
}

impl OpenSessions {
    pub(super) fn named(&mut self, name: &str) -> Option<&mut Open> {
        self.0.iter_mut().find(|open| open.transaction == name)
    }

    /// The session a station means by a name the hub did not give it: by the alias it used before, by
    /// the outlet, by the token, or because there is only one.
    pub(super) fn meant_by(
        &mut self,
        alias: &str,
        connector: Option<ConnectorRef>,
        token: Option<&TokenUid>,
    ) -> Option<&mut Open> {
        let position = self
            .position(|open| open.alias.as_deref() == Some(alias))
            .or_else(|| match connector {
                Some(connector) => self.position(|open| open.is_at(connector)),
                None => self.by_token_or_alone(token),
            })?;
        let open = &mut self.0[position];
        open.alias = Some(alias.to_owned());
        Some(open)
    }

    fn by_token_or_alone(&self, token: Option<&TokenUid>) -> Option<usize> {
        let mut theirs =
            (0..self.0.len()).filter(|i| token.is_some_and(|token| self.0[*i].is_of(token)));
        match (theirs.next(), theirs.next()) {
            (Some(one), None) => Some(one),
            _ => (self.0.len() == 1).then_some(0),
        }
    }

    /// The session at an outlet. OCPP 2.x MeterValues and some 1.6 ones name no transaction.
    pub(super) fn at(&mut self, connector: ConnectorRef) -> Option<&mut Open> {
        self.0.iter_mut().rev().find(|open| open.is_at(connector))
    }

    /// The other sessions at an outlet.
    pub(super) fn others_at(&self, connector: ConnectorRef, transaction: &str) -> Vec<String> {
        let others = self
            .0
            .iter()
            .filter(|open| open.is_at(connector) && open.transaction != transaction);
        others.map(|open| open.transaction.clone()).collect()
    }

    /// Whether the token has a session open here.
    pub(super) fn has_token(&self, token: &TokenUid) -> bool {
        self.0.iter().any(|open| open.is_of(token))
    }

    pub(super) fn insert(&mut self, open: Open) -> &mut Open {
        ::metrics::gauge!(metrics::SESSIONS_ACTIVE).increment(1.0);
        self.0.push(open);
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    pub(super) fn remove(&mut self, transaction: &str) {
        if let Some(position) = self.position(|open| open.transaction == transaction) {
            self.0.swap_remove(position);
            ::metrics::gauge!(metrics::SESSIONS_ACTIVE).decrement(1.0);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Open> {
        self.0.iter()
    }

    fn position(&self, wanted: impl Fn(&Open) -> bool) -> Option<usize> {
        self.0.iter().position(wanted)
    }
}

impl Drop for OpenSessions {
    /// Also when the actor that held them crashed.
    fn drop(&mut self) {
        ::metrics::gauge!(metrics::SESSIONS_ACTIVE).decrement(self.0.len() as f64);
    }
}

impl Open {
    fn is_at(&self, connector: ConnectorRef) -> bool {
        self.connector
            .is_some_and(|here| here.evse == connector.evse)
    }

    /// Whether it began with this very start, sent before.
    pub(super) fn began_with(&self, start: &TransactionEvent) -> bool {
        let began = start.at.map(|at| Began {
            at,
            meter_wh: start.meter_wh,
        });
        let token = start.token.as_ref().map(|token| token.uid.folded());
        self.connector == start.connector
            && self.token.as_ref().map(TokenUid::folded) == token
            && self.began.is_some()
            && self.began == began
    }

    fn is_of(&self, token: &TokenUid) -> bool {
        self.token
            .as_ref()
            .is_some_and(|mine| mine.folded() == token.folded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(of: &[(&str, u32, &str)]) -> OpenSessions {
        let mut sessions = OpenSessions::default();
        for (name, connector, token) in of {
            let open = sessions.insert(Open::new((*name).to_owned()));
            open.connector = Some(ConnectorRef::of_16(*connector));
            open.token = Some(TokenUid::new(token).unwrap());
        }
        sessions
    }

    fn meant(
        sessions: &mut OpenSessions,
        alias: &str,
        connector: Option<u32>,
        token: Option<&str>,
    ) -> Option<String> {
        let token = token.map(|token| TokenUid::new(token).unwrap());
        let connector = connector.map(ConnectorRef::of_16);
        let open = sessions.meant_by(alias, connector, token.as_ref())?;
        Some(open.transaction.clone())
    }

    #[test]
    fn quirk_17_transaction_0_is_told_by_its_connector() {
        let mut sessions = sessions(&[("11", 1, "A"), ("12", 2, "B")]);
        assert_eq!(
            meant(&mut sessions, "0", Some(2), None).as_deref(),
            Some("12")
        );
        assert_eq!(
            meant(&mut sessions, "0", Some(3), None).as_deref(),
            Some("12"),
            "by the alias"
        );
    }

    #[test]
    fn quirk_18_a_stop_of_transaction_minus_1_is_told_by_its_token() {
        let mut sessions = sessions(&[("11", 1, "A"), ("12", 2, "B")]);
        assert_eq!(
            meant(&mut sessions, "-1", None, Some("a")).as_deref(),
            Some("11")
        );
    }

    #[test]
    fn quirk_21_an_invented_number_is_remembered_as_an_alias() {
        let mut sessions = sessions(&[("11", 1, "A"), ("12", 2, "B")]);
        assert_eq!(
            meant(&mut sessions, "777", Some(1), None).as_deref(),
            Some("11")
        );
        assert_eq!(
            meant(&mut sessions, "777", None, None).as_deref(),
            Some("11")
        );
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        let mut several = sessions(&[("11", 1, "A"), ("12", 2, "A")]);
        assert_eq!(meant(&mut several, "0", None, Some("A")), None);
        assert_eq!(meant(&mut several, "0", Some(3), None), None);
        assert_eq!(
            meant(&mut sessions(&[("11", 1, "A")]), "0", None, None).as_deref(),
            Some("11")
        );
    }
}
