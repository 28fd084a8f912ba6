//! The gate between a CALL that was read and the actors: so many are worked on at once, the others wait
//! in line, the most urgent in front (see [`super::line`]).
//!
//! Without it an overloaded hub would work on everything a little: each of the many hops of each message
//! (task, actor, writer) would queue behind all the others, a StopTransaction like a Heartbeat. With it
//! the hops stay short and what waits, waits here, where it is known what it is.
//!
//! - While there is room, entering costs an atomic exchange. Whoever is silent holds nothing here.
//! - The last eighth of the room is for transactions and drivers, so that they do not even wait for one of
//!   the others to be done.
//! - A heartbeat that has waited for some time is *shed*: its time comes from the clock alone, without
//!   actor, store or log. It is not answered at once, because a station that asks again and again
//!   must not be rewarded for it; and not never, because the hub must not look dead.
//! - The line holds one CALL per open socket at most. When somebody has waited in it for too long, no
//!   further sockets are opened.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ::metrics::Gauge;
use tokio::{sync::oneshot, time::timeout};

use super::line::{Class, Line, Place};
use crate::{config::OverloadConfig, metrics};

/// This part of the room is for [`Class::Meter`] and above.
const RESERVED_PART: u32 = 8;

/// The gate.
pub(crate) struct Gate {
    room: u32,
    reserved: u32,
    heartbeat_wait: Duration,
    refuse_after: Duration,
    counts: Counts,
    line: Mutex<Line<Waiter>>,
    began: Instant,
    /// Since when the one has waited that has waited longest, in ms from `began`; [`NOBODY`]: nobody does.
    oldest_since_ms: AtomicU64,
    waiting: [Gauge; Class::ALL.len()],
    longest_wait: Gauge,
}

const NOBODY: u64 = u64::MAX;

struct Waiter {
    since: Instant,
    go: oneshot::Sender<Ticket>,
}

/// A CALL's place at work. Dropping it makes room for the next in line.
pub(crate) struct Ticket(Option<Arc<Gate>>);

impl Gate {
    pub(crate) fn new(config: &OverloadConfig) -> Self {
        let room = match config.calls_at_once {
            0 => u32::MAX,
            room => room,
        };
        let waiting_of =
            |class: Class| ::metrics::gauge!(metrics::CALLS_WAITING, "class" => class.name());
        Self {
            room,
            reserved: room / RESERVED_PART,
            heartbeat_wait: Duration::from_millis(config.heartbeat_wait_ms),
            refuse_after: Duration::from_millis(config.refuse_connections_after_ms),
            counts: Counts::default(),
            line: Mutex::new(Line::new()),
            began: Instant::now(),
            oldest_since_ms: AtomicU64::new(NOBODY),
            waiting: Class::ALL.map(waiting_of),
            longest_wait: ::metrics::gauge!(metrics::LONGEST_WAIT_SECONDS),
        }
    }

    /// Waits for a CALL's turn; `None` for a heartbeat that has waited long enough and is to be shed.
    pub(crate) async fn enter(self: &Arc<Self>, class: Class) -> Option<Ticket> {
        if self.counts.enter(self.most(class)) {
            return Some(Ticket(Some(Arc::clone(self))));
        }
        // Boxed: most never wait, and all would be as large as if they did.
        match class {
            Class::Heartbeat => Box::pin(timeout(self.heartbeat_wait, self.wait(class)))
                .await
                .ok(),
            _ => Some(Box::pin(self.wait(class)).await),
        }
    }

    /// Whether anybody waits.
    pub(crate) fn is_busy(&self) -> bool {
        self.counts.somebody_waits()
    }

    /// Whether somebody has waited for so long that no more sockets should be opened.
    pub(crate) fn is_overloaded(&self) -> bool {
        let since_ms = self.oldest_since_ms.load(Ordering::Relaxed);
        since_ms != NOBODY
            && self.began.elapsed() > Duration::from_millis(since_ms) + self.refuse_after
    }

    /// How much of the room a class may fill.
    fn most(&self, class: Class) -> u32 {
        match class {
            Class::Other | Class::Heartbeat => self.room - self.reserved,
            _ => self.room,
        }
    }

