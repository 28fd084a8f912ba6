//! Rules of session commits.
#![expect(missing_docs, reason = "a rule is its name")]

use model::{Measurand, Session, SessionEventRecord, SessionState, Timestamp};

use super::{join_all, sample, walk};
use crate::{Committed, Store, WriteError};

async fn log_of(store: &impl Store, session: &Session) -> Vec<SessionEventRecord> {
    walk(9, |page| store.session_events(session.id, page)).await
}

async fn holder_of(store: &impl Store, of: &Session, key: &str) -> Option<Session> {
    let found = store.session_by_key(&of.station, &sample::key(key)).await;
    found.expect("the store can be read")
}

pub async fn a_written_session_is_read_back_as_it_was(store: &impl Store) {
    let session = sample::session("CP1", "1");
    assert_eq!(store.session(session.id).await.unwrap(), None);
    sample::write(store, &session, "k").await;
    let found = Some(session.clone());
    assert_eq!(store.session(session.id).await.unwrap(), found);
    let id = &session.station;
    assert_eq!(store.session_by_transaction(id, "1").await.unwrap(), found);
    assert_eq!(store.session_by_transaction(id, "2").await.unwrap(), None);
    assert_eq!(
        store.session_by_key(id, &sample::key("k")).await.unwrap(),
        found
    );
    assert_eq!(
        store.session_by_key(id, &sample::key("l")).await.unwrap(),
        None
    );
    assert_eq!(log_of(store, &session).await, [sample::event("k")]);

    let over = sample::ended(&session);
    sample::write(store, &over, "stop").await;
    assert_eq!(store.session(session.id).await.unwrap(), Some(over));
}

pub async fn numbers_and_times_come_back_exactly(store: &impl Store) {
    let mut session = sample::session("CP1", "1");
    session.energy_wh = 0.1 + 0.2;
    session.meter_start_wh = Some(123_456_789.123_456_78);
    session.meter_last_wh = Some(f64::MAX);
    session.energy_before_wh = f64::MIN_POSITIVE;
    session.started_at = Timestamp(-1);
    session.last_seq = Some(i64::MAX);
    // 9999-12-31T23:59:59-01:00, which a station may send, is a year of five digits in UTC.
    session.ended_at = Some(Timestamp(253_402_304_399_000));
    let mut commit = sample::commit(&session, "k");
    commit.event.at = Timestamp(253_402_304_399_000);
    commit.event.samples[0].at = Timestamp(253_402_304_399_000);
    commit.event.samples[0].values[0].value = Some(1e-7 + 1e-9);
    commit.event.samples[0].values[1].measurand = Measurand::Other(String::new());
    commit.event.seq = Some(-1);
    let event = commit.event.clone();
    assert_eq!(store.commit_session(commit).await, Ok(Committed::Written));
    assert_eq!(
        store.session(session.id).await.unwrap().as_ref(),
        Some(&session)
    );
    assert_eq!(log_of(store, &session).await, [event]);
}

pub async fn a_repeated_key_writes_nothing_and_names_the_session(store: &impl Store) {
    let session = sample::session("CP1", "1");
    sample::write(store, &session, "k").await;
    let again = store.commit_session(sample::commit(&sample::ended(&session), "k"));
    let repeat = Committed::Repeat(Box::new(session.clone()));
    assert_eq!(again.await, Ok(repeat));
    assert_eq!(
        store.session(session.id).await.unwrap().as_ref(),
        Some(&session)
    );
    assert_eq!(log_of(store, &session).await.len(), 1);
}

pub async fn a_key_is_unique_within_its_station_only(store: &impl Store) {
    let (one, two) = (sample::session("CP1", "1"), sample::session("CP2", "1"));
    sample::write(store, &one, "k").await;
    sample::write(store, &two, "k").await;
    let found = store.session_by_key(&two.station, &sample::key("k")).await;
    assert_eq!(found, Ok(Some(two)));
}

pub async fn a_repeat_that_would_begin_a_session_names_the_first_one(store: &impl Store) {
    let first = sample::session("CP1", "1");
    sample::write(store, &first, "start").await;
    // A 1.6 start sent again, for which the hub has already made up another id and number.
    let second = sample::session("CP1", "2");
    let again = store.commit_session(sample::commit(&second, "start")).await;
    assert_eq!(again, Ok(Committed::Repeat(Box::new(first))));
    assert_eq!(store.session(second.id).await.unwrap(), None);
}

pub async fn a_stale_epoch_is_refused(store: &impl Store) {
    let session = sample::session("CP1", "1");
    let mut commit = sample::commit(&session, "a");
    commit.epoch = 5;
    store.commit_session(commit).await.unwrap();
    let mut late = sample::commit(&sample::ended(&session), "b");
    late.epoch = 4;
    assert_eq!(store.commit_session(late).await, Err(WriteError::Stale));
    assert_eq!(
        store.session(session.id).await.unwrap().as_ref(),
        Some(&session)
    );
    assert_eq!(holder_of(store, &session, "b").await, None);
}

pub async fn a_repeat_is_told_even_to_a_stale_owner(store: &impl Store) {
    let session = sample::session("CP1", "1");
    let mut commit = sample::commit(&session, "a");
    commit.epoch = 5;
    store.commit_session(commit.clone()).await.unwrap();
    commit.epoch = 4;
    let repeat = Committed::Repeat(Box::new(session));
    assert_eq!(store.commit_session(commit).await, Ok(repeat));
}

