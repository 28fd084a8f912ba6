//! What a site knows of its stations. Pure.

use std::collections::{BTreeMap, HashMap};

use model::{ConnectorState, SessionId, StationId, TokenUid};
use serde::{Deserialize, Serialize};

use super::power::Draw;

/// What one of a site's stations tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StationNews {
    /// Its socket opened or closed.
    Connected(bool),
    /// It booted.
    Booted,
    /// An outlet (its EVSE number) changed state.
    State(u32, ConnectorState),
    /// A session at an outlet (its EVSE number, 0 where the station named none) began or goes on.
    Session(u32, Box<SessionFacts>),
    /// A session at an outlet (its EVSE number) is over.
    SessionOver(u32, SessionId),
    /// An outlet's meter (its EVSE number) says something outside a session; and what is known of the station's clock.
    Draws(u32, Draw, Option<ClockLag>),
    /// All its sessions, by EVSE number; whatever else was told of is over.
    Sessions(Vec<(u32, SessionFacts)>),
    /// It does not stand here any more.
    Left,
}

impl StationNews {
    /// The node that tells it has a clock that is so far ahead of ours, in ms: what was read is of our time then.
    pub(super) fn told_by_clock_ahead(&mut self, ahead_ms: i64) {
        let to_ours = |draw: &mut Draw| draw.at = draw.at.plus_ms(-ahead_ms);
        match self {
            Self::Draws(_, draw, _) => to_ours(draw),
            Self::Session(_, facts) => facts.draw.iter_mut().for_each(to_ours),
            Self::Sessions(all) => all
                .iter_mut()
                .filter_map(|(_, facts)| facts.draw.as_mut())
                .for_each(to_ours),
            _ => {}
        }
    }
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionFacts {
    /// Which.
    pub(crate) id: SessionId,
    /// What its station calls it.
    pub(crate) transaction: String,
    /// Who charges.
    pub(crate) token: Option<TokenUid>,
    /// What it was given so far, in Wh.
    pub(crate) energy_wh: f64,
    /// What it draws, in W.
    pub(crate) power_w: f64,
    /// What its meter just said, if it said something.
    pub(crate) draw: Option<Draw>,
    /// What is known of its station's clock, if something is.
    pub(crate) clock: Option<ClockLag>,
    /// Whether its car suspends charging, where its session says that (2.x). In 1.6 the state of its outlet does.
    #[serde(default)]
    pub(crate) rests: Option<bool>,
}

/// How far a station's clock is behind that of the hub it is connected to, or ahead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ClockLag {
    /// By so much or less, in ms.
    pub(crate) ms: i64,
    /// Whether that is sure. If not, the messages that tell it may have waited in a queue.
    pub(crate) is_certain: bool,
    /// How far it is ahead, in ms; that is certain, and 0 where it is not ahead.
    #[serde(default)]
    pub(crate) ahead_ms: i64,
}

impl ClockLag {
    /// What is to be taken off its hub's time to have the station's, in ms.
    pub(super) fn known_ms(self) -> i64 {
        if self.is_certain { self.ms } else { 0 }
    }

    /// What is to be added to a time that the station told to have its hub's, in ms.
    pub(super) fn to_hubs_ms(self) -> i64 {
        self.known_ms() - self.ahead_ms
    }
}

/// A site as it now is, for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SiteView {
    /// The configured limit, in W.
    pub limit_w: Option<f64>,
    /// What its stations draw together, in W, as far as they have told.
    pub power_w: f64,
    /// How many of its stations are connected.
    pub stations_connected: u32,
    /// How many outlets have a transaction.
    pub outlets_charging: u32,
    /// How many outlets are in each state they told (`Available`, `Charging` …).
    pub outlets: BTreeMap<String, u32>,
}

/// The live picture of a site.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) limit_w: Option<f64>,
    stations: HashMap<StationId, StationPicture>,
}

#[derive(Debug, Default)]
struct StationPicture {
    connected: bool,
    states: HashMap<u32, ConnectorState>,
    /// By EVSE number: what its session draws.
    sessions: HashMap<u32, (SessionId, f64)>,
}