    async fn wait(self: &Arc<Self>, class: Class) -> Ticket {
        let (go, told) = oneshot::channel();
        let waiter = Waiter {
            since: Instant::now(),
            go,
        };
        let place = {
            let mut line = self.line();
            // Somebody may have left in between.
            if self.counts.enter_or_wait(self.most(class)) {
                return Ticket(Some(Arc::clone(self)));
            }
            let place = line.join(class, waiter);
            self.note(&line, class, 1.0);
            place
        };
        let mut turn = Turn {
            gate: self,
            place,
            told,
        };
        match (&mut turn.told).await {
            Ok(ticket) => ticket,
            Err(_) => unreachable!("a waiter is told, or takes itself out of the line"),
        }
    }

    fn leave(self: Arc<Self>) {
        if self.counts.leave_unless_somebody_waits() {
            return;
        }
        let gate = Arc::clone(&self);
        let mut line = gate.line();
        let free_below = self.counts.at_work().saturating_sub(1);
        let lowest = match free_below < self.most(Class::Heartbeat) {
            true => Class::Heartbeat,
            false => Class::Meter,
        };
        match line.next(lowest) {
            Some((class, next)) => {
                self.counts.one_waits_less();
                self.note(&line, class, -1.0);
                drop(line);
                // Refused, the ticket is dropped, and the next one has their turn.
                let _ = next.go.send(Ticket(Some(self)));
            }
            None => self.counts.leave(),
        }
    }

    /// Keeps what others ask of the line; to be called after each change of it.
    fn note(&self, line: &Line<Waiter>, class: Class, change: f64) {
        self.waiting[class as usize].increment(change);
        let oldest = line.oldest().map(|waiter| waiter.since);
        let since_ms = oldest.map_or(NOBODY, |since| {
            let ms = since.saturating_duration_since(self.began).as_millis();
            u64::try_from(ms).unwrap_or(NOBODY)
        });
        self.oldest_since_ms.store(since_ms, Ordering::Relaxed);
        self.longest_wait
            .set(oldest.map_or(0.0, |since| since.elapsed().as_secs_f64()));
    }

    fn line(&self) -> MutexGuard<'_, Line<Waiter>> {
        // Nothing panics while it holds the lock.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.leave();
        }
    }
}

/// A wait for one's turn. Who stops waiting leaves the line; who has just been given a ticket drops it,
/// and with it makes room.
struct Turn<'g> {
    gate: &'g Gate,
    place: Place,
    told: oneshot::Receiver<Ticket>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.gate.line();
        if line.give_up(self.place).is_some() {
            self.gate.counts.one_waits_less();
            self.gate.note(&line, self.place.0, -1.0);
        }
    }
}

/// How many are at work (the lower half) and how many wait (the upper): in one word, so that nobody
/// joins the line unseen by the last one to leave. The upper half changes only under the line's lock.
#[derive(Default)]
struct Counts(AtomicU64);

const ONE_WAITS: u64 = 1 << 32;

fn at_work(counts: u64) -> u32 {
    counts as u32
}

impl Counts {
    /// Goes to work if fewer than `most` are.
    ///
    /// Nobody overtakes by this: who waits does so because the part of the room that is for them was
    /// full, and it stays full while they wait.
    fn enter(&self, most: u32) -> bool {
        self.change(|counts| (at_work(counts) < most).then_some(counts + 1))
    }

    /// Goes to work if fewer than `most` are (true), or else waits.
    fn enter_or_wait(&self, most: u32) -> bool {
        let mut enters = false;
        self.change(|counts| {
            enters = at_work(counts) < most;
            Some(if enters {
                counts + 1
            } else {
                counts + ONE_WAITS
            })
        });
        enters
    }

