//! A charger's actor before it knows what the store holds of its station. While the store cannot be read it waits, and
//! tries again: that is no crash of its own, and what its station said is not at fault.

use std::time::Duration;

use model::Refusal;
use ractor::ActorRef;
use store::ReadError;

use super::{
    ChargerMsg, ChargerState,
    open::{Open, Traits},
};

/// How long it waits before it tries again.
const READ_AGAIN: Duration = Duration::from_millis(500);

impl ChargerState {
    /// Before the store was read nothing can be said. A station that has to be answered comes back.
    pub(super) async fn handle_unread(
        &mut self,
        myself: &ActorRef<ChargerMsg>,
        message: ChargerMsg,
    ) {
        match message {
            ChargerMsg::Hydrate => {
                if let Err(error) = self.hydrate(myself).await {
                    tracing::debug!(station = %self.slot.station, %error, "what the store holds of the station could not be read; it is tried again");
                    myself.send_after(READ_AGAIN, || ChargerMsg::Hydrate);
                }
            }
            ChargerMsg::Event(envelope) => {
                let refusal = match envelope.event.is_transactional() {
                    true => Refusal::Close,
                    false => Refusal::Internal,
                };
                // The link may have gone with the station.
                let _ = envelope.reply.send(Err(refusal));
            }
            ChargerMsg::Disconnected(epoch) => {
                if self.slot.detach(epoch) {
                    self.retire_later(myself);
                }
            }
            ChargerMsg::Retire => self.retire(myself).await,
            ChargerMsg::Call(call) => self.call(*call),
            // What is read says it all.
            ChargerMsg::Connected
            | ChargerMsg::Configured
            | ChargerMsg::Announce
            | ChargerMsg::Session(_)
            // The guard looks again, and who wants a number is told that there is none.
            | ChargerMsg::Close(_)
            | ChargerMsg::SpareNumber(_)
            | ChargerMsg::Settle(_) => {}
        }
    }

    async fn hydrate(&mut self, myself: &ActorRef<ChargerMsg>) -> Result<(), ReadError> {
        let hydration = match self.slot.take_hydration() {
            Some(read_at_handshake) => *read_at_handshake,
            None => self.deps.store.hydrate(&self.slot.station).await?,
        };
        self.is_read = true;
        if let Some(station) = hydration.station {
            self.is_admitted(station.admission);
            self.stands_at(station.site);
        }
        if let Some(number) = hydration.last_number {
            self.numbers.note(number);
        }
        for session in hydration.open_sessions {
            let traits = Traits::of(&session);
            let rests = session.car_rests();
            let open = self.sessions.insert(Open::new(session.transaction));
            open.traits = Some(traits);
            open.connector = session.connector;
            open.token = session.token.map(|token| token.uid);
            open.power_w = session.power_w;
            open.energy_wh = session.energy_wh;
            open.rests = rests;
        }
        self.slot.charges_is(!self.sessions.is_empty());
        self.announce().await;
        if self.slot.connection().is_some() {
            self.on_connected().await;
        } else {
            // It was started again and nobody is there any more.
            self.retire_later(myself);
        }
        Ok(())
    }
}
