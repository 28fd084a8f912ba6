//! Hubs that act as one, and what befalls them besides kills.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};

use super::{Hubs, RealHistory, blocking, free_address};
use crate::HubProcess;

#[path = "../../../../actors/placement-redis/tests/common/servers.rs"]
mod servers;

pub(super) use self::servers::Servers;
use self::servers::cli;

/// What befalls hubs that act as one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Blow {
    /// A hub stands still, for less than a lease of its sites or for longer, and goes on where it was.
    Freeze,
    /// Redis is killed, and is back a little later, with nothing.
    RedisAway,
    /// Redis forgets everything.
    RedisForgets,
}

/// What befalls them in a history of so many kills.
pub(super) fn blows(kills: u32) -> impl Iterator<Item = Blow> {
    let all = [Blow::Freeze, Blow::RedisAway, Blow::RedisForgets];
    all.into_iter()
        .cycle()
        .take(usize::try_from(kills).expect("not so many").max(3))
}

impl Hubs {
    /// The hubs of a history, on a Redis and a keyspace that they share.
    pub(super) fn as_one(history: &RealHistory) -> Self {
        let redis = Servers::up("single");
        let mut processes: Vec<HubProcess> = Vec::new();
        for number in 0..history.hubs {
            let (name, address) = (format!("hub-{number}"), free_address());
            let mut settings = vec![
                ("CLUSTER__REDIS", redis.url()),
                ("CLUSTER__NAME", &name),
                ("CLUSTER__ADDRESS", &address),
            ];
            let first = processes.first();
            let keyspace = first.and_then(|hub| hub.setting("STORE__KEYSPACE"));
            settings.extend(keyspace.map(|keyspace| ("STORE__KEYSPACE", keyspace)));
            let hub = history.start_one(&settings);
            processes.push(hub);
        }
        Self {
            processes,
            redis: Some(redis),
        }
    }
}

/// Lets it befall that hub, or the Redis of all.
pub(super) async fn strike(
    blow: Blow,
    hub: &HubProcess,
    redis: Option<&Servers>,
    chance: &mut StdRng,
) {
    let redis = redis.expect("hubs that act as one have a Redis");
    let port = redis.port();
    match blow {
        Blow::Freeze => {
            hub.signal("-STOP");
            tokio::time::sleep(Duration::from_millis(chance.random_range(500..25_000))).await;
            hub.signal("-CONT");
        }
        Blow::RedisAway => {
            redis.signal(port, "-KILL");
            tokio::time::sleep(Duration::from_millis(chance.random_range(100..8_000))).await;
            redis.restart(port);
        }
        Blow::RedisForgets => {
            // A Redis that was just killed may still be starting.
            let forgotten = blocking(move || {
                (0..100).any(|_| {
                    std::thread::sleep(Duration::from_millis(50));
                    cli(port, &["ping"]) == "PONG" && cli(port, &["flushall"]) == "OK"
                })
            });
            assert!(forgotten.await, "Redis does not forget");
        }
    }
}
