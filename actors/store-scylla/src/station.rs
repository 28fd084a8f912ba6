//! Stations and their outlets.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::{Admission, BootInfo, Connector, Protocol, SiteId, Station, StationId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Hydration, Page, PageRequest, ReadError, StationFilter, StationStore, WriteError};

use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    json, names,
};

const READ: Statement = Statement::plain(
    "SELECT created_at, config, boot, presence FROM ks.stations WHERE station = ?",
);
const CREATE: Statement = Statement::plain(
    "INSERT INTO ks.stations (station, created_at, config, boot, presence) VALUES (?, ?, ?, ?, ?)",
);
const CONFIGURE: Statement =
    Statement::plain("UPDATE ks.stations SET config = ? WHERE station = ?");
const BOOT: Statement = Statement::plain("UPDATE ks.stations SET boot = ? WHERE station = ?");
const PRESENCE: Statement =
    Statement::plain("UPDATE ks.stations SET presence = ? WHERE station = ?");
const DELETE: Statement = Statement::plain("DELETE FROM ks.stations WHERE station = ?");
const OUTLETS: Statement = Statement::plain("SELECT outlet FROM ks.connectors WHERE station = ?");
const PUT_OUTLET: Statement = Statement::plain(
    "INSERT INTO ks.connectors (station, evse, connector, outlet) VALUES (?, ?, ?, ?)",
);
const DELETE_OUTLETS: Statement = Statement::plain("DELETE FROM ks.connectors WHERE station = ?");

/// The name list of all stations.
const STATIONS: &str = "stations";
/// Stations read side by side.
const ABREAST: usize = 32;
/// Names read at once from each list, at least and at most.
const CHUNK: (usize, usize) = (16, 500);

/// What an operator configures.
#[derive(Serialize, Deserialize)]
struct Configured {
    site: Option<SiteId>,
    admission: Admission,
    assume_16: bool,
    note: String,
}

/// When a connection opened or closed, and what it spoke.
#[derive(Serialize, Deserialize)]
struct Presence {
    protocol: Option<Protocol>,
    at: Option<Timestamp>,
}

type Columns = (Option<i64>, Option<String>, Option<String>, Option<String>);

impl Configured {
    fn of(station: &Station) -> Self {
        Self {
            site: station.site.clone(),
            admission: station.admission,
            assume_16: station.assume_16,
            note: station.note.clone(),
        }
    }
}

fn read(id: &StationId, columns: Columns) -> Result<Option<Station>, CqlError> {
    let (Some(created_at), Some(config), boot, presence) = columns else {
        return Ok(None);
    };
    let Configured {
        site,
        admission,
        assume_16,
        note,
    } = json::read(&config)?;
    let boot = boot.map(|boot| json::read(&boot)).transpose()?;
    let presence: Option<Presence> = presence.map(|it| json::read(&it)).transpose()?;
    Ok(Some(Station {
        id: id.clone(),
        site,
        admission,
        assume_16,
        note,
        boot,
        protocol: presence.as_ref().and_then(|it| it.protocol),
        last_seen_at: presence.and_then(|it| it.at),
        created_at: Timestamp(created_at),
    }))
}

fn of_site(site: &SiteId) -> String {
    format!("site/{site}")
}

impl ScyllaStore {
    async fn read_station(&self, id: &StationId) -> Result<Option<Station>, CqlError> {
        match self.cql.row(READ, (id.as_str(),)).await? {
            Some(columns) => read(id, columns),
            None => Ok(None),
        }
    }

    async fn read_outlets(&self, id: &StationId) -> Result<Vec<Connector>, CqlError> {
        let rows: Vec<(String,)> = self.cql.rows(OUTLETS, (id.as_str(),)).await?;
        rows.iter().map(|(outlet,)| json::read(outlet)).collect()
    }

    /// The station, if it is known; else nothing is written of it.
    async fn known(&self, id: &StationId) -> Result<Option<Station>, WriteError> {
        let read = self.read_station(id).await;
        read.map_err(CqlError::before_writing)
    }

    /// The stations of these names that are there, in that order.
    async fn read_stations(&self, names: Vec<String>) -> Result<Vec<Station>, CqlError> {
        let ids = names.into_iter().map(|name| StationId::new(&name));
        let read = async |id: Result<StationId, model::InvalidId>| match id {
            Ok(id) => self.read_station(&id).await,
            Err(error) => Err(CqlError::unreadable(&error)),
        };
        let stations = stream::iter(ids).map(read).buffered(ABREAST);
        let stations: Vec<Option<Station>> = stations.try_collect().await?;
        Ok(stations.into_iter().flatten().collect())
    }
}

#[async_trait]
impl StationStore for ScyllaStore {
    async fn station(&self, id: &StationId) -> Result<Option<Station>, ReadError> {
        Ok(self.read_station(id).await?)
    }

    async fn hydrate(&self, id: &StationId) -> Result<Hydration, ReadError> {
        let (station, connectors, marks, open_sessions) = tokio::try_join!(
            self.read_station(id),
            self.read_outlets(id),
            self.marks(id),
            self.open_of_station(id),
        )?;
        let (last_epoch, last_number) = marks;
        Ok(Hydration {
            station,
            connectors,
            open_sessions,
            last_number,
            last_epoch,
        })
    }

