//! What hubs ask each other, as JSON: a word or a field that is added is not understood by older hubs, and answered so.

use std::collections::HashMap;

use actors::{ConnectionView, SiteNews, SiteView};
use bytes::Bytes;
use model::{
    ChargingAsk, DeadLetterId, LiveEvent, Protocol, SessionId, SessionPreferences, SiteId,
    StationId, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::Call;
use crate::socket::IdentityConflict;

/// What a hub asks another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Send a CALL to the charger it is about. Answered with a [`actors::CallOutcome`].
    Call {
        /// The version it is in.
        protocol: Protocol,
        /// The OCPP action.
        action: String,
        /// The payload, as JSON text.
        payload: String,
    },
    /// Replay a dead letter whose station is there. Answered with `Result<(), ReplayError>`, see
    /// [`crate::dead_letters::ReplayError`].
    Replay {
        /// Which.
        letter: DeadLetterId,
    },
    /// Say what is seen of these. Answered with [`Seen`].
    Look {
        /// Stations, of which those with a socket or a conflict are told.
        stations: Vec<StationId>,
        /// Sites, of which those with an actor are told.
        sites: Vec<SiteId>,
    },
    /// An operator changed a station's configuration.
    StationChanged {
        /// Which.
        station: StationId,
    },
    /// An operator deleted a station.
    StationRemoved {
        /// Which.
        station: StationId,
    },
    /// An operator changed a site's configuration, or deleted it.
    SiteChanged {
        /// Which.
        site: SiteId,
    },
    /// Hear what stations say that are at the hub that asks, for sites of the one that is asked. Answered with a
    /// `Vec<Option<Heard>>`, see [`actors::Heard`].
    SiteNews {
        /// What they say.
        news: Vec<SiteNews>,
    },
    /// Ask the charger it is about something for its site. Answered with [`actors::Told`].
    Charging {
        /// The site.
        site: SiteId,
        /// The epoch of its shard.
        under: i64,
        /// What.
        what: ChargingAsk,
    },
    /// See to the power of the site it is about.
    Power {
        /// How.
        what: PowerAsk,
    },
    /// Let go of the charger it is about, which the hub that asks has claimed. Answered with whether what it said is all
    /// in the store.
    GiveWay {
        /// The epoch of that claim.
        epoch: i64,
    },
}

/// What is asked about a site's power, of the hub that acts for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PowerAsk {
    /// Show it. Answered with an `Option<SitePowerView>`, see [`model::SitePowerView`].
    Show,
    /// What it is managed by was changed in the store. Answered with nothing.
    Changed,
    /// The site's meter says something. Answered with an `Option<Result<(), String>>`, see
    /// [`actors::Actors::site_metered`].
    Metered {
        /// At which part of the site.
        part: String,
        /// Per phase, in A.
        amps: [f64; 3],
        /// What the outlets below draw is in it.
        with_outlets: bool,
        /// When, by the clock of the hub that was told.
        at: Timestamp,
        /// What that clock showed then; absent: as that of the hub that is asked.
        #[serde(default)]
        told_at: Option<Timestamp>,
    },
    /// A driver says something. Answered with whether it is kept.
    Prefer {
        /// What.
        preferences: SessionPreferences,
    },
    /// Tell what a driver said. Answered with an `Option<SessionPreferences>`.
    Preferences {
        /// Of which session.
        session: SessionId,
    },
}

impl Ask {
    /// To send a CALL.
    pub(super) fn call(call: &Call) -> Self {
        Self::Call {
            protocol: call.protocol,
            action: call.action.clone(),
            payload: call.payload.clone(),
        }
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        to_bytes(self)
    }
}

/// What is seen of stations and sites.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Of stations.
    pub(crate) stations: HashMap<StationId, Live>,
    /// Of sites.
    pub(crate) sites: HashMap<SiteId, SiteView>,
}

