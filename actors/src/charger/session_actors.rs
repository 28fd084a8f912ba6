//! The session actors of one station: at most one for each session, since two would overwrite each
//! other's snapshot.

use ractor::{ActorId, ActorRef};

use super::Busy;
use crate::session::SessionMsg;

/// The live session actors of one station, by the session's transaction name: few, so a list.
#[derive(Default)]
pub(super) struct SessionActors(Vec<(String, ActorRef<SessionMsg>)>);

impl SessionActors {
    /// The actor of the session of that name.
    pub(super) fn of(&self, transaction: &str) -> Option<&ActorRef<SessionMsg>> {
        let (_, actor) = self.0.iter().find(|(name, _)| name == transaction)?;
        Some(actor)
    }

    /// An actor was started for the session that will be called so.
    pub(super) fn started(&mut self, transaction: String, actor: ActorRef<SessionMsg>) {
        self.0.push((transaction, actor));
    }

    /// The actor's session turned out to be this one: a start may be the repeat of an earlier one, or
    /// its number have been taken. An actor that is one too many is ended.
    pub(super) fn turned_out(&mut self, transaction: &str, actor: &ActorRef<SessionMsg>) {
        if self
            .of(transaction)
            .is_some_and(|first| first.get_id() != actor.get_id())
        {
            actor.stop(None);
            return;
        }
        if let Some((name, _)) = self
            .0
            .iter_mut()
            .find(|(_, held)| held.get_id() == actor.get_id())
        {
            transaction.clone_into(name);
        }
    }

    /// All of them are busy until they have dealt with what they were told.
    pub(super) fn settle(&self, busy: &Busy) {
        for (_, actor) in &self.0 {
            // One that has ended has nothing in hand.
            let _ = actor.cast(SessionMsg::Settle(busy.clone()));
        }
    }

    /// The actor is gone.
    pub(super) fn ended(&mut self, actor: ActorId) {
        self.0.retain(|(_, held)| held.get_id() != actor);
    }
}
