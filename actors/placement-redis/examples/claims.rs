//! What placement costs: Redis's CPU and memory per claim, and what a claim adds to a connect.
//!
//! `deploy/dev/redis up`, then
//! `env $(deploy/dev/redis env) cargo run --release -p placement-redis --example claims [chargers]`
//!
//! One node claims all chargers one after the other (what a lone connect waits for), then all at once from 256
//! sockets (a storm), then hops them to another node (with notices), and releases them.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use model::StationId;
use placement::{Event, Node, Placement, Settings};
use placement_redis::{Options, RedisBackend};
use redis::{Client, Cmd};

/// Sockets that open at once.
const AT_ONCE: usize = 256;
/// Claims that are made one after the other.
const ALONE: usize = 5_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REDIS_URL")?;
    let chargers = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |text| text.parse())?;
    let stations: Arc<Vec<StationId>> = Arc::new(
        (0..chargers)
            .map(|n| StationId::new(&format!("SIM-{n:06}")))
            .collect::<Result<_, _>>()?,
    );
    let mut redis = Redis::connect(&url).await?;
    redis.empty().await?;
    let [a, b] = ["hub-a", "hub-b"].map(|name| node(&url, name));
    let (a, b) = (a?, b?);
    for node in [&a, &b] {
        while node.view().incarnation.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut events = node.events().ok_or("taken")?;
        let evicted = Arc::clone(&node.evicted);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if matches!(event, Event::Evicted { .. }) {
                    evicted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let mut out = std::io::stdout();

    let mut waits = Vec::new();
    for station in stations.iter().cycle().take(ALONE) {
        let begun = Instant::now();
        a.claim(station, now()).await;
        waits.push(begun.elapsed());
    }
    waits.sort_unstable();
    let at = |share: f64| waits[((ALONE - 1) as f64 * share) as usize];
    writeln!(
        out,
        "one after the other: a claim takes {:?} (median), {:?} (99 %)",
        at(0.5),
        at(0.99)
    )?;
    redis.empty().await?;

    let before = redis.measure().await?;
    let (took, provisional) = storm(&a, &stations).await?;
    let after = redis.measure().await?;
    writeln!(
        out,
        "{chargers} claims at once: {took:.2?}, {provisional} provisional; Redis {:.1} µs of CPU a claim, {} bytes a charger",
        (after.cpu_us - before.cpu_us) / chargers as f64,
        (after.bytes - before.bytes) / chargers as u64,
    )?;

    let before = after;
    let (took, provisional) = storm(&b, &stations).await?;
    let begun = Instant::now();
    while a.view().chargers_here > 0 && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let after = redis.measure().await?;
    writeln!(
        out,
        "all hop to another node: {took:.2?}, {provisional} provisional; Redis {:.1} µs of CPU a hop; {} evictions told, the last {:.2?} after the last claim",
        (after.cpu_us - before.cpu_us) / chargers as f64,
        a.evicted.load(Ordering::Relaxed),
        begun.elapsed(),
    )?;
    writeln!(out, "left at the old node: {}", a.view().chargers_here)?;
    Ok(())
}

/// All chargers connect, from many sockets at once. How long it took, and how many claims were provisional.
async fn storm(
    node: &BenchNode,
    stations: &Arc<Vec<StationId>>,
) -> Result<(Duration, usize), Box<dyn std::error::Error>> {
    let next = Arc::new(AtomicUsize::new(0));
    let provisional = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let sockets: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (node, stations) = (Arc::clone(&node.node), Arc::clone(stations));
            let (next, provisional) = (Arc::clone(&next), Arc::clone(&provisional));
            tokio::spawn(async move {
                while let Some(station) = stations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let claim = node.claim(station, now()).await;
                    provisional.fetch_add(usize::from(claim.provisional), Ordering::Relaxed);
                }
            })
        })
        .collect();
    for socket in sockets {
        socket.await?;
    }
    Ok((begun.elapsed(), provisional.load(Ordering::Relaxed)))
}

struct BenchNode {
    node: Arc<Node<RedisBackend>>,
    evicted: Arc<AtomicUsize>,
}

impl std::ops::Deref for BenchNode {
    type Target = Node<RedisBackend>;

    fn deref(&self) -> &Self::Target {
        &self.node
    }
}

fn node(url: &str, name: &str) -> Result<BenchNode, Box<dyn std::error::Error>> {
    let backend = RedisBackend::new(&Options::from_url(url)?)?;
    Ok(BenchNode {
        node: Arc::new(Node::start(backend, Settings::new(name, "127.0.0.1:1"))),
        evicted: Arc::default(),
    })
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |time| {
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    })
}

/// A connection to look at Redis itself.
struct Redis(redis::aio::MultiplexedConnection);

struct Measured {
    cpu_us: f64,
    bytes: u64,
}

impl Redis {
    async fn connect(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let client = Client::open(url)?;
        Ok(Self(client.get_multiplexed_async_connection().await?))
    }

    async fn empty(&mut self) -> redis::RedisResult<()> {
        redis::cmd("FLUSHALL").query_async(&mut self.0).await
    }

    async fn measure(&mut self) -> Result<Measured, Box<dyn std::error::Error>> {
        let cpu: String = self.info("cpu").await?;
        let memory: String = self.info("memory").await?;
        let field = |text: &str, name: &str| -> Option<f64> {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line?.trim().parse().ok()
        };
        let user = field(&cpu, "used_cpu_user").ok_or("no CPU time")?;
        let system = field(&cpu, "used_cpu_sys").ok_or("no CPU time")?;
        let dataset = field(&memory, "used_memory_dataset").ok_or("no memory")?;
        let overhead = field(&memory, "used_memory_overhead").ok_or("no memory")?;
        let clients = field(&memory, "mem_clients_normal").unwrap_or(0.0);
        Ok(Measured {
            cpu_us: (user + system) * 1e6,
            bytes: (dataset + overhead - clients) as u64,
        })
    }

    async fn info(&mut self, section: &str) -> redis::RedisResult<String> {
        let mut info = Cmd::new();
        info.arg("INFO").arg(section);
        info.query_async(&mut self.0).await
    }
}
