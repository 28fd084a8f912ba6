//! When an open session is over though its station never said so. Pure.
//!
//! The hub's guess is made late and is never the last word: what the station says of the session
//! afterwards still counts.

use model::{Connector, ConnectorState, Flag, Session, Station, Timestamp};

use super::SessionPolicy;

/// Why the hub closes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// Another session began at its outlet.
    Superseded,
    /// Its outlet is free again.
    OutletFree,
    /// Its station is there and says nothing of it.
    Silent,
    /// Its station does not come back.
    StationAway,
    /// Its station was deleted.
    StationDeleted,
}

impl Rule {
    /// Its name, in the session's log and as a metric label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::OutletFree => "outlet_free",
            Self::Silent => "silent",
            Self::StationAway => "station_away",
            Self::StationDeleted => "station_deleted",
        }
    }

    /// What the session is marked with.
    pub(crate) fn flag(self) -> Flag {
        match self {
            Self::Superseded => Flag::Superseded,
            Self::OutletFree | Self::Silent => Flag::Abandoned,
            Self::StationAway | Self::StationDeleted => Flag::StationGone,
        }
    }

    /// The setting that says when.
    pub(crate) fn setting(self, policy: &SessionPolicy) -> String {
        match self {
            Self::Superseded | Self::OutletFree | Self::StationDeleted => {
                format!("sessions.orphaned_s = {}", policy.orphaned_s)
            }
            Self::Silent => format!("sessions.silent_s = {}", policy.silent_s),
            Self::StationAway => format!("sessions.station_away_s = {}", policy.station_away_s),
        }
    }
}

/// What is known of an open session and its station.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) session: &'a Session,
    /// The station; absent when it was deleted.
    pub(crate) station: Option<&'a Station>,
    pub(crate) connectors: &'a [Connector],
    /// All open sessions of the station.
    pub(crate) open: &'a [Session],
    /// Since when the station has been connected, if it is.
    pub(crate) connected_since: Option<Timestamp>,
    pub(crate) now: Timestamp,
    /// No silence counts for longer than this, in ms: the hub's clock was set so long ago.
    pub(crate) evidence_ms: i64,
}

/// The rule by which the session is over, if there is one.
pub(crate) fn over_by(seen: &Seen<'_>, policy: &SessionPolicy) -> Option<Rule> {
    let quiet_for = |s: u32| seen.quiet_ms() >= 1000 * i64::from(s);
    let Some(station) = seen.station else {
        return quiet_for(policy.orphaned_s).then_some(Rule::StationDeleted);
    };
    if quiet_for(policy.orphaned_s) && seen.is_superseded() {
        return Some(Rule::Superseded);
    }
    if seen.connected_since.is_none() {
        let away_ms = seen.ms_since(station.last_seen_at.unwrap_or(station.created_at));
        let away = away_ms.min(seen.quiet_ms()) >= 1000 * i64::from(policy.station_away_s);
        return away.then_some(Rule::StationAway);
    }
    if quiet_for(policy.orphaned_s) && seen.outlet_is_free() {
        return Some(Rule::OutletFree);
    }
    quiet_for(policy.silent_s).then_some(Rule::Silent)
}

