//! The tree of actors, from the root down, and the handle the rest of the hub holds on it.
//!
//! ```text
//! root ── shard 0..63 ── charger ── session
//!      └─ sites ──────── site
//! ```
//!
//! Linking an actor takes a process-wide lock in ractor, and a supervisor handles its children's deaths
//! one at a time: so the chargers are spread over shards. The root restarts a shard that crashes;
//! its chargers died with it and are started again from the directory, their sockets untouched.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::{Arc, OnceLock},
};

use model::SiteId;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};

use crate::{
    charger::ChargerChild,
    deps::Deps,
    directory::Slot,
    metrics,
    site::SiteChild,
    supervisor::{RestartPolicy, Supervisor, SupervisorMsg},
};

const SHARDS: usize = 64;

/// Where children are started.
pub(crate) struct Tree {
    shards: Vec<arc_swap::ArcSwapOption<ActorRef<SupervisorMsg<ChargerChild>>>>,
    sites: arc_swap::ArcSwapOption<ActorRef<SupervisorMsg<SiteChild>>>,
    root: OnceLock<ActorRef<()>>,
}

impl Tree {
    /// Grows the tree.
    pub(crate) async fn grow(deps: &Arc<Deps>) -> Result<Arc<Self>, SpawnErr> {
        let tree = Arc::new(Self {
            shards: (0..SHARDS)
                .map(|_| arc_swap::ArcSwapOption::empty())
                .collect(),
            sites: arc_swap::ArcSwapOption::empty(),
            root: OnceLock::new(),
        });
        let arguments = (Arc::clone(&tree), Arc::clone(deps));
        let (root, _) = Actor::spawn(None, Root, arguments).await?;
        // Set once, here.
        let _ = tree.root.set(root);
        Ok(tree)
    }

    /// Starts a charger's actor.
    pub(crate) fn start_charger(&self, deps: &Arc<Deps>, slot: &Arc<Slot>) {
        let shard = self.shards[shard_of(slot)].load();
        let child = ChargerChild {
            slot: Arc::clone(slot),
            deps: Arc::clone(deps),
        };
        if let Some(shard) = shard.as_deref() {
            // A shard that is just being restarted starts all wanted chargers itself.
            let _ = shard.cast(SupervisorMsg::Start(child));
        }
    }

    /// Starts a site's actor.
    pub(crate) fn start_site(&self, deps: &Arc<Deps>, site: SiteId) {
        if let Some(sites) = self.sites.load().as_deref() {
            let child = SiteChild {
                site,
                deps: Arc::clone(deps),
            };
            let _ = sites.cast(SupervisorMsg::Start(child));
        }
    }

    /// Ends every actor, once each is done with the message it has in hand.
    pub(crate) async fn fell(&self) {
        if let Some(root) = self.root.get() {
            let _ = root.stop_and_wait(None, None).await;
        }
    }
}

fn shard_of(slot: &Slot) -> usize {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    (hasher.hash_one(&slot.station) % SHARDS as u64) as usize
}

struct Root;

struct RootState {
    tree: Arc<Tree>,
    deps: Arc<Deps>,
}

impl Actor for Root {
    type Msg = ();
    type State = RootState;
    type Arguments = (Arc<Tree>, Arc<Deps>);

    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        (tree, deps): Self::Arguments,
    ) -> Result<RootState, ActorProcessingErr> {
        let state = RootState { tree, deps };
        for shard in 0..SHARDS {
            state.start_shard(shard, myself.get_cell()).await?;
        }
        state.start_sites(myself.get_cell()).await?;
        Ok(state)
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(dead, error) = event else {
            return Ok(());
        };
        ::metrics::counter!(metrics::ACTOR_CRASHES, "kind" => "shard").increment(1);
        tracing::error!(%error, "a supervisor crashed; it and its children start again");
        let shard = state.tree.shards.iter().position(|shard| {
            shard
                .load()
                .as_deref()
                .is_some_and(|shard| shard.get_id() == dead.get_id())
        });
        match shard {
            Some(shard) => {
                state.start_shard(shard, myself.get_cell()).await?;
                for slot in state.deps.directory.slots(|slot| shard_of(slot) == shard) {
                    slot.actor_gone();
                    state.tree.start_charger(&state.deps, &slot);
                }
            }
            None => {
                state.start_sites(myself.get_cell()).await?;
                for site in state.deps.sites.wanted() {
                    state.tree.start_site(&state.deps, site);
                }
            }
        }
        Ok(())
    }
}

impl RootState {
    async fn start_shard(&self, shard: usize, root: ActorCell) -> Result<(), SpawnErr> {
        let arguments = (Arc::clone(&self.deps.clock), RestartPolicy::default());
        let (actor, _) =
            Actor::spawn_linked(None, Supervisor::<ChargerChild>::new(), arguments, root).await?;
        self.tree.shards[shard].store(Some(Arc::new(actor)));
        Ok(())
    }

    async fn start_sites(&self, root: ActorCell) -> Result<(), SpawnErr> {
        let arguments = (Arc::clone(&self.deps.clock), RestartPolicy::default());
        let (actor, _) =
            Actor::spawn_linked(None, Supervisor::<SiteChild>::new(), arguments, root).await?;
        self.tree.sites.store(Some(Arc::new(actor)));
        Ok(())
    }
}
