//! A node among others: runs the protocol over a [`Backend`].
//!
//! Four tasks, which end with the node:
//!
//! - [rounds] with the arbiter, once a second, sooner while there is something to move;
//! - [notices](standing) of chargers that others claimed. Some may be missed while no subscription stands, so each new
//!   one is followed by an audit;
//! - the [audit](standing) asks for each charger held whether the claim stands: slowly all the time, and at a
//!   higher, still bounded rate after anything that may have changed claims behind this node's back. It is what writes
//!   claims down again after a wipe, confirms the provisional ones, and finds missed evictions;
//! - [releases](standing), so that a socket that closes waits for nothing.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use model::StationId;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    AddressUse, Away, Backend, BackendHealth, Claim, ClusterView, Core, Event, Follows, Happened,
    Location, NodeAddress, NodeView, Placement, SHARDS, ShardId, Timing, claims::Claims, metrics,
};

mod reasons;
mod rounds;
mod standing;
mod unconfirmed;

use self::reasons::Reasons;

/// How a node takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name: no two nodes share one, and it stays when the node starts again. No blanks.
    pub name: String,
    /// Where other nodes reach it. No blanks.
    pub address: String,
    /// What all nodes agree on.
    pub timing: Timing,
    /// How many claims a second are confirmed when many have to be.
    pub confirms_per_s: usize,
    /// How long the audit takes for all claims when there is no hurry, in s.
    pub audit_s: u64,
}

impl Settings {
    /// The defaults for a node of that name, reached at that address.
    pub fn new(name: &str, address: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            timing: Timing::default(),
            confirms_per_s: 5_000,
            audit_s: 300,
        }
    }
}

/// A node among others.
pub struct Node<B> {
    inner: Arc<Inner<B>>,
    events: Mutex<Option<mpsc::Receiver<Event>>>,
    tasks: Vec<JoinHandle<()>>,
}

struct Inner<B> {
    backend: B,
    settings: Settings,
    /// Where this node's monotonic clock begins.
    start: Instant,
    core: Mutex<Core>,
    claims: Claims,
    health: Mutex<BackendHealth>,
    /// Why the backend does not answer, while it does not.
    away: Mutex<Reasons>,
    happened: Mutex<Happened>,
    events: mpsc::Sender<Event>,
    /// There is something to ask before the next round is due.
    round_soon: Notify,
    /// Claims may have changed behind this node's back.
    audit_all: AtomicBool,
    /// The process's number, once there is one.
    incarnation: watch::Sender<Option<i64>>,
    /// There are acknowledged writes here that the store does not have yet.
    unwritten: AtomicBool,
    /// What the backend was last told of that.
    told: watch::Sender<bool>,
    /// The node is to give up its lease, once it holds no shards.
    goes: AtomicBool,
    /// How far the node has gone.
    parting: watch::Sender<Parting>,
    /// Who is at this node's address.
    address: watch::Sender<AddressUse>,
}

impl<B: Backend> Node<B> {
    /// Starts to take part. Does not wait for the backend, which may be away.
    pub fn start(backend: B, settings: Settings) -> Self {
        // Shards that are gained, leave and are lost all at once, and as many evictions.
        let (sender, events) = mpsc::channel(4 * usize::from(SHARDS));
        ::metrics::gauge!(metrics::UP).set(0.0);
        ::metrics::gauge!(metrics::REACHED).set(0.0);
        let process = rand::random();
        let core = Core::new(&settings.name, &settings.address, process, settings.timing);
        let inner = Arc::new(Inner {
            backend,
            settings,
            start: Instant::now(),
            core: Mutex::new(core),
            claims: Claims::default(),
            health: Mutex::default(),
            away: Mutex::default(),
            happened: Mutex::default(),
            events: sender,
            round_soon: Notify::new(),
            audit_all: AtomicBool::new(false),
            incarnation: watch::Sender::new(None),
            unwritten: AtomicBool::new(false),
            told: watch::Sender::new(false),
            goes: AtomicBool::new(false),
            parting: watch::Sender::new(Parting::Stays),
            address: watch::Sender::default(),
        });
        let tasks = vec![
            tokio::spawn(Arc::clone(&inner).play_rounds()),
            tokio::spawn(Arc::clone(&inner).heed_notices()),
            tokio::spawn(Arc::clone(&inner).audit()),
            tokio::spawn(Arc::clone(&inner).give_up_releases()),
        ];
        Self {
            inner,
            events: Mutex::new(Some(events)),
            tasks,
        }
    }

