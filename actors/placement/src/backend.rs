//! What a [`Node`](crate::Node) needs of the place that all nodes share.

use async_trait::async_trait;
use model::StationId;
use tokio::sync::mpsc;

use crate::{Reply, Request, Timing};

/// The place that all nodes share. Every call ends within a second or so, and fails at once while the place is known to
/// be away.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Plays a round with the arbiter, as [`Arbiter`](crate::Arbiter) would. It is this that finds out that the
    /// place is back.
    async fn round(&self, request: &Request, timing: &Timing) -> Result<Reply, Away>;

    /// Claims a charger: the epoch is `at_least`, or one above that of the claim it replaces. The holder of
    /// that, if it is another, gets a notice. In one step.
    async fn claim(
        &self,
        station: &StationId,
        at_least: i64,
        incarnation: i64,
    ) -> Result<Claimed, Away>;

    /// Holds on to a claim: written down again where there is none, or one of a lower epoch, whose holder, if
    /// it is another, gets a notice. In one step.
    async fn confirm(
        &self,
        station: &StationId,
        epoch: i64,
        incarnation: i64,
    ) -> Result<Standing, Away>;

    /// Gives a claim up, if it is the current one. The epoch is remembered until clocks that are
    /// [`SKEW_MS`](crate::SKEW_MS) slow are above it. In one step.
    async fn release(&self, station: &StationId, epoch: i64, incarnation: i64) -> Result<(), Away>;

    /// Who holds a charger.
    async fn holder(&self, station: &StationId) -> Result<Option<Holder>, Away>;

    /// The notices for that process from now on; ends when some may have been missed.
    async fn notices(&self, incarnation: i64) -> Result<mpsc::Receiver<Notice>, Away>;
}

/// A charger, claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// The epoch of the claim.
    pub epoch: i64,
    /// That of the claim it follows, as long as it is remembered.
    pub after: Option<i64>,
}

/// Who holds a charger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The epoch of the claim.
    pub epoch: i64,
    /// The process.
    pub incarnation: i64,
}

/// How a claim stands that was to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the current one, and was written down.
    Held,
    /// It is the current one, and had to be written down.
    Restored,
    /// This one has taken its place.
    Lost(Holder),
}

/// A charger was claimed by somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The charger.
    pub station: StationId,
    /// The epoch of the new claim.
    pub epoch: i64,
}

/// The place that all nodes share cannot be asked, or did not answer: whether it did what it was asked for is
/// not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);
