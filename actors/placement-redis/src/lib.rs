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
//! ACL user has to be allowed is in `tests/servers.rs`.

mod connect;
mod line;
mod metrics;
mod notices;
mod open_error;
mod options;
mod record;
mod scripts;

pub use metrics::describe_metrics;
pub use open_error::OpenError;
pub use options::{Address, Credentials, InvalidUrl, Options, Servers, Tls};

use async_trait::async_trait;
use model::StationId;
use placement::{
    Away, Backend, Claimed, Holder, Notice, Reply, Request, SKEW_MS, Standing, Timing,
};
use tokio::sync::mpsc;

use self::{
    connect::Connector,
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
        })
    }

    fn claim_key(&self, station: &StationId) -> String {
        format!("{}:c:{station}", self.prefix)
    }

    fn channels(&self) -> String {
        format!("{}:n:", self.prefix)
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
        self.line.up().await?;
        let keys = ["nodes", "shards", "memory"];
        let keys = keys.map(|key| format!("{}:{{hubs}}:{key}", self.prefix));
        let mut told = self.scripts.round.about(keys);
        record::tell(&mut told, request, timing)?;
        record::heard(self.line.ask(&told).await?)
    }

    async fn claim(
        &self,
        station: &StationId,
        at_least: i64,
        incarnation: i64,
    ) -> Result<Claimed, Away> {
        let mut told = self.about(&self.scripts.claim, station, at_least, incarnation)?;
        told.arg(station.as_str()).arg(self.channels());
        let mut epochs: Vec<i64> = self.line.ask(&told).await?;
        // The claim's, and that of the one before it, if there is one.
        let after = (epochs.len() > 1).then(|| epochs.pop()).flatten();
        let epoch = epochs.pop();
        let epoch = epoch.ok_or_else(|| Away("Redis did not tell the claim's epoch".to_owned()))?;
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
        let (standing, epoch, holder): (String, i64, String) = self.line.ask(&told).await?;
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
        let claim = redis::Cmd::get(self.claim_key(station));
        let claim: Option<String> = self.line.command(&claim).await?;
        Ok(claim.as_deref().and_then(record::holder))
    }

    async fn notices(&self, incarnation: i64) -> Result<mpsc::Receiver<Notice>, Away> {
        let channel = format!("{}{incarnation}", self.channels());
        notices::subscribe(&self.line, channel).await
    }
}
