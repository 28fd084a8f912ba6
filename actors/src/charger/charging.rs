//! What a site asks of a station whose socket is here.
//!
//! The fence of power: whoever asks does so under the epoch of the site's shard, and one who has been succeeded is not
//! obeyed, however late it finds out.

use std::sync::Arc;

use model::{ChargingAsk, Protocol};
use tokio::sync::oneshot;

use super::ChargerMsg;
use crate::{CallOutcome, Language, OutgoingCall, SiteAsk, Told, deps::Deps, metrics};

/// Asks the station now; what becomes of it comes with the future, which need not be polled for that.
pub(crate) fn ask(deps: &Deps, asked: SiteAsk) -> impl Future<Output = Told> + Send + use<> {
    let called = call(deps, &asked);
    async move {
        match called {
            Ok(called) => called.told(&asked.ask).await,
            Err(told) => told,
        }
    }
}

/// A CALL under way.
struct Called {
    protocol: Protocol,
    language: Arc<dyn Language>,
    outcome: oneshot::Receiver<CallOutcome>,
}

fn call(deps: &Deps, asked: &SiteAsk) -> Result<Called, Told> {
    let SiteAsk {
        site,
        under,
        station,
        ask,
        patience,
    } = asked;
    let slot = deps.directory.find(station).ok_or(Told::Silence)?;
    let (Some(charger), Some(attached)) = (slot.actor(), slot.connection()) else {
        return Err(Told::Silence);
    };
    if !deps.sites.obeys(site, station, *under) {
        ::metrics::counter!(metrics::SITE_ASKS_REFUSED).increment(1);
        tracing::info!(%site, %station, under, "a site's command is refused: the station stands elsewhere, or another node acts for the site by now");
        return Err(Told::Silence);
    }
    let language = deps.language.get().ok_or(Told::Silence)?;
    let (action, payload) = language.say(attached.protocol, ask).map_err(Told::Failed)?;
    let (sent, _) = oneshot::channel();
    let (outcome, told) = oneshot::channel();
    let call = OutgoingCall {
        action,
        payload,
        timeout: *patience,
        sent,
        outcome,
    };
    let _ = charger.cast(ChargerMsg::Call(Box::new(call)));
    Ok(Called {
        protocol: attached.protocol,
        language: Arc::clone(language),
        outcome: told,
    })
}

impl Called {
    async fn told(self, ask: &ChargingAsk) -> Told {
        // A port that is dropped belonged to a socket that went.
        match self.outcome.await.unwrap_or(CallOutcome::Gone) {
            CallOutcome::Answered(answer) => {
                Told::Answer(self.language.read(self.protocol, ask, &answer))
            }
            CallOutcome::Failed { code, description } => {
                Told::Failed(format!("{code}: {description}"))
            }
            CallOutcome::NotAccepted => Told::Failed("the station is not accepted".to_owned()),
            CallOutcome::TimedOut | CallOutcome::Gone | CallOutcome::Busy => Told::Silence,
        }
    }
}