    fn leave_unless_somebody_waits(&self) -> bool {
        self.change(|counts| (counts < ONE_WAITS).then(|| counts - 1))
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    fn one_waits_less(&self) {
        self.0.fetch_sub(ONE_WAITS, Ordering::AcqRel);
    }

    fn at_work(&self) -> u32 {
        at_work(self.0.load(Ordering::Acquire))
    }

    fn somebody_waits(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= ONE_WAITS
    }

    fn change(&self, change: impl FnMut(u64) -> Option<u64>) -> bool {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::task::JoinSet;

    use super::*;

    fn gate(calls_at_once: u32) -> Arc<Gate> {
        Arc::new(Gate::new(&OverloadConfig {
            calls_at_once,
            heartbeat_wait_ms: 1_000,
            refuse_connections_after_ms: 5_000,
        }))
    }

    fn enter_now(gate: &Arc<Gate>, class: Class) -> Option<Ticket> {
        gate.enter(class).now_or_never().flatten()
    }

    #[tokio::test]
    async fn a_stop_overtakes_those_that_wait() {
        let gate = gate(1);
        let at_work = enter_now(&gate, Class::Other).unwrap();
        let mut heartbeat = Box::pin(gate.enter(Class::Heartbeat));
        let mut status = Box::pin(gate.enter(Class::Other));
        let mut stop = Box::pin(gate.enter(Class::Stop));
        assert!((&mut heartbeat).now_or_never().is_none());
        assert!((&mut status).now_or_never().is_none());
        assert!((&mut stop).now_or_never().is_none());
        drop(at_work);
        assert!((&mut heartbeat).now_or_never().is_none());
        assert!((&mut status).now_or_never().is_none());
        drop(stop.now_or_never().unwrap());
        drop(status.now_or_never().unwrap());
        assert!(heartbeat.now_or_never().unwrap().is_some());
    }

    #[tokio::test]
    async fn the_last_eighth_of_the_room_is_for_transactions() {
        let gate = gate(8);
        let statuses: Vec<_> = (0..7)
            .map(|_| enter_now(&gate, Class::Other).unwrap())
            .collect();
        assert!(enter_now(&gate, Class::Other).is_none());
        let stop = enter_now(&gate, Class::Stop).unwrap();
        assert!(enter_now(&gate, Class::Stop).is_none(), "that was the last");
        let mut status = Box::pin(gate.enter(Class::Other));
        assert!((&mut status).now_or_never().is_none());
        drop(stop);
        assert!((&mut status).now_or_never().is_none());
        drop(statuses);
        assert!(status.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_is_shed_and_a_status_is_not() {
        let gate = gate(1);
        let _at_work = enter_now(&gate, Class::Stop).unwrap();
        let mut status = Box::pin(gate.enter(Class::Other));
        assert!((&mut status).now_or_never().is_none());
        assert!(gate.enter(Class::Heartbeat).await.is_none());
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert!((&mut status).now_or_never().is_none());
        drop(status);
        assert!(!gate.is_busy(), "who gave up does not wait");
    }

    #[tokio::test]
    async fn as_many_as_there_are_may_be_the_bound() {
        let gate = gate(0);
        let all: Vec<_> = (0..10_000)
            .map(|_| enter_now(&gate, Class::Heartbeat))
            .collect();
        assert!(all.iter().all(Option::is_some));
    }

    /// Threads that come, wait, give up and leave at random: never more at work than there is room for,
    /// nobody forgotten, and nothing held afterwards.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_holds_under_a_crowd() {
        let gate = gate(8);
        let mut crowd = JoinSet::new();
        for n in 0..64_u64 {
            let gate = Arc::clone(&gate);
            crowd.spawn(async move {
                for turn in 0..300 {
                    let class = Class::ALL[((n + turn) % 6) as usize];
                    let entered = match turn % 5 {
                        // Gives up at a point that the scheduler picks.
                        0 => tokio::select! {
                            biased;
                            ticket = gate.enter(class) => ticket,
                            () = tokio::task::yield_now() => None,
                        },
                        _ => gate.enter(class).await,
                    };
                    if entered.is_some() {
                        assert!(gate.counts.at_work() <= 8);
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        timeout(Duration::from_secs(60), crowd.join_all())
            .await
            .expect("everybody has their turn");
        assert_eq!(gate.counts.0.load(Ordering::SeqCst), 0);
        assert!(!gate.is_overloaded());
    }
}
