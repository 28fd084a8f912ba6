//! Stations and their outlets.

use async_trait::async_trait;
use model::{
    BootInfo, Connector, ConnectorRef, ConnectorState, Protocol, Station, StationId, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row};
use store::{Hydration, Page, PageRequest, ReadError, StationFilter, StationStore, WriteError};

use crate::{
    SqliteStore, identity, json,
    names::{Named, read_id, read_name, read_optional_id, read_optional_name},
    select::Select,
    session_read,
};

const COLUMNS: &str = "SELECT identity, site, admission, assume_16, note, boot, protocol,
    last_seen_at, created_at FROM stations";

fn read(row: &Row<'_>) -> rusqlite::Result<Station> {
    Ok(Station {
        id: read_id(row, 0)?,
        site: read_optional_id(row, 1)?,
        admission: read_name(row, 2)?,
        assume_16: row.get(3)?,
        note: row.get(4)?,
        boot: json::read_optional(row, 5)?,
        protocol: read_optional_name(row, 6)?,
        last_seen_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        created_at: Timestamp(row.get(8)?),
    })
}

fn station(db: &Connection, id: &StationId) -> rusqlite::Result<Option<Station>> {
    db.prepare_cached(&format!("{COLUMNS} WHERE identity = ?1"))?
        .query_row([id.as_str()], read)
        .optional()
}

fn connectors(db: &Connection, id: &StationId) -> rusqlite::Result<Vec<Connector>> {
    db.prepare_cached(
        "SELECT evse, connector, state, error_code, info, at FROM connectors
         WHERE station = ?1 ORDER BY evse, connector",
    )?
    .query_map([id.as_str()], |row| {
        Ok(Connector {
            connector: ConnectorRef {
                evse: row.get(0)?,
                connector: row.get(1)?,
            },
            state: ConnectorState::from(row.get::<_, String>(2)?),
            error_code: row.get(3)?,
            info: row.get(4)?,
            at: Timestamp(row.get(5)?),
        })
    })?
    .collect()
}

fn hydrate(db: &Connection, id: &StationId) -> rusqlite::Result<Hydration> {
    let identity = identity::find(db, id.as_str())?;
    let open_sessions = match identity {
        Some(identity) => session_read::open_of_station(db, identity.no)?,
        None => Vec::new(),
    };
    Ok(Hydration {
        station: station(db, id)?,
        connectors: connectors(db, id)?,
        open_sessions,
        last_number: identity.and_then(|identity| identity.last_number),
        last_epoch: identity.and_then(|identity| identity.last_epoch),
    })
}

#[async_trait]
impl StationStore for SqliteStore {
    async fn station(&self, id: &StationId) -> Result<Option<Station>, ReadError> {
        let id = id.clone();
        self.readers.read(move |db| station(db, &id)).await
    }

    async fn hydrate(&self, id: &StationId) -> Result<Hydration, ReadError> {
        let id = id.clone();
        self.readers
            .read(move |db| {
                // One snapshot for all of it.
                let snapshot = db.unchecked_transaction()?;
                hydrate(&snapshot, &id)
            })
            .await
    }

    async fn create_station(&self, station: Station) -> Result<bool, WriteError> {
        let boot = station.boot.as_ref().map(json::write).transpose()?;
        self.writer
            .write(move |db| {
                let added = db
                    .prepare_cached(
                        "INSERT INTO stations (identity, site, admission, assume_16, note, boot,
                             protocol, last_seen_at, created_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
                    )?
                    .execute((
                        station.id.as_str(),
                        station.site.as_ref().map(model::SiteId::as_str),
                        station.admission.name(),
                        station.assume_16,
                        &station.note,
                        &boot,
                        station.protocol.map(Named::name),
                        station.last_seen_at.map(|at| at.0),
                        station.created_at.0,
                    ))?;
                Ok(added > 0)
            })
            .await
    }

    async fn configure_station(&self, station: Station) -> Result<bool, WriteError> {
        self.writer
            .write(move |db| {
                let changed = db
                    .prepare_cached(
                        "UPDATE stations SET site = ?2, admission = ?3, assume_16 = ?4, note = ?5
                         WHERE identity = ?1",
                    )?
                    .execute((
                        station.id.as_str(),
                        station.site.as_ref().map(model::SiteId::as_str),
                        station.admission.name(),
                        station.assume_16,
                        &station.note,
                    ))?;
                Ok(changed > 0)
            })
            .await
    }

    async fn record_boot(&self, id: &StationId, boot: BootInfo) -> Result<(), WriteError> {
        let (id, boot) = (id.clone(), json::write(&boot)?);
        self.writer
            .write(move |db| {
                db.prepare_cached("UPDATE stations SET boot = ?2 WHERE identity = ?1")?
                    .execute((id.as_str(), &boot))
                    .map(drop)
            })
            .await
    }

    async fn record_presence(
        &self,
        id: &StationId,
        protocol: Protocol,
        at: Timestamp,
    ) -> Result<(), WriteError> {
        let id = id.clone();
        self.writer
            .write(move |db| {
                db.prepare_cached(
                    "UPDATE stations SET protocol = ?2, last_seen_at = ?3 WHERE identity = ?1",
                )?
                .execute((id.as_str(), protocol.name(), at.0))
                .map(drop)
            })
            .await
    }

    async fn delete_station(&self, id: &StationId) -> Result<bool, WriteError> {
        let id = id.clone();
        self.writer
            .write(move |db| {
                // Its outlets go by the foreign key.
                let deleted = db
                    .prepare_cached("DELETE FROM stations WHERE identity = ?1")?
                    .execute([id.as_str()])?;
                Ok(deleted > 0)
            })
            .await
    }

    async fn stations(
        &self,
        filter: StationFilter,
        page: PageRequest,
    ) -> Result<Page<Station>, ReadError> {
        let walks = filter.search.is_some();
        let mut select = Select::all(COLUMNS);
        select.and_if("site = ?", filter.site.map(|site| site.to_string()));
        select.and_if("identity > ?", page.after.clone());
        // Both sides fold ASCII only.
        let text = filter.search.map(|text| text.to_ascii_lowercase());
        select.and_if("instr(lower(identity), ?) > 0", text);
        let read = move |db: &Connection| {
            select.page(db, "identity", &page, |row| {
                let station = read(row)?;
                Ok((station.id.clone(), station))
            })
        };
        if walks {
            self.readers.walk(read).await
        } else {
            self.readers.read(read).await
        }
    }

    async fn connectors(&self, id: &StationId) -> Result<Vec<Connector>, ReadError> {
        let id = id.clone();
        self.readers.read(move |db| connectors(db, &id)).await
    }

    async fn put_connector(&self, id: &StationId, connector: Connector) -> Result<(), WriteError> {
        let id = id.clone();
        self.writer
            .write(move |db| {
                db.prepare_cached(
                    "INSERT INTO connectors (station, evse, connector, state, error_code, info, at)
                     SELECT identity, ?2, ?3, ?4, ?5, ?6, ?7 FROM stations WHERE identity = ?1
                     ON CONFLICT DO UPDATE SET state = excluded.state, info = excluded.info,
                         error_code = excluded.error_code, at = excluded.at",
                )?
                .execute((
                    id.as_str(),
                    connector.connector.evse,
                    connector.connector.connector,
                    connector.state.as_str(),
                    &connector.error_code,
                    &connector.info,
                    connector.at.0,
                ))
                .map(drop)
            })
            .await
    }
}
