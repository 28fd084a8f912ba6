//! What the nodes of a cluster share, in Redis: a [`Backend`] for [`placement::Node`].
//!
//! | key | what | cost |
//! |---|---|---|
//! | `{prefix}:c:{station}` | a claim: epoch and process (`-` for a released one, which expires) | a string a charger |
//! | `{prefix}:{hubs}:nodes`, `:shards`, `:memory` | leases, who holds which shard, what the arbiter remembers | one slot, a script a second and node |
//! | channel `{prefix}:n:{process}` | notices of claims that were taken over | |
//!
//! - **Scripts** (`lua/`) do each step whole. They are asked for by their hash, and sent to a server that does not know them.
//! - **A line** (`line.rs`) to Redis is up or down. Down, every question fails at once; only a round brings it up. So a
//!   hub starts without Redis, and a socket that opens waits for it no longer than the time-out, a few times.
//! - **Notices** (`notices.rs`) come by pub/sub, over a connection of their own that is pinged.
//!
//! Redis must not evict keys (`maxmemory-policy noeviction`); that it forgets is survived, but costs quiet times. With
//! Sentinel, `min-replicas-to-write 1` on the masters keeps one that was cut off from being believed. What an
//! ACL user has to be allowed is in the README, and [tried](RedisBackend::try_out) before a hub takes part.
//!
//! What is there and no hub has written (somebody's HSET, another version) is removed or overwritten by the script that
//! meets it, and told of (`garbage.rs`): what it may have taken the place of is as forgotten.

mod connect;
mod garbage;
mod line;
mod metrics;
mod notices;
mod open_error;
mod options;
mod record;
mod scripts;
mod trial;

pub use metrics::describe_metrics;
pub use open_error::OpenError;
pub use options::{Address, Credentials, InvalidUrl, Options, Servers, Tls};

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use model::StationId;
use placement::{
    Away, Backend, Claimed, Holder, Notice, Reply, Request, SKEW_MS, Standing, Timing,
};
use tokio::sync::mpsc;

use self::{
    connect::Connector,
    garbage::{Found, Garbage},
    line::Line,
    scripts::{Question, Script, Scripts},
};

/// Epochs above this are not exact in a script, which counts in doubles. Times do not get there for 285,000 years.
const EPOCH_MAX: i64 = 1 << 53;

/// What the nodes of a cluster share, in Redis.
pub struct RedisBackend {
    line: Line,
    scripts: Scripts,
    prefix: String,
    servers: Servers,
    found: Found,
    /// The processes that were written down last.
    processes: Mutex<Vec<i64>>,
}

impl RedisBackend {
    /// Does not connect: Redis may be away.
    ///
    /// # Errors
    /// [`OpenError`]: a file for TLS cannot be used, or the servers cannot be addressed so.
    pub fn new(options: &Options) -> Result<Self, OpenError> {
        Ok(Self {
            line: Line::new(Connector::new(options)?, options.timeout),
            scripts: Scripts::new(),
            prefix: options.prefix.clone(),
            servers: options.servers.clone(),
            found: Found::default(),
            processes: Mutex::default(),
        })
    }

    fn claim_key(&self, station: &StationId) -> String {
        format!("{}:c:{station}", self.prefix)
    }

    fn channels(&self) -> String {
        format!("{}:n:", self.prefix)
    }

    fn processes(&self) -> MutexGuard<'_, Vec<i64>> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// There was something else where a claim should be, and now it is there.
    fn note_overwritten(&self, station: &StationId, read: String) {
        let (key, field) = (self.claim_key(station), String::new());
        self.found.note(vec![Garbage { key, field, read }], 1);
    }

