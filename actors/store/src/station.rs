//! Stations and their outlets.

use async_trait::async_trait;
use model::{BootInfo, Connector, Protocol, Session, SiteId, Station, StationId, Timestamp};

use crate::{Page, PageRequest, ReadError, WriteError};

/// Stations and their outlets. Of a station that is not known, nothing is kept: neither a boot, nor a
/// presence, nor an outlet (it may have been deleted while it was connected). That is no error.
#[async_trait]
pub trait StationStore: Send + Sync + 'static {
    /// The station of that identity.
    async fn station(&self, id: &StationId) -> Result<Option<Station>, ReadError>;

    /// All a charger actor starts with, in one read.
    async fn hydrate(&self, id: &StationId) -> Result<Hydration, ReadError>;

    /// Keeps a new station. `false`, and nothing changed, when there is one of that identity.
    async fn create_station(&self, station: Station) -> Result<bool, WriteError>;

    /// Changes what an operator configures (`site`, `admission`, `assume_16`, `note`) and leaves what
    /// the station said untouched. `false` when there is no such station.
    async fn configure_station(&self, station: Station) -> Result<bool, WriteError>;

    /// Keeps what a BootNotification said.
    async fn record_boot(&self, id: &StationId, boot: BootInfo) -> Result<(), WriteError>;

    /// Keeps when a connection opened or closed, and what it spoke.
    async fn record_presence(
        &self,
        id: &StationId,
        protocol: Protocol,
        at: Timestamp,
    ) -> Result<(), WriteError>;

    /// Forgets a station and its outlets; its sessions stay. `false` when there is none.
    async fn delete_station(&self, id: &StationId) -> Result<bool, WriteError>;

    /// Stations by identity, ascending.
    async fn stations(
        &self,
        filter: StationFilter,
        page: PageRequest,
    ) -> Result<Page<Station>, ReadError>;

    /// The outlets of a station, ascending.
    async fn connectors(&self, id: &StationId) -> Result<Vec<Connector>, ReadError>;

    /// Keeps what an outlet does (one row an outlet, the last one written stays).
    async fn put_connector(&self, id: &StationId, connector: Connector) -> Result<(), WriteError>;
}

/// Which stations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StationFilter {
    /// Of this site only.
    pub site: Option<SiteId>,
    /// Whose identity holds this text, without regard to ASCII case. Walks the identities.
    pub search: Option<String>,
}

/// All a charger actor starts with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hydration {
    /// The station, if known.
    pub station: Option<Station>,
    /// Its outlets.
    pub connectors: Vec<Connector>,
    /// Its open sessions.
    pub open_sessions: Vec<Session>,
    /// The highest number it was handed out for a 1.6 transaction ([`Session::number`]).
    pub last_number: Option<i32>,
    /// The highest epoch its sessions were written with: a new claim must be above it, whatever the
    /// clock says.
    pub last_epoch: Option<i64>,
}