    /// Who is at this node's address, from now on.
    pub fn address_use(&self) -> watch::Receiver<AddressUse> {
        self.inner.address.subscribe()
    }

    /// The node that was at this one's address before and lives. Waits until it is known whether there is one: for a
    /// lease at most where one went without a word, and not at all where the backend is away.
    pub async fn rival(&self) -> Option<NodeAddress> {
        let mut address = self.inner.address.subscribe();
        let is_earlier = |node: &NodeAddress| {
            let me = *self.inner.incarnation.borrow();
            me.is_some_and(|me| node.incarnation < me)
        };
        let is_known = |found: &AddressUse| match found {
            AddressUse::NotAsked => false,
            AddressUse::MayBeShared(node) => !is_earlier(node),
            AddressUse::NotKnown | AddressUse::Own | AddressUse::Shared(_) => true,
        };
        // The sender is here.
        let found = address.wait_for(is_known).await.ok()?.clone();
        match found {
            AddressUse::Shared(node) if is_earlier(&node) => Some(node),
            _ => None,
        }
    }
}

impl<B> Drop for Node<B> {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait]
impl<B: Backend> Placement for Node<B> {
    async fn claim(&self, station: &StationId, at_least: i64) -> Claim {
        let inner = &self.inner;
        let begun = Instant::now();
        let at_least = inner.claims.ask(station, at_least);
        // A caller that gives up while it waits holds nothing.
        let mut unmade = Unmade {
            claims: &inner.claims,
            station,
            epoch: Some(at_least),
        };
        let incarnation = inner.core().incarnation();
        let made = match incarnation {
            Some(me) => inner.backend.claim(station, at_least, me).await.ok(),
            None => None,
        };
        unmade.epoch = None;
        let epoch = made.map_or(at_least, |made| made.epoch);
        inner.claims.made(station, epoch, made.is_some());
        let outcome = if made.is_some() {
            "confirmed"
        } else {
            "provisional"
        };
        ::metrics::counter!(metrics::CLAIMS, "outcome" => outcome).increment(1);
        ::metrics::histogram!(metrics::CLAIM_SECONDS).record(begun.elapsed());
        Claim {
            epoch,
            provisional: made.is_none(),
            follows: match made.and_then(|made| made.after) {
                Some(epoch) => Follows::Epoch(epoch),
                None => Follows::Unknown,
            },
        }
    }

    fn has(&self, station: &StationId, epoch: i64) -> bool {
        self.inner.claims.epoch(station) == Some(epoch)
    }

    fn release(&self, station: &StationId, epoch: i64) {
        self.inner.claims.release(station, epoch);
    }

    async fn locate(&self, station: &StationId) -> Result<Option<Location>, Away> {
        let inner = &self.inner;
        if let Some(epoch) = inner.claims.epoch(station) {
            let node = NodeAddress {
                name: inner.settings.name.clone(),
                address: inner.settings.address.clone(),
                incarnation: inner.core().incarnation().unwrap_or_default(),
            };
            return Ok(Some(Location {
                node,
                epoch,
                here: true,
            }));
        }
        let Some(holder) = inner.backend.holder(station).await? else {
            return Ok(None);
        };
        let core = inner.core();
        // Left behind by a release that is still under way.
        if core.incarnation() == Some(holder.incarnation) {
            return Ok(None);
        }
        Ok(core.live_node(holder.incarnation).map(|node| Location {
            node,
            epoch: holder.epoch,
            here: false,
        }))
    }

