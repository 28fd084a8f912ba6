//! The arbiter: who has a lease, and who holds which shard. Pure; time comes in.
//!
//! This is the rule book. The Redis script `round.lua` plays by it, and a test holds the two against each other.
//! A shard changes hands in two ways only: its holder gives it up, or its holder's lease has run out.
//!
//! The second way is shut (*quiet*) for a whole lease whenever leases may have run out for another reason than
//! that their nodes are dead, or when what is written down may not be the latest: the arbiter was wiped, started
//! anew, failed over to a replica, was away for everybody, its clock leapt, or a part of it could not be read
//! ([`Arbiter::lose`]). In that time a node whose shards were forgotten says so ([`Request::asserted`]).

use std::collections::{BTreeMap, HashMap};

use crate::{NodeRecord, Reply, Request, SHARDS, ShardId, ShardRecord, Timing};

/// A node that comes back too soon waits twice as long each time to have shards, so many times.
const FLAPS_MOST: u32 = 6;

/// The arbiter's memory.
#[derive(Debug, Clone, Default)]
pub struct Arbiter {
    /// Which process of the arbiter wrote last.
    run: Option<u64>,
    /// When the memory began.
    born: i64,
    quiet_until: i64,
    last_round: i64,
    last_incarnation: i64,
    version: u64,
    /// Something was lost since the last round.
    has_lost: bool,
    nodes: BTreeMap<i64, NodeRecord>,
    shards: HashMap<ShardId, ShardRecord>,
}

impl Arbiter {
    /// Plays a round. `run`: the process of the arbiter; `now`: its clock, in ms since 1970.
    pub fn round(&mut self, request: &Request, timing: &Timing, run: u64, now: i64) -> Reply {
        self.wake(timing, run, now);
        let me = self.admit(request, timing, now);
        let superseded = self.nodes.get(&me).is_some_and(|node| node.superseded);
        if !superseded {
            if let Some(node) = self.nodes.get_mut(&me) {
                node.deadline = now + timing.lease_ms;
                node.address.clone_from(&request.address);
                node.chargers = request.chargers;
                node.leaving = request.leaving;
                node.unwritten = request.unwritten;
            }
            if self.move_shards(request, me, now) {
                self.version += 1;
            }
            if request.bye {
                self.depart(me, now);
            }
        }
        self.reply(request, me, superseded, now)
    }

    /// What is written down of these cannot be read, so it is as forgotten: the nodes are no live ones, the shards are
    /// nobody's, until those whose they are say so.
    pub fn lose(&mut self, nodes: &[i64], shards: &[ShardId]) {
        self.nodes
            .retain(|incarnation, _| !nodes.contains(incarnation));
        self.shards.retain(|shard, _| !shards.contains(shard));
        self.has_lost = true;
        self.version += 1;
    }

    /// Notices whether this is the memory and the clock of the last round, and whether all is there that was.
    fn wake(&mut self, timing: &Timing, run: u64, now: i64) {
        if self.run.is_none() {
            self.born = now;
        }
        let (lease_end, longest) = (now + timing.lease_ms, timing.settle_ms << FLAPS_MOST);
        self.quiet_until = self.quiet_until.min(lease_end);
        let has_lost = std::mem::take(&mut self.has_lost);
        if self.run != Some(run) || now - self.last_round > timing.gap_ms || has_lost {
            self.quiet_until = lease_end;
        }
        self.run = Some(run);
        self.last_round = now;
        self.nodes
            .retain(|_, node| node.deadline + timing.forgive_ms > now);
        for node in self.nodes.values_mut() {
            // Nobody is given more at any time: the clock leapt back, or a stranger wrote that.
            node.deadline = node.deadline.min(lease_end);
            node.settled = node.settled.min(now + longest);
        }
    }

