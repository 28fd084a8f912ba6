//! Nodes on Redis servers.
#![allow(dead_code, reason = "each test file uses some of it")]

mod servers;

use std::time::Duration;

use placement::{Node, Placement, Settings, Timing, contract::Bench};
use placement_redis::{Options, RedisBackend};

pub(crate) use self::servers::{Servers, cli};

impl Servers {
    pub(crate) fn options(&self) -> Options {
        options(self.url())
    }
}

/// Reaches the servers of that URL; impatient, since they are near.
pub(crate) fn options(url: &str) -> Options {
    Options {
        timeout: Duration::from_millis(300),
        ..Options::from_url(url).expect("a URL")
    }
}

/// A node of that name.
pub(crate) fn node(options: &Options, name: &str, timing: Timing) -> Node<RedisBackend> {
    let backend = RedisBackend::new(options).unwrap_or_else(|error| panic!("{error}"));
    let mut settings = Settings::new(name, &format!("{name}:1"));
    settings.timing = timing;
    Node::start(backend, settings)
}

/// Waits until it is so; `patience_s`.
pub(crate) async fn until(what: &str, patience_s: u64, mut is_so: impl AsyncFnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(patience_s);
    while !is_so().await {
        assert!(
            std::time::Instant::now() < end,
            "not in {patience_s} s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[async_trait::async_trait]
impl Bench for Servers {
    async fn node(&self, name: &str, timing: Timing) -> Box<dyn Placement> {
        Box::new(node(&self.options(), name, timing))
    }

    async fn away(&self, away: bool) {
        let signal = if away { "-STOP" } else { "-CONT" };
        for port in self.ports() {
            self.signal(port, signal);
        }
    }

    async fn wipe(&self) {
        for port in self.ports() {
            // A replica does as its master.
            if cli(port, &["role"]).starts_with("master") {
                cli(port, &["flushall"]);
            }
        }
    }
}
