//! Histories of a cluster whose nodes, network, clock and arbiter fail, against the promise that no shard has two nodes
//! at any instant.
//!
//! Real time passes in steps of a tenth of a second. A message may be slow or lost, in either direction; a node may
//! be frozen and go on where it was; the arbiter may be away, forget everything, or fail over to a replica that
//! lacks the latest writes; its clock may leap back, and forward within the bounds that `Timing` names.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use placement::{Arbiter, Core, Reply, Request, SHARDS, ShardId, Timing, shards};
use proptest::prelude::*;

const STEP_MS: i64 = 100;
/// When the history begins, in ms since 1970.
const START: i64 = 1_764_000_000_000;

#[derive(Debug, Clone)]
enum Fault {
    /// The node's process is stopped for so long.
    Freeze(usize, i64),
    /// The node's process is killed, and another of its name starts after so long.
    Kill(usize, i64),
    /// The node's messages are lost for so long.
    Cut(usize, i64),
    /// The node's messages take so long, each way.
    Slow(usize, i64, i64),
    /// The arbiter answers nobody for so long.
    Away(i64),
    /// It forgets everything. Its clock is right then, or fast: what it forgot are times.
    Wipe,
    /// A replica takes its place, which is so much behind. Its clock is right then, or fast.
    FailOver(i64),
    /// Its clock leaps.
    Leap(i64),
    /// The node is to leave, and starts again later.
    Leave(usize, i64),
    /// What the arbiter has written down of the node cannot be read any more, nor can every so manieth shard.
    Lose(usize, usize),
}

fn fault(nodes: usize) -> impl Strategy<Value = Fault> {
    let node = 0..nodes;
    prop_oneof![
        3 => (node.clone(), 100..30_000i64).prop_map(|(node, ms)| Fault::Freeze(node, ms)),
        3 => (node.clone(), 500..30_000i64).prop_map(|(node, ms)| Fault::Kill(node, ms)),
        3 => (node.clone(), 1_000..30_000i64).prop_map(|(node, ms)| Fault::Cut(node, ms)),
        3 => (node.clone(), 100..4_000i64, 5_000..40_000i64).prop_map(|(node, by, ms)| Fault::Slow(node, by, ms)),
        2 => (1_000..40_000i64).prop_map(Fault::Away),
        1 => Just(Fault::Wipe),
        2 => (0..8_000i64).prop_map(Fault::FailOver),
        2 => (-20_000..2_500i64).prop_map(Fault::Leap),
        2 => (node.clone(), 3_000..30_000i64).prop_map(|(node, ms)| Fault::Leave(node, ms)),
        2 => (node, 1..40usize).prop_map(|(node, every)| Fault::Lose(node, every)),
    ]
}

fn history() -> impl Strategy<Value = (usize, Vec<(i64, Fault)>)> {
    (2usize..5).prop_flat_map(|nodes| {
        // After the last fault and before the next one, in ms.
        let when = prop_oneof![0..2_000i64, 5_000..40_000i64];
        (
            Just(nodes),
            prop::collection::vec((when, fault(nodes)), 1..14),
        )
    })
}

struct SimNode {
    name: String,
    core: Core,
    frozen_until: i64,
    cut_until: i64,
    slow: (i64, i64),
    dead_until: Option<i64>,
    leaving_until: Option<i64>,
    next_round: i64,
    /// When the answer that it waits for is given up.
    waits_until: Option<i64>,
    epochs: BTreeMap<ShardId, i64>,
}

enum Message {
    Ask(usize, u64, Request, i64),
    Answer(usize, u64, Box<Reply>, i64),
}

struct World {
    now: i64,
    timing: Timing,
    nodes: Vec<SimNode>,
    /// Of each node, to tell its processes and their questions apart.
    asked: Vec<u64>,
    arbiter: Arbiter,
    /// What it was, for a replica that lags.
    past: Vec<(i64, Arbiter)>,
    run: u64,
    clock: i64,
    /// What its clock showed when it last forgot something.
    lost_at: i64,
    away_until: i64,
    leapt_at: i64,
    on_the_way: Vec<(i64, Message)>,
    /// The highest epoch that anybody acted under.
    top: BTreeMap<ShardId, i64>,
}

fn fresh(name: &str, timing: Timing) -> SimNode {
    static PROCESSES: AtomicU64 = AtomicU64::new(1);
    let process = PROCESSES.fetch_add(1, Ordering::Relaxed);
    SimNode {
        name: name.to_owned(),
        core: Core::new(name, "addr", process, timing),
        frozen_until: 0,
        cut_until: 0,
        slow: (0, 0),
        dead_until: None,
        leaving_until: None,
        next_round: 0,
        waits_until: None,
        epochs: BTreeMap::new(),
    }
}