impl Seen<'_> {
    /// For how long the station had the chance to say something of the session and did not. One that
    /// has just come back first replays what it has queued.
    fn quiet_ms(&self) -> i64 {
        let written = self.session.updated_at;
        self.ms_since(
            self.connected_since
                .map_or(written, |since| since.max(written)),
        )
    }

    fn ms_since(&self, then: Timestamp) -> i64 {
        self.now.ms_since(then).min(self.evidence_ms)
    }

    fn is_superseded(&self) -> bool {
        let began = |session: &Session| (session.started_at, session.id);
        self.session.connector.is_some_and(|here| {
            self.open.iter().any(|other| {
                other.connector.is_some_and(|there| there.evse == here.evse)
                    && began(other) > began(self.session)
            })
        })
    }

    /// Whether the station has called the outlet free since the session began. One that never tells what
    /// its outlets do has called it free before.
    fn outlet_is_free(&self) -> bool {
        let Some(here) = self.session.connector else {
            return false;
        };
        let mut outlets = self
            .connectors
            .iter()
            .filter(|outlet| outlet.connector.evse == here.evse)
            .peekable();
        let told = outlets
            .clone()
            .any(|outlet| outlet.at > self.session.started_at);
        outlets.peek().is_some()
            && told
            && outlets.all(|outlet| outlet.state == ConnectorState::Available)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::{Admission, ConnectorRef, Protocol, SessionState, StationId};

    use super::*;
    use crate::session::core::tests::empty_session;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const HOUR_MS: i64 = 3_600_000;

    fn session(quiet_ms: i64) -> Session {
        Session {
            connector: Some(ConnectorRef::of_16(1)),
            state: SessionState::Active,
            started_at: NOW.plus_ms(-quiet_ms - HOUR_MS),
            updated_at: NOW.plus_ms(-quiet_ms),
            flags: BTreeSet::new(),
            ..empty_session()
        }
    }

    fn station(away_ms: i64) -> Station {
        Station {
            id: StationId::new("CP1").unwrap(),
            site: None,
            admission: Admission::Accepted,
            assume_16: false,
            note: String::new(),
            boot: None,
            protocol: Some(Protocol::Ocpp16),
            last_seen_at: Some(NOW.plus_ms(-away_ms)),
            created_at: Timestamp(0),
        }
    }

    fn outlet(state: ConnectorState, at: Timestamp) -> Connector {
        Connector {
            connector: ConnectorRef::of_16(1),
            state,
            error_code: None,
            info: None,
            at,
        }
    }

    fn seen<'a>(
        session: &'a Session,
        station: &'a Station,
        connectors: &'a [Connector],
    ) -> Seen<'a> {
        Seen {
            session,
            station: Some(station),
            connectors,
            open: std::slice::from_ref(session),
            connected_since: Some(Timestamp(0)),
            now: NOW,
            evidence_ms: i64::MAX,
        }
    }

    fn rule(seen: &Seen<'_>) -> Option<Rule> {
        over_by(seen, &SessionPolicy::default())
    }

    #[test]
    fn a_session_that_goes_on_is_left_alone() {
        let (session, station) = (session(HOUR_MS / 2), station(0));
        let free = [outlet(ConnectorState::Available, NOW)];
        assert_eq!(rule(&seen(&session, &station, &free)), None);
    }

    #[test]
    fn a_free_outlet_ends_a_session_unless_it_was_only_free_before() {
        let (session, station) = (session(HOUR_MS), station(0));
        let of = |state, at| rule(&seen(&session, &station, &[outlet(state, at)]));
        assert_eq!(of(ConnectorState::Available, NOW), Some(Rule::OutletFree));
        assert_eq!(of(ConnectorState::Available, session.started_at), None);
        assert_eq!(of(ConnectorState::SuspendedEv, NOW), None);
        assert_eq!(
            rule(&seen(&session, &station, &[])),
            None,
            "nothing was told"
        );
    }

    #[test]
    fn a_station_that_has_just_come_back_may_replay_first() {
        let (session, station) = (session(72 * HOUR_MS), station(0));
        let free = [outlet(ConnectorState::Available, NOW)];
        let back = Seen {
            connected_since: Some(NOW.plus_ms(-60_000)),
            ..seen(&session, &station, &free)
        };
        assert_eq!(rule(&back), None);
    }

    #[test]
    fn silence_ends_a_session_after_two_days() {
        let (almost, long) = (session(48 * HOUR_MS - 1), session(48 * HOUR_MS));
        let station = station(0);
        assert_eq!(rule(&seen(&almost, &station, &[])), None);
        assert_eq!(rule(&seen(&long, &station, &[])), Some(Rule::Silent));
    }

    #[test]
    fn a_station_that_stays_away_or_was_deleted_ends_its_sessions() {
        let session = session(14 * 24 * HOUR_MS);
        let (recent, gone) = (station(HOUR_MS), station(14 * 24 * HOUR_MS));
        let of = |station| {
            rule(&Seen {
                connected_since: None,
                ..seen(&session, station, &[])
            })
        };
        assert_eq!(of(&recent), None);
        assert_eq!(of(&gone), Some(Rule::StationAway));
        let deleted = Seen {
            station: None,
            ..seen(&session, &gone, &[])
        };
        assert_eq!(rule(&deleted), Some(Rule::StationDeleted));
    }

    #[test]
    fn the_earlier_of_two_sessions_at_an_outlet_is_over() {
        let (earlier, later) = (session(3 * HOUR_MS), session(2 * HOUR_MS));
        let (open, station) = ([earlier.clone(), later.clone()], station(0));
        let of = |session| {
            rule(&Seen {
                open: &open,
                ..seen(session, &station, &[])
            })
        };
        assert_eq!(of(&earlier), Some(Rule::Superseded));
        assert_eq!(of(&later), None);
    }

    #[test]
    fn a_clock_that_was_set_is_no_silence() {
        let (session, station) = (session(10 * 365 * 24 * HOUR_MS), station(0));
        let after_a_jump = Seen {
            evidence_ms: 60_000,
            ..seen(&session, &station, &[])
        };
        assert_eq!(rule(&after_a_jump), None);
    }
}
