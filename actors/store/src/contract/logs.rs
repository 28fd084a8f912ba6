//! Rules of the lists that are ordered by time: messages, notices, readings.
#![expect(missing_docs, reason = "a rule is its name")]

use model::{Direction, MessageEntry, Timestamp};

use super::{sample, walk};
use crate::{MessageFilter, PageRequest, Store};

async fn actions(store: &impl Store, filter: MessageFilter) -> Vec<String> {
    let id = sample::station_id("CP1");
    let entries: Vec<MessageEntry> =
        walk(2, |page| store.messages(&id, filter.clone(), page)).await;
    entries.into_iter().map(|entry| entry.action).collect()
}

pub async fn messages_come_back_as_they_went_in_the_newest_first(store: &impl Store) {
    let mut entries: Vec<MessageEntry> = (0..5)
        .map(|n| sample::message("CP1", 1_000 + n / 2, &format!("A{n}"), "[3,\"ü\",{}]"))
        .collect();
    entries[3].direction = Direction::Out;
    let mut batch = entries.clone();
    batch.insert(2, sample::message("CP2", 1_001, "Other", ""));
    store.append_messages(batch).await.unwrap();
    store.append_messages(Vec::new()).await.unwrap();
    entries.reverse();
    let id = sample::station_id("CP1");
    for limit in [1, 2, 5, 9] {
        let read = walk(limit, |page| {
            store.messages(&id, MessageFilter::default(), page)
        })
        .await;
        assert_eq!(read, entries);
    }
}

pub async fn a_message_filter_wants_all_it_names(store: &impl Store) {
    let mut entries: Vec<MessageEntry> = ["A", "B", "C", "D"]
        .iter()
        .zip(1..)
        .map(|(action, at)| sample::message("CP1", at, action, "[]"))
        .collect();
    entries[1].direction = Direction::Out;
    entries[2].direction = Direction::Out;
    store.append_messages(entries).await.unwrap();

    let all = MessageFilter::default();
    let from = MessageFilter {
        from: Some(Timestamp(2)),
        ..all.clone()
    };
    assert_eq!(actions(store, from.clone()).await, ["D", "C", "B"]);
    let between = MessageFilter {
        to: Some(Timestamp(4)),
        ..from.clone()
    };
    assert_eq!(actions(store, between.clone()).await, ["C", "B"]);
    let out = MessageFilter {
        direction: Some(Direction::Out),
        ..all.clone()
    };
    assert_eq!(actions(store, out).await, ["C", "B"]);
    let incoming = MessageFilter {
        direction: Some(Direction::In),
        ..from
    };
    assert_eq!(actions(store, incoming).await, ["D"]);
    let named = MessageFilter {
        action: Some("B".into()),
        ..between
    };
    assert_eq!(actions(store, named).await, ["B"]);
    let unknown = MessageFilter {
        action: Some("b".into()),
        ..all
    };
    assert!(actions(store, unknown).await.is_empty());
}

pub async fn message_text_is_found_without_regard_to_ascii_case(store: &impl Store) {
    let entries = vec![
        sample::message(
            "CP1",
            1,
            "A",
            "[2,\"x\",\"Authorize\",{\"idTag\":\"04Ab_1%\"}]",
        ),
        sample::message("CP1", 2, "B", "[2,\"x\",\"Authorize\",{\"idTag\":\"zzz\"}]"),
    ];
    store.append_messages(entries).await.unwrap();
    for (text, expected) in [
        ("04aB", vec!["A"]),
        ("b_1%\"", vec!["A"]),
        ("B%1", vec![]),
        ("AUTHORIZE", vec!["B", "A"]),
        ("", vec!["B", "A"]),
        ("nothing", vec![]),
    ] {
        let filter = MessageFilter {
            text: Some(text.into()),
            ..MessageFilter::default()
        };
        assert_eq!(actions(store, filter).await, expected, "{text:?}");
    }
}

pub async fn a_message_cursor_stays_valid_while_rows_are_added(store: &impl Store) {
    let id = sample::station_id("CP1");
    let append = |at: i64| {
        let entry = sample::message("CP1", at, &format!("A{at}"), "");
        store.append_messages(vec![entry])
    };
    for at in 1..=4 {
        append(at).await.unwrap();
    }
    let read = |page| store.messages(&id, MessageFilter::default(), page);
    let first = read(PageRequest::first(2)).await.unwrap();
    append(5).await.unwrap();
    let rest = PageRequest {
        limit: 9,
        after: first.next,
    };
    let rest = read(rest).await.unwrap();
    let actions: Vec<&str> = first
        .items
        .iter()
        .chain(&rest.items)
        .map(|entry| entry.action.as_str())
        .collect();
    assert_eq!(actions, ["A4", "A3", "A2", "A1"]);
    assert_eq!(rest.next, None);
}

