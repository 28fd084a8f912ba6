//! What others hold of a socket: they leave word there and wake its task.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Instant,
};

use actors::{CloseReason, Link, OutgoingCall};
use futures_util::task::AtomicWaker;

use crate::socket::{
    calls::Calls,
    liveness::{Liveness, Visit, seconds_since},
};

/// What others hold of a socket: they leave word and wake its task.
pub(crate) struct LinkHandle {
    word: Mutex<Word>,
    pub(super) waker: AtomicWaker,
    max_waiting_calls: usize,
    last_read_s: AtomicU32,
    /// When the ping was sent that nothing has been read since; 0: none.
    pinged_s: AtomicU32,
    answers_pings: AtomicBool,
    /// What the seconds above count from.
    clock_began: Instant,
}

/// Word left for a socket's task.
#[derive(Default)]
pub(super) struct Word {
    pub(super) calls: Calls,
    pub(super) ping: bool,
    pub(super) close: Option<Closing>,
    /// Close when nothing is in hand any more, and take on nothing new.
    pub(super) finish: Option<CloseReason>,
}

/// Why a socket's task ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    Asked(CloseReason),
    Dead,
}

impl LinkHandle {
    pub(crate) fn new(max_waiting_calls: usize, liveness: &Liveness) -> Self {
        Self {
            word: Mutex::default(),
            waker: AtomicWaker::new(),
            max_waiting_calls,
            last_read_s: AtomicU32::new(liveness.now_s()),
            pinged_s: AtomicU32::new(0),
            answers_pings: AtomicBool::new(false),
            clock_began: liveness.began(),
        }
    }

    /// Looks at the socket once per ping interval; see [`crate::socket::liveness`].
    pub(crate) fn visit(&self, now_s: u32, silence_most_s: u32) -> Visit {
        let last_read_s = self.last_read_s.load(Ordering::Relaxed);
        let pinged_s = self.pinged_s.load(Ordering::Relaxed);
        let unanswered = pinged_s != 0 && last_read_s < pinged_s;
        let silent_s = now_s.saturating_sub(last_read_s);
        let answers_pings = self.answers_pings.load(Ordering::Relaxed);
        if unanswered && (answers_pings || silent_s > silence_most_s) {
            return Visit::Dead;
        }
        if silent_s == 0 {
            return Visit::Alive;
        }
        if !unanswered {
            self.pinged_s.store(now_s.max(1), Ordering::Relaxed);
        }
        Visit::Ping
    }

    /// Something was read, so the charger lives.
    pub(super) fn was_read(&self, now_s: u32) {
        self.last_read_s.store(now_s, Ordering::Relaxed);
    }

    /// It answered a ping.
    pub(super) fn was_answered(&self) {
        self.answers_pings.store(true, Ordering::Relaxed);
    }

    pub(crate) fn declare_dead(&self) {
        self.word().close = Some(Closing::Dead);
        self.waker.wake();
    }

    /// Whether nothing new is taken on.
    pub(super) fn finishes(&self) -> bool {
        self.word().finish.is_some()
    }

    pub(super) fn word(&self) -> MutexGuard<'_, Word> {
        // Nothing panics while it holds the lock.
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for LinkHandle {
    fn call(&self, call: OutgoingCall) {
        self.word()
            .calls
            .push(call, self.max_waiting_calls, Instant::now());
        self.waker.wake();
    }

    fn silent_s(&self) -> u32 {
        let last_read_s = self.last_read_s.load(Ordering::Relaxed);
        seconds_since(self.clock_began).saturating_sub(last_read_s)
    }

    fn ping(&self) {
        self.word().ping = true;
        self.waker.wake();
    }

    fn close(&self, reason: CloseReason) {
        self.word().close.get_or_insert(Closing::Asked(reason));
        self.waker.wake();
    }

    fn finish(&self, reason: CloseReason) {
        self.word().finish.get_or_insert(reason);
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> LinkHandle {
        LinkHandle::new(1, &Liveness::new(60, 300))
    }

    #[test]
    fn a_socket_that_answered_pings_and_stops_is_dead_at_the_next_visit() {
        let link = link();
        link.answers_pings.store(true, Ordering::Relaxed);
        assert_eq!(link.visit(60, 900), Visit::Ping);
        link.last_read_s.store(60, Ordering::Relaxed);
        assert_eq!(link.visit(120, 900), Visit::Ping);
        assert_eq!(link.visit(180, 900), Visit::Dead);
    }

    #[test]
    fn quirk_25_a_socket_that_never_answers_pings_lives_by_its_messages() {
        let link = link();
        for visit in 1..=10 {
            assert_eq!(link.visit(visit * 60, 900), Visit::Ping);
        }
        link.last_read_s.store(630, Ordering::Relaxed);
        assert_eq!(link.visit(660, 900), Visit::Ping);
        assert_eq!(link.visit(630 + 901, 900), Visit::Dead);
    }
}
