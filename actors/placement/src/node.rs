//! A node among others: runs the protocol over a [`Backend`].
//!
//! Four tasks, which end with the node:
//!
//! - **rounds** with the arbiter, once a second, sooner while there is something to move;
//! - **notices** of chargers that others claimed. Some may be missed while no subscription stands, so each new
//!   one is followed by an audit;
//! - the **audit** asks for each charger held whether the claim stands: slowly all the time, and at a
//!   higher, still bounded rate after anything that may have changed claims behind this node's back. It is what writes
//!   claims down again after a wipe, confirms the provisional ones, and finds missed evictions;
//! - **releases**, so that a socket that closes waits for nothing.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use model::StationId;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    Away, Backend, BackendHealth, Claim, ClusterView, Core, Event, Follows, HandOver, Happened,
    Location, NodeAddress, NodeView, Notice, Placement, Reply, Request, SHARDS, ShardId, Standing,
    Timing, claims::Claims, core::Change, metrics,
};

/// How many questions of the audit, or releases, are under way at once.
const AT_ONCE: usize = 64;
/// How often the audit takes its next share.
const AUDIT_TICK: Duration = Duration::from_millis(100);
/// How soon the next round follows one that has something to move.
const BUSY: Duration = Duration::from_millis(50);
/// How soon a broken subscription is tried again.
const RESUBSCRIBE: Duration = Duration::from_millis(500);

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
}