pub async fn pruning_messages_deletes_the_oldest_and_no_more_than_told(store: &impl Store) {
    for at in 1..=5 {
        let entry = sample::message("CP1", at, &format!("A{at}"), "");
        store.append_messages(vec![entry]).await.unwrap();
    }
    assert_eq!(store.prune_messages(Timestamp(4), 2).await, Ok(2));
    let left = actions(store, MessageFilter::default()).await;
    assert_eq!(left, ["A5", "A4", "A3"]);
    assert_eq!(store.prune_messages(Timestamp(4), 9).await, Ok(1));
    assert_eq!(store.prune_messages(Timestamp(4), 9).await, Ok(0));
    let left = actions(store, MessageFilter::default()).await;
    assert_eq!(left, ["A5", "A4"]);
}

pub async fn messages_out_of_order_are_pruned_by_their_time(store: &impl Store) {
    let entries = [9, 1, 8, 2]
        .map(|at| sample::message("CP1", at, &format!("A{at}"), ""))
        .to_vec();
    store.append_messages(entries).await.unwrap();
    assert_eq!(store.prune_messages(Timestamp(5), 2).await, Ok(2));
    let left = actions(store, MessageFilter::default()).await;
    assert_eq!(left, ["A9", "A8"]);
}

pub async fn notices_come_back_by_action_the_newest_first(store: &impl Store) {
    let id = sample::station_id("CP1");
    let notices: Vec<_> = ["NotifyEvent", "NotifyReport", "NotifyEvent"]
        .iter()
        .zip([1, 2, 2])
        .map(|(action, at)| sample::notice(action, at))
        .collect();
    for notice in &notices {
        store.record_notice(&id, notice.clone()).await.unwrap();
    }
    let others = sample::station_id("CP2");
    let other = sample::notice("NotifyEvent", 3);
    store.record_notice(&others, other).await.unwrap();
    let [first, second, third] = notices.try_into().unwrap();
    for limit in [1, 2, 9] {
        let events = Some("NotifyEvent".to_owned());
        let read = walk(limit, |page| store.notices(&id, events.clone(), page)).await;
        assert_eq!(read, [third.clone(), first.clone()]);
        let read = walk(limit, |page| store.notices(&id, None, page)).await;
        assert_eq!(read, [third.clone(), second.clone(), first.clone()]);
    }
}

pub async fn pruning_notices_deletes_the_oldest_and_no_more_than_told(store: &impl Store) {
    let id = sample::station_id("CP1");
    for at in 1..=4 {
        let notice = sample::notice("NotifyEvent", at);
        store.record_notice(&id, notice).await.unwrap();
    }
    assert_eq!(store.prune_notices(Timestamp(4), 2).await, Ok(2));
    assert_eq!(store.prune_notices(Timestamp(4), 2).await, Ok(1));
    assert_eq!(store.prune_notices(Timestamp(4), 2).await, Ok(0));
    let left = walk(9, |page| store.notices(&id, None, page)).await;
    assert_eq!(left, [sample::notice("NotifyEvent", 4)]);
}

pub async fn a_repeated_reading_changes_nothing(store: &impl Store) {
    let (one, two) = (sample::station_id("CP1"), sample::station_id("CP2"));
    let first = sample::reading("k", 1);
    store.record_reading(&one, first.clone()).await.unwrap();
    store
        .record_reading(&one, sample::reading("k", 2))
        .await
        .unwrap();
    assert_eq!(walk(9, |page| store.readings(&one, page)).await, [first]);
    let others = sample::reading("k", 3);
    store.record_reading(&two, others.clone()).await.unwrap();
    assert_eq!(walk(9, |page| store.readings(&two, page)).await, [others]);
}

pub async fn readings_come_newest_first_in_pages(store: &impl Store) {
    let id = sample::station_id("CP1");
    let mut readings: Vec<_> = [3, 1, 2, 2]
        .iter()
        .enumerate()
        .map(|(n, at)| sample::reading(&format!("k{n}"), *at))
        .collect();
    for reading in &readings {
        store.record_reading(&id, reading.clone()).await.unwrap();
    }
    // Stable, so that of two of one time the one written last comes first.
    readings.reverse();
    readings.sort_by_key(|reading| std::cmp::Reverse(reading.received_at));
    for limit in [1, 2, 4, 9] {
        assert_eq!(
            walk(limit, |page| store.readings(&id, page)).await,
            readings
        );
    }
}

pub async fn a_text_that_is_no_cursor_gives_an_empty_page(store: &impl Store) {
    let id = sample::station_id("CP1");
    let entry = sample::message("CP1", 1, "A", "");
    store.append_messages(vec![entry]).await.unwrap();
    store
        .record_reading(&id, sample::reading("k", 1))
        .await
        .unwrap();
    store.put_command(sample::command("CP1")).await.unwrap();
    let session = sample::session("CP1", "1");
    sample::write(store, &session, "k").await;
    let page = PageRequest {
        limit: 9,
        after: Some("not a cursor".into()),
    };
    let messages = store.messages(&id, MessageFilter::default(), page.clone());
    assert!(messages.await.unwrap().items.is_empty());
    assert!(
        store
            .readings(&id, page.clone())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(
        store
            .commands(&id, page.clone())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let events = store.session_events(session.id, page.clone());
    assert!(events.await.unwrap().items.is_empty());
    let sessions = store.sessions(crate::SessionFilter::default(), page);
    assert!(sessions.await.unwrap().items.is_empty());
}
