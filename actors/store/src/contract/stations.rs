//! Rules of stations and their outlets.
#![expect(missing_docs, reason = "a rule is its name")]

use model::{Admission, ConnectorState, Protocol, Station, Timestamp};

use super::{sample, walk};
use crate::{Hydration, StationFilter, Store};

pub async fn a_new_station_is_read_back_as_it_was(store: &impl Store) {
    let full = Station {
        site: Some(sample::site_id("depot")),
        admission: Admission::Pending,
        assume_16: true,
        note: "by the gate".into(),
        boot: Some(sample::boot("M1")),
        protocol: Some(Protocol::Ocpp201),
        last_seen_at: Some(Timestamp(3_000)),
        ..sample::station("CP|1 ü")
    };
    assert_eq!(store.station(&full.id).await.unwrap(), None);
    assert_eq!(store.create_station(full.clone()).await, Ok(true));
    assert_eq!(store.station(&full.id).await.unwrap(), Some(full));
}

pub async fn a_known_station_is_not_created_again(store: &impl Store) {
    let first = sample::station("CP1");
    assert_eq!(store.create_station(first.clone()).await, Ok(true));
    let second = Station {
        note: "another".into(),
        ..first.clone()
    };
    assert_eq!(store.create_station(second).await, Ok(false));
    assert_eq!(store.station(&first.id).await.unwrap(), Some(first));
    // Identities are told apart by case (OCPP-J: part of a URL path).
    assert_eq!(store.create_station(sample::station("cp1")).await, Ok(true));
}

pub async fn configuring_leaves_what_the_station_said(store: &impl Store) {
    let station = sample::station("CP1");
    assert_eq!(store.configure_station(station.clone()).await, Ok(false));
    assert_eq!(store.station(&station.id).await.unwrap(), None);
    store.create_station(station.clone()).await.unwrap();
    let boot = sample::boot("M1");
    store.record_boot(&station.id, boot.clone()).await.unwrap();
    let configured = Station {
        site: Some(sample::site_id("depot")),
        admission: Admission::Rejected,
        assume_16: true,
        note: "stolen".into(),
        boot: None,
        created_at: Timestamp(99_000),
        ..station.clone()
    };
    assert_eq!(store.configure_station(configured.clone()).await, Ok(true));
    let expected = Station {
        boot: Some(boot),
        created_at: station.created_at,
        ..configured
    };
    assert_eq!(store.station(&station.id).await.unwrap(), Some(expected));
}

pub async fn what_a_station_says_is_kept(store: &impl Store) {
    let station = sample::station("CP1");
    store.create_station(station.clone()).await.unwrap();
    for model in ["M1", "M2"] {
        let boot = sample::boot(model);
        store.record_boot(&station.id, boot).await.unwrap();
    }
    for (protocol, at) in Protocol::ALL.into_iter().zip([5_000, 6_000, 7_000]) {
        let presence = store.record_presence(&station.id, protocol, Timestamp(at));
        presence.await.unwrap();
        let expected = Station {
            boot: Some(sample::boot("M2")),
            protocol: Some(protocol),
            last_seen_at: Some(Timestamp(at)),
            ..station.clone()
        };
        assert_eq!(store.station(&station.id).await.unwrap(), Some(expected));
    }
}

pub async fn nothing_is_kept_of_an_unknown_station(store: &impl Store) {
    let id = sample::station_id("CP1");
    store.record_boot(&id, sample::boot("M1")).await.unwrap();
    let presence = store.record_presence(&id, Protocol::Ocpp16, Timestamp(1));
    presence.await.unwrap();
    store
        .put_connector(&id, sample::connector(1, 1))
        .await
        .unwrap();
    assert_eq!(store.station(&id).await.unwrap(), None);
    store.create_station(sample::station("CP1")).await.unwrap();
    assert!(store.connectors(&id).await.unwrap().is_empty());
}

pub async fn an_outlet_has_one_row_and_the_last_word_stays(store: &impl Store) {
    let id = sample::station_id("CP1");
    store.create_station(sample::station("CP1")).await.unwrap();
    store.create_station(sample::station("CP2")).await.unwrap();
    let mut second = sample::connector(2, 1);
    for outlet in [
        second.clone(),
        sample::connector(10, 1),
        sample::connector(1, 2),
    ] {
        store.put_connector(&id, outlet).await.unwrap();
    }
    second.state = ConnectorState::Other("Warming".into());
    second.error_code = Some("GroundFailure".into());
    second.info = Some("E12".into());
    second.at = Timestamp(-1);
    store.put_connector(&id, second.clone()).await.unwrap();
    let others = sample::station_id("CP2");
    store
        .put_connector(&others, sample::connector(1, 1))
        .await
        .unwrap();
    let expected = vec![sample::connector(1, 2), second, sample::connector(10, 1)];
    assert_eq!(store.connectors(&id).await.unwrap(), expected);
}

