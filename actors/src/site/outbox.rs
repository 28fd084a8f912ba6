//! What the actor of a site, at another node, is to be told of the stations here. Pure.
//!
//! News wait here until the relay takes them along, per station and so that what is overtaken is left out: however slow
//! the way, little waits. Nothing is kept that could be lost: after a loss, or when another node acts for the site, all
//! that waits is dropped, and the stations here tell everything once that node has been spoken to.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use model::{SiteId, StationId, Timestamp};
use placement::NodeAddress;
use serde::{Deserialize, Serialize};

use super::{
    core::{SessionFacts, StationNews},
    hearing::Heard,
};

/// More news of one station do not wait: it tells everything instead.
const WAITING_MOST: usize = 128;
/// After so long a site's actor is told at least that there is nothing new.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// A site's actor that was not heard is spoken to again after so long.
const AGAIN: Duration = Duration::from_millis(500);
/// What news take on the way beside the texts in them, in bytes, about.
const AROUND_NEWS: usize = 400;

/// News of stations at one site, from one node to the one that acts for the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteNews {
    pub(super) site: SiteId,
    /// When it was sent, by the clock of the node that tells it; none of one that says nothing of that.
    #[serde(default)]
    pub(super) sent_at: Option<Timestamp>,
    /// What the other one said when it was last told something; none: it is to say.
    pub(super) heard: Option<Heard>,
    pub(super) news: Vec<StationSays>,
}

/// What a station says that its node holds under this epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StationSays {
    pub(super) station: StationId,
    pub(super) epoch: i64,
    pub(super) news: StationNews,
}

/// What the actor of one site is to be told.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    owner: Option<NodeAddress>,
    /// What the owner last said; none: it has to be spoken to first.
    heard: Option<Heard>,
    waiting: HashMap<StationId, Waiting>,
    told_at: Option<Instant>,
    not_before: Option<Instant>,
}

#[derive(Debug, Default)]
struct Waiting {
    epoch: i64,
    news: Vec<StationNews>,
}

impl Outbox {
    /// A station says something; `false` where it is no use to keep it.
    pub(super) fn put(&mut self, station: &StationId, epoch: i64, news: StationNews) -> bool {
        if self.heard.is_none() {
            return false;
        }
        let waiting = self.waiting.entry(station.clone()).or_default();
        waiting.epoch = waiting.epoch.max(epoch);
        waiting.put(news);
        if waiting.news.len() > WAITING_MOST {
            self.forget();
        }
        true
    }

    /// What the site's actor at that node is to be told now, if anything is, and whether there is more. `now`: by both
    /// clocks of this node. `room`, in bytes, is what is left in a message.
    pub(super) fn next(
        &mut self,
        site: &SiteId,
        owner: &NodeAddress,
        (now, sent_at): (Instant, Timestamp),
        room: &mut usize,
    ) -> Option<(SiteNews, bool)> {
        if self.owner.as_ref() != Some(owner) {
            *self = Self::default();
            self.owner = Some(owner.clone());
        }
        let is_due = self.told_at.is_none_or(|at| now >= at + SIGN_OF_LIFE);
        let has_cause = self.heard.is_none() || !self.waiting.is_empty() || is_due;
        if !has_cause || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        self.told_at = Some(now);
        let mut news = Vec::new();
        *room = room.saturating_sub(AROUND_NEWS);
        while *room > 0
            && let Some(station) = self.waiting.keys().next().cloned()
            && let Some(waiting) = self.waiting.remove(&station)
        {
            for one in waiting.news {
                *room = room.saturating_sub(weight(&one) + station.as_str().len());
                news.push(StationSays {
                    station: station.clone(),
                    epoch: waiting.epoch,
                    news: one,
                });
            }
        }
        let news = SiteNews {
            site: site.clone(),
            sent_at: Some(sent_at),
            heard: self.heard,
            news,
        };
        Some((news, !self.waiting.is_empty()))
    }

    /// What became of news that were taken along to that node: what it says, if that is known. `true`: the stations here
    /// have to tell everything.
    pub(super) fn is_told(
        &mut self,
        owner: &NodeAddress,
        believed: Option<Heard>,
        heard: Option<Heard>,
        now: Instant,
    ) -> bool {
        if self.owner.as_ref() != Some(owner) || believed != self.heard {
            return false;
        }
        if heard.is_none() {
            self.forget();
            self.not_before = Some(now + AGAIN);
            return false;
        }
        if heard == self.heard {
            return false;
        }
        self.waiting.clear();
        self.heard = heard;
        true
    }

    /// Drops what waits; the owner is to be spoken to first.
    pub(super) fn forget(&mut self) {
        self.heard = None;
        self.waiting.clear();
    }
}

impl Waiting {
    /// Adds news, and drops what they overtake.
    fn put(&mut self, mut news: StationNews) {
        if let StationNews::Session(at, facts) = &mut news {
            // What its meter said is not said again.
            let before = self.news.iter().rev().find_map(|before| match before {
                StationNews::Session(evse, before) if evse == at && before.id == facts.id => {
                    before.draw
                }
                _ => None,
            });
            facts.draw = facts.draw.or(before);
        }
        self.news.retain(|before| !is_overtaken(before, &news));
        self.news.push(news);
    }
}

fn is_overtaken(before: &StationNews, by: &StationNews) -> bool {
    use StationNews::{Booted, Connected, Draws, Left, Session, SessionOver, Sessions, State};
    match (before, by) {
        (_, Left) | (Connected(_), Connected(_)) | (Booted, Booted) => true,
        (State(before, _), State(evse, _))
        | (Session(before, _), Session(evse, _))
        | (Draws(before, ..), Draws(evse, ..)) => before == evse,
        // A session that began here may have ended another that the site knows: its beginning stays.
        (SessionOver(..), SessionOver(..)) => before == by,
        (Session(..) | SessionOver(..) | Sessions(_), Sessions(_)) => true,
        _ => false,
    }
}

/// How many bytes news take on the way, about.
fn weight(news: &StationNews) -> usize {
    let texts = |facts: &SessionFacts| {
        let token = facts.token.as_ref().map_or(0, |it| it.as_str().len());
        AROUND_NEWS + facts.transaction.len() + token
    };
    match news {
        StationNews::Session(_, facts) => texts(facts),
        StationNews::Sessions(all) => all.iter().map(|(_, facts)| texts(facts)).sum(),
        StationNews::State(_, state) => state.as_str().len(),
        _ => 0,
    }
    .max(AROUND_NEWS / 4)
}

#[cfg(test)]
mod tests;
