//! Hubs that die or are replaced at any step of a commit. A commit is driven so many steps and then dropped,
//! or held while another hub goes on, for every number of steps it has. Whatever happens, what was
//! acknowledged is in the log once, what was not can be sent again and then is, and the snapshot is the
//! one that the log's last entry led to.

mod common;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use model::{Session, SessionId, SessionState, Timestamp};
use store::{
    Committed, PageRequest, SessionCommit, SessionFilter, SessionStore, StationStore, WriteError,
    contract::sample,
};
use store_scylla::ScyllaStore;

const KEYSPACE: &str = "interleavings";
/// No commit takes more steps than this.
const MOST_STEPS: usize = 200;

/// Another hub on the same keyspace.
async fn hub() -> ScyllaStore {
    let opened = ScyllaStore::open(&common::options(KEYSPACE)).await;
    opened.unwrap_or_else(|error| panic!("{error}"))
}

/// Drives a future for so many steps; what it came to, if it did.
async fn steps<F: Future>(mut future: Pin<&mut F>, mut left: usize) -> Option<F::Output> {
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// The start of the transaction `name`: the same message is the same session.
fn start(station: &str, name: &str) -> SessionCommit {
    let station = sample::station_id(station);
    let key = sample::key(&format!("start {name}"));
    let session = Session {
        id: SessionId::of_first(&station, &key, Timestamp(1_790_000_000_000)),
        energy_wh: 0.0,
        ..sample::session(station.as_str(), name)
    };
    sample::commit(&session, &key.0)
}

/// A later message of that session: the `n`th meter value, so that the snapshot tells which was last.
fn meter(of: &Session, n: u32, epoch: i64) -> SessionCommit {
    let session = Session {
        energy_wh: f64::from(n),
        ..of.clone()
    };
    SessionCommit {
        epoch,
        ..sample::commit(&session, &format!("{} meter {n}", of.transaction))
    }
}

/// The keys of a session's log, after checking that they are unique and the snapshot is of the last.
async fn log(hub: &ScyllaStore, id: SessionId) -> Vec<String> {
    let session = hub
        .session(id)
        .await
        .unwrap()
        .expect("the session is there");
    let log = hub.session_events(id, PageRequest::first(100)).await;
    let keys: Vec<String> = log
        .unwrap()
        .items
        .into_iter()
        .map(|it| it.retry_key.0)
        .collect();
    let mut unique = keys.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(
        unique.len(),
        keys.len(),
        "a message is there twice: {keys:?}"
    );
    let last = keys.last().expect("an entry");
    let told = last
        .rsplit_once("meter ")
        .map_or(0.0, |(_, n)| n.parse().unwrap());
    assert_eq!(
        session.energy_wh, told,
        "the snapshot is not that of {last}"
    );
    keys
}

async fn written(hub: &ScyllaStore, commit: SessionCommit) {
    assert_eq!(hub.commit_session(commit).await, Ok(Committed::Written));
}

/// As a station does: again, until it is answered. What the hub decides on is read anew each time.
async fn until_answered(
    hub: &ScyllaStore,
    commit: impl Fn(Session) -> SessionCommit,
    first: &SessionCommit,
) {
    for _ in 0..5 {
        let name = &first.session.transaction;
        let read = hub
            .session_by_transaction(&first.session.station, name)
            .await;
        let commit = match read.unwrap() {
            Some(session) => commit(session),
            None => first.clone(),
        };
        if hub.commit_session(commit).await.is_ok() {
            return;
        }
    }
    panic!("the message is not taken");
}

#[tokio::test]
async fn a_hub_that_dies_at_any_step_of_a_start_leaves_one_session() {
    let one = common::empty(KEYSPACE).await;
    let other = hub().await;
    for left in 0..MOST_STEPS {
        let start = start("CP1", &left.to_string());
        let done = {
            let commit = pin!(one.commit_session(start.clone()));
            steps(commit, left).await
        };
        // The station sends it to another hub.
        let again = SessionCommit {
            epoch: 2,
            ..start.clone()
        };
        let outcome = other.commit_session(again).await;
        let id = start.session.id;
        match outcome.expect("it is taken") {
            Committed::Written => assert_eq!(done, None),
            Committed::Repeat(session) => assert_eq!(session.id, id),
            Committed::Taken(session) => panic!("taken by {session:?}"),
        }
        assert_eq!(
            log(&other, id).await,
            std::slice::from_ref(&start.event.retry_key.0)
        );
        // And it goes on there, and is over, wherever one looks.
        let mut over = meter(&start.session, 1, 2);
        over.session.state = SessionState::Ended;
        written(&other, over).await;
        assert_eq!(log(&other, id).await.len(), 2);
        let hydration = other.hydrate(&start.session.station).await.unwrap();
        assert_eq!(hydration.open_sessions, []);
        assert_eq!(hydration.last_epoch, Some(2));
        let all = SessionFilter {
            station: Some(start.session.station.clone()),
            ..Default::default()
        };
        let newest = other.sessions(all, PageRequest::first(500)).await.unwrap();
        assert_eq!(newest.items.len(), left + 1);
        if let Some(done) = done {
            assert_eq!(done, Ok(Committed::Written));
            return;
        }
    }
    panic!("a start takes more than {MOST_STEPS} steps");
}

#[tokio::test]
async fn a_hub_that_dies_at_any_step_of_a_message_loses_and_doubles_none() {
    let one = common::empty(KEYSPACE).await;
    for left in 0..MOST_STEPS {
        let start = start("CP1", &left.to_string());
        written(&one, start.clone()).await;
        written(&one, meter(&start.session, 1, 1)).await;
        let done = {
            let commit = pin!(one.commit_session(meter(&start.session, 2, 1)));
            steps(commit, left).await
        };
        // The station sends it again: here, where what was dropped may still arrive, then elsewhere.
        for epoch in [1, 2] {
            until_answered(&one, |_| meter(&start.session, 2, epoch), &start).await;
            let name = &start.session.transaction;
            let expected = [
                format!("start {name}"),
                format!("{name} meter 1"),
                format!("{name} meter 2"),
            ];
            assert_eq!(log(&one, start.session.id).await, expected);
        }
        if let Some(done) = done {
            assert_eq!(done, Ok(Committed::Written));
            return;
        }
    }
    panic!("a commit takes more than {MOST_STEPS} steps");
}

#[tokio::test]
async fn an_owner_that_is_replaced_at_any_step_overwrites_nothing_that_was_acknowledged() {
    let old = common::empty(KEYSPACE).await;
    let new = hub().await;
    for left in 0..MOST_STEPS {
        let start = start("CP1", &left.to_string());
        written(&old, start.clone()).await;
        written(&old, meter(&start.session, 1, 1)).await;
        let mut late = pin!(old.commit_session(meter(&start.session, 2, 1)));
        let mut done = steps(late.as_mut(), left).await;
        let is_last = done.is_some();
        // The station has come to another hub, whose clock is behind, and goes on there.
        until_answered(&new, |_| meter(&start.session, 3, 2), &start).await;
        if done.is_none() {
            done = Some(late.await);
        }
        let name = &start.session.transaction;
        let keys = log(&new, start.session.id).await;
        assert!(keys.contains(&format!("{name} meter 3")), "{keys:?}");
        let has_late = keys.contains(&format!("{name} meter 2"));
        match done.expect("it came to an end") {
            Ok(Committed::Written) => assert!(has_late, "acknowledged and lost: {keys:?}"),
            Err(WriteError::NotWritten(_) | WriteError::Stale) => assert!(!has_late, "{keys:?}"),
            Err(WriteError::Unknown(_) | WriteError::Outdated) => {}
            other => panic!("{other:?}"),
        }
        // What the station was not answered it sends again.
        until_answered(&new, |_| meter(&start.session, 2, 2), &start).await;
        until_answered(&new, |_| meter(&start.session, 4, 2), &start).await;
        assert_eq!(log(&new, start.session.id).await.len(), 5);
        if is_last {
            return;
        }
    }
    panic!("a commit takes more than {MOST_STEPS} steps");
}

#[tokio::test]
async fn two_hubs_that_race_for_one_start_make_one_session() {
    let one = common::empty(KEYSPACE).await;
    let other = hub().await;
    for round in 0..30 {
        let first = start("CP1", &round.to_string());
        // The hubs may have given it another number, and so another name; or the same.
        let mut second = SessionCommit {
            epoch: 2,
            ..first.clone()
        };
        if round % 2 == 0 {
            second.session = Session {
                id: SessionId::fresh(),
                transaction: format!("{round} elsewhere"),
                ..second.session
            };
        }
        let (here, there) = tokio::join!(
            one.commit_session(first.clone()),
            other.commit_session(second.clone())
        );
        let of = |outcome, own: &SessionCommit| match outcome {
            Ok(Committed::Written) => own.session.id,
            Ok(Committed::Repeat(session)) => session.id,
            other => panic!("{other:?}"),
        };
        let id = of(here, &first);
        assert_eq!(of(there, &second), id, "each has a session of its own");
        assert_eq!(log(&one, id).await.len(), 1);
        let station = &first.session.station;
        let hydration = other.hydrate(station).await.unwrap();
        assert_eq!(hydration.open_sessions.len(), round + 1);
    }
}

#[tokio::test]
async fn two_hubs_that_both_believe_to_own_a_session_lose_nothing() {
    let one = common::empty(KEYSPACE).await;
    let other = hub().await;
    let start = start("CP1", "1");
    written(&one, start.clone()).await;
    let mut acknowledged = vec![start.event.retry_key.0.clone()];
    for n in 1..40 {
        // One epoch for both, as after a restart: they fight for each turn.
        let (here, there) = tokio::join!(
            one.commit_session(meter(&start.session, 2 * n, 1)),
            other.commit_session(meter(&start.session, 2 * n + 1, 1)),
        );
        for (outcome, n) in [(here, 2 * n), (there, 2 * n + 1)] {
            match outcome {
                Ok(Committed::Written) => acknowledged.push(format!("1 meter {n}")),
                Ok(other) => panic!("{other:?}"),
                Err(error) => assert!(!matches!(error, WriteError::Refused(_)), "{error}"),
            }
        }
        let keys = log(&one, start.session.id).await;
        for key in &acknowledged {
            assert!(
                keys.contains(key),
                "{key} was acknowledged and is lost: {keys:?}"
            );
        }
    }
    // Neither keeps the other out for good.
    for (hub, n) in [(&*one, 100), (&other, 101), (&*one, 102)] {
        until_answered(hub, |_| meter(&start.session, n, 1), &start).await;
        let keys = log(hub, start.session.id).await;
        assert_eq!(keys.last(), Some(&format!("1 meter {n}")));
    }
}

#[tokio::test]
async fn who_decided_on_an_old_state_is_told_to_read_again() {
    let old = common::empty(KEYSPACE).await;
    let new = hub().await;
    let start = start("CP1", "1");
    written(&old, start.clone()).await;
    let read = new.hydrate(&start.session.station).await.unwrap();
    assert_eq!(read.open_sessions, std::slice::from_ref(&start.session));
    written(&old, meter(&start.session, 1, 1)).await;
    let outcome = new.commit_session(meter(&start.session, 2, 2)).await;
    assert_eq!(outcome, Err(WriteError::Outdated));
    let read = new
        .session_by_transaction(&start.session.station, "1")
        .await;
    assert_eq!(read.unwrap().unwrap().energy_wh, 1.0);
    written(&new, meter(&start.session, 2, 2)).await;
    assert_eq!(log(&new, start.session.id).await.len(), 3);
    let stale = old.commit_session(meter(&start.session, 3, 1)).await;
    assert!(stale.is_err(), "{stale:?}");
    assert_eq!(log(&new, start.session.id).await.len(), 3);
}

#[tokio::test]
async fn a_stale_end_does_not_hide_a_session_that_goes_on() {
    let old = common::empty(KEYSPACE).await;
    let new = hub().await;
    let start = start("CP1", "1");
    written(&old, start.clone()).await;
    written(&new, meter(&start.session, 1, 2)).await;
    let mut end = meter(&start.session, 2, 1);
    end.session.state = SessionState::Ended;
    let outcome = old.commit_session(end).await;
    assert!(outcome.is_err(), "{outcome:?}");
    let hydration = new.hydrate(&start.session.station).await.unwrap();
    assert_eq!(hydration.open_sessions.len(), 1);
}
