//! The open sessions of one station, and which of them a message means. Pure.
//!
//! OCPP 1.6 stations name a transaction by the number the hub handed out, and do not always keep to
//! it: 0 or -1 after an offline start, a number of their own, the number of the session before
//! (protocol quirks 17, 18, 20, 21). What cannot be told by name is told by the outlet.

use model::{ConnectorRef, Session, SessionId, StationId, Timestamp, TokenUid, TransactionEvent};

use crate::{
    metrics,
    session::{again, core::id_time},
    site::{ClockLag, Draw, SessionFacts},
};

/// The open sessions of one station: few, so a list.
#[derive(Default)]
pub(super) struct OpenSessions(Vec<Open>);

/// An open session.
pub(super) struct Open {
    pub(super) transaction: String,
    pub(super) connector: Option<ConnectorRef>,
    pub(super) token: Option<TokenUid>,
    pub(super) power_w: Option<f64>,
    pub(super) energy_wh: f64,
    /// Whether its car suspends charging, where its session says that.
    pub(super) rests: Option<bool>,
    pub(super) traits: Option<Traits>,
    /// What the station calls it, where that is not its name.
    alias: Option<String>,
}

/// What a session's messages are known by, where its name, outlet and token do not tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Traits {
    /// It follows from the session's first message.
    pub(super) id: SessionId,
    started_at: Timestamp,
    meter_start_wh: Option<f64>,
    meter_last_wh: Option<f64>,
}

impl Traits {
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            id: session.id,
            started_at: session.started_at,
            meter_start_wh: session.meter_start_wh,
            meter_last_wh: session.meter_last_wh,
        }
    }
}

/// The EVSE at which a site is told of a session: 0, the station as a whole, where it has named none.
pub(super) fn evse_of(connector: Option<ConnectorRef>) -> u32 {
    connector.map_or(0, |connector| connector.evse)
}

impl Open {
    pub(super) fn new(transaction: String) -> Self {
        Self {
            transaction,
            connector: None,
            token: None,
            power_w: None,
            energy_wh: 0.0,
            rests: None,
            traits: None,
            alias: None,
        }
    }
}

impl Open {
    /// What its site is told of it; none while its id is not known.
    pub(super) fn facts(
        &self,
        draw: Option<Draw>,
        clock: Option<ClockLag>,
    ) -> Option<SessionFacts> {
        let name = &self.transaction;
        Some(SessionFacts {
            id: self.traits?.id,
            // What its station calls it, though it used the name before, or never took the hub's.
            transaction: (self.alias.as_deref())
                .or_else(|| again::name_used_again(name))
                .unwrap_or(name)
                .to_owned(),
            token: self.token.clone(),
            energy_wh: self.energy_wh,
            power_w: self.power_w.unwrap_or(0.0),
            draw,
            clock,
            rests: self.rests,
        })
    }
}

impl OpenSessions {
    pub(super) fn named(&mut self, name: &str) -> Option<&mut Open> {
        self.0.iter_mut().find(|open| open.transaction == name)
    }

    /// The session for which the station last used a 2.x name; see [`again`].
    pub(super) fn newest_use(&self, name: &str) -> Option<&Open> {
        let uses = self.0.iter();
        let uses = uses.filter_map(|open| Some((again::use_no(&open.transaction, name)?, open)));
        uses.max_by_key(|(use_no, _)| *use_no).map(|(_, open)| open)
    }

    /// The session a station means by a name the hub did not give it: by the outlet, by the alias it used
    /// before, or by what a message that names no outlet says. 0 and below are no names, but what a station
    /// says of each transaction whose number it does not know.
    pub(super) fn meant_by(
        &mut self,
        alias: &str,
        connector: Option<ConnectorRef>,
        said: &Said<'_>,
    ) -> Option<&mut Open> {
        let is_name = !alias.parse::<i64>().is_ok_and(|number| number <= 0);
        let known_as = |open: &Open| is_name && open.alias.as_deref() == Some(alias);
        let position = connector
            .and_then(|connector| self.position(|open| open.is_at(connector)))
            .or_else(|| self.position(known_as))
            .or_else(|| match connector {
                Some(_) => None,
                None => self.by_what_is_said(said),
            })?;
        let open = &mut self.0[position];
        if is_name {
            open.alias = Some(alias.to_owned());
        }
        Some(open)
    }