/// What is seen of a station.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Live {
    /// Its socket.
    pub(crate) connected: Option<ConnectionView>,
    /// The epoch of that; 0: there is none.
    pub(crate) epoch: i64,
    /// Two devices use its identity.
    pub(crate) identity_conflict: Option<IdentityConflict>,
    /// Its actor crashed too often, and rests.
    #[serde(default)]
    pub(crate) resting_until: Option<Timestamp>,
}

impl Seen {
    /// Adds what another hub sees. A socket of a later epoch is the one that counts.
    pub(super) fn add(&mut self, other: Self) {
        for (station, live) in other.stations {
            let known = self.stations.entry(station).or_default();
            let conflict = known
                .identity_conflict
                .take()
                .or(live.identity_conflict.clone());
            let resting_until = known.resting_until.max(live.resting_until);
            if live.epoch > known.epoch {
                *known = live;
            }
            known.identity_conflict = conflict;
            known.resting_until = resting_until;
        }
        // One hub acts for a site, or none for a moment.
        self.sites.extend(other.sites);
    }
}

/// What happens at a hub, for another that watches.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Happened {
    /// An event.
    Event(LiveEvent),
    /// So many were missed, because the other does not keep up.
    Missed(u64),
}

/// As JSON. What is sent between hubs has text for keys and no other obstacle.
pub(super) fn to_bytes(value: &impl Serialize) -> Bytes {
    let text = serde_json::to_vec(value);
    let text = text.inspect_err(
        |error| tracing::error!(%error, "what a hub says to another could not be written"),
    );
    text.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(epoch: i64, since: i64) -> Live {
        Live {
            connected: Some(ConnectionView {
                protocol: Protocol::Ocpp16,
                since: Timestamp(since),
                last_heard_at: Timestamp(since),
            }),
            epoch,
            ..Live::default()
        }
    }

    #[test]
    fn of_two_sockets_the_later_one_counts_whoever_says_so_first() {
        let station = StationId::new("CP").unwrap();
        let seen = |live: Live| Seen {
            stations: HashMap::from([(station.clone(), live)]),
            sites: HashMap::new(),
        };
        for (first, second) in [(live(7, 1), live(8, 2)), (live(8, 2), live(7, 1))] {
            let mut both = seen(first);
            both.add(seen(second));
            assert_eq!(both.stations[&station], live(8, 2));
        }
    }

    #[test]
    fn what_a_site_asks_of_a_station_arrives_as_it_was() {
        let what = ChargingAsk::Do(model::Command::SetChargingProfile {
            evse: 1,
            profile: model::ChargingProfile {
                id: 7,
                stack_level: 1,
                purpose: model::ProfilePurpose::Tx,
                unit: model::RateUnit::A,
                periods: vec![model::ProfilePeriod {
                    start_s: 0,
                    limit: 12.3,
                    phases: Some(3),
                }],
                transaction: Some("1".to_owned()),
                valid_to: Some(Timestamp(1_790_000_000_123)),
                max_offline_s: Some(15),
                start: None,
                duration_s: None,
            },
        });
        let ask = Ask::Charging {
            site: SiteId::new("depot").unwrap(),
            under: i64::MAX,
            what,
        };
        assert_eq!(serde_json::from_slice::<Ask>(&ask.to_bytes()).unwrap(), ask);
        for what in [PowerAsk::Show, PowerAsk::Changed] {
            let ask = Ask::Power { what };
            assert_eq!(serde_json::from_slice::<Ask>(&ask.to_bytes()).unwrap(), ask);
        }
    }

    #[test]
    fn what_is_asked_is_understood_and_a_word_that_is_not_known_is_no_ask() {
        let ask = Ask::Look {
            stations: vec![StationId::new("CP/1 ü").unwrap()],
            sites: vec![SiteId::new("depot").unwrap()],
        };
        assert_eq!(serde_json::from_slice::<Ask>(&ask.to_bytes()).unwrap(), ask);
        serde_json::from_str::<Ask>(r#"{"ask": "sing"}"#).unwrap_err();
        serde_json::from_str::<Ask>(r#"{"ask": "site_changed", "site": "depot", "more": 1}"#)
            .unwrap();
    }
}
