//! Rules of lists of sessions and of their logs.
#![expect(missing_docs, reason = "a rule is its name")]

use model::{Session, SessionState};

use super::{sample, walk};
use crate::{PageRequest, SessionFilter, Store};

fn newest_first(mut sessions: Vec<Session>) -> Vec<Session> {
    sessions.sort_by_key(|session| std::cmp::Reverse(session.id));
    sessions
}

pub async fn sessions_come_newest_first_in_pages(store: &impl Store) {
    let mut sessions = Vec::new();
    for n in 0..5 {
        let session = sample::session("CP1", &n.to_string());
        sample::write(store, &session, &n.to_string()).await;
        sessions.push(session);
    }
    let sessions = newest_first(sessions);
    for limit in [1, 2, 5, 9] {
        let all = SessionFilter::default();
        let read = walk(limit, |page| store.sessions(all.clone(), page)).await;
        assert_eq!(read, sessions);
    }
}

pub async fn sessions_are_filtered_by_station_token_and_state_together(store: &impl Store) {
    let mut sessions = Vec::new();
    for n in 0..16 {
        let mut session = sample::session(["CP1", "CP2"][n % 2], &n.to_string());
        match n / 2 % 3 {
            0 => session.token = None,
            1 => session.token.as_mut().unwrap().uid = sample::uid("AAA"),
            _ => session.token.as_mut().unwrap().uid = sample::uid("aAa"),
        }
        if n >= 8 {
            session = sample::ended(&session);
        }
        sample::write(store, &session, &n.to_string()).await;
        sessions.push(session);
    }
    let sessions = newest_first(sessions);
    for station in [None, Some("CP1"), Some("CP9")] {
        for token in [None, Some("aaA"), Some("none")] {
            for state in [None, Some(SessionState::Active), Some(SessionState::Ended)] {
                let filter = SessionFilter {
                    station: station.map(sample::station_id),
                    token: token.map(sample::uid),
                    state,
                };
                let mut expected = sessions.clone();
                expected.retain(|session| {
                    let uid = session.token.as_ref().map(|token| token.uid.folded());
                    station.is_none_or(|station| session.station.as_str() == station)
                        && token.is_none_or(|token| uid == Some(token.to_ascii_lowercase()))
                        && state.is_none_or(|state| session.state == state)
                });
                for limit in [1, 3, 20] {
                    let read = walk(limit, |page| store.sessions(filter.clone(), page)).await;
                    assert_eq!(read, expected, "{filter:?} by {limit}");
                }
            }
        }
    }
}

pub async fn a_session_leaves_the_list_of_open_ones_when_it_ends(store: &impl Store) {
    let session = sample::session("CP1", "1");
    sample::write(store, &session, "start").await;
    let open = SessionFilter {
        state: Some(SessionState::Active),
        ..SessionFilter::default()
    };
    let over = SessionFilter {
        state: Some(SessionState::Ended),
        ..SessionFilter::default()
    };
    assert_eq!(
        walk(9, |page| store.sessions(open.clone(), page))
            .await
            .len(),
        1
    );
    assert_eq!(walk(9, |page| store.sessions(over.clone(), page)).await, []);
    let stopped = sample::ended(&session);
    sample::write(store, &stopped, "stop").await;
    assert_eq!(walk(9, |page| store.sessions(open.clone(), page)).await, []);
    assert_eq!(
        walk(9, |page| store.sessions(over.clone(), page)).await,
        [stopped]
    );
    assert!(
        store
            .hydrate(&session.station)
            .await
            .unwrap()
            .open_sessions
            .is_empty()
    );
}

pub async fn a_session_cursor_stays_valid_while_sessions_begin(store: &impl Store) {
    let mut sessions = Vec::new();
    for n in 0..4 {
        let session = sample::session("CP1", &n.to_string());
        sample::write(store, &session, &n.to_string()).await;
        sessions.push(session);
    }
    let sessions = newest_first(sessions);
    let all = SessionFilter::default();
    let first = store
        .sessions(all.clone(), PageRequest::first(2))
        .await
        .unwrap();
    sample::write(store, &sample::session("CP1", "new"), "new").await;
    let rest = PageRequest {
        limit: 9,
        after: first.next.clone(),
    };
    let rest = store.sessions(all, rest).await.unwrap();
    assert_eq!([first.items, rest.items].concat(), sessions);
    assert_eq!(rest.next, None);
}

pub async fn the_log_of_a_session_comes_in_the_order_it_was_written(store: &impl Store) {
    let (session, other) = (sample::session("CP1", "1"), sample::session("CP1", "2"));
    let mut expected = Vec::new();
    for n in [3, 1, 2, 0, 4] {
        let mut commit = sample::commit(&session, &format!("k{n}"));
        commit.event.at = model::Timestamp(n);
        expected.push(commit.event.clone());
        store.commit_session(commit).await.unwrap();
        sample::write(store, &other, &format!("other {n}")).await;
    }
    for limit in [1, 2, 5, 9] {
        let read = walk(limit, |page| store.session_events(session.id, page)).await;
        assert_eq!(read, expected);
    }
}