impl World {
    fn new(nodes: usize) -> Self {
        let timing = Timing::default();
        Self {
            now: 0,
            timing,
            nodes: (0..nodes)
                .map(|n| fresh(&format!("hub-{n}"), timing))
                .collect(),
            asked: vec![0; nodes],
            arbiter: Arbiter::default(),
            past: Vec::new(),
            run: 1,
            clock: START,
            lost_at: 0,
            away_until: 0,
            leapt_at: -60_000,
            on_the_way: Vec::new(),
            top: BTreeMap::new(),
        }
    }

    fn strike(&mut self, fault: Fault) {
        let now = self.now;
        match fault {
            Fault::Freeze(node, ms) => self.nodes[node].frozen_until = now + ms,
            Fault::Kill(node, ms) => {
                if self.nodes[node].dead_until.is_none() {
                    let name = self.nodes[node].name.clone();
                    self.nodes[node] = fresh(&name, self.timing);
                    self.nodes[node].dead_until = Some(now + ms);
                    self.asked[node] += 1;
                }
            }
            Fault::Cut(node, ms) => self.nodes[node].cut_until = now + ms,
            Fault::Slow(node, by, ms) => self.nodes[node].slow = (by, now + ms),
            Fault::Away(ms) => self.away_until = now + ms,
            Fault::Wipe => {
                self.arbiter = Arbiter::default();
                self.clock = self.clock.max(START + now);
                self.lost_at = self.clock;
            }
            Fault::FailOver(behind) => {
                let old = self.past.iter().rev().find(|(at, _)| *at <= now - behind);
                self.arbiter = old.map(|(_, arbiter)| arbiter.clone()).unwrap_or_default();
                self.run += 1;
                self.clock = self.clock.max(START + now);
                self.lost_at = self.clock;
            }
            // The bound is on what it gains within a lease.
            Fault::Leap(by) => {
                if by < 0 || now - self.leapt_at > self.timing.lease_ms {
                    // Not to before what it forgot.
                    self.clock = (self.clock + by).max(self.lost_at);
                    self.leapt_at = now;
                }
            }
            Fault::Leave(node, ms) => {
                self.nodes[node].core.leave();
                self.nodes[node].leaving_until = Some(now + ms);
            }
            Fault::Lose(node, every) => {
                let lost = self.nodes[node].core.incarnation();
                let shards: Vec<ShardId> = ShardId::all().step_by(every).collect();
                self.arbiter.lose(lost.as_slice(), &shards);
                self.clock = self.clock.max(START + now);
                self.lost_at = self.clock;
            }
        }
    }

    fn step(&mut self) -> Result<(), TestCaseError> {
        self.now += STEP_MS;
        self.clock += STEP_MS;
        let now = self.now;
        if now % 1_000 == 0 {
            self.past.push((now, self.arbiter.clone()));
        }
        let (due, later) = std::mem::take(&mut self.on_the_way)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.on_the_way = later;
        let due: Vec<(i64, Message)> = due;
        for (at, message) in due {
            self.deliver(at, message);
        }
        for index in 0..self.nodes.len() {
            self.live(index);
        }
        self.check()
    }

    fn deliver(&mut self, at: i64, message: Message) {
        let now = self.now;
        match message {
            Message::Ask(node, question, request, asked_at) => {
                if now < self.away_until {
                    return;
                }
                let reply = self
                    .arbiter
                    .round(&request, &self.timing, self.run, self.clock);
                let sim = &self.nodes[node];
                let delay = if now < sim.slow.1 { sim.slow.0 } else { 0 };
                let answer = Message::Answer(node, question, Box::new(reply), asked_at);
                self.on_the_way.push((now + delay, answer));
            }
            Message::Answer(node, question, reply, asked_at) => {
                let asked = self.asked[node];
                let sim = &mut self.nodes[node];
                if now < sim.frozen_until {
                    // It lies in the socket until the process goes on.
                    let answer = Message::Answer(node, question, reply, asked_at);
                    self.on_the_way.push((at.max(sim.frozen_until), answer));
                    return;
                }
                if now < sim.cut_until || question != asked || sim.waits_until.is_none() {
                    return;
                }
                sim.waits_until = None;
                sim.core.answer(*reply, asked_at, now);
                if sim.core.is_busy() {
                    sim.next_round = sim.next_round.min(now + STEP_MS);
                }
            }
        }
    }

