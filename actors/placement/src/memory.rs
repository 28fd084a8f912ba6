//! A cluster in the memory of one process, which can be cut off, wiped and started anew: for tests of nodes
//! without a server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use model::StationId;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    Arbiter, Away, Backend, Claimed, Holder, Node, Notice, Placement, Reply, Request, SKEW_MS,
    Settings, Standing, Timing, contract::Bench,
};

/// What the nodes share.
#[derive(Clone)]
pub struct MemoryCluster(Arc<Mutex<Shared>>);

struct Shared {
    arbiter: Arbiter,
    run: u64,
    start: Instant,
    away: bool,
    claims: HashMap<StationId, There>,
    subscribers: HashMap<i64, mpsc::Sender<Notice>>,
}

#[derive(Clone, Copy)]
struct There {
    epoch: i64,
    /// `None`: released; to be forgotten then.
    holder: Result<i64, i64>,
}

/// When its clock began, in ms since 1970.
const START: i64 = 1_750_000_000_000;

impl Default for MemoryCluster {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Shared {
            arbiter: Arbiter::default(),
            run: 1,
            start: Instant::now(),
            away: false,
            claims: HashMap::new(),
            subscribers: HashMap::new(),
        })))
    }
}

impl MemoryCluster {
    /// Answers nobody, or everybody again. Subscriptions end.
    pub fn away(&self, away: bool) {
        let mut shared = self.shared();
        shared.away = away;
        shared.subscribers.clear();
    }

    /// Forgets everything.
    pub fn wipe(&self) {
        let mut shared = self.shared();
        shared.arbiter = Arbiter::default();
        shared.claims.clear();
    }

    /// The time by its clock, in ms since 1970.
    pub fn now(&self) -> i64 {
        self.shared().now()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) -> Result<MutexGuard<'_, Shared>, Away> {
        let shared = self.shared();
        if shared.away {
            return Err(Away("cut off".to_owned()));
        }
        Ok(shared)
    }
}

impl Shared {
    fn now(&self) -> i64 {
        START + i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn current(&self, station: &StationId) -> Option<There> {
        let claimed = self.claims.get(station).copied()?;
        let is_forgotten = claimed.holder.is_err_and(|until| until <= self.now());
        (!is_forgotten).then_some(claimed)
    }

    fn put(&mut self, station: &StationId, epoch: i64, incarnation: i64) {
        if let Some(Ok(old)) = self.current(station).map(|claimed| claimed.holder)
            && old != incarnation
            && let Some(subscriber) = self.subscribers.get(&old)
        {
            let station = station.clone();
            if subscriber.try_send(Notice { station, epoch }).is_err() {
                self.subscribers.remove(&old);
            }
        }
        let holder = Ok(incarnation);
        self.claims.insert(station.clone(), There { epoch, holder });
    }
}

#[async_trait]
impl Backend for MemoryCluster {
    async fn round(&self, request: &Request, timing: &Timing) -> Result<Reply, Away> {
        let mut shared = self.ask()?;
        let (run, now) = (shared.run, shared.now());
        Ok(shared.arbiter.round(request, timing, run, now))
    }

    async fn claim(
        &self,
        station: &StationId,
        at_least: i64,
        incarnation: i64,
    ) -> Result<Claimed, Away> {
        let mut shared = self.ask()?;
        let after = shared.current(station).map(|there| there.epoch);
        let epoch = at_least.max(after.unwrap_or(0) + 1);
        shared.put(station, epoch, incarnation);
        Ok(Claimed { epoch, after })
    }

    async fn confirm(
        &self,
        station: &StationId,
        epoch: i64,
        incarnation: i64,
    ) -> Result<Standing, Away> {
        let mut shared = self.ask()?;
        match shared.current(station) {
            Some(held) if held.epoch == epoch && held.holder == Ok(incarnation) => {
                Ok(Standing::Held)
            }
            Some(held) if held.epoch >= epoch => Ok(Standing::Lost(Holder {
                epoch: held.epoch,
                incarnation: held.holder.unwrap_or_default(),
            })),
            _ => {
                shared.put(station, epoch, incarnation);
                Ok(Standing::Restored)
            }
        }
    }

    async fn release(&self, station: &StationId, epoch: i64, incarnation: i64) -> Result<(), Away> {
        let mut shared = self.ask()?;
        let is_it = shared
            .current(station)
            .is_some_and(|held| held.epoch == epoch && held.holder == Ok(incarnation));
        if is_it {
            let holder = Err(epoch + SKEW_MS);
            shared
                .claims
                .insert(station.clone(), There { epoch, holder });
        }
        Ok(())
    }

    async fn holder(&self, station: &StationId) -> Result<Option<Holder>, Away> {
        let shared = self.ask()?;
        let holder = shared.current(station).and_then(|held| {
            Some(Holder {
                epoch: held.epoch,
                incarnation: held.holder.ok()?,
            })
        });
        Ok(holder)
    }

    async fn notices(&self, incarnation: i64) -> Result<mpsc::Receiver<Notice>, Away> {
        let (sender, notices) = mpsc::channel(1024);
        self.ask()?.subscribers.insert(incarnation, sender);
        Ok(notices)
    }
}

#[async_trait]
impl Bench for MemoryCluster {
    async fn node(&self, name: &str, timing: Timing) -> Box<dyn Placement> {
        let mut settings = Settings::new(name, &format!("{name}:1"));
        settings.timing = timing;
        Box::new(Node::start(self.clone(), settings))
    }

    async fn away(&self, away: bool) {
        MemoryCluster::away(self, away);
    }

    async fn wipe(&self) {
        MemoryCluster::wipe(self);
    }
}
