//! The power of sites, seen to by the hub that acts for each: this one, or another that is asked.

use std::time::{Duration, Instant};

use bytes::Bytes;
use model::{SessionId, SessionPreferences, SiteId, SitePowerView};
use peer::{Answer, Message, Target, Uuid};
use placement::ShardId;
use serde::de::DeserializeOwned;

use super::{Ask, Fleet, PowerAsk, ask::to_bytes, here::Here};

/// How long the hub that acts for a site is looked for, and may take.
const MOST: Duration = Duration::from_secs(4);
/// How long after a look in vain it is looked for again: the site may be between two hubs.
const AGAIN: Duration = Duration::from_millis(200);

impl Fleet {
    /// A site's power as it now is, if it is managed and its hub answers.
    pub(crate) async fn power_view(&self, site: &SiteId) -> Option<SitePowerView> {
        self.at_site(site, PowerAsk::Show).await.flatten()
    }

    /// What a site's power is managed by was changed in the store; whether its hub heard of that.
    pub(crate) async fn power_changed(&self, site: &SiteId) -> bool {
        self.at_site(site, PowerAsk::Changed).await == Some(())
    }

    /// A site's meter says something, as [`PowerAsk::Metered`]; none if its power is not managed, or its hub does not
    /// answer.
    pub(crate) async fn metered(
        &self,
        site: &SiteId,
        metered: PowerAsk,
    ) -> Option<Result<(), String>> {
        self.at_site(site, metered).await.flatten()
    }

    /// A driver says something; whether it is kept.
    pub(crate) async fn prefer(&self, site: &SiteId, preferences: SessionPreferences) -> bool {
        let kept = self.at_site(site, PowerAsk::Prefer { preferences });
        kept.await.unwrap_or(false)
    }

    /// What a driver said.
    pub(crate) async fn preferences(
        &self,
        site: &SiteId,
        session: SessionId,
    ) -> Option<SessionPreferences> {
        let told = self.at_site(site, PowerAsk::Preferences { session });
        told.await.flatten()
    }

    /// Asks the hub that acts for the site; what it answers, if it does in time.
    async fn at_site<T: DeserializeOwned>(&self, site: &SiteId, ask: PowerAsk) -> Option<T> {
        let until = Instant::now() + MOST;
        loop {
            if let Some(answer) = self.at_site_now(site, &ask, until).await {
                return serde_json::from_slice(&answer).ok();
            }
            if Instant::now() + AGAIN > until {
                return None;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn at_site_now(&self, site: &SiteId, ask: &PowerAsk, until: Instant) -> Option<Bytes> {
        let here = &self.0.here;
        if let Answer::Ok(answer) = here.power_for(site, ask.clone()).await {
            return Some(answer);
        }
        let placement = here.actors.placement();
        let node = placement.shard_node(ShardId::of_site(site));
        let node = node.filter(|node| node.name != here.name())?;
        let message = Message {
            id: Uuid::new_v4(),
            to: Target::Site(site.clone()),
            epoch: None,
            deadline: until,
            // Done twice, all of them do no more than once.
            once: false,
            body: Ask::Power { what: ask.clone() }.to_bytes(),
        };
        match self
            .0
            .others
            .as_ref()?
            .peers
            .ask(&node, message, None)
            .await
        {
            Ok(Answer::Ok(answer)) => Some(answer),
            Ok(_) | Err(_) => None,
        }
    }
}

impl Here {
    /// Sees to a site's power, if this hub acts for the site.
    pub(super) async fn power_for(&self, site: &SiteId, ask: PowerAsk) -> Answer {
        let actors = &self.actors;
        if actors.placement().site_epoch(site).is_none() {
            return Answer::NotHere { at: None };
        }
        Answer::Ok(match ask {
            PowerAsk::Show => to_bytes(&actors.site_power_view(site).await),
            PowerAsk::Changed => to_bytes(&actors.site_power_changed(site)),
            PowerAsk::Metered {
                part,
                amps,
                with_outlets,
                at,
                told_at,
            } => {
                let read = (at, told_at);
                let taken = actors.site_metered(site, part, amps, with_outlets, read);
                to_bytes(&taken.await)
            }
            PowerAsk::Prefer { preferences } => to_bytes(&actors.prefer(site, preferences).await),
            PowerAsk::Preferences { session } => to_bytes(&actors.preferences(site, session).await),
        })
    }
}
