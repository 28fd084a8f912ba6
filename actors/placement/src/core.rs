//! A node's side of the protocol: what it holds, what it asks for, and until when it may act. Pure; time comes
//! in, as ms of a monotonic clock of this process.
//!
//! What it holds and what the [`Arbiter`](crate::Arbiter) has written down are two things, and where they differ:
//!
//! | here | there | what follows |
//! |---|---|---|
//! | held | held by it | nothing |
//! | held | nobody, or a lower epoch, in a quiet time | the memory is old: it says that it holds it |
//! | held | anything else | lost |
//! | held | held by it, under a higher epoch | a question was heard twice: it goes on under that epoch |
//! | not held | held by it | it takes it anew, or gives it up: an answer was lost, it was fenced, or the memory is old, in which case somebody may have acted under a higher epoch meanwhile |
//! | given up | held by it | it says again that it gave it up |
//!
//! *Held* means that it may act, and ends by itself: `fence_ms` after it began the last round that was
//! answered, it holds nothing.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    AddressUse, NodeAddress, NodeRecord, Reply, Request, ShardId, ShardRecord, Timing,
    address::AddressWatch, shards,
};

/// A node's side of the protocol.
#[derive(Debug)]
pub struct Core {
    name: String,
    address: String,
    process: u64,
    timing: Timing,
    incarnation: Option<i64>,
    leaving: bool,
    superseded: bool,
    /// Until when it may act.
    acts_until: Option<i64>,
    held: BTreeMap<ShardId, Held>,
    /// Given up, and not yet known to be written down so.
    giving: BTreeMap<ShardId, i64>,
    asserts: Vec<(ShardId, i64)>,
    takes: Vec<(ShardId, i64)>,
    /// The highest epoch of each shard that it has heard of: more than an arbiter remembers that was wiped.
    heard_of: Vec<i64>,
    /// What the arbiter last said.
    nodes: Vec<NodeRecord>,
    at_my_address: AddressWatch,
    address_use: AddressUse,
    table: Vec<Option<ShardRecord>>,
    state: String,
    memory: String,
    quiet: bool,
    now_there: i64,
    /// When that was, by this node's clock.
    now_here: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    epoch: i64,
    /// Whoever acts for it was asked to stop.
    leaving: bool,
}

/// What became of a shard, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It acts for it from now on, under that epoch.
    Gained(ShardId, i64),
    /// It is to go: [`Core::hand_over`] when nothing acts for it any more.
    Leaving(ShardId, i64),
    /// It may not act for it any more.
    Lost(ShardId),
    /// It may act for none any more.
    Fenced,
    /// A later process has its name.
    Superseded,
}