impl<B: Backend> Node<B> {
    /// Starts to take part. Does not wait for the backend, which may be away.
    pub fn start(backend: B, settings: Settings) -> Self {
        // Shards that are gained, leave and are lost all at once, and as many evictions.
        let (sender, events) = mpsc::channel(4 * usize::from(SHARDS));
        let process = rand::random();
        let core = Core::new(&settings.name, &settings.address, process, settings.timing);
        let inner = Arc::new(Inner {
            backend,
            settings,
            start: Instant::now(),
            core: Mutex::new(core),
            claims: Claims::default(),
            health: Mutex::default(),
            happened: Mutex::default(),
            events: sender,
            round_soon: Notify::new(),
            audit_all: AtomicBool::new(false),
            incarnation: watch::Sender::new(None),
            unwritten: AtomicBool::new(false),
            told: watch::Sender::new(false),
            goes: AtomicBool::new(false),
            parting: watch::Sender::new(Parting::Stays),
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

    async fn play_rounds(self: Arc<Self>) {
        let every = Duration::from_millis(self.settings.timing.round_ms.unsigned_abs());
        loop {
            let fenced = self.core().look_at_clock(self.now());
            if let Some(fenced) = fenced {
                self.tell(vec![fenced]).await;
            }
            let request = self.request();
            let was_busy = self.core().is_busy();
            let (asked_at, begun) = (self.now(), Instant::now());
            let answer = self.backend.round(&request, &self.settings.timing).await;
            match answer {
                Ok(reply) => {
                    self.told.send_replace(request.unwritten);
                    self.heed(reply, asked_at, begun.elapsed()).await;
                }
                Err(away) => self.note_away(away),
            }
            if self.core().has_left() {
                if self.goes.load(Ordering::SeqCst) {
                    self.say_goodbye().await;
                    return;
                }
                self.parting.send_replace(Parting::HoldsNone);
            }
            // What was refused once is not asked for at once again.
            let is_busy = self.core().is_busy() && !was_busy;
            let pause = if is_busy { BUSY } else { every };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.round_soon.notified() => tokio::time::sleep(BUSY).await,
            }
        }
    }

    async fn heed(self: &Arc<Self>, reply: Reply, asked_at: i64, took: Duration) {
        let incarnation = reply.incarnation;
        let memory = {
            let mut health = self.health();
            let known = std::mem::replace(&mut health.memory, reply.memory.clone());
            health.up = true;
            health.error = None;
            health.round_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            known
        };
        if !memory.is_empty() && memory != reply.memory {
            tracing::warn!(
                "the placement backend has another memory than before; all claims are confirmed anew"
            );
            self.audit_all.store(true, Ordering::SeqCst);
        }
        ::metrics::counter!(metrics::ROUNDS, "outcome" => "answered").increment(1);
        ::metrics::histogram!(metrics::ROUND_SECONDS).record(took);
        ::metrics::gauge!(metrics::UP).set(1.0);
        let changes = {
            let mut core = self.core();
            let changes = core.answer(reply, asked_at, self.now());
            let (nodes, now) = core.nodes();
            let alive = nodes.iter().filter(|node| node.is_alive(now)).count();
            ::metrics::gauge!(metrics::NODES).set(alive as f64);
            ::metrics::gauge!(metrics::SHARDS_HELD).set(core.held().count() as f64);
            changes
        };
        self.incarnation
            .send_if_modified(|known| known.replace(incarnation) != Some(incarnation));
        self.tell(changes).await;
    }

    fn note_away(&self, away: Away) {
        ::metrics::counter!(metrics::ROUNDS, "outcome" => "away").increment(1);
        ::metrics::gauge!(metrics::UP).set(0.0);
        let mut health = self.health();
        if health.up || health.error.is_none() {
            tracing::warn!(error = %away, "the placement backend is away: chargers stay, new claims are provisional, no site moves");
        }
        health.up = false;
        health.error = Some(away.0);
    }

    fn request(&self) -> Request {
        let unwritten = self.unwritten.load(Ordering::SeqCst);
        self.core().request(self.claims.len() as u64, unwritten)
    }

    async fn say_goodbye(&self) {
        let request = Request {
            bye: true,
            ..self.request()
        };
        // Where it is not heard the lease runs out.
        let _ = self.backend.round(&request, &self.settings.timing).await;
        self.parting.send_replace(Parting::Gone);
    }

    async fn tell(self: &Arc<Self>, changes: Vec<Change>) {
        for change in changes {
            let event = match change {
                Change::Gained(shard, epoch) => {
                    ::metrics::counter!(metrics::SHARD_MOVES, "how" => "gained").increment(1);
                    self.happened().shards_gained += 1;
                    Event::ShardGained { shard, epoch }
                }
                Change::Leaving(shard, epoch) => {
                    ::metrics::counter!(metrics::SHARD_MOVES, "how" => "given").increment(1);
                    self.happened().shards_given += 1;
                    let inner = Arc::downgrade(self);
                    let hand_over = HandOver::new(move || {
                        if let Some(inner) = inner.upgrade() {
                            inner.core().hand_over(shard, epoch);
                            inner.round_soon.notify_one();
                        }
                    });
                    Event::ShardLeaving { shard, hand_over }
                }
                Change::Lost(shard) => {
                    ::metrics::counter!(metrics::SHARD_MOVES, "how" => "lost").increment(1);
                    self.happened().shards_lost += 1;
                    Event::ShardLost { shard }
                }
                Change::Fenced => {
                    ::metrics::counter!(metrics::FENCED).increment(1);
                    self.happened().fenced += 1;
                    tracing::warn!(
                        "this node's lease was not renewed in time: it acts for no site until it is"
                    );
                    Event::Fenced
                }
                Change::Superseded => {
                    tracing::error!(name = %self.settings.name, "another process has this node's name and is newer: this one gets no sites any more; end it, or name it otherwise");
                    Event::Superseded
                }
            };
            // Nobody may want events any more. One who does not keep up holds up the rounds, and so is fenced.
            let _ = self.events.send(event).await;
        }
    }

    async fn heed_notices(self: Arc<Self>) {
        let mut incarnation = self.incarnation.subscribe();
        loop {
            let Ok(Some(me)) = incarnation.wait_for(Option::is_some).await.map(|me| *me) else {
                return;
            };
            if let Ok(mut notices) = self.backend.notices(me).await {
                // Some may have gone by before.
                self.audit_all.store(true, Ordering::SeqCst);
                let mut some = Vec::new();
                while notices.recv_many(&mut some, AT_ONCE).await > 0 {
                    stream::iter(some.drain(..))
                        .for_each_concurrent(AT_ONCE, |notice| self.heed_notice(notice, me))
                        .await;
                }
            }
            tokio::time::sleep(RESUBSCRIBE).await;
        }
    }

    /// Looks at the claim first: what came over a channel may be late, or not from a node.
    async fn heed_notice(&self, notice: Notice, me: i64) {
        let still_mine = match self.backend.holder(&notice.station).await {
            Ok(holder) => holder.is_some_and(|holder| holder.incarnation == me),
            // The notice came from there: its word is enough.
            Err(_) => false,
        };
        if !still_mine {
            self.evict(notice.station, notice.epoch).await;
        }
    }

    async fn evict(&self, station: StationId, epoch: i64) {
        if self.claims.taken(&station, epoch) {
            ::metrics::counter!(metrics::EVICTIONS).increment(1);
            self.happened().evictions += 1;
            // Nobody may want events any more.
            let _ = self.events.send(Event::Evicted { station, epoch }).await;
        }
    }

    async fn audit(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(AUDIT_TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let per_second = |ticks_of: usize| (ticks_of / 10).max(1);
        let mut in_a_hurry = false;
        let mut left: Vec<StationId> = Vec::new();
        // Not yet due, in thousandths of a claim.
        let mut saved = 0;
        loop {
            ticks.tick().await;
            let Some(me) = *self.incarnation.borrow() else {
                continue;
            };
            if !self.health().up {
                continue;
            }
            if self.audit_all.swap(false, Ordering::SeqCst)
                || (!in_a_hurry && self.claims.provisional() > 0)
            {
                in_a_hurry = true;
                left = self.claims.stations();
                left.reverse();
            } else if left.is_empty() {
                in_a_hurry = false;
                left = self.claims.stations();
                left.reverse();
            }
            let share = if in_a_hurry {
                per_second(self.settings.confirms_per_s)
            } else {
                saved += self.claims.len() as u64 * 100 / self.settings.audit_s.max(1);
                let share = saved / 1000;
                saved %= 1000;
                usize::try_from(share).unwrap_or(usize::MAX)
            };
            let from = left.len().saturating_sub(share);
            let these = left.split_off(from);
            stream::iter(these)
                .for_each_concurrent(AT_ONCE, |station| self.confirm(station, me))
                .await;
        }
    }

    async fn confirm(&self, station: StationId, me: i64) {
        let Some(epoch) = self.claims.epoch(&station) else {
            return;
        };
        match self.backend.confirm(&station, epoch, me).await {
            Ok(Standing::Held) => {
                self.claims.confirmed(&station, epoch);
            }
            Ok(Standing::Restored) => {
                ::metrics::counter!(metrics::RESTORED).increment(1);
                if self.claims.confirmed(&station, epoch) {
                    // Where one was forgotten, others may be.
                    self.audit_all.store(true, Ordering::SeqCst);
                }
            }
            // Lost to a newer claim of this node: that one stays.
            Ok(Standing::Lost(to)) if to.incarnation == me => {
                self.evict(station, to.epoch - 1).await;
            }
            Ok(Standing::Lost(to)) => self.evict(station, to.epoch).await,
            // The next audit asks again.
            Err(_) => {}
        }
    }

    async fn give_up_releases(self: Arc<Self>) {
        let mut incarnation = self.incarnation.subscribe();
        loop {
            let these = self.claims.next_releases().await;
            let Ok(Some(me)) = incarnation.wait_for(Option::is_some).await.map(|me| *me) else {
                return;
            };
            let failed: Vec<(StationId, i64)> = stream::iter(these)
                .map(async |(station, epoch)| {
                    let outcome = self.backend.release(&station, epoch, me).await;
                    outcome.is_err().then_some((station, epoch))
                })
                .buffer_unordered(AT_ONCE)
                .filter_map(async |failed| failed)
                .collect()
                .await;
            if !failed.is_empty() {
                self.claims.release_later(failed);
                tokio::time::sleep(RESUBSCRIBE).await;
            }
        }
    }

    fn health(&self) -> MutexGuard<'_, BackendHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
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