impl Picture {
    pub(super) fn take(&mut self, station: &StationId, news: &StationNews) {
        if *news == StationNews::Left {
            self.stations.remove(station);
            return;
        }
        let picture = self.stations.entry(station.clone()).or_default();
        match news {
            StationNews::Connected(connected) => picture.connected = *connected,
            StationNews::State(evse, state) => {
                picture.states.insert(*evse, state.clone());
            }
            StationNews::Session(evse, facts) => {
                picture.sessions.insert(*evse, (facts.id, facts.power_w));
            }
            StationNews::SessionOver(evse, session) => {
                // The one that began meanwhile goes on.
                if picture.sessions.get(evse).map(|(id, _)| id) == Some(session) {
                    picture.sessions.remove(evse);
                }
            }
            StationNews::Sessions(all) => {
                let drawn =
                    |(evse, facts): &(u32, SessionFacts)| (*evse, (facts.id, facts.power_w));
                picture.sessions = all.iter().map(drawn).collect();
            }
            StationNews::Booted | StationNews::Draws(..) | StationNews::Left => {}
        }
    }

    /// A station that went offline while it charged goes on charging as far as anybody knows: its last
    /// reading stays in the sum.
    pub(super) fn view(&self) -> SiteView {
        let stations = self.stations.values();
        let mut outlets = BTreeMap::new();
        for state in stations.clone().flat_map(|s| s.states.values()) {
            *outlets.entry(state.as_str().to_owned()).or_default() += 1;
        }
        SiteView {
            limit_w: self.limit_w,
            // A sum of nothing is -0.0.
            power_w: stations
                .clone()
                .flat_map(|s| s.sessions.values().map(|(_, power_w)| power_w))
                .sum::<f64>()
                + 0.0,
            stations_connected: count(stations.clone().filter(|s| s.connected)),
            outlets_charging: count(stations.flat_map(|s| s.sessions.keys())),
            outlets,
        }
    }
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use model::{RetryKey, Timestamp};

    use super::*;

    fn station(id: &str) -> StationId {
        StationId::new(id).unwrap()
    }

    fn facts(key: &str, power_w: f64) -> SessionFacts {
        let key = RetryKey(key.to_owned());
        SessionFacts {
            id: SessionId::of_first(&station("A"), &key, Timestamp(0)),
            transaction: "7".into(),
            token: None,
            energy_wh: 0.0,
            power_w,
            draw: None,
            clock: None,
            rests: None,
        }
    }

    fn session(evse: u32, key: &str, power_w: f64) -> StationNews {
        StationNews::Session(evse, Box::new(facts(key, power_w)))
    }

    #[test]
    fn a_site_sums_what_its_stations_draw() {
        let mut picture = Picture::default();
        let mut take = |id, news| picture.take(&station(id), &news);
        take("A", StationNews::Connected(true));
        take("A", session(1, "one", 7_000.0));
        take("A", session(2, "two", 3_000.0));
        take("B", session(1, "three", 1_000.0));
        take("A", StationNews::SessionOver(2, facts("two", 0.0).id));
        take("B", StationNews::State(1, ConnectorState::Charging));
        let view = picture.view();
        assert_eq!(view.power_w, 8_000.0);
        assert_eq!(view.outlets_charging, 2);
        assert_eq!(view.stations_connected, 1);
        assert_eq!(view.outlets["Charging"], 1);
    }

    #[test]
    fn a_station_that_went_offline_while_charging_is_counted_at_its_last_reading() {
        let mut picture = Picture::default();
        picture.take(&station("A"), &session(1, "one", 7_000.0));
        picture.take(&station("A"), &StationNews::Connected(false));
        assert_eq!(picture.view().power_w, 7_000.0);
        picture.take(&station("A"), &StationNews::Left);
        assert_eq!(picture.view(), SiteView::default());
    }

    #[test]
    fn a_session_that_is_over_late_leaves_the_one_that_follows_it() {
        let mut picture = Picture::default();
        picture.take(&station("A"), &session(1, "one", 7_000.0));
        picture.take(&station("A"), &session(1, "two", 5_000.0));
        let over = StationNews::SessionOver(1, facts("one", 0.0).id);
        picture.take(&station("A"), &over);
        assert_eq!(picture.view().power_w, 5_000.0);
        let all = StationNews::Sessions(vec![(2, facts("three", 1_000.0))]);
        picture.take(&station("A"), &all);
        assert_eq!(picture.view().power_w, 1_000.0);
    }
}
