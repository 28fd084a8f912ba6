//! Three hubs on one Redis, and a charger that goes from one to the other.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Api, Charger, Dialect, HubProcess};

use super::{servers::Servers, way::Way};

/// How long anything may take: a lease of ten seconds, and as long a quiet time, on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Hubs that share a Redis, and a client of each one's API.
pub(crate) struct Cluster {
    pub(crate) hubs: Vec<HubProcess>,
    pub(crate) apis: Vec<Api>,
    pub(crate) redis: Servers,
    /// Of each hub, where it is [apart](Self::apart) from the others.
    pub(crate) lines: Vec<Lines>,
}

/// What a hub is in touch with others by.
pub(crate) struct Lines {
    /// From it to Redis.
    pub(crate) redis: Way,
    /// From the other hubs to it.
    pub(crate) peers: Way,
}

impl Cluster {
    /// So many hubs, `hub-0` first, on a Redis of that kind; at least one takes chargers, whether or not they have
    /// shared out the sites yet.
    pub(crate) fn start(hubs: usize, redis: &str, settings: &[(&str, &str)]) -> Self {
        let mut cluster = Self {
            hubs: Vec::new(),
            apis: Vec::new(),
            redis: Servers::up(redis),
            lines: Vec::new(),
        };
        for _ in 0..hubs {
            cluster.add(settings);
        }
        cluster
    }

    /// So many hubs whose lines can be cut. Wants a runtime of several threads: hubs start while the lines of the others
    /// carry what they say.
    pub(crate) fn apart(hubs: usize, settings: &[(&str, &str)]) -> Self {
        let mut cluster = Self::start(0, "single", &[]);
        for _ in 0..hubs {
            let (redis, listen) = (cluster.redis.url(), free_address());
            let (_, address) = redis.rsplit_once("//").expect("a URL");
            let lines = Lines {
                redis: Way::to(address),
                peers: Way::to(&listen),
            };
            let redis = redis.replace(address, &lines.redis.address);
            let mut all = vec![
                ("CLUSTER__REDIS", &*redis),
                ("CLUSTER__LISTEN", &listen),
                ("CLUSTER__ADDRESS", &lines.peers.address),
            ];
            all.extend(settings);
            cluster.add(&all);
            cluster.lines.push(lines);
        }
        cluster
    }

    /// One more.
    pub(crate) fn add(&mut self, settings: &[(&str, &str)]) {
        let name = format!("hub-{}", self.hubs.len());
        let address = free_address();
        let keyspace = self
            .hubs
            .first()
            .and_then(|hub| hub.setting("STORE__KEYSPACE"));
        let mut all = vec![
            ("CLUSTER__REDIS", self.redis.url()),
            ("CLUSTER__NAME", &name),
            ("CLUSTER__ADDRESS", &address),
        ];
        all.extend(keyspace.map(|keyspace| ("STORE__KEYSPACE", keyspace)));
        all.extend(settings);
        let hub = HubProcess::start(&all);
        self.apis.push(hub.api("admin"));
        self.hubs.push(hub);
    }

    /// Where chargers connect to that hub.
    pub(crate) fn chargers(&self, hub: usize) -> &str {
        &self.hubs[hub].chargers
    }

    /// The cluster as that hub sees it.
    pub(crate) async fn view(&self, hub: usize) -> Value {
        self.apis[hub].get("/cluster").await
    }

    /// Waits until what that hub sees of the cluster is so.
    pub(crate) async fn sees(
        &self,
        hub: usize,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let view = self.view(hub).await;
            if is_so(&view) {
                return view;
            }
            assert!(Instant::now() < end, "not in {PATIENCE:?}: {what}: {view}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until each shard of sites is some hub's, and each hub has some.
    pub(crate) async fn shares_sites(&self) {
        for hub in 0..self.hubs.len() {
            self.sees(hub, "the sites are shared out", |view| {
                view["shards_unowned"] == 0
                    && living(view).all(|node| node["shards"] != 0)
                    && living(view).count() == self.hubs.len()
            })
            .await;
        }
    }

    /// A charger that has booted at that hub.
    pub(crate) async fn booted(&self, hub: usize, identity: &str) -> Charger {
        let mut charger = Charger::connect(self.chargers(hub), identity, Dialect::V16).await;
        charger.boot(Dialect::V16).await;
        charger
    }
}

/// The nodes whose lease lasts.
pub(crate) fn living(view: &Value) -> impl Iterator<Item = &Value> {
    let nodes = view["nodes"].as_array().into_iter().flatten();
    nodes.filter(|node| node["alive"] == true)
}

/// The node of that name, the latest of its processes.
pub(crate) fn node<'a>(view: &'a Value, name: &str) -> &'a Value {
    let nodes = view["nodes"].as_array().into_iter().flatten();
    let named = nodes.filter(|node| node["name"] == name);
    let latest = named.max_by_key(|node| node["incarnation"].as_i64());
    latest.unwrap_or(&Value::Null)
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it has one").to_string()
}
