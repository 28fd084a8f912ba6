//! Rules of charge detail records, and of the sessions that are to be recorded.
#![expect(missing_docs, reason = "a rule is its name")]

use model::{CdrId, ChargeDetailRecord, Session, SessionId, Timestamp};

use super::{join_all, sample, walk};
use crate::{CdrCreated, CdrFilter, PageRequest, Store, WriteError};

/// A session that is over, and began at `ms`.
fn ended_session(station: &str, transaction: &str, ms: i64) -> Session {
    let over = sample::ended(&sample::session(station, transaction));
    Session {
        id: SessionId::of_first(&over.station, &sample::key(transaction), Timestamp(ms)),
        ..over
    }
}

async fn create(store: &impl Store, record: &ChargeDetailRecord) {
    let created = store.create_cdr(record.clone()).await;
    assert_eq!(created, Ok(CdrCreated::Written));
}

pub async fn a_record_is_created_once_and_read_back_as_it_was(store: &impl Store) {
    let first = sample::cdr(&ended_session("CP1", "1", 5_000), 1);
    let bare = ChargeDetailRecord {
        site: None,
        connector: None,
        token: None,
        authorization: None,
        meter_start_wh: None,
        meter_last_wh: None,
        meter_last_at: None,
        stop_reason: None,
        ..first.credit(Timestamp(31_000))
    };
    for record in [first, bare] {
        assert_eq!(store.cdr(record.id).await.unwrap(), None);
        create(store, &record).await;
        let later = ChargeDetailRecord {
            created_at: Timestamp(99_000),
            ..record.clone()
        };
        assert_eq!(store.create_cdr(later).await, Ok(CdrCreated::Known));
        assert_eq!(store.cdr(record.id).await.unwrap(), Some(record));
    }
}

pub async fn a_record_that_says_something_else_is_never_put_in_the_place_of_another(
    store: &impl Store,
) {
    let first = sample::cdr(&ended_session("CP1", "1", 5_000), 1);
    create(store, &first).await;
    let other = ChargeDetailRecord {
        energy_wh: 1.0,
        ..first.clone()
    };
    let created = store.create_cdr(other).await;
    assert_eq!(created, Ok(CdrCreated::Differs(Box::new(first.clone()))));
    assert_eq!(store.cdr(first.id).await.unwrap(), Some(first));
}

pub async fn one_record_created_many_times_at_once_is_there_once(store: &impl Store) {
    let session = ended_session("CP1", "1", 5_000);
    let wanted = |wh: i32| ChargeDetailRecord {
        energy_wh: f64::from(wh % 2),
        ..sample::cdr(&session, 1)
    };
    let creating = (0..20).map(|wh| store.create_cdr(wanted(wh))).collect();
    let created = join_all(creating).await;
    let written = created
        .iter()
        .filter(|created| **created == Ok(CdrCreated::Written));
    assert_eq!(written.count(), 1, "{created:?}");
    let there = walk(9, |page| store.cdrs(CdrFilter::default(), page)).await;
    assert_eq!(there.len(), 1);
    for (wh, created) in (0..20).zip(created) {
        match created.unwrap() {
            CdrCreated::Written | CdrCreated::Known => assert_eq!(there[0], wanted(wh)),
            CdrCreated::Differs(kept) => assert_eq!(*kept, there[0]),
        }
    }
}