    /// The process's number, with a record of it.
    fn admit(&mut self, request: &Request, timing: &Timing, now: i64) -> i64 {
        let is_it =
            |node: &&NodeRecord| node.name == request.name && node.process == request.process;
        let known = || self.nodes.values().find(is_it).map(|node| node.incarnation);
        let me = request.incarnation.or_else(known);
        let me = me.unwrap_or_else(|| now.max(self.last_incarnation + 1));
        if request.incarnation.is_some() {
            // Its first question may have been heard again, late, by a memory that did not know it.
            let is_ghost = |node: &NodeRecord| is_it(&node) && node.incarnation != me;
            self.nodes.retain(|_, node| !is_ghost(node));
        }
        // A lease that nobody could renew is not held against its node.
        let goes_on =
            |node: &NodeRecord| node.superseded || node.is_alive(now) || now < self.quiet_until;
        if self.nodes.get(&me).is_some_and(goes_on) {
            return me;
        }
        self.last_incarnation = self.last_incarnation.max(me);
        let namesakes = || self.nodes.values().filter(|node| node.name == request.name);
        let newer = namesakes().any(|node| node.incarnation > me);
        let latest = namesakes().max_by_key(|node| node.incarnation);
        let flaps = match latest {
            Some(node) if now - node.joined <= timing.forgive_ms => node.flaps + 1,
            _ => 0,
        };
        for node in self.nodes.values_mut() {
            if node.name == request.name && node.incarnation < me {
                node.superseded = true;
            }
        }
        let joined = NodeRecord {
            incarnation: me,
            process: request.process,
            name: request.name.clone(),
            address: request.address.clone(),
            deadline: if newer { now } else { now + timing.lease_ms },
            joined: now,
            settled: now + (timing.settle_ms << flaps.min(FLAPS_MOST)),
            flaps,
            leaving: request.leaving,
            superseded: newer,
            chargers: request.chargers,
            unwritten: request.unwritten,
        };
        self.nodes.insert(me, joined);
        me
    }

    /// Gives a lease up. That there are writes left behind is remembered.
    fn depart(&mut self, me: i64, now: i64) {
        match self.nodes.get_mut(&me) {
            Some(node) if node.unwritten => node.deadline = now,
            _ => drop(self.nodes.remove(&me)),
        }
    }

    /// Whether the table changed.
    fn move_shards(&mut self, request: &Request, me: i64, now: i64) -> bool {
        let quiet = now < self.quiet_until;
        let mut changed = false;
        for (shard, epoch) in &request.given {
            let held = ShardRecord {
                holder: Some(me),
                epoch: *epoch,
            };
            if self.shards.get(shard) == Some(&held) {
                let holder = None;
                self.shards.insert(*shard, ShardRecord { holder, ..held });
                changed = true;
            }
        }
        for (shard, epoch) in &request.asserted {
            let known = self.shards.get(shard).map(|shard| shard.epoch);
            if quiet && known.is_none_or(|known| known < *epoch) {
                let (holder, epoch) = (Some(me), *epoch);
                self.shards.insert(*shard, ShardRecord { holder, epoch });
                changed = true;
            }
        }
        for (shard, at_least) in &request.taken {
            let known = self.shards.get(shard);
            let holder = known.and_then(|known| known.holder);
            let is_free = holder.is_none_or(|holder| {
                let node = self.nodes.get(&holder);
                holder == me || !node.is_some_and(|node| node.is_alive(now))
            });
            if !quiet && is_free {
                let above = known.map_or(0, |known| known.epoch + 1);
                let epoch = now.max(above).max(*at_least);
                let holder = Some(me);
                self.shards.insert(*shard, ShardRecord { holder, epoch });
                changed = true;
            }
        }
        changed
    }

