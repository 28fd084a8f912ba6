//! Stations and their outlets.

use async_trait::async_trait;
use model::{
    BootInfo, Connector, ConnectorRef, Protocol, SessionState, Station, StationId, Timestamp,
};

use super::{MemoryStore, Tables};
use crate::{Hydration, Page, PageRequest, ReadError, StationFilter, StationStore, WriteError};

impl Tables {
    fn connectors_of(&self, id: &StationId) -> Vec<Connector> {
        self.connectors
            .iter()
            .filter(|((station, _), _)| station == id)
            .map(|(_, connector)| connector.clone())
            .collect()
    }
}

#[async_trait]
impl StationStore for MemoryStore {
    async fn station(&self, id: &StationId) -> Result<Option<Station>, ReadError> {
        Ok(self.tables().stations.get(id).cloned())
    }

    async fn hydrate(&self, id: &StationId) -> Result<Hydration, ReadError> {
        let tables = self.tables();
        let own = || {
            tables
                .sessions
                .values()
                .filter(|kept| kept.session.station == *id)
        };
        Ok(Hydration {
            station: tables.stations.get(id).cloned(),
            connectors: tables.connectors_of(id),
            open_sessions: own()
                .filter(|kept| kept.session.state == SessionState::Active)
                .map(|kept| kept.session.clone())
                .collect(),
            last_number: own().filter_map(|kept| kept.number).max(),
            last_epoch: own().map(|kept| kept.epoch).max(),
        })
    }

    async fn create_station(&self, station: Station) -> Result<bool, WriteError> {
        let mut tables = self.tables();
        if tables.stations.contains_key(&station.id) {
            return Ok(false);
        }
        tables.stations.insert(station.id.clone(), station);
        Ok(true)
    }

    async fn configure_station(&self, station: Station) -> Result<bool, WriteError> {
        let mut tables = self.tables();
        let Some(kept) = tables.stations.get_mut(&station.id) else {
            return Ok(false);
        };
        kept.site = station.site;
        kept.admission = station.admission;
        kept.assume_16 = station.assume_16;
        kept.note = station.note;
        Ok(true)
    }

    async fn record_boot(&self, id: &StationId, boot: BootInfo) -> Result<(), WriteError> {
        if let Some(kept) = self.tables().stations.get_mut(id) {
            kept.boot = Some(boot);
        }
        Ok(())
    }

    async fn record_presence(
        &self,
        id: &StationId,
        protocol: Protocol,
        at: Timestamp,
    ) -> Result<(), WriteError> {
        if let Some(kept) = self.tables().stations.get_mut(id) {
            kept.protocol = Some(protocol);
            kept.last_seen_at = Some(at);
        }
        Ok(())
    }

    async fn delete_station(&self, id: &StationId) -> Result<bool, WriteError> {
        let mut tables = self.tables();
        tables.connectors.retain(|(station, _), _| station != id);
        Ok(tables.stations.remove(id).is_some())
    }

    async fn stations(
        &self,
        filter: StationFilter,
        page: PageRequest,
    ) -> Result<Page<Station>, ReadError> {
        let tables = self.tables();
        let search = filter.search.map(|text| text.to_ascii_lowercase());
        let holds = |station: &Station| {
            search.as_ref().is_none_or(|text| {
                let identity = station.id.as_str().to_ascii_lowercase();
                identity.contains(text)
            })
        };
        let following = tables
            .stations
            .values()
            .filter(|station| {
                page.after
                    .as_deref()
                    .is_none_or(|after| station.id.as_str() > after)
            })
            .filter(|station| filter.site.is_none() || station.site == filter.site)
            .filter(|station| holds(station))
            .map(|station| (station.id.clone(), station.clone()));
        Ok(Page::cut(&page, following))
    }

    async fn connectors(&self, id: &StationId) -> Result<Vec<Connector>, ReadError> {
        Ok(self.tables().connectors_of(id))
    }

    async fn put_connector(&self, id: &StationId, connector: Connector) -> Result<(), WriteError> {
        let mut tables = self.tables();
        if tables.stations.contains_key(id) {
            let outlet: ConnectorRef = connector.connector;
            tables.connectors.insert((id.clone(), outlet), connector);
        }
        Ok(())
    }
}