impl Core {
    /// A node that has not asked yet. `process`: by chance, another for each.
    pub fn new(name: &str, address: &str, process: u64, timing: Timing) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            process,
            timing,
            incarnation: None,
            leaving: false,
            superseded: false,
            acts_until: None,
            held: BTreeMap::new(),
            giving: BTreeMap::new(),
            asserts: Vec::new(),
            takes: Vec::new(),
            heard_of: vec![0; usize::from(crate::SHARDS)],
            nodes: Vec::new(),
            at_my_address: AddressWatch::default(),
            address_use: AddressUse::NotAsked,
            table: vec![None; usize::from(crate::SHARDS)],
            state: String::new(),
            memory: String::new(),
            quiet: false,
            now_there: 0,
            now_here: 0,
        }
    }

    /// The epoch under which it may act for the shard; `None`: it may not.
    pub fn shard_epoch(&self, shard: ShardId, now: i64) -> Option<i64> {
        self.acts_until.filter(|until| now < *until)?;
        Some(self.held.get(&shard)?.epoch)
    }

    /// Stops holding anything if it is too late to act; to be asked before and between rounds.
    pub fn look_at_clock(&mut self, now: i64) -> Option<Change> {
        if self.acts_until.is_none_or(|until| now < until) {
            return None;
        }
        self.acts_until = None;
        self.held.clear();
        self.asserts.clear();
        Some(Change::Fenced)
    }

    /// What to ask. Its time is taken before it is sent.
    pub fn request(&self, chargers: u64, unwritten: bool) -> Request {
        Request {
            name: self.name.clone(),
            address: self.address.clone(),
            process: self.process,
            incarnation: self.incarnation,
            chargers,
            unwritten,
            leaving: self.leaving,
            bye: false,
            seen: self.state.clone(),
            asserted: self.asserts.clone(),
            given: self
                .giving
                .iter()
                .map(|(shard, epoch)| (*shard, *epoch))
                .collect(),
            taken: self.takes.clone(),
        }
    }

    /// The answer to what was asked at `asked_at`.
    pub fn answer(&mut self, reply: Reply, asked_at: i64, now: i64) -> Vec<Change> {
        let mut changes: Vec<Change> = self.look_at_clock(now).into_iter().collect();
        if self.superseded {
            return changes;
        }
        self.incarnation = Some(reply.incarnation);
        let forgotten = self.forgotten(&reply);
        self.nodes = reply.nodes;
        self.nodes.extend(forgotten);
        let me = (&*self.name, &*self.address);
        self.address_use = self.at_my_address.look(me, &self.nodes, reply.now);
        self.quiet = reply.quiet;
        self.now_there = reply.now;
        self.now_here = now;
        self.state = reply.state;
        self.memory = reply.memory;
        if let Some(table) = reply.table {
            self.table.fill(None);
            for (shard, record) in table {
                self.table[shard.index()] = Some(record);
                let heard_of = &mut self.heard_of[shard.index()];
                *heard_of = record.epoch.max(*heard_of);
            }
        }
        if reply.superseded {
            self.superseded = true;
            self.acts_until = None;
            self.held.clear();
            changes.push(Change::Superseded);
            return changes;
        }
        let until = asked_at + self.timing.fence_ms;
        if now >= until {
            // Too late to act on it: the next round will tell.
            return changes;
        }
        self.acts_until = Some(until);
        self.reconcile(reply.incarnation, &mut changes);
        self.decide(reply.incarnation, &mut changes);
        changes
    }

    /// Nodes that hold writes and that the arbiter knows no more: it was wiped. They are gone, until they join again.
    fn forgotten(&mut self, reply: &Reply) -> Vec<NodeRecord> {
        let is_known = |old: &NodeRecord| {
            let mut namesakes = reply.nodes.iter().filter(|node| node.name == old.name);
            namesakes.any(|node| node.incarnation >= old.incarnation)
        };
        let mut known_before = std::mem::take(&mut self.nodes);
        known_before.retain(|old| {
            let is_forgiven = old.deadline + self.timing.forgive_ms <= reply.now;
            old.unwritten && !is_forgiven && !is_known(old)
        });
        for node in &mut known_before {
            node.deadline = node.deadline.min(reply.now);
        }
        known_before
    }

    /// Nothing acts for the shard any more that was leaving under that epoch: it may go.
    pub fn hand_over(&mut self, shard: ShardId, epoch: i64) {
        let leaving = Held {
            epoch,
            leaving: true,
        };
        if self.held.get(&shard) == Some(&leaving) {
            self.held.remove(&shard);
            self.giving.insert(shard, epoch);
        }
    }

    /// It wants no shards any more.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// It holds no shards, and those it gave up are known to be.
    pub fn has_left(&self) -> bool {
        self.leaving && self.held.is_empty() && self.giving.is_empty()
    }

    /// There is something to ask that should not wait for the next round.
    pub fn is_busy(&self) -> bool {
        !(self.asserts.is_empty() && self.giving.is_empty() && self.takes.is_empty())
    }

    /// The number of this process.
    pub fn incarnation(&self) -> Option<i64> {
        self.incarnation
    }

    /// A process, if its lease lasted when the arbiter was last heard of.
    pub fn live_node(&self, incarnation: i64) -> Option<NodeAddress> {
        let is_it = |node: &&NodeRecord| {
            node.incarnation == incarnation && !node.superseded && node.is_alive(self.now_there)
        };
        let node = self.nodes.iter().find(is_it)?;
        Some(NodeAddress {
            name: node.name.clone(),
            address: node.address.clone(),
            incarnation,
        })
    }

    /// The node that holds the shard, as the arbiter last said.
    pub fn shard_node(&self, shard: ShardId) -> Option<NodeAddress> {
        let holder = self.table[shard.index()]?.holder?;
        self.live_node(holder)
    }

    /// Who is at its address, as the arbiter last said.
    pub fn address_use(&self) -> &AddressUse {
        &self.address_use
    }

    /// Shards it holds.
    pub fn held(&self) -> impl Iterator<Item = (ShardId, i64)> {
        self.held.iter().map(|(shard, held)| (*shard, held.epoch))
    }

    pub(crate) fn nodes(&self) -> (&[NodeRecord], i64) {
        (&self.nodes, self.now_there)
    }

    /// For how long a node's lease has been over, though the arbiter may have said nothing since.
    pub(crate) fn gone_ms(&self, node: &NodeRecord, now: i64) -> i64 {
        if node.is_alive(self.now_there) {
            return 0;
        }
        self.now_there - node.deadline + (now - self.now_here)
    }

    pub(crate) fn table(&self) -> impl Iterator<Item = &ShardRecord> {
        self.table.iter().flatten()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub(crate) fn is_fenced(&self, now: i64) -> bool {
        self.acts_until.is_none_or(|until| now >= until)
    }

    pub(crate) fn memory(&self) -> &str {
        &self.memory
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it holds against what is written down.
    fn reconcile(&mut self, me: i64, changes: &mut Vec<Change>) {
        let (quiet, table) = (self.quiet, &self.table);
        self.asserts.clear();
        let asserts = &mut self.asserts;
        self.held.retain(|shard, held| {
            let there = table[shard.index()];
            let is_old = there.is_none_or(|there| there.epoch < held.epoch);
            let mine = there.filter(|there| there.holder == Some(me) && there.epoch >= held.epoch);
            if let Some(there) = mine {
                if there.epoch > held.epoch {
                    *held = Held {
                        epoch: there.epoch,
                        leaving: false,
                    };
                    changes.push(Change::Gained(*shard, there.epoch));
                }
                true
            } else if quiet && is_old {
                asserts.push((*shard, held.epoch));
                true
            } else {
                changes.push(Change::Lost(*shard));
                false
            }
        });
        let is_mine = |there: Option<ShardRecord>, epoch: i64| {
            there.is_some_and(|there| there.holder == Some(me) && there.epoch == epoch)
        };
        self.giving
            .retain(|shard, epoch| is_mine(table[shard.index()], *epoch));
        // Only what it asked for just now: what is written as its own may be of an old memory.
        for (shard, at_least) in std::mem::take(&mut self.takes) {
            let mine = table[shard.index()].filter(|there| there.holder == Some(me));
            let Some(there) = mine.filter(|there| there.epoch >= at_least) else {
                continue;
            };
            let (epoch, leaving) = (there.epoch, false);
            if let Entry::Vacant(place) = self.held.entry(shard) {
                place.insert(Held { epoch, leaving });
                changes.push(Change::Gained(shard, epoch));
            }
        }
    }

    /// What it would have, and what it holds that others should.
    fn decide(&mut self, me: i64, changes: &mut Vec<Change>) {
        self.takes.clear();
        if self.quiet {
            return;
        }
        let now = self.now_there;
        let is_other = |node: &&NodeRecord| node.incarnation != me || !self.leaving;
        let members: Vec<&str> = self
            .nodes
            .iter()
            .filter(|node| node.is_member(now))
            .filter(is_other)
            .map(|node| node.name.as_str())
            .collect();
        let is_live = |holder: i64| {
            let node = self.nodes.iter().find(|node| node.incarnation == holder);
            node.is_some_and(|node| node.is_alive(now))
        };
        let mut on_the_way = self.held.values().filter(|held| held.leaving).count();
        for shard in ShardId::all() {
            let best = shards::best(shard, members.iter().copied());
            let is_for_me = best == Some(self.name.as_str());
            match self.held.get_mut(&shard) {
                Some(held) if held.leaving || is_for_me => {}
                Some(held) => {
                    // Where nobody else is left, a node that goes leaves them all at once.
                    let may_go = match best {
                        Some(_) => on_the_way < self.timing.moves_at_once,
                        None => self.leaving,
                    };
                    if may_go {
                        held.leaving = true;
                        on_the_way += 1;
                        changes.push(Change::Leaving(shard, held.epoch));
                    }
                }
                None if self.giving.contains_key(&shard) => {}
                None if is_for_me => {
                    let holder = self.table[shard.index()].and_then(|there| there.holder);
                    if holder.is_none_or(|holder| holder == me || !is_live(holder)) {
                        self.takes.push((shard, self.heard_of[shard.index()] + 1));
                    }
                }
                None => {
                    let there = self.table[shard.index()];
                    if let Some(there) = there.filter(|there| there.holder == Some(me)) {
                        self.giving.insert(shard, there.epoch);
                    }
                }
            }
        }
    }
}