pub async fn an_epoch_may_stay_or_rise(store: &impl Store) {
    let session = sample::session("CP1", "1");
    for (key, epoch) in [("a", 5), ("b", 5), ("c", 9)] {
        let mut commit = sample::commit(&session, key);
        commit.epoch = epoch;
        assert_eq!(store.commit_session(commit).await, Ok(Committed::Written));
    }
    let mut late = sample::commit(&session, "d");
    late.epoch = 8;
    assert_eq!(store.commit_session(late).await, Err(WriteError::Stale));
    let hydration = store.hydrate(&session.station).await.unwrap();
    assert_eq!(hydration.last_epoch, Some(9));
}

pub async fn a_taken_transaction_name_is_reported(store: &impl Store) {
    let first = sample::session("CP1", "1");
    sample::write(store, &first, "a").await;
    let second = sample::session("CP1", "1");
    let taken = store.commit_session(sample::commit(&second, "b")).await;
    assert_eq!(taken, Ok(Committed::Taken(Box::new(first.clone()))));
    assert_eq!(store.session(second.id).await.unwrap(), None);
    assert_eq!(holder_of(store, &first, "b").await, None);
}

pub async fn a_transaction_name_is_unique_within_its_station_only(store: &impl Store) {
    sample::write(store, &sample::session("CP1", "1"), "a").await;
    let other = sample::session("CP2", "1");
    sample::write(store, &other, "b").await;
    let found = store.session_by_transaction(&other.station, "1").await;
    assert_eq!(found, Ok(Some(other)));
}

pub async fn a_session_cannot_change_its_name_or_its_station(store: &impl Store) {
    let session = sample::session("CP1", "1");
    sample::write(store, &session, "a").await;
    let renamed = Session {
        transaction: "2".into(),
        ..session.clone()
    };
    let moved = Session {
        station: sample::station_id("CP2"),
        ..session.clone()
    };
    for changed in [renamed, moved] {
        let refused = store.commit_session(sample::commit(&changed, "b")).await;
        let is_refused = matches!(refused, Err(WriteError::Refused(_)));
        assert!(is_refused, "{refused:?}");
        assert_eq!(holder_of(store, &changed, "b").await, None);
    }
    assert_eq!(store.session(session.id).await, Ok(Some(session)));
}

pub async fn a_session_without_a_number_for_its_energy_is_not_written(store: &impl Store) {
    let mut session = sample::session("CP1", "1");
    session.energy_wh = f64::NAN;
    let refused = store.commit_session(sample::commit(&session, "a")).await;
    let is_refused = matches!(refused, Err(WriteError::Refused(_)));
    assert!(is_refused, "{refused:?}");
    assert_eq!(store.session(session.id).await, Ok(None));
}

pub async fn a_refused_commit_leaves_no_trace(store: &impl Store) {
    let first = sample::session("CP1", "1");
    sample::write(store, &first, "a").await;
    let taken = sample::session("CP1", "1");
    for _ in 0..2 {
        store
            .commit_session(sample::commit(&taken, "b"))
            .await
            .unwrap();
    }
    // The key of the refused commit is free, and so is the id.
    let renamed = Session {
        transaction: "2".into(),
        ..taken
    };
    sample::write(store, &renamed, "b").await;
    assert_eq!(log_of(store, &first).await.len(), 1);
    assert_eq!(log_of(store, &renamed).await.len(), 1);
}

pub async fn many_commits_at_once_are_all_there(store: &impl Store) {
    let sessions: Vec<Session> = (0..200)
        .map(|n| sample::session(&format!("CP{}", n % 20), &n.to_string()))
        .collect();
    let writes = sessions.iter().map(|session| async move {
        let started = store.commit_session(sample::commit(session, &session.transaction));
        assert_eq!(started.await, Ok(Committed::Written));
        let key = format!("stop {}", session.transaction);
        let stopped = store.commit_session(sample::commit(&sample::ended(session), &key));
        assert_eq!(stopped.await, Ok(Committed::Written));
    });
    join_all(writes.collect()).await;
    for session in &sessions {
        let kept = store.session(session.id).await.unwrap().unwrap();
        assert_eq!(kept, sample::ended(session));
        assert_eq!(log_of(store, session).await.len(), 2);
    }
}

pub async fn one_key_sent_many_times_at_once_is_written_once(store: &impl Store) {
    let writes = (0..50).map(|n: i32| async move {
        let session = sample::session("CP1", &n.to_string());
        store
            .commit_session(sample::commit(&session, "k"))
            .await
            .unwrap()
    });
    let outcomes = join_all(writes.collect()).await;
    let written = outcomes.iter().filter(|it| **it == Committed::Written);
    assert_eq!(written.count(), 1);
    let id = sample::station_id("CP1");
    let open = store.hydrate(&id).await.unwrap().open_sessions;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].state, SessionState::Active);
    for outcome in outcomes {
        let same = matches!(&outcome, Committed::Repeat(session) if **session == open[0]);
        assert!(same || outcome == Committed::Written, "{outcome:?}");
    }
}
