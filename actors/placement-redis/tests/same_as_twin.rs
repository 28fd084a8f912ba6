//! `round.lua` plays by the same rules as `Arbiter`: both are asked the same, at the same times by Redis's clock,
//! and answer the same.

mod common;

use std::time::Duration;

use placement::{Arbiter, Backend, Reply, Request, ShardId, Timing};
use placement_redis::RedisBackend;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// In what a run of rounds can go through all there is.
const TIMING: Timing = Timing {
    lease_ms: 60,
    fence_ms: 40,
    round_ms: 10,
    settle_ms: 20,
    gap_ms: 40,
    forgive_ms: 300,
    moves_at_once: 64,
};

/// What a node knows, so that it can ask something that makes a difference.
struct Asker {
    name: String,
    process: u64,
    incarnation: Option<i64>,
    state: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_answers_as_the_rule_book_does() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let servers = common::Servers::up("single");
    let backend = RedisBackend::new(&servers.options()).expect("it can be addressed");
    let mut twin = Arbiter::default();
    let mut askers: Vec<Asker> = (0..4u64)
        .map(|n| Asker {
            // Two of one name.
            name: format!("hub-{}", n.min(2)),
            process: n,
            incarnation: None,
            state: String::new(),
        })
        .collect();
    let mut known: Vec<(ShardId, i64)> = Vec::new();
    let mut seen = [0usize; 6];
    for round in 0..1_200u64 {
        // One is silent, for longer than its lease.
        let silent = (round / 60) as usize % askers.len();
        let asker = (silent + rng.random_range(1..askers.len())) % askers.len();
        if rng.random_ratio(1, 40) {
            askers[asker].incarnation = None;
            askers[asker].process = 1_000 + round;
        }
        if rng.random_ratio(1, 300) {
            common::cli(servers.port(), &["flushall"]);
            twin = Arbiter::default();
        }
        let is_garbled = rng.random_ratio(1, 40);
        if is_garbled {
            let node = askers[asker].incarnation.filter(|_| rng.random());
            let shard = known.first().map(|(shard, _)| *shard);
            garble(servers.port(), &mut twin, node, shard);
        }
        let mut request = request(&mut rng, &askers[asker], &known);
        if is_garbled {
            // It has the shards looked at.
            request.seen.clear();
        }
        if rng.random_ratio(1, 60) {
            // Its first question, heard late.
            request.incarnation = None;
        }
        let reply = backend.round(&request, &TIMING).await.expect("it answers");
        let mut expected = twin.round(&request, &TIMING, 1, reply.now);
        // What they call their memory is theirs; that they tell the table at the same times is looked at.
        let told_alike =
            expected.table.is_some() || request.seen.is_empty() || request.seen != reply.state;
        assert!(told_alike, "round {round}");
        expected.memory.clone_from(&reply.memory);
        expected.state.clone_from(&reply.state);
        let reply = sorted(reply);
        if reply.table.is_none() {
            expected.table = None;
        }
        assert_eq!(reply, sorted(expected), "round {round} of {request:?}");
        let things = [
            reply.quiet,
            !reply.quiet,
            reply.superseded,
            reply.nodes.iter().any(|node| node.flaps > 1),
            reply.nodes.iter().any(|node| !node.is_alive(reply.now)),
            !reply.quiet && !request.taken.is_empty(),
        ];
        for (count, thing) in seen.iter_mut().zip(things) {
            *count += usize::from(thing);
        }
        askers[asker].incarnation.get_or_insert(reply.incarnation);
        askers[asker].state = reply.state;
        if let Some(table) = reply.table {
            known = table
                .iter()
                .map(|(shard, record)| (*shard, record.epoch))
                .collect();
        }
        // At times for so long that nobody can have renewed a lease.
        let pause = if rng.random_ratio(1, 100) {
            50
        } else {
            rng.random_range(0..8)
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    eprintln!("seen: quiet, not, superseded, flapped, dead, taken: {seen:?}");
    assert!(seen.iter().all(|count| *count > 8), "{seen:?}");
}

/// Writes over what is written down of a node and a shard.
fn garble(port: u16, twin: &mut Arbiter, node: Option<i64>, shard: Option<ShardId>) {
    let lost = node.map(|node| ("nodes", node));
    let lost = lost.or(shard.map(|shard| ("shards", i64::from(shard.number()))));
    let Some((key, field)) = lost else {
        return;
    };
    let key = format!("switchyard:{{hubs}}:{key}");
    common::cli(port, &["hset", &key, &field.to_string(), "garbage"]);
    let shards = shard.filter(|_| node.is_none());
    twin.lose(node.as_slice(), shards.as_slice());
}

fn request(rng: &mut StdRng, asker: &Asker, known: &[(ShardId, i64)]) -> Request {
    let shard = |rng: &mut StdRng| ShardId::new(rng.random_range(0..12)).expect("there is one");
    let epoch_of = |rng: &mut StdRng| {
        let shard = shard(rng);
        let epoch = known.iter().find(|(known, _)| *known == shard);
        let epoch = epoch.map_or(1_000, |(_, epoch)| *epoch);
        (shard, epoch + [0, 0, 1, -1][rng.random_range(0..4)])
    };
    let some = |rng: &mut StdRng| (0..rng.random_range(0..4)).map(|_| epoch_of(rng)).collect();
    Request {
        name: asker.name.clone(),
        address: format!("10.0.0.{}:1", rng.random_range(0..3)),
        process: asker.process,
        incarnation: asker.incarnation,
        chargers: rng.random_range(0..100_000),
        unwritten: rng.random_ratio(1, 3),
        leaving: rng.random_ratio(1, 5),
        bye: rng.random_ratio(1, 30),
        seen: if rng.random_ratio(1, 2) {
            asker.state.clone()
        } else {
            String::new()
        },
        asserted: some(rng),
        given: some(rng),
        taken: some(rng),
    }
}

fn sorted(mut reply: Reply) -> Reply {
    reply.nodes.sort_by_key(|node| node.incarnation);
    if let Some(table) = &mut reply.table {
        table.sort_by_key(|(shard, _)| *shard);
    }
    reply
}
