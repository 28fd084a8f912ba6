//! The rounds with the arbiter, and who is told what changes by them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{Inner, Parting};
use crate::{AddressUse, Away, Backend, Event, HandOver, Reply, Request, core::Change, metrics};

/// How soon the next round follows one that has something to move.
const BUSY: Duration = Duration::from_millis(50);

impl<B: Backend> Inner<B> {
    pub(super) async fn play_rounds(self: Arc<Self>) {
        let every = Duration::from_millis(self.settings.timing.round_ms.unsigned_abs());
        loop {
            let fenced = self.core().look_at_clock(self.now());
            if let Some(fenced) = fenced {
                self.tell(vec![fenced]).await;
            }
            let request = self.request();
            let was_busy = self.core().is_busy();
            let (asked_at, begun) = (self.now(), Instant::now());
            let answer = self.backend.round(&request, &self.settings.timing).await;
            match answer {
                Ok(reply) => {
                    self.told.send_replace(request.unwritten);
                    self.heed(reply, asked_at, begun.elapsed()).await;
                }
                Err(away) => self.note_away(away),
            }
            if self.core().has_left() {
                if self.goes.load(Ordering::SeqCst) {
                    self.say_goodbye().await;
                    return;
                }
                self.parting.send_replace(Parting::HoldsNone);
            }
            // What was refused once is not asked for at once again.
            let is_busy = self.core().is_busy() && !was_busy;
            let pause = if is_busy { BUSY } else { every };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.round_soon.notified() => tokio::time::sleep(BUSY).await,
            }
        }
    }

    async fn heed(self: &Arc<Self>, reply: Reply, asked_at: i64, took: Duration) {
        let incarnation = reply.incarnation;
        let memory = {
            let mut health = self.health();
            let known = std::mem::replace(&mut health.memory, reply.memory.clone());
            health.up = true;
            health.reached = true;
            (health.error, health.trouble) = (None, None);
            health.round_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            known
        };
        if !memory.is_empty() && memory != reply.memory {
            tracing::warn!(
                "the placement backend has another memory than before; all claims are confirmed anew"
            );
            self.audit_all.store(true, Ordering::SeqCst);
        }
        ::metrics::counter!(metrics::ROUNDS, "outcome" => "answered").increment(1);
        ::metrics::histogram!(metrics::ROUND_SECONDS).record(took);
        ::metrics::gauge!(metrics::UP).set(1.0);
        ::metrics::gauge!(metrics::REACHED).set(1.0);
        let away = self.away().end();
        if let Some(away) = away {
            let after_s = away.as_secs();
            tracing::warn!(after_s, "the placement backend answers");
        }
        let (changes, address) = {
            let mut core = self.core();
            let changes = core.answer(reply, asked_at, self.now());
            let (nodes, now) = core.nodes();
            let alive = nodes.iter().filter(|node| node.is_alive(now)).count();
            ::metrics::gauge!(metrics::NODES).set(alive as f64);
            ::metrics::gauge!(metrics::SHARDS_HELD).set(core.held().count() as f64);
            (changes, core.address_use().clone())
        };
        self.incarnation
            .send_if_modified(|known| known.replace(incarnation) != Some(incarnation));
        let is_shared = matches!(address, AddressUse::Shared(_));
        ::metrics::gauge!(metrics::ADDRESS_SHARED).set(f64::from(u8::from(is_shared)));
        self.address.send_if_modified(|known| {
            let is_new = *known != address;
            *known = address;
            is_new
        });
        self.tell(changes).await;
    }

    fn note_away(&self, away: Away) {
        ::metrics::counter!(metrics::ROUNDS, "outcome" => "away").increment(1);
        ::metrics::gauge!(metrics::UP).set(0.0);
        let mut health = self.health();
        let trouble = match health.reached {
            true => {
                "the placement backend (Redis) is away: chargers stay, new claims are provisional, no site moves"
            }
            false => {
                "the placement backend (Redis) has not been reached since this hub was started: chargers are taken in and charge, but no other hub knows of them, and no site is acted for here"
            }
        };
        if self.away().begin(&away.0) {
            tracing::warn!(error = %away, "{trouble}");
        }
        health.up = false;
        self.address.send_if_modified(|known| {
            let says_nothing = matches!(known, AddressUse::NotAsked | AddressUse::MayBeShared(_));
            if says_nothing {
                *known = AddressUse::NotKnown;
            }
            says_nothing
        });
        health.trouble = Some(format!("{trouble}: {away}"));
        health.error = Some(away.0);
    }

    fn request(&self) -> Request {
        let unwritten = self.unwritten.load(Ordering::SeqCst);
        self.core().request(self.claims.len() as u64, unwritten)
    }

    async fn say_goodbye(&self) {
        let request = Request {
            bye: true,
            ..self.request()
        };
        // Where it is not heard the lease runs out.
        let _ = self.backend.round(&request, &self.settings.timing).await;
        self.parting.send_replace(Parting::Gone);
    }

    async fn tell(self: &Arc<Self>, changes: Vec<Change>) {
        for change in changes {
            let event = match change {
                Change::Gained(shard, epoch) => {
                    ::metrics::counter!(metrics::SHARD_MOVES, "how" => "gained").increment(1);
                    self.happened().shards_gained += 1;
                    Event::ShardGained { shard, epoch }
                }
                Change::Leaving(shard, epoch) => {
                    ::metrics::counter!(metrics::SHARD_MOVES, "how" => "given").increment(1);
                    self.happened().shards_given += 1;
                    let inner = Arc::downgrade(self);
                    let hand_over = HandOver::new(move || {
                        if let Some(inner) = inner.upgrade() {
                            inner.core().hand_over(shard, epoch);
                            inner.round_soon.notify_one();
                        }
                    });
                    Event::ShardLeaving { shard, hand_over }
                }
                Change::Lost(shard) => {
                    ::metrics::counter!(metrics::SHARD_MOVES, "how" => "lost").increment(1);
                    self.happened().shards_lost += 1;
                    Event::ShardLost { shard }
                }
                Change::Fenced => {
                    ::metrics::counter!(metrics::FENCED).increment(1);
                    self.happened().fenced += 1;
                    tracing::warn!(
                        "this node's lease was not renewed in time: it acts for no site until it is"
                    );
                    Event::Fenced
                }
                Change::Superseded => {
                    tracing::error!(name = %self.settings.name, "another process has this node's name and is newer: this one gets no sites any more; end it, or name it otherwise");
                    Event::Superseded
                }
            };
            // Nobody may want events any more. One who does not keep up holds up the rounds, and so is fenced.
            let _ = self.events.send(event).await;
        }
    }
}