    fn reply(&self, request: &Request, me: i64, superseded: bool, now: i64) -> Reply {
        let memory = format!("{}/{}", self.run.unwrap_or_default(), self.born);
        let state = format!("{memory}/{}", self.version);
        let table = (request.seen != state).then(|| {
            let known = (0..SHARDS).filter_map(ShardId::new);
            known
                .filter_map(|shard| Some((shard, *self.shards.get(&shard)?)))
                .collect()
        });
        Reply {
            now,
            incarnation: me,
            superseded,
            quiet: now < self.quiet_until,
            memory,
            state,
            nodes: self.nodes.values().cloned().collect(),
            table,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const START: i64 = 1_000_000;

    /// Each that has no number yet is of another process.
    fn request(name: &str, incarnation: Option<i64>) -> Request {
        static PROCESSES: AtomicU64 = AtomicU64::new(0);
        Request {
            name: name.to_owned(),
            process: PROCESSES.fetch_add(1, Ordering::Relaxed),
            incarnation,
            ..Request::default()
        }
    }

    /// Both nodes ask once a second, until then.
    fn live(arbiter: &mut Arbiter, nodes: &[(&str, i64)], from: i64, to: i64) {
        for now in (from..to).step_by(1000) {
            for (name, me) in nodes {
                arbiter.round(&request(name, Some(*me)), &Timing::default(), 1, now);
            }
        }
    }

    #[test]
    fn a_shard_is_taken_when_it_is_given_or_its_holder_is_dead() {
        let (timing, mut arbiter) = (Timing::default(), Arbiter::default());
        let shard = ShardId::new(7).unwrap();
        let a = arbiter.round(&request("a", None), &timing, 1, START);
        let b = arbiter.round(&request("b", None), &timing, 1, START);
        let (a, b) = (a.incarnation, b.incarnation);
        assert!(b > a);
        let take = |arbiter: &mut Arbiter, name: &str, me: i64, now: i64| {
            let taken = vec![(shard, 0)];
            let request = Request {
                taken,
                ..request(name, Some(me))
            };
            arbiter.round(&request, &timing, 1, now);
            arbiter.shards.get(&shard).copied()
        };
        assert_eq!(
            take(&mut arbiter, "a", a, START),
            None,
            "it is quiet at first"
        );
        let later = START + 11_000;
        live(&mut arbiter, &[("a", a), ("b", b)], START, later);
        let first = take(&mut arbiter, "a", a, later).unwrap();
        assert_eq!(first.holder, Some(a));
        assert_eq!(take(&mut arbiter, "b", b, later), Some(first), "it is held");
        // a says no more.
        live(&mut arbiter, &[("b", b)], later, later + 10_000);
        let taken = take(&mut arbiter, "b", b, later + 10_000).unwrap();
        assert_eq!(taken.holder, Some(b));
        assert!(taken.epoch > first.epoch);
    }

    #[test]
    fn a_lease_that_was_lost_is_waited_for_and_one_into_the_far_future_ends_like_any_other() {
        let (timing, mut arbiter) = (Timing::default(), Arbiter::default());
        let a = arbiter.round(&request("a", None), &timing, 1, START);
        let b = arbiter.round(&request("b", None), &timing, 1, START);
        let (a, b) = (a.incarnation, b.incarnation);
        let later = START + 20_000;
        live(&mut arbiter, &[("a", a), ("b", b)], START, later);
        arbiter.lose(&[a], &[]);
        let told = arbiter.round(&request("b", Some(b)), &timing, 1, later);
        assert!(told.quiet && told.nodes.iter().all(|node| node.incarnation == b));
        let told = arbiter.round(&request("a", Some(a)), &timing, 1, later + 1_000);
        assert!(told.quiet && !told.superseded && told.nodes.len() == 2);
        live(&mut arbiter, &[("a", a), ("b", b)], later, later + 10_000);
        let far = later + 1_000_000_000;
        let node = arbiter.nodes.get_mut(&a).unwrap();
        (node.deadline, node.settled) = (far, far);
        let now = later + 10_000;
        live(&mut arbiter, &[("b", b)], now, now + 11_000);
        let told = arbiter.round(&request("b", Some(b)), &timing, 1, now + 11_000);
        let node = told.nodes.iter().find(|node| node.incarnation == a);
        assert!(node.is_some_and(|node| !node.is_alive(told.now) && node.settled < now + 400_000));
    }

    #[test]
    fn a_later_process_of_the_same_name_puts_the_earlier_out() {
        let (timing, mut arbiter) = (Timing::default(), Arbiter::default());
        let first = arbiter.round(&request("a", None), &timing, 1, START);
        let second = arbiter.round(&request("a", None), &timing, 1, START + 1);
        assert!(second.incarnation > first.incarnation && !second.superseded);
        let again = request("a", Some(first.incarnation));
        let again = arbiter.round(&again, &timing, 1, START + 2);
        assert!(again.superseded);
        // Its lease still runs: it may not have heard of it.
        let old = &again.nodes[0];
        assert!(old.superseded && old.is_alive(START + 9_999) && !old.is_member(START + 9_999));
    }

    #[test]
    fn a_node_that_flaps_settles_later_each_time_and_is_forgiven() {
        let (timing, mut arbiter) = (Timing::default(), Arbiter::default());
        let mut now = START;
        let mut waits = Vec::new();
        for pause in [20_000, 20_000, 20_000, 700_000] {
            let reply = arbiter.round(&request("a", None), &timing, 1, now);
            let joined = reply.nodes.last().unwrap();
            waits.push((joined.flaps, joined.settled - now));
            now += pause;
        }
        let reply = arbiter.round(&request("a", None), &timing, 1, now);
        waits.push((reply.nodes.last().unwrap().flaps, 5_000));
        assert_eq!(
            waits,
            [
                (0, 5_000),
                (1, 10_000),
                (2, 20_000),
                (3, 40_000),
                (0, 5_000)
            ]
        );
    }
}
