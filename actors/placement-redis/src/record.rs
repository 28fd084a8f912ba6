//! What is written down and said, as text. Pure.

use placement::{Away, Holder, NodeRecord, Reply, Request, SHARDS, ShardId, ShardRecord, Timing};

use crate::{garbage::Garbage, scripts::Question};

/// What `round.lua` answers.
pub(crate) type Answer = (
    i64,
    i64,
    bool,
    bool,
    String,
    String,
    Vec<(i64, Vec<u8>)>,
    Option<Vec<(u16, String)>>,
    Vec<(String, String, String)>,
    u64,
);

/// Tells `round.lua` what a node asks.
pub(crate) fn tell(
    told: &mut Question<'_>,
    request: &Request,
    timing: &Timing,
) -> Result<(), Away> {
    let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    if !is_word(&request.name) || !is_word(&request.address) {
        return Err(Away(
            "a node's name and address must have no blanks".to_owned(),
        ));
    }
    let shards = |shards: &[(ShardId, i64)]| {
        let words = shards.iter();
        let words = words.map(|(shard, epoch)| format!("{}:{epoch}", shard.number()));
        words.collect::<Vec<_>>().join(" ")
    };
    told.arg(&request.name)
        .arg(&request.address)
        .arg(request.process)
        .arg(
            request
                .incarnation
                .map_or("-".to_owned(), |me| me.to_string()),
        )
        .arg(request.chargers)
        .arg(u8::from(request.unwritten))
        .arg(u8::from(request.leaving))
        .arg(u8::from(request.bye))
        .arg(&request.seen)
        .arg(timing.lease_ms)
        .arg(timing.gap_ms)
        .arg(timing.forgive_ms)
        .arg(timing.settle_ms)
        .arg(shards(&request.asserted))
        .arg(shards(&request.given))
        .arg(shards(&request.taken))
        .arg(SHARDS);
    Ok(())
}

/// What a node hears; and what was found that no hub has written, and how much of it.
pub(crate) fn heard(answer: Answer) -> Result<(Reply, Vec<Garbage>, u64), Away> {
    let (now, incarnation, superseded, quiet, memory, state, nodes, table, garbage, count) = answer;
    // The script has left out what cannot be.
    let unread =
        |what: &str, it: &str| Away(format!("Redis told of {what} what cannot be read: {it}"));
    let nodes = nodes.into_iter().map(|(incarnation, text)| {
        let text = String::from_utf8_lossy(&text);
        node(incarnation, &text).ok_or_else(|| unread("a node", &text))
    });
    let shards = table.map(|table| {
        let shards = table.into_iter().map(|(number, text)| {
            let record = ShardId::new(number).zip(shard(&text));
            record.ok_or_else(|| unread("a shard", &text))
        });
        shards.collect::<Result<Vec<_>, _>>()
    });
    let reply = Reply {
        now,
        incarnation,
        superseded,
        quiet,
        memory,
        state,
        nodes: nodes.collect::<Result<_, _>>()?,
        table: shards.transpose()?,
    };
    let garbage = garbage
        .into_iter()
        .map(|(key, field, read)| Garbage { key, field, read });
    Ok((reply, garbage.collect(), count))
}

/// Who holds a charger, by its claim; `None` when it was released.
pub(crate) fn holder(claim: &str) -> Option<Holder> {
    let (epoch, incarnation) = claim.split_once(' ')?;
    Some(Holder {
        epoch: epoch.parse().ok()?,
        incarnation: incarnation.parse().ok()?,
    })
}

fn node(incarnation: i64, text: &str) -> Option<NodeRecord> {
    let mut words = text.split(' ');
    let mut word = || words.next();
    Some(NodeRecord {
        incarnation,
        deadline: word()?.parse().ok()?,
        joined: word()?.parse().ok()?,
        settled: word()?.parse().ok()?,
        flaps: word()?.parse().ok()?,
        leaving: word()? == "1",
        superseded: word()? == "1",
        chargers: word()?.parse().ok()?,
        unwritten: word()? == "1",
        process: word()?.parse().ok()?,
        address: word()?.to_owned(),
        name: word()?.to_owned(),
    })
}

fn shard(text: &str) -> Option<ShardRecord> {
    let (holder, epoch) = text.split_once(' ')?;
    Some(ShardRecord {
        holder: holder.parse().ok(),
        epoch: epoch.parse().ok()?,
    })
}