pub async fn a_record_without_a_number_for_its_energy_is_not_written(store: &impl Store) {
    let record = ChargeDetailRecord {
        energy_wh: f64::NAN,
        ..sample::cdr(&ended_session("CP1", "1", 5_000), 1)
    };
    let id = record.id;
    let refused = store.create_cdr(record).await;
    assert!(
        matches!(refused, Err(WriteError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(store.cdr(id).await.unwrap(), None);
}

pub async fn records_are_found_by_session_station_token_and_time(store: &impl Store) {
    // Some weeks apart, so that they are of different months.
    const MONTH_MS: i64 = 31 * 86_400_000;
    let mut all = Vec::new();
    for n in 0..6 {
        let (station, token) = (["CP1", "CP2"][n % 2], ["04a1B2", "OTHER"][n / 3]);
        let mut session = ended_session(station, &n.to_string(), MONTH_MS * n as i64);
        if let Some(of) = &mut session.token {
            of.uid = sample::uid(token);
        }
        sample::write(store, &session, &n.to_string()).await;
        let first = sample::cdr(&session, 1);
        let credit = first.credit(Timestamp(31_000));
        for record in [first, credit] {
            create(store, &record).await;
            all.push(record);
        }
    }
    all.reverse();
    let from = |n: i64| Some(Timestamp(MONTH_MS * n));
    let filters = [
        CdrFilter::default(),
        CdrFilter::of_session(all[4].session),
        CdrFilter {
            station: Some(sample::station_id("CP1")),
            ..CdrFilter::default()
        },
        CdrFilter {
            token: Some(sample::uid("04A1b2")),
            ..CdrFilter::default()
        },
        CdrFilter {
            from: from(1),
            to: from(4),
            ..CdrFilter::default()
        },
        CdrFilter {
            station: Some(sample::station_id("CP2")),
            token: Some(sample::uid("04a1b2")),
            from: from(1),
            to: from(3),
            ..CdrFilter::default()
        },
        CdrFilter {
            from: from(3),
            to: from(3),
            ..CdrFilter::default()
        },
    ];
    for (filter, count) in filters.into_iter().zip([12, 2, 6, 6, 6, 2, 0]) {
        let wanted: Vec<_> = (all.iter().filter(|record| filter.is_met(record)))
            .cloned()
            .collect();
        assert_eq!(wanted.len(), count, "{filter:?}");
        for limit in [1, 50] {
            let found = walk(limit, |page| store.cdrs(filter.clone(), page)).await;
            assert_eq!(found, wanted, "{filter:?} in pages of {limit}");
        }
    }
}

pub async fn records_come_newest_first_in_pages(store: &impl Store) {
    let mut records = Vec::new();
    for n in [3, 0, 4, 1, 2] {
        let session = ended_session("CP1", &n.to_string(), 5_000 + n);
        sample::write(store, &session, &n.to_string()).await;
        let record = sample::cdr(&session, 1);
        create(store, &record).await;
        records.push(record);
    }
    records.sort_by_key(|record| std::cmp::Reverse(record.id));
    for limit in [1, 2, 5, 9] {
        let found = walk(limit, |page| store.cdrs(CdrFilter::default(), page)).await;
        assert_eq!(found, records, "in pages of {limit}");
    }
    let nowhere = PageRequest {
        limit: 9,
        after: Some("no cursor".into()),
    };
    let page = store.cdrs(CdrFilter::default(), nowhere).await.unwrap();
    assert_eq!((page.items, page.next), (Vec::new(), None));
    assert_eq!(store.cdr(CdrId::fresh()).await, Ok(None));
}

async fn to_record(store: &impl Store) -> Vec<SessionId> {
    walk(9, |page| store.sessions_to_record(page)).await
}

pub async fn a_session_is_to_be_recorded_from_its_end_until_it_is(store: &impl Store) {
    let open = sample::session("CP1", "1");
    sample::write(store, &open, "begun").await;
    assert_eq!(store.session_to_record(open.id).await, Ok(None));
    assert_eq!(to_record(store).await, []);
    let over = sample::ended(&open);
    sample::write(store, &over, "over").await;
    assert_eq!(to_record(store).await, [open.id]);
    let due = store.session_to_record(open.id).await.unwrap().unwrap();
    assert_eq!(due.session, over);
    assert_eq!(store.recorded(open.id, due.version).await, Ok(()));
    assert_eq!(to_record(store).await, []);
    // And one that was over from the first that was heard of it.
    let heard_late = sample::ended(&sample::session("CP1", "2"));
    sample::write(store, &heard_late, "late").await;
    assert_eq!(to_record(store).await, [heard_late.id]);
    let nobody = SessionId::fresh();
    assert_eq!(store.session_to_record(nobody).await, Ok(None));
    assert_eq!(store.recorded(nobody, 1).await, Ok(()));
}

pub async fn a_session_that_changed_meanwhile_is_still_to_be_recorded(store: &impl Store) {
    let over = sample::ended(&sample::session("CP1", "1"));
    sample::write(store, &over, "over").await;
    let before = store.session_to_record(over.id).await.unwrap().unwrap();
    let later = Session {
        energy_wh: 2_000.0,
        ..over.clone()
    };
    sample::write(store, &later, "later").await;
    assert_eq!(store.recorded(over.id, before.version).await, Ok(()));
    assert_eq!(to_record(store).await, [over.id]);
    let due = store.session_to_record(over.id).await.unwrap().unwrap();
    assert_eq!(due.session, later);
    assert_eq!(store.recorded(over.id, due.version).await, Ok(()));
    assert_eq!(to_record(store).await, []);
    sample::write(store, &over, "later still").await;
    assert_eq!(to_record(store).await, [over.id]);
    // A message that comes again changes nothing.
    let due = store.session_to_record(over.id).await.unwrap().unwrap();
    assert_eq!(store.recorded(over.id, due.version).await, Ok(()));
    let repeat = store.commit_session(sample::commit(&later, "later")).await;
    assert!(matches!(repeat, Ok(crate::Committed::Repeat(_))));
    assert_eq!(to_record(store).await, []);
}

pub async fn sessions_to_record_come_newest_first_in_pages(store: &impl Store) {
    let mut ids = Vec::new();
    for n in 0..5 {
        let session = ended_session("CP1", &n.to_string(), 5_000 + n);
        sample::write(store, &session, &n.to_string()).await;
        ids.insert(0, session.id);
    }
    for limit in [1, 2, 5, 9] {
        let found = walk(limit, |page| store.sessions_to_record(page)).await;
        assert_eq!(found, ids, "in pages of {limit}");
    }
    // The cursor stays valid while those before it go.
    let first = store.sessions_to_record(PageRequest::first(2)).await;
    let first = first.unwrap();
    for id in &first.items {
        let due = store.session_to_record(*id).await.unwrap().unwrap();
        store.recorded(*id, due.version).await.unwrap();
    }
    let rest = PageRequest {
        limit: 9,
        after: first.next,
    };
    let rest = store.sessions_to_record(rest).await.unwrap();
    assert_eq!(rest.items, ids[2..]);
}
