//! Redis is not there, dies, forgets, freezes; a hub freezes. And TLS, and a user that may do no more than needed.

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::{Servers, cli, node, options, until};
use model::StationId;
use placement::{Event, Placement, ShardId, Timing};
use placement_redis::Tls;

const NOW: i64 = 1_764_000_000_000;

fn station(name: &str) -> StationId {
    StationId::new(name).expect("a name")
}

fn fast() -> Timing {
    Timing::default().sped_up(5)
}

fn held(node: &dyn Placement) -> usize {
    ShardId::all()
        .filter(|shard| node.shard_epoch(*shard).is_some())
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_a_user_needs_no_more_rights_than_are_told() {
    let servers = Servers::up("single");
    let mut options = options(servers.told("REDIS_TLS_URL"));
    let ca = Some(servers.told("REDIS_CA").into());
    options.tls = Some(Tls { ca, identity: None });
    let a = node(&options, "hub-a", fast());
    let b = node(&options, "hub-b", fast());
    for node in [&a, &b] {
        until("it takes part", 20, async || {
            node.view().incarnation.is_some()
        })
        .await;
    }
    let cp = station("CP-1");
    let first = a.claim(&cp, NOW).await;
    let second = b.claim(&cp, NOW).await;
    assert!(!first.provisional && !second.provisional);
    until("a is told", 10, async || !a.has(&cp, first.epoch)).await;
    until("all shards are held", 30, async || held(&a) + held(&b) > 0).await;
    b.release(&cp, second.epoch);
    until("it is nowhere", 10, async || {
        a.locate(&cp).await == Ok(None)
    })
    .await;
    // A stranger is turned away.
    options.credentials = None;
    let stranger = node(&options, "hub-c", fast());
    tokio::time::timeout(Duration::from_secs(10), async {
        // The default user of the test server may do all; over TLS without trust nothing.
        options.tls = Some(Tls::default());
        let distrustful = node(&options, "hub-d", fast());
        until("it says why", 10, async || {
            distrustful.view().backend.error.is_some()
        })
        .await;
        assert!(distrustful.view().incarnation.is_none());
    })
    .await
    .expect("in time");
    drop(stranger);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_starts_without_redis_and_joins_when_it_comes() {
    let servers = Servers::up("single");
    let port = servers.port();
    servers.signal(port, "-KILL");
    let a = node(&servers.options(), "hub-a", fast());
    let begun = Instant::now();
    let claim = a.claim(&station("CP-1"), NOW).await;
    assert!(claim.provisional && claim.epoch == NOW);
    assert!(
        begun.elapsed() < Duration::from_millis(100),
        "{:?}",
        begun.elapsed()
    );
    until("it says why", 10, async || a.view().backend.error.is_some()).await;
    servers.restart(port);
    until("it is confirmed", 20, async || {
        a.view().chargers_provisional == 0 && a.view().backend.up
    })
    .await;
    let there = cli(port, &["get", "switchyard:c:CP-1"]);
    assert!(there.starts_with("1764000000000 "), "{there}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_redis_holds_up_three_sockets_and_then_none() {
    let servers = Servers::up("single");
    let a = node(&servers.options(), "hub-a", Timing::default());
    until("it takes part", 20, async || a.view().incarnation.is_some()).await;
    servers.signal(servers.port(), "-STOP");
    let mut waits = Vec::new();
    for n in 0..40 {
        let begun = Instant::now();
        let claim = a.claim(&station(&format!("CP-{n}")), NOW).await;
        assert!(claim.provisional);
        waits.push(begun.elapsed());
    }
    let slow = waits
        .iter()
        .filter(|wait| **wait > Duration::from_millis(100));
    assert!(slow.count() <= 3, "{waits:?}");
    assert!(
        waits.iter().max() < Some(&Duration::from_millis(600)),
        "{waits:?}"
    );
    servers.signal(servers.port(), "-CONT");
    until("all are confirmed", 20, async || {
        a.view().chargers_provisional == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_were_forgotten_are_sent_anew() {
    let servers = Servers::up("single");
    let a = node(&servers.options(), "hub-a", fast());
    until("it takes part", 20, async || a.view().incarnation.is_some()).await;
    for n in 0..20 {
        cli(servers.port(), &["script", "flush"]);
        let claim = a.claim(&station(&format!("CP-{n}")), NOW).await;
        assert!(!claim.provisional);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_flushall_claims_are_written_down_at_a_bounded_rate() {
    let servers = Servers::up("single");
    let port = servers.port();
    let a = node(&servers.options(), "hub-a", fast());
    until("it takes part", 20, async || a.view().incarnation.is_some()).await;
    for n in 0..6_000 {
        a.claim(&station(&format!("CP-{n}")), NOW).await;
    }
    let claims = || {
        let keys: usize = cli(port, &["dbsize"]).parse().expect("a number");
        // Nodes, shards, memory.
        keys.saturating_sub(3)
    };
    until("all are there", 10, async || claims() == 6_000).await;
    // The audit may be under way from the start.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let wiped = Instant::now();
    cli(port, &["flushall"]);
    until("half are there again", 20, async || claims() >= 3_000).await;
    assert!(
        wiped.elapsed() > Duration::from_millis(400),
        "5,000 a second are asked for"
    );
    until("all are there again", 20, async || claims() == 6_000).await;
    eprintln!("6,000 claims again after {:?}", wiped.elapsed());
    assert_eq!(a.view().chargers_here, 6_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eviction_that_nobody_heard_of_is_found() {
    let servers = Servers::up("single");
    let port = servers.port();
    let a = node(&servers.options(), "hub-a", Timing::default());
    until("it takes part", 20, async || a.view().incarnation.is_some()).await;
    let mut events = a.events().expect("nobody else listens");
    let cp = station("CP-1");
    let claim = a.claim(&cp, NOW).await;
    // Its subscription is gone, and while it is, another takes the charger.
    until("it listens", 10, async || {
        cli(port, &["client", "list", "type", "pubsub"]).contains("sub=1")
    })
    .await;
    cli(port, &["client", "kill", "type", "pubsub"]);
    cli(
        port,
        &[
            "set",
            "switchyard:c:CP-1",
            &format!("{} 17", claim.epoch + 1),
        ],
    );
    let evicted = async {
        loop {
            if let Some(Event::Evicted { station, epoch }) = events.recv().await {
                return (station, epoch);
            }
        }
    };
    let evicted = tokio::time::timeout(Duration::from_secs(20), evicted).await;
    assert_eq!(evicted.expect("in time"), (cp.clone(), claim.epoch + 1));
    assert!(!a.has(&cp, claim.epoch));
}

/// A hub process whose clock stands still for it acts for nothing when it goes on: the others have its shards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_hub_fences_itself_before_it_acts() {
    let servers = Servers::up("single");
    let mut child = HubProcess::start(servers.url());
    child.wait_for("held 1024");
    let b = node(&servers.options(), "hub-b", fast());
    let mut events = b.events().expect("nobody else listens");
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    until("b has its share", 30, async || held(&b) > 256).await;
    child.signal("-STOP");
    until("b has all", 30, async || held(&b) == 1024).await;
    child.signal("-CONT");
    let woke = child.wait_for("woke ");
    assert_eq!(woke, "woke 0");
    // And it gets its share again when it has settled.
    until("b gives some back", 60, async || held(&b) < 1024).await;
}

/// The hub process of the test above.
#[test]
#[ignore = "is started by another test"]
fn hub_process() {
    let url = std::env::var("HUB_REDIS_URL").expect("told by the other test");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let guard = runtime.enter();
    let a = node(&options(&url), "hub-a", fast());
    let mut events = a.events().expect("nobody else listens");
    runtime.spawn(async move { while events.recv().await.is_some() {} });
    drop(guard);
    let (mut last, mut told) = (Instant::now(), None);
    let mut out = std::io::stdout();
    // Ends when nobody reads what it says.
    loop {
        let slept = last.elapsed();
        last = Instant::now();
        let count = held(&a);
        if slept > Duration::from_secs(1) {
            writeln!(out, "woke {count}").expect("somebody reads");
        } else if told.replace(count) != Some(count) {
            writeln!(out, "held {count}").expect("somebody reads");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

struct HubProcess {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl HubProcess {
    fn start(url: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "hub_process", "--ignored", "--nocapture"])
            .env("HUB_REDIS_URL", url)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        Self { process, lines }
    }

    /// The next line that begins so.
    fn wait_for(&mut self, begin: &str) -> String {
        tokio::task::block_in_place(|| {
            let mut lines = self.lines.by_ref().map(|line| line.expect("it is there"));
            let line = lines.find(|line| line.starts_with(begin));
            line.expect("it says so before it ends")
        })
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