    async fn create_station(&self, station: Station) -> Result<bool, WriteError> {
        let _turn = self.starting.turn(&station.id).await;
        if self.known(&station.id).await?.is_some() {
            return Ok(false);
        }
        let id = station.id.as_str();
        let boot = station.boot.as_ref().map(json::write).transpose()?;
        let presence = (station.protocol.is_some() || station.last_seen_at.is_some()).then(|| {
            json::write(&Presence {
                protocol: station.protocol,
                at: station.last_seen_at,
            })
        });
        let presence = presence.transpose()?;
        let config = json::write(&Configured::of(&station))?;
        // On its lists first: whoever finds it there looks.
        let of_site = station.site.as_ref().map(of_site);
        let shard = names::shard(STATIONS, id);
        tokio::try_join!(
            self.put_name(&shard, id),
            self.put_name_if(of_site.as_deref(), id),
            self.cql.write(DELETE_OUTLETS, (id,)),
        )
        .map_err(CqlError::before_writing)?;
        let values = (id, station.created_at.0, config, boot, presence);
        self.cql.write(CREATE, values).await?;
        Ok(true)
    }

    async fn configure_station(&self, station: Station) -> Result<bool, WriteError> {
        let _turn = self.starting.turn(&station.id).await;
        let Some(known) = self.known(&station.id).await? else {
            return Ok(false);
        };
        let id = station.id.as_str();
        let (before, now) = (known.site, &station.site);
        let joined = now.as_ref().filter(|_| before != *now).map(of_site);
        let put = self.put_name_if(joined.as_deref(), id).await;
        put.map_err(CqlError::before_writing)?;
        let config = json::write(&Configured::of(&station))?;
        self.cql.write(CONFIGURE, (config, id)).await?;
        if let Some(left) = before.filter(|before| Some(before) != now.as_ref()) {
            self.take_name(&of_site(&left), id).await?;
        }
        Ok(true)
    }

    async fn record_boot(&self, id: &StationId, boot: BootInfo) -> Result<(), WriteError> {
        if self.known(id).await?.is_some() {
            let boot = json::write(&boot)?;
            self.cql.write(BOOT, (boot, id.as_str())).await?;
        }
        Ok(())
    }

    async fn record_presence(
        &self,
        id: &StationId,
        protocol: Protocol,
        at: Timestamp,
    ) -> Result<(), WriteError> {
        if self.known(id).await?.is_some() {
            let presence = json::write(&Presence {
                protocol: Some(protocol),
                at: Some(at),
            })?;
            self.cql.write(PRESENCE, (presence, id.as_str())).await?;
        }
        Ok(())
    }

    async fn delete_station(&self, id: &StationId) -> Result<bool, WriteError> {
        let _turn = self.starting.turn(id).await;
        let Some(known) = self.known(id).await? else {
            return Ok(false);
        };
        let id = id.as_str();
        self.cql.write(DELETE, (id,)).await?;
        self.cql.write(DELETE_OUTLETS, (id,)).await?;
        self.take_name(&names::shard(STATIONS, id), id).await?;
        if let Some(site) = &known.site {
            self.take_name(&of_site(site), id).await?;
        }
        Ok(true)
    }

    async fn stations(
        &self,
        filter: StationFilter,
        page: PageRequest,
    ) -> Result<Page<Station>, ReadError> {
        let lists = match &filter.site {
            Some(site) => vec![of_site(site)],
            None => names::shards(STATIONS),
        };
        let search = filter.search.map(|text| text.to_ascii_lowercase());
        let is_named = |name: &String| {
            let search = search.as_ref();
            search.is_none_or(|text| name.to_ascii_lowercase().contains(text))
        };
        let mut after = page.after.clone().unwrap_or_default();
        let mut found: Vec<Station> = Vec::new();
        loop {
            let limit = (page.to_read() - found.len()).clamp(CHUNK.0, CHUNK.1);
            let mut names = self.following(&lists, &after, limit).await?;
            let is_last = names.len() < limit;
            after = names.last().cloned().unwrap_or(after);
            names.retain(is_named);
            let stations = self.read_stations(names).await?.into_iter();
            found.extend(stations.filter(|it| filter.site.is_none() || it.site == filter.site));
            if is_last || found.len() >= page.to_read() {
                break;
            }
        }
        let following = found
            .into_iter()
            .map(|station| (station.id.clone(), station));
        Ok(Page::cut(&page, following))
    }

    async fn connectors(&self, id: &StationId) -> Result<Vec<Connector>, ReadError> {
        Ok(self.read_outlets(id).await?)
    }

    async fn put_connector(&self, id: &StationId, connector: Connector) -> Result<(), WriteError> {
        if self.known(id).await?.is_none() {
            return Ok(());
        }
        let which = connector.connector;
        let outlet = json::write(&connector)?;
        let values = (
            id.as_str(),
            i64::from(which.evse),
            i64::from(which.connector),
            outlet,
        );
        self.cql.write(PUT_OUTLET, values).await?;
        Ok(())
    }
}