    fn shard_epoch(&self, shard: ShardId) -> Option<i64> {
        self.inner.core().shard_epoch(shard, self.inner.now())
    }

    fn shard_node(&self, shard: ShardId) -> Option<NodeAddress> {
        self.inner.core().shard_node(shard)
    }

    fn events(&self) -> Option<mpsc::Receiver<Event>> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.take()
    }

    fn view(&self) -> ClusterView {
        self.inner.view()
    }

    async fn tell_unwritten(&self, is: bool) {
        let inner = &self.inner;
        let mut told = inner.told.subscribe();
        inner.unwritten.store(is, Ordering::SeqCst);
        inner.round_soon.notify_one();
        // The sender is here.
        let _ = told.wait_for(|told| *told == is).await;
        // The others hear of it in their next rounds.
        let round = Duration::from_millis(inner.settings.timing.round_ms.unsigned_abs());
        tokio::time::sleep(round * 2).await;
    }

    async fn give_up_shards(&self) {
        self.inner.part(Parting::HoldsNone).await;
    }

    async fn leave(&self) {
        self.inner.goes.store(true, Ordering::SeqCst);
        self.inner.part(Parting::Gone).await;
    }
}

/// How far a node has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Parting {
    /// It holds shards, or is about to give them up.
    Stays,
    /// They are given up.
    HoldsNone,
    /// The lease is given up too.
    Gone,
}

/// A claim whose answer is not there yet.
struct Unmade<'a> {
    claims: &'a Claims,
    station: &'a StationId,
    epoch: Option<i64>,
}

impl Drop for Unmade<'_> {
    fn drop(&mut self) {
        if let Some(epoch) = self.epoch {
            self.claims.release(self.station, epoch);
        }
    }
}

impl<B: Backend> Inner<B> {
    fn core(&self) -> MutexGuard<'_, Core> {
        // No code panics while it holds the lock.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// ms since the node was made, by the monotonic clock of the machine: it goes on while the process is stopped.
    fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Gives up the shards, and waits until the node has gone that far.
    async fn part(&self, far: Parting) {
        self.core().leave();
        self.round_soon.notify_one();
        let mut parting = self.parting.subscribe();
        // The sender is here.
        let _ = parting.wait_for(|parting| *parting >= far).await;
    }

    fn health(&self) -> MutexGuard<'_, BackendHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn away(&self) -> MutexGuard<'_, Reasons> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happened(&self) -> MutexGuard<'_, Happened> {
        self.happened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> ClusterView {
        let core = self.core();
        let (nodes, now) = core.nodes();
        let holders: Vec<i64> = core.table().filter_map(|shard| shard.holder).collect();
        let shards_of = |incarnation: i64| {
            let are_its = holders.iter().filter(|holder| **holder == incarnation);
            are_its.count()
        };
        let nodes: Vec<NodeView> = nodes
            .iter()
            .map(|node| NodeView {
                name: node.name.clone(),
                address: node.address.clone(),
                incarnation: node.incarnation,
                alive: node.is_alive(now),
                settled: node.settled <= now,
                leaving: node.leaving,
                flaps: node.flaps,
                chargers: node.chargers,
                unwritten: node.unwritten,
                gone_ms: core.gone_ms(node, self.now()),
                shards: shards_of(node.incarnation),
            })
            .collect();
        let owned: usize = nodes
            .iter()
            .filter(|node| node.alive)
            .map(|node| node.shards)
            .sum();
        ClusterView {
            me: core.name().to_owned(),
            incarnation: core.incarnation(),
            fenced: core.is_fenced(self.now()),
            quiet: core.is_quiet(),
            shards_unowned: usize::from(SHARDS).saturating_sub(owned),
            shard_epoch_max: core.table().map(|shard| shard.epoch).max().unwrap_or(0),
            nodes,
            chargers_here: self.claims.len(),
            chargers_provisional: self.claims.provisional(),
            happened: *self.happened(),
            backend: BackendHealth {
                memory: core.memory().to_owned(),
                ..self.health().clone()
            },
        }
    }
}
