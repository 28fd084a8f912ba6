//! What a site knows of its stations. Pure.

use std::collections::{BTreeMap, HashMap};

use model::{ConnectorState, StationId};
use serde::{Deserialize, Serialize};

/// What one of a site's stations tells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StationNews {
    /// Its socket opened or closed.
    Connected(bool),
    /// An outlet (its EVSE number) changed state.
    State(u32, ConnectorState),
    /// A transaction at an outlet (its EVSE number) draws so much, in W; absent: it ended.
    Power(u32, Option<f64>),
    /// It does not stand here any more.
    Left,
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
    power_w: HashMap<u32, f64>,
}

impl Picture {
    pub(super) fn take(&mut self, station: StationId, news: StationNews) {
        if news == StationNews::Left {
            self.stations.remove(&station);
            return;
        }
        let picture = self.stations.entry(station).or_default();
        match news {
            StationNews::Connected(connected) => picture.connected = connected,
            StationNews::State(evse, state) => {
                picture.states.insert(evse, state);
            }
            StationNews::Power(evse, Some(power_w)) => {
                picture.power_w.insert(evse, power_w);
            }
            StationNews::Power(evse, None) => {
                picture.power_w.remove(&evse);
            }
            StationNews::Left => {}
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
                .flat_map(|s| s.power_w.values())
                .sum::<f64>()
                + 0.0,
            stations_connected: count(stations.clone().filter(|s| s.connected)),
            outlets_charging: count(stations.flat_map(|s| s.power_w.keys())),
            outlets,
        }
    }
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(id: &str) -> StationId {
        StationId::new(id).unwrap()
    }

    #[test]
    fn a_site_sums_what_its_stations_draw() {
        let mut picture = Picture::default();
        picture.take(station("A"), StationNews::Connected(true));
        picture.take(station("A"), StationNews::Power(1, Some(7_000.0)));
        picture.take(station("A"), StationNews::Power(2, Some(3_000.0)));
        picture.take(station("B"), StationNews::Power(1, Some(1_000.0)));
        picture.take(station("A"), StationNews::Power(2, None));
        picture.take(
            station("B"),
            StationNews::State(1, ConnectorState::Charging),
        );
        let view = picture.view();
        assert_eq!(view.power_w, 8_000.0);
        assert_eq!(view.outlets_charging, 2);
        assert_eq!(view.stations_connected, 1);
        assert_eq!(view.outlets["Charging"], 1);
    }

    #[test]
    fn a_station_that_went_offline_while_charging_is_counted_at_its_last_reading() {
        let mut picture = Picture::default();
        picture.take(station("A"), StationNews::Power(1, Some(7_000.0)));
        picture.take(station("A"), StationNews::Connected(false));
        assert_eq!(picture.view().power_w, 7_000.0);
        picture.take(station("A"), StationNews::Left);
        assert_eq!(picture.view(), SiteView::default());
    }
}
