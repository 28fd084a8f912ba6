//! The ways between a site's actor and its stations at other hubs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actors::{Heard, SiteAsk, SiteLinks, SiteNews, Told};
use async_trait::async_trait;
use bytes::Bytes;
use peer::{Answer, Message, Peers, Target, Uuid};
use placement::NodeAddress;
use serde::de::DeserializeOwned;

use super::Ask;

/// How long news may take; what is not heard by then is told anew.
const NEWS_MOST: Duration = Duration::from_secs(5);

/// Over the streams between hubs.
pub(super) struct Links(pub(super) Arc<Peers>);

#[async_trait]
impl SiteLinks for Links {
    async fn tell(
        &self,
        owner: &NodeAddress,
        news: Vec<SiteNews>,
    ) -> Result<Vec<Option<Heard>>, String> {
        let message = Message {
            id: Uuid::new_v4(),
            to: Target::Node,
            epoch: None,
            deadline: Instant::now() + NEWS_MOST,
            // Heard twice, they say nothing else.
            once: false,
            body: Ask::SiteNews { news }.to_bytes(),
        };
        read(self.0.ask(owner, message, None).await)
    }

    async fn ask(&self, holder: &NodeAddress, asked: SiteAsk) -> Told {
        let what = Ask::Charging {
            site: asked.site,
            under: asked.under,
            what: asked.ask,
        };
        let message = Message {
            id: Uuid::new_v4(),
            to: Target::Charger(asked.station.clone()),
            epoch: None,
            deadline: Instant::now() + asked.patience,
            // Asked again it would come after what was asked since.
            once: true,
            body: what.to_bytes(),
        };
        read(self.0.ask(holder, message, None).await).unwrap_or_else(|why| {
            tracing::debug!(station = %asked.station, hub = %holder.name, why, "a site's command may not have reached its station");
            Told::Silence
        })
    }
}

fn read<T: DeserializeOwned>(answer: Result<Answer, peer::AskError>) -> Result<T, String> {
    let understood = |text: Bytes| serde_json::from_slice(&text).map_err(|error| error.to_string());
    match answer {
        Ok(Answer::Ok(text)) => understood(text),
        Ok(other) => Err(format!("it answers {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}
