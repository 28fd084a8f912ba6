//! Rules of commands.
#![expect(missing_docs, reason = "a rule is its name")]

use model::{CommandId, CommandRecord, CommandState, Timestamp};

use super::{sample, walk};
use crate::Store;

fn answered(record: &CommandRecord) -> CommandRecord {
    CommandRecord {
        state: CommandState::Answered,
        answer: Some(serde_json::json!({ "status": "Accepted" })),
        finished_at: Some(Timestamp(2_000)),
        ..record.clone()
    }
}

pub async fn a_command_is_kept_in_its_latest_state(store: &impl Store) {
    let queued = sample::command("CP1");
    store.put_command(queued.clone()).await.unwrap();
    assert_eq!(
        store.command(queued.id).await.unwrap().as_ref(),
        Some(&queued)
    );
    let done = answered(&queued);
    store.put_command(done.clone()).await.unwrap();
    assert_eq!(store.command(queued.id).await.unwrap(), Some(done));
    assert_eq!(store.command(CommandId::fresh()).await.unwrap(), None);
}

pub async fn a_final_command_is_never_replaced_by_an_unfinished_one(store: &impl Store) {
    let mut late = sample::command("CP1");
    let done = answered(&late);
    store.put_command(done.clone()).await.unwrap();
    for state in [CommandState::Queued, CommandState::Sent] {
        late.state = state;
        store.put_command(late.clone()).await.unwrap();
        assert_eq!(store.command(late.id).await.unwrap().as_ref(), Some(&done));
    }
}

pub async fn a_final_command_may_be_replaced_by_a_final_one(store: &impl Store) {
    let mut expired = sample::command("CP1");
    expired.state = CommandState::Expired;
    store.put_command(expired.clone()).await.unwrap();
    let done = answered(&expired);
    store.put_command(done.clone()).await.unwrap();
    assert_eq!(store.command(done.id).await.unwrap(), Some(done));
}

pub async fn the_commands_of_a_station_come_newest_first(store: &impl Store) {
    let mut own = Vec::new();
    for _ in 0..5 {
        own.push(sample::command("CP1"));
        store.put_command(own[own.len() - 1].clone()).await.unwrap();
        store.put_command(sample::command("CP2")).await.unwrap();
    }
    own.sort_by_key(|record| std::cmp::Reverse(record.id));
    let id = sample::station_id("CP1");
    for limit in [1, 2, 5, 9] {
        assert_eq!(walk(limit, |page| store.commands(&id, page)).await, own);
    }
}

pub async fn unfinished_commands_are_brought_to_their_end(store: &impl Store) {
    let queued = sample::command("CP1");
    let mut sent = sample::command("CP2");
    sent.state = CommandState::Sent;
    let done = answered(&sample::command("CP3"));
    for record in [&queued, &sent, &done] {
        store.put_command(record.clone()).await.unwrap();
    }
    let reason = "the hub was restarted";
    assert_eq!(store.close_unfinished_commands(reason).await, Ok(2));
    assert_eq!(store.close_unfinished_commands(reason).await, Ok(0));
    for record in [queued, sent] {
        let closed = store.command(record.id).await.unwrap().unwrap();
        let expected = CommandRecord {
            state: CommandState::Expired,
            error: Some(reason.into()),
            ..record
        };
        assert_eq!(closed, expected);
    }
    assert_eq!(store.command(done.id).await.unwrap(), Some(done));
}
