//! Things to put into a store under test. Times are given in ms and mean nothing.

use std::collections::BTreeSet;

use model::{
    Admission, ApiKey, Authorization, BootInfo, ChargeDetailRecord, CommandId, CommandRecord,
    CommandState, Connector, ConnectorRef, ConnectorState, DeadLetter, DeadLetterId, Direction,
    Flag, Fuse, FuseCap, KnownLease, KnownOutlet, Location, Measurand, MessageEntry, MeterPoint,
    MeterSample, PlannedOutlet, PowerPlan, ProfileForm, ProfilePurpose, Protocol, RateUnit, Repeat,
    RetryKey, Role, SampledValue, Session, SessionEventKind, SessionEventRecord, SessionId,
    SessionPreferences, SessionState, SetPoint, Sharing, Site, SiteId, SiteLine, SiteMemory,
    SitePower, Station, StationId, StoredReading, Timestamp, Token, TokenKind, TokenRef, TokenUid,
    Wiring,
};

use crate::{CdrCreated, NoticeRecord, SessionCommit, Store};

/// A station's identity.
pub fn station_id(text: &str) -> StationId {
    StationId::new(text).expect("a test names stations rightly")
}

/// A token's uid.
pub fn uid(text: &str) -> TokenUid {
    TokenUid::new(text).expect("a test names tokens rightly")
}

/// A site's id.
pub fn site_id(text: &str) -> SiteId {
    SiteId::new(text).expect("a test names sites rightly")
}

/// A retry key.
pub fn key(text: &str) -> RetryKey {
    RetryKey(text.to_owned())
}

/// An accepted station of which nothing was heard.
pub fn station(id: &str) -> Station {
    Station {
        id: station_id(id),
        site: None,
        admission: Admission::Accepted,
        assume_16: false,
        note: String::new(),
        boot: None,
        protocol: None,
        last_seen_at: None,
        created_at: Timestamp(1_000),
    }
}

/// What a BootNotification says.
pub fn boot(model: &str) -> BootInfo {
    BootInfo {
        vendor: "Volta".into(),
        model: model.into(),
        serial: Some("S-1".into()),
        firmware: None,
        iccid: None,
        imsi: None,
        reason: Some("PowerUp".into()),
    }
}

/// A free outlet.
pub fn connector(evse: u32, connector: u32) -> Connector {
    Connector {
        connector: ConnectorRef { evse, connector },
        state: ConnectorState::Available,
        error_code: None,
        info: None,
        at: Timestamp(2_000),
    }
}

/// A site.
pub fn site(id: &str) -> Site {
    Site {
        id: site_id(id),
        name: format!("Site {id}"),
        limit_w: Some(44_000.5),
        created_at: Timestamp(1_000),
    }
}

/// What a site's power is managed by, every field filled; its only outlet is at this station.
pub fn site_power(station: &str) -> SitePower {
    let outlet = PlannedOutlet {
        station: station_id(station),
        evse: 1,
        wiring: Wiring::Phases(vec![SiteLine::L2, SiteLine::L3, SiteLine::L1]),
        most_a: 32.0,
        floor_a: 6.0,
        least_a: Some(6.0),
        steps_a: Some(vec![6.0, 16.0, 32.0]),
        unit: Some(RateUnit::A),
        limitable: true,
        weight: 2.0,
    };
    let cap = FuseCap {
        from: Timestamp(1_000),
        until: Some(Timestamp(2_000)),
        repeat: Some(Repeat::Daily),
        most_a: Some([20.0; 3]),
        most_w: Some(13_800.0),
    };
    let grid = Fuse {
        name: "grid".into(),
        breaker_a: Some([63.0, 63.0, 63.5]),
        most_w: Some(43_000.0),
        unmanaged_a: [10.0, 5.0, 2.5],
        caps: vec![cap],
        parts: vec![],
        outlets: vec![outlet],
    };
    SitePower {
        plan: PowerPlan {
            phase_v: 230.0,
            time_zone: Some("Europe/Berlin".into()),
            sharing: Sharing::Fair,
            group_weights: [("FLEET".to_owned(), 2.0)].into(),
            grid,
        },
        set_points: vec![SetPoint {
            name: "dso".into(),
            part: "grid".into(),
            most_a: Some([32.0; 3]),
            most_w: None,
            from: Timestamp(1_000),
            expires_at: Timestamp(9_000),
        }],
    }
}