    /// Whose the charger was cannot be read any more, so all are told who has it now. Where that fails their audits
    /// find it.
    async fn tell_all(&self, station: &StationId, epoch: i64, me: i64) {
        let others = self.processes().clone();
        for other in others.into_iter().filter(|other| *other != me) {
            let channel = format!("{}{other}", self.channels());
            let mut notice = redis::cmd("PUBLISH");
            notice.arg(&channel).arg(format!("{epoch} {station}"));
            let _: Result<i64, Away> = self.line.command(&channel, &notice).await;
        }
    }

    /// What the scripts of a claim are told.
    fn about<'a>(
        &self,
        script: &'a Script,
        station: &StationId,
        epoch: i64,
        incarnation: i64,
    ) -> Result<Question<'a>, Away> {
        if epoch >= EPOCH_MAX {
            return Err(Away(format!("epoch {epoch} is no time")));
        }
        let mut told = script.about([self.claim_key(station)]);
        told.arg(epoch).arg(incarnation);
        Ok(told)
    }
}

#[async_trait]
impl Backend for RedisBackend {
    async fn round(&self, request: &Request, timing: &Timing) -> Result<Reply, Away> {
        let up = self.line.up().await;
        up.map_err(|failure| self.away(&failure))?;
        let keys = ["nodes", "shards", "memory"];
        let keys = keys.map(|key| format!("{}:{{hubs}}:{key}", self.prefix));
        let mut told = self.scripts.round.about(keys);
        record::tell(&mut told, request, timing)?;
        let (reply, garbage, count) = record::heard(self.line.ask(&told).await?)?;
        self.found.note(garbage, count);
        let lease_ms = timing.lease_ms.unsigned_abs();
        self.found.look(Duration::from_millis(lease_ms));
        *self.processes() = reply.nodes.iter().map(|node| node.incarnation).collect();
        Ok(reply)
    }

    async fn claim(
        &self,
        station: &StationId,
        at_least: i64,
        incarnation: i64,
    ) -> Result<Claimed, Away> {
        let mut told = self.about(&self.scripts.claim, station, at_least, incarnation)?;
        told.arg(station.as_str()).arg(self.channels());
        let (epoch, after, garbage): (i64, Option<i64>, Option<String>) =
            self.line.ask(&told).await?;
        if let Some(garbage) = garbage {
            self.note_overwritten(station, garbage);
            self.tell_all(station, epoch, incarnation).await;
        }
        Ok(Claimed { epoch, after })
    }

    async fn confirm(
        &self,
        station: &StationId,
        epoch: i64,
        incarnation: i64,
    ) -> Result<Standing, Away> {
        let mut told = self.about(&self.scripts.confirm, station, epoch, incarnation)?;
        told.arg(station.as_str()).arg(self.channels());
        let (standing, epoch, holder, garbage): (String, i64, String, Option<String>) =
            self.line.ask(&told).await?;
        if let Some(garbage) = garbage {
            self.note_overwritten(station, garbage);
        }
        Ok(match standing.as_str() {
            "held" => Standing::Held,
            "restored" => Standing::Restored,
            _ => Standing::Lost(Holder {
                epoch,
                // Nobody's, when it was released.
                incarnation: holder.parse().unwrap_or_default(),
            }),
        })
    }

    async fn release(&self, station: &StationId, epoch: i64, incarnation: i64) -> Result<(), Away> {
        let mut told = self.about(&self.scripts.release, station, epoch, incarnation)?;
        told.arg(SKEW_MS);
        let _was_current: bool = self.line.ask(&told).await?;
        Ok(())
    }

    async fn holder(&self, station: &StationId) -> Result<Option<Holder>, Away> {
        let key = self.claim_key(station);
        let claim = redis::Cmd::get(&key);
        let claim: Option<Vec<u8>> = self.line.command(&key, &claim).await?;
        Ok(claim.and_then(|claim| record::holder(&String::from_utf8_lossy(&claim))))
    }

    async fn notices(&self, incarnation: i64) -> Result<mpsc::Receiver<Notice>, Away> {
        let channel = format!("{}{incarnation}", self.channels());
        notices::subscribe(&self.line, channel).await
    }
}
