//! With ten million sessions and a hundred million messages, no list may walk a table or sort one.

use model::{DeadLetterId, SessionState, Timestamp};
use rusqlite::Connection;
use store::{MessageFilter, SessionFilter, contract::sample};

use crate::{dead_letter, message, schema, select::Select, session_read};

fn database() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    schema::migrate(&mut db, std::path::Path::new("memory")).unwrap();
    db
}

fn assert_direct(db: &Connection, select: Select, order: &str, index: &str) {
    let plan = select.plan(db, order);
    let main = &plan[0];
    assert!(main.contains(index), "{index} is not used: {plan:#?}");
    for step in &plan {
        assert!(!step.contains("TEMP B-TREE"), "sorts: {plan:#?}");
        let walks = step.starts_with("SCAN") && !step.contains("USING INDEX");
        assert!(!walks, "walks a table: {plan:#?}");
    }
}

#[test]
fn every_filter_of_sessions_has_its_index() {
    let db = database();
    let (active, ended) = (Some(SessionState::Active), Some(SessionState::Ended));
    for (station, token, state, index) in [
        (false, false, None, "sqlite_autoindex_sessions_1"),
        (false, false, active, "sessions_open "),
        (false, false, ended, "sessions_ended"),
        (true, false, None, "sessions_by_station"),
        (true, false, active, "sessions_open_by_station"),
        (true, false, ended, "sessions_by_station"),
        (false, true, None, "sessions_by_token"),
        (false, true, active, "sessions_open_by_token"),
        (false, true, ended, "sessions_by_token"),
        (true, true, None, "sessions_by_station"),
        (true, true, active, "sessions_open_by_station"),
    ] {
        for after in [None, Some(vec![7_u8; 16])] {
            let mut select = session_read::select_sessions(&SessionFilter {
                station: station.then(|| sample::station_id("CP1")),
                token: token.then(|| sample::uid("A")),
                state,
            });
            // The first page of all open sessions has nothing to seek by: it walks the index of them.
            let index = if after.is_some() {
                index
            } else {
                index.trim_end()
            };
            select.and_if("id < ?", after);
            assert_direct(&db, select, "id DESC", index);
        }
    }
}

#[test]
fn messages_are_found_by_station_and_time() {
    let db = database();
    let filter = MessageFilter {
        from: Some(Timestamp(1)),
        to: Some(Timestamp(2)),
        text: Some("x".into()),
        ..MessageFilter::default()
    };
    let select = message::select(&sample::station_id("CP1"), filter);
    let index = "messages_by_station (station=? AND at>? AND at<?)";
    assert_direct(&db, select, "at DESC, no DESC", index);
}

#[test]
fn dead_letters_are_found_by_id() {
    let db = database();
    for after in [None, Some(DeadLetterId::fresh())] {
        let select = dead_letter::select(after);
        let index = "sqlite_autoindex_dead_letters_1";
        assert_direct(&db, select, dead_letter::NEWEST_FIRST, index);
    }
}