    fn live(&mut self, index: usize) {
        let now = self.now;
        let sim = &mut self.nodes[index];
        if sim.dead_until.is_some_and(|until| until <= now) {
            sim.dead_until = None;
        }
        if sim.dead_until.is_some() || now < sim.frozen_until {
            return;
        }
        if sim.leaving_until.is_some_and(|until| until <= now) {
            let name = sim.name.clone();
            *sim = fresh(&name, self.timing);
            self.asked[index] += 1;
        }
        let sim = &mut self.nodes[index];
        sim.core.look_at_clock(now);
        // Whoever acts for a shard that leaves stops at once.
        let held: Vec<(ShardId, i64)> = sim.core.held().collect();
        for (shard, epoch) in held {
            sim.core.hand_over(shard, epoch);
        }
        if sim.waits_until.is_some_and(|until| until <= now) {
            sim.waits_until = None;
            self.asked[index] += 1;
        }
        let sim = &mut self.nodes[index];
        if sim.waits_until.is_none() && now >= sim.next_round {
            sim.next_round = now + self.timing.round_ms;
            sim.waits_until = Some(now + 2_000);
            self.asked[index] += 1;
            if now >= sim.cut_until {
                let delay = if now < sim.slow.1 { sim.slow.0 } else { 0 };
                let ask = Message::Ask(index, self.asked[index], sim.core.request(0, false), now);
                self.on_the_way.push((now + delay, ask));
            }
        }
    }

    /// What must hold at every instant. A frozen node does nothing; what it may do is looked at when it
    /// goes on, by its clock.
    fn check(&mut self) -> Result<(), TestCaseError> {
        for shard in (0..SHARDS).step_by(16).filter_map(ShardId::new) {
            let mut holders = Vec::new();
            for sim in &mut self.nodes {
                let Some(epoch) = sim.core.shard_epoch(shard, self.now) else {
                    continue;
                };
                holders.push((sim.name.clone(), epoch));
                if sim.epochs.insert(shard, epoch) != Some(epoch) {
                    // Newly gained, or gained again.
                    let top = self.top.entry(shard).or_insert(0);
                    prop_assert!(epoch >= *top, "{shard:?}: epoch {epoch} after {top}");
                    *top = epoch;
                }
            }
            prop_assert!(
                holders.len() < 2,
                "at {} ms {shard:?} is held by {holders:?}",
                self.now
            );
        }
        Ok(())
    }

    /// Nothing fails any more.
    fn mend(&mut self) {
        self.away_until = 0;
        for sim in &mut self.nodes {
            sim.frozen_until = 0;
            sim.cut_until = 0;
            sim.slow = (0, 0);
        }
    }

    /// Each shard is held by the node it should be at.
    fn is_settled(&self) -> bool {
        let shares = || self.nodes.iter().map(|sim| sim.core.held().count());
        let names = || self.nodes.iter().map(|sim| sim.name.as_str());
        shares().sum::<usize>() == usize::from(SHARDS)
            && self.nodes.iter().all(|sim| sim.leaving_until.is_none())
            && self.nodes.iter().all(|sim| {
                let mut held = sim.core.held();
                held.all(|(shard, _)| shards::best(shard, names()) == Some(sim.name.as_str()))
            })
    }
}

/// As many as `PROPTEST_CASES` says, or few enough for a debug build.
fn config() -> ProptestConfig {
    let told = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: if told { default.cases } else { 24 },
        max_shrink_iters: 400,
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_shard_ever_has_two_nodes_and_all_have_one_in_the_end((nodes, faults) in history()) {
        let mut world = World::new(nodes);
        for (pause, fault) in faults {
            let until = world.now + pause;
            while world.now < until {
                world.step()?;
            }
            world.strike(fault);
        }
        world.mend();
        // Longer than the leap back, the quiet time, and the longest time to settle.
        let until = world.now + 700_000;
        while !world.is_settled() {
            prop_assert!(world.now < until, "the shards do not settle");
            world.step()?;
        }
    }
}

/// The histories find what they are there for.
#[test]
fn a_node_that_acts_for_longer_than_its_lease_is_found_out() {
    let faults = [
        (40_000, Fault::Freeze(0, 12_000)),
        (0, Fault::Cut(0, 30_000)),
    ];
    let mut world = World::new(2);
    world.timing.fence_ms = 30_000;
    for node in 0..2 {
        world.nodes[node] = fresh(&format!("hub-{node}"), world.timing);
    }
    let mut found = false;
    for (pause, fault) in faults {
        let until = world.now + pause;
        while world.now < until {
            found |= world.step().is_err();
        }
        world.strike(fault);
    }
    for _ in 0..300 {
        found |= world.step().is_err();
    }
    assert!(found);
}
