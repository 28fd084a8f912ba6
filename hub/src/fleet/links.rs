//! The ways between a site's actor and its stations at other hubs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actors::{Heard, SiteAsk, SiteLinks, SiteNews, Told};
use async_trait::async_trait;
use bytes::Bytes;
use peer::{Answer, AskError, Message, Peers, Target, Uuid};
use placement::NodeAddress;
use serde::de::DeserializeOwned;

use super::Ask;

/// How long news may take; what is not heard by then is told anew.
const NEWS_MOST: Duration = Duration::from_secs(5);
/// How long after a hub had too much to do it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

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
            once: true,
            body: what.to_bytes(),
        };
        let answer = loop {
            let answer = self.0.ask(holder, message.clone(), None).await;
            let busy = matches!(answer, Err(AskError::Busy(_)) | Ok(Answer::Busy));
            // A large site has much to say when it begins; what was too much was certainly not done.
            if !busy || Instant::now() + PAUSE > message.deadline {
                break answer;
            }
            tokio::time::sleep(PAUSE).await;
        };
        read(answer).unwrap_or_else(|why| {
            tracing::debug!(station = %asked.station, hub = %holder.name, why, "a site's command may not have reached its station");
            Told::Silence
        })
    }
}

fn read<T: DeserializeOwned>(answer: Result<Answer, AskError>) -> Result<T, String> {
    let understood = |text: Bytes| serde_json::from_slice(&text).map_err(|error| error.to_string());
    match answer {
        Ok(Answer::Ok(text)) => understood(text),
        Ok(other) => Err(format!("it answers {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}