pub async fn a_deleted_station_takes_its_outlets_along_and_leaves_its_sessions(store: &impl Store) {
    let id = sample::station_id("CP1");
    assert_eq!(store.delete_station(&id).await, Ok(false));
    store.create_station(sample::station("CP1")).await.unwrap();
    store
        .put_connector(&id, sample::connector(1, 1))
        .await
        .unwrap();
    let session = sample::session("CP1", "1");
    sample::write(store, &session, "start").await;
    assert_eq!(store.delete_station(&id).await, Ok(true));
    assert_eq!(store.station(&id).await.unwrap(), None);
    assert!(store.connectors(&id).await.unwrap().is_empty());
    assert_eq!(
        store.session(session.id).await.unwrap().as_ref(),
        Some(&session)
    );
    assert_eq!(
        store.hydrate(&id).await.unwrap().open_sessions,
        vec![session]
    );
}

pub async fn stations_come_ascending_in_pages(store: &impl Store) {
    for id in ["b", "C", "a", "é"] {
        store.create_station(sample::station(id)).await.unwrap();
    }
    let expected = ["C", "a", "b", "é"].map(sample::station);
    for limit in [1, 2, 4, 9] {
        let all = StationFilter::default();
        let read = walk(limit, |page| store.stations(all.clone(), page)).await;
        assert_eq!(read, expected);
    }
}

pub async fn stations_are_found_by_site_and_by_text(store: &impl Store) {
    for (id, site) in [
        ("NL-1", Some("x")),
        ("nl-2", Some("y")),
        ("DE%3", Some("x")),
        ("nl_4", None),
    ] {
        let station = Station {
            site: site.map(sample::site_id),
            ..sample::station(id)
        };
        store.create_station(station).await.unwrap();
    }
    for (site, search, expected) in [
        (Some("x"), None, vec!["DE%3", "NL-1"]),
        (None, Some("Nl-"), vec!["NL-1", "nl-2"]),
        (Some("x"), Some("nl"), vec!["NL-1"]),
        (None, Some("%"), vec!["DE%3"]),
        (None, Some("l_"), vec!["nl_4"]),
        (Some("z"), None, vec![]),
    ] {
        let filter = StationFilter {
            site: site.map(sample::site_id),
            search: search.map(str::to_owned),
        };
        let found: Vec<Station> = walk(1, |page| store.stations(filter.clone(), page)).await;
        let ids: Vec<&str> = found.iter().map(|station| station.id.as_str()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}

pub async fn hydration_brings_all_a_charger_starts_with(store: &impl Store) {
    let id = sample::station_id("CP1");
    let station = sample::station("CP1");
    store.create_station(station.clone()).await.unwrap();
    let outlet = sample::connector(1, 1);
    store.put_connector(&id, outlet.clone()).await.unwrap();
    let (over, open) = (sample::session("CP1", "41"), sample::session("CP1", "7"));
    let mut commit = sample::commit(&sample::ended(&over), "a");
    commit.epoch = 12;
    store.commit_session(commit).await.unwrap();
    sample::write(store, &open, "b").await;
    sample::write(store, &sample::session("CP2", "99"), "c").await;
    let expected = Hydration {
        station: Some(station),
        connectors: vec![outlet],
        open_sessions: vec![open],
        last_number: Some(41),
        last_epoch: Some(12),
    };
    assert_eq!(store.hydrate(&id).await.unwrap(), expected);
}

pub async fn hydration_of_a_stranger_is_empty(store: &impl Store) {
    let id = sample::station_id("CP1");
    assert_eq!(store.hydrate(&id).await.unwrap(), Hydration::default());
}

pub async fn only_numbers_the_hub_handed_out_count_as_the_last(store: &impl Store) {
    let id = sample::station_id("CP1");
    let mut of_2x = sample::session("CP1", "900");
    of_2x.protocol = Protocol::Ocpp201;
    sample::write(store, &of_2x, "a").await;
    assert_eq!(store.hydrate(&id).await.unwrap().last_number, None);
    sample::write(store, &sample::session("CP1", "-3"), "b").await;
    assert_eq!(store.hydrate(&id).await.unwrap().last_number, Some(-3));
    sample::write(store, &sample::session("CP1", "5"), "c").await;
    sample::write(store, &sample::session("CP1", "orphan:x"), "d").await;
    sample::write(store, &sample::session("CP1", "4"), "e").await;
    assert_eq!(store.hydrate(&id).await.unwrap().last_number, Some(5));
}