    /// Of those that had begun: the only one with the token; the only one at all; of those with the token, or of
    /// all where none is named, the only one whose register can have come to what is said.
    fn by_what_is_said(&self, said: &Said<'_>) -> Option<usize> {
        let all = (0..self.0.len()).filter(|i| !said.is_before(&self.0[*i]));
        let all: Vec<usize> = all.collect();
        let narrowed = |among: &[usize], is_meant: &dyn Fn(&Open) -> bool| -> Vec<usize> {
            let meant = among.iter().filter(|i| is_meant(&self.0[**i]));
            meant.copied().collect()
        };
        let theirs = narrowed(&all, &|open| {
            said.token.is_some_and(|token| open.is_of(token))
        });
        let among = match (theirs.as_slice(), all.as_slice()) {
            ([one], _) | ([], [one]) => return Some(*one),
            ([], _) if said.token.is_some() => return None,
            ([], _) => all,
            _ => theirs,
        };
        let possible = narrowed(&among, &|open| said.may_end(open));
        match possible.as_slice() {
            [one] => Some(*one),
            _ => match narrowed(&possible, &|open| said.tells_start_of(open)).as_slice() {
                [one] => Some(*one),
                _ => None,
            },
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

/// What a message says of the session it means, besides a name and an outlet.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    token: Option<&'a TokenUid>,
    at: Option<Timestamp>,
    /// The import register, in Wh: the first reading and the last.
    first_wh: Option<f64>,
    last_wh: Option<f64>,
}

impl<'a> Said<'a> {
    pub(super) fn by(event: &'a TransactionEvent) -> Self {
        let readings = event
            .samples
            .iter()
            .filter_map(|sample| Some((sample.at, sample.energy_wh()?)));
        let first = readings.min_by_key(|(at, _)| *at);
        Self {
            token: event.token.as_ref().map(|token| &token.uid),
            at: event.at,
            first_wh: first.map(|(_, wh)| wh),
            last_wh: event.meter_wh,
        }
    }

    /// Whether the session can have ended so: registers only rise.
    fn may_end(&self, open: &Open) -> bool {
        let Some(traits) = open.traits else {
            return false;
        };
        let not_below = |wh: Option<f64>, bound: Option<f64>| match (wh, bound) {
            (Some(wh), Some(bound)) => wh >= bound,
            _ => true,
        };
        self.last_wh.is_some()
            && not_below(self.last_wh, traits.meter_last_wh)
            && not_below(self.first_wh, traits.meter_start_wh)
            && self.at.is_none_or(|at| at >= traits.started_at)
    }

    /// Whether it is of a time before the session: by its clock, which may have been set back since, and by its
    /// register, which may have stood still.
    fn is_before(&self, open: &Open) -> bool {
        let Some(traits) = open.traits else {
            return false;
        };
        let began_later = self.at.is_some_and(|at| at < traits.started_at);
        began_later && self.last_wh <= traits.meter_start_wh && self.last_wh.is_some()
    }

    /// Whether the first reading is the one that the session began with.
    fn tells_start_of(&self, open: &Open) -> bool {
        let start_wh = open.traits.and_then(|traits| traits.meter_start_wh);
        self.first_wh.is_some() && self.first_wh == start_wh
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

    /// Whether it had begun by then, as far as is known.
    pub(super) fn has_begun(&self, at: Timestamp) -> bool {
        self.traits.is_none_or(|traits| traits.started_at <= at)
    }

    /// When it began, where that is known.
    pub(super) fn began(&self) -> Option<Timestamp> {
        self.traits.map(|traits| traits.started_at)
    }

    /// Whether it began with this very start of the station, sent before.
    pub(super) fn began_with(
        &self,
        start: &TransactionEvent,
        station: &StationId,
        received_at: Timestamp,
    ) -> bool {
        let at = id_time(start.at, received_at);
        let id = SessionId::of_first(station, &start.retry_key, at);
        self.traits.is_some_and(|traits| traits.id == id)
    }

    fn is_of(&self, token: &TokenUid) -> bool {
        self.token
            .as_ref()
            .is_some_and(|mine| mine.folded() == token.folded())
    }
}

#[cfg(test)]
mod tests {
    use model::RetryKey;

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

    fn traits(started_ms: i64, start_wh: f64, last_wh: f64) -> Traits {
        let station = StationId::new("CP").unwrap();
        Traits {
            id: SessionId::of_first(&station, &RetryKey("k".into()), Timestamp(0)),
            started_at: Timestamp(started_ms),
            meter_start_wh: Some(start_wh),
            meter_last_wh: Some(last_wh),
        }
    }

    fn meant(
        sessions: &mut OpenSessions,
        alias: &str,
        connector: Option<u32>,
        token: Option<&str>,
    ) -> Option<String> {
        let token = token.map(|token| TokenUid::new(token).unwrap());
        let connector = connector.map(ConnectorRef::of_16);
        let said = Said {
            token: token.as_ref(),
            ..Said::default()
        };
        let open = sessions.meant_by(alias, connector, &said)?;
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
            meant(&mut sessions, "0", Some(1), None).as_deref(),
            Some("11"),
            "the other outlet says so too"
        );
        assert_eq!(
            meant(&mut sessions, "0", None, Some("B")).as_deref(),
            Some("12"),
            "nor does a stop mean whose values came last"
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
    fn a_stop_without_number_and_token_is_told_by_its_register() {
        let mut sessions = sessions(&[("11", 1, "A"), ("12", 2, "B")]);
        sessions.0[0].traits = Some(traits(1_000, 100.0, 500.0));
        sessions.0[1].traits = Some(traits(2_000, 9_000.0, 9_500.0));
        let meant = |first_wh, last_wh, at_ms| {
            let said = Said {
                token: None,
                at: Some(Timestamp(at_ms)),
                first_wh,
                last_wh: Some(last_wh),
            };
            let open = sessions.by_what_is_said(&said)?;
            Some(sessions.0[open].transaction.clone())
        };
        assert_eq!(meant(None, 700.0, 5_000).as_deref(), Some("11"));
        assert_eq!(
            meant(None, 400.0, 5_000),
            None,
            "neither register falls back"
        );
        assert_eq!(
            meant(None, 9_800.0, 5_000),
            None,
            "both may have come to it"
        );
        assert_eq!(meant(Some(9_000.0), 9_800.0, 5_000).as_deref(), Some("12"));
        assert_eq!(
            meant(Some(50.0), 700.0, 5_000),
            None,
            "it was read before either began"
        );
        assert_eq!(
            meant(None, 9_800.0, 1_500).as_deref(),
            Some("11"),
            "the other had not begun"
        );
    }

    #[test]
    fn a_stop_of_before_the_only_session_is_not_its() {
        let mut sessions = sessions(&[("11", 1, "A")]);
        sessions.0[0].traits = Some(traits(1_000, 100.0, 500.0));
        let is_meant = |last_wh, at_ms| {
            let said = Said {
                at: Some(Timestamp(at_ms)),
                last_wh: Some(last_wh),
                ..Said::default()
            };
            sessions.by_what_is_said(&said).is_some()
        };
        assert!(!is_meant(100.0, 900));
        assert!(is_meant(700.0, 900), "the clock was set back");
        assert!(is_meant(100.0, 2_000), "the register stood still");
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