/// What a site's actor remembers, every field filled.
pub fn site_memory(station: &str) -> SiteMemory {
    let outlet = KnownOutlet {
        station: station_id(station),
        evse: 1,
        floor_a: Some(6.0),
        grants_by: Some(ProfilePurpose::TxDefault),
        form: ProfileForm {
            floor_is_relative: true,
            grant_is_relative: true,
            ends_by_duration: true,
            is_lowest: true,
        },
        unit: Some(RateUnit::W),
        lease: Some(KnownLease {
            amps: 16.1,
            ends_at: Timestamp(9_000),
        }),
        clock_lag_ms: Some(50_000),
        disobeyed_a: Some(31.5),
        forgets: true,
        keeps_grants: true,
    };
    SiteMemory {
        epoch: 1_790_000_000_000,
        revision: 7,
        outlets: vec![outlet],
        preferences: vec![SessionPreferences {
            session: SessionId::of_first(&station_id(station), &key("first"), Timestamp(1)),
            departure_at: Some(Timestamp(8_000)),
            energy_wh: Some(11_000.0),
            weight: Some(1.5),
        }],
    }
}

/// A token that may charge.
pub fn token(text: &str, group: Option<&str>) -> Token {
    Token {
        uid: uid(text),
        kind: TokenKind::Other("ISO14443".into()),
        group: group.map(uid),
        blocked: false,
        expires_at: Some(Timestamp(9_000)),
        max_concurrent: Some(1),
        note: "a note".into(),
    }
}

/// An open 1.6 session with every field filled.
pub fn session(station: &str, transaction: &str) -> Session {
    Session {
        id: SessionId::fresh(),
        station: station_id(station),
        site: Some(site_id("depot")),
        connector: Some(ConnectorRef::of_16(1)),
        protocol: Protocol::Ocpp16,
        transaction: transaction.into(),
        state: SessionState::Active,
        token: Some(TokenRef {
            uid: uid("04A1B2"),
            kind: TokenKind::Unspecified,
        }),
        authorization: Some(Authorization::Accepted),
        started_at: Timestamp(10_000),
        ended_at: None,
        duration_s: 0,
        energy_wh: 0.0,
        meter_start_wh: Some(100.0),
        meter_last_wh: Some(100.0),
        meter_last_at: Some(Timestamp(10_000)),
        meter_points: vec![MeterPoint {
            wh: 100.0,
            at: Timestamp(10_000),
            seq: Some(0),
            settled: true,
        }],
        energy_before_wh: 0.0,
        power_w: Some(11_000.0),
        stop_reason: None,
        charging_state: None,
        remote_start_id: Some(7),
        last_seq: None,
        missing_seqs: Vec::new(),
        flags: BTreeSet::from([Flag::ReportedLate]),
        updated_at: Timestamp(10_001),
    }
}

/// The same session after its end.
pub fn ended(session: &Session) -> Session {
    Session {
        state: SessionState::Ended,
        ended_at: Some(Timestamp(20_000)),
        energy_wh: 1234.5,
        stop_reason: Some("Local".into()),
        ..session.clone()
    }
}

/// A log entry with readings.
pub fn event(retry_key: &str) -> SessionEventRecord {
    SessionEventRecord {
        retry_key: key(retry_key),
        kind: SessionEventKind::Updated,
        seq: Some(3),
        at: Timestamp(10_000),
        received_at: Timestamp(10_001),
        trigger: Some("MeterValuePeriodic".into()),
        offline: true,
        samples: vec![sample(10_000, 100.0)],
        raw: Some("{\"as\":\"sent\"}".into()),
    }
}

/// One reading of the import register and one the hub has no name for.
pub fn sample(at: i64, wh: f64) -> MeterSample {
    MeterSample {
        at: Timestamp(at),
        values: vec![
            SampledValue {
                measurand: Measurand::EnergyImportRegister,
                value: Some(wh),
                unit: "Wh".into(),
                phase: None,
                location: Location::Outlet,
                context: Some("Sample.Periodic".into()),
                raw: None,
            },
            SampledValue {
                measurand: Measurand::Other("Temperature".into()),
                value: None,
                unit: String::new(),
                phase: Some("L1".into()),
                location: Location::Other("Body".into()),
                context: None,
                raw: Some("warm".into()),
            },
        ],
    }
}

/// A commit at epoch 1.
pub fn commit(session: &Session, retry_key: &str) -> SessionCommit {
    SessionCommit {
        session: session.clone(),
        event: event(retry_key),
        epoch: 1,
    }
}

