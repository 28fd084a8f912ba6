//! An outlet as the controller knows it.

use super::{Book, CommandId, Grant, Settings, Wish};
use crate::tree::Outlet;

/// An outlet as the controller knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) online: bool,
    /// The floor that its station is known to have, in A. Until there is one, it may draw all it can.
    pub(super) floor_a: Option<f64>,
    pub(super) wish: Option<Wish>,
    pub(super) book: Book,
    /// Since when it has been charging, or waiting.
    pub(super) since_ms: i64,
    pub(super) charging: bool,
    /// It refused a grant: no increase before this time.
    pub(super) refused_until_ms: Option<i64>,
    /// How often it did since it last took one, or its session began.
    pub(super) refusals: u32,
    /// How long its station takes to answer, in ms, where that is longer than usual.
    pub(super) patience_ms: i64,
    /// What was sent and not answered, the oldest first.
    pub(super) unanswered: Vec<Unanswered>,
    pub(super) measured_a: Option<(f64, i64)>,
    /// Since when it may draw more than its floor.
    pub(super) raised_ms: Option<i64>,
    /// When it last showed what it does.
    pub(super) shown_ms: Option<i64>,
    /// Since when its meter tells only of what was long ago, and whether that is no queue that is emptied.
    pub(super) late_since_ms: Option<i64>,
    pub(super) is_late: bool,
    /// It may draw more than its floor, and has shown nothing for too long.
    pub(super) is_unverified: bool,
    /// It draws and no session is known there.
    pub(super) is_outside: bool,
    /// Its grants end so long after its station took them.
    pub(super) grants_float: bool,
    /// Its grants do not end while it is offline.
    pub(super) keeps_grants: bool,
    /// What it may have kept since it went offline, in A, until it is known to have its floor again.
    pub(super) kept_a: Option<f64>,
    pub(super) grant: Option<Grant>,
}

/// A command that was sent and not answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unanswered {
    pub(super) id: CommandId,
    pub(super) sent_ms: i64,
    /// It lowers what the outlet may draw.
    pub(super) lowers: bool,
}

impl State {
    /// Whether there is a point in telling the station: it is there, can be limited, and answers. While one leaves a
    /// decrease unanswered the others make room for what it has.
    pub(super) fn may_be_told(&self, outlet: &Outlet, settings: &Settings, now_ms: i64) -> bool {
        self.online
            && !outlet.unlimitable
            && self.floor_a.is_some()
            && !self.is_silent(settings, now_ms)
            && !self.is_late_to_lower(settings, now_ms)
    }

    /// Whether it leaves a decrease unanswered.
    pub(super) fn is_late_to_lower(&self, settings: &Settings, now_ms: i64) -> bool {
        let is_late = |it: &Unanswered| it.lowers && now_ms - it.sent_ms > settings.lowers_ms;
        self.unanswered.iter().any(is_late)
    }

    /// It may have kept so much while it was offline, in A.
    pub(super) fn keeps(&mut self, amps: f64) {
        self.kept_a = Some(self.kept_a.map_or(amps, |kept_a| kept_a.max(amps)));
    }

    /// Whether it may not be taken to do as it is told.
    pub(super) fn is_doubted(&self) -> bool {
        self.book.is_suspect() || self.is_unverified || self.is_outside
    }

    /// Whether it leaves commands unanswered.
    pub(super) fn is_silent(&self, settings: &Settings, now_ms: i64) -> bool {
        let silent_ms = self.silent_ms(settings);
        (self.unanswered.first()).is_some_and(|it| now_ms - it.sent_ms > silent_ms)
    }

    pub(super) fn silent_ms(&self, settings: &Settings) -> i64 {
        settings.silent_ms.max(self.patience_ms)
    }

    /// Whether it is known to be slow and has not answered yet: but for decreases nothing more is queued before it does.
    pub(super) fn is_awaited(&self, settings: &Settings) -> bool {
        self.patience_ms > settings.silent_ms && !self.unanswered.is_empty()
    }

    /// What it was last told and did not refuse, or has fallen back to, in A.
    pub(super) fn set_to(&self, outlet: &Outlet, now_ms: i64) -> f64 {
        self.book.goes_by_a(outlet.floor_a, now_ms)
    }
}
