//! Our own small supervisor: ractor links actors and reports deaths, and restarts nothing by itself.
//!
//! One supervisor holds many children of one kind (a shard of the chargers; the sites) and restarts
//! each on its own (one_for_one), by the pure [`policy`]. A restarted child builds its state from the
//! store. Supervisors themselves are children of the [`crate::tree`].

mod policy;

use std::{collections::HashMap, marker::PhantomData, sync::Arc, time::Duration};

pub(crate) use policy::{AfterCrash, CrashHistory, RestartPolicy};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};

use crate::{Clock, metrics};

/// A kind of actor that a [`Supervisor`] keeps alive.
pub(crate) trait Child: Send + Sync + 'static {
    /// The metric label.
    const KIND: &'static str;

    /// Starts the actor under `supervisor` and makes it reachable.
    fn start(
        &self,
        supervisor: ActorCell,
    ) -> impl Future<Output = Result<ActorCell, SpawnErr>> + Send;

    /// The actor is gone; until it is started again nobody can reach it.
    fn down(&self);

    /// It is gone because it crashed; told after [`Child::down`].
    fn crashed(&self) {}

    /// The child rests for `wait`; whoever waits for it should be told.
    fn quarantined(&self, wait: Duration);

    /// Its name in the log.
    fn name(&self) -> String;
}

/// Keeps its children alive.
pub(crate) struct Supervisor<C>(PhantomData<C>);

impl<C> Supervisor<C> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

/// What a supervisor is asked.
pub(crate) enum SupervisorMsg<C> {
    /// Take on a new child.
    Start(C),
    /// Start a crashed child again.
    Restart(Box<Kept<C>>),
}

/// A child and its crashes.
pub(crate) struct Kept<C> {
    child: C,
    /// Most children never crash; those that did not cost nothing here.
    crashes: Option<Box<CrashHistory>>,
}

pub(crate) struct SupervisorState<C> {
    children: HashMap<ActorId, Kept<C>>,
    clock: Arc<dyn Clock>,
    policy: RestartPolicy,
}

impl<C: Child> Actor for Supervisor<C> {
    type Msg = SupervisorMsg<C>;
    type State = SupervisorState<C>;
    type Arguments = (Arc<dyn Clock>, RestartPolicy);

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (clock, policy): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(SupervisorState {
            children: HashMap::new(),
            clock,
            policy,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let kept = match message {
            SupervisorMsg::Start(child) => Kept {
                child,
                crashes: None,
            },
            SupervisorMsg::Restart(kept) => *kept,
        };
        #[cfg(feature = "chaos")]
        if let Some(name) = kept.child.name().split(' ').next_back() {
            crate::chaos::panic_if_named("shard", name);
        }
        match kept.child.start(myself.get_cell()).await {
            Ok(actor) => {
                state.children.insert(actor.get_id(), kept);
            }
            Err(error) => {
                tracing::error!(child = kept.child.name(), %error, "an actor could not be started");
                restart_later(&myself, state, kept);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                if let Some(kept) = state.children.remove(&actor.get_id()) {
                    kept.child.down();
                }
            }
            SupervisionEvent::ActorFailed(actor, error) => {
                if let Some(kept) = state.children.remove(&actor.get_id()) {
                    ::metrics::counter!(metrics::ACTOR_CRASHES, "kind" => C::KIND).increment(1);
                    tracing::warn!(child = kept.child.name(), %error, "an actor crashed; it starts again");
                    kept.child.down();
                    kept.child.crashed();
                    restart_later(&myself, state, kept);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn restart_later<C: Child>(
    myself: &ActorRef<SupervisorMsg<C>>,
    state: &SupervisorState<C>,
    mut kept: Kept<C>,
) {
    let crashes = kept.crashes.get_or_insert_default();
    let wait = match crashes.crashed(&state.policy, state.clock.now()) {
        AfterCrash::RestartIn(wait) => wait,
        AfterCrash::QuarantineFor(wait) => {
            ::metrics::counter!(metrics::QUARANTINES, "kind" => C::KIND).increment(1);
            tracing::error!(
                child = kept.child.name(),
                rest_s = wait.as_secs(),
                "an actor crashed too often and rests; look at what its station sends"
            );
            kept.child.quarantined(wait);
            wait
        }
    };
    myself.send_after(wait, move || SupervisorMsg::Restart(Box::new(kept)));
}