/// Commits, and expects it to be written.
///
/// # Panics
/// When it is not.
pub async fn write(store: &impl Store, session: &Session, retry_key: &str) {
    let committed = store.commit_session(commit(session, retry_key)).await;
    assert_eq!(committed, Ok(crate::Committed::Written));
}

/// Readings outside a session.
pub fn reading(retry_key: &str, received_at: i64) -> StoredReading {
    StoredReading {
        retry_key: key(retry_key),
        connector: ConnectorRef::of_16(2),
        received_at: Timestamp(received_at),
        samples: vec![sample(received_at, 5.0)],
        raw: None,
    }
}

/// A kept message.
pub fn notice(action: &str, received_at: i64) -> NoticeRecord {
    NoticeRecord {
        received_at: Timestamp(received_at),
        action: action.into(),
        payload: serde_json::json!({ "n": received_at, "x": 0.1, "list": [1, "two", null] }),
    }
}

/// An entry of the message log.
pub fn message(station: &str, at: i64, action: &str, frame: &str) -> MessageEntry {
    MessageEntry {
        station: station_id(station),
        at: Timestamp(at),
        direction: Direction::In,
        action: action.into(),
        frame: frame.into(),
    }
}

/// A command that waits.
pub fn command(station: &str) -> CommandRecord {
    CommandRecord {
        id: CommandId::fresh(),
        station: station_id(station),
        action: "Reset".into(),
        payload: serde_json::json!({ "type": "Soft" }),
        state: CommandState::Queued,
        answer: None,
        error: None,
        by: "ops".into(),
        created_at: Timestamp(1_000),
        expires_at: Timestamp(31_000),
        finished_at: None,
    }
}

/// A StartTransaction that crashed its actor.
pub fn dead_letter(station: &str, retry_key: &str) -> DeadLetter {
    DeadLetter {
        id: DeadLetterId::fresh(),
        station: station_id(station),
        protocol: Protocol::Ocpp16,
        retry_key: key(retry_key),
        received_at: Timestamp(10_001),
        action: "StartTransaction".into(),
        payload: "{\"connectorId\":1,\"idTag\":\"04A1B2\",\"meterStart\":100}".into(),
        number: Some(41),
    }
}

/// An API key whose hash is made of its prefix.
pub fn api_key(prefix: &str, created_at: i64) -> ApiKey {
    ApiKey {
        prefix: prefix.into(),
        sha256: format!("{prefix:0>64}"),
        role: Role::Operator,
        name: "ops".into(),
        created_at: Timestamp(created_at),
    }
}

/// The record of an ended session, of that number.
pub fn cdr(ended: &Session, number: u32) -> ChargeDetailRecord {
    ChargeDetailRecord::of(ended, number, Timestamp(30_000))
}

/// Puts something of every kind into an empty store.
///
/// # Panics
/// When it is not taken.
pub async fn something_of_all(store: &impl Store) {
    store.put_site(site("depot")).await.unwrap();
    let depot = site_id("depot");
    store
        .put_site_power(&depot, Some(site_power("CP")))
        .await
        .unwrap();
    store
        .put_site_memory(&depot, site_memory("CP"))
        .await
        .unwrap();
    store.put_token(token("04A1B2", None)).await.unwrap();
    store.create_api_key(api_key("one", 1)).await.unwrap();
    for id in ["CP", "CP-2"] {
        let of = station_id(id);
        let heard = Station {
            boot: Some(boot("Two")),
            protocol: Some(Protocol::Ocpp16),
            last_seen_at: Some(Timestamp(7_000)),
            ..station(id)
        };
        assert_eq!(store.create_station(heard).await, Ok(true));
        store.put_connector(&of, connector(1, 1)).await.unwrap();
        store.record_reading(&of, reading("r", 5)).await.unwrap();
        store
            .record_notice(&of, notice("DataTransfer", 3))
            .await
            .unwrap();
        store.put_command(command(id)).await.unwrap();
        let frames = ["[2,1]", "[3,1]"].map(|frame| message(id, 4, "Heartbeat", frame));
        store.append_messages(frames.to_vec()).await.unwrap();
        store
            .record_dead_letter(dead_letter(id, "d"))
            .await
            .unwrap();
        let open = session(id, "1");
        write(store, &open, "open").await;
        let over = session(id, "2");
        write(store, &over, "begun").await;
        write(store, &ended(&over), "over").await;
        let record = cdr(&ended(&over), 1);
        assert_eq!(store.create_cdr(record).await, Ok(CdrCreated::Written));
    }
}
