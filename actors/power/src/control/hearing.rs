//! What the controller hears of its outlets and meters, and what that says of their obedience.

use std::collections::HashMap;

use super::book::Evidence;
use super::metered::Metered;
use super::{Answer, CommandId, Controller, LATE_MS, Wish};

/// Refusals beyond these make no longer pause.
const REFUSALS_MOST: u32 = 5;

impl Controller {
    /// Whether the outlet's station can be reached.
    pub fn online(&mut self, outlet: usize, online: bool) {
        let state = &mut self.outlets[outlet];
        state.online = online;
        state.unanswered.clear();
        if !online && state.keeps_grants {
            state.keeps(state.book.most_a());
        }
    }

    /// The outlet's station is known to have its floor. Shortly after, its meter may still show what it drew before.
    pub fn has_floor(&mut self, outlet: usize, now_ms: i64) {
        let before_a = self.allowed_a(outlet);
        let state = &mut self.outlets[outlet];
        state.floor_a = Some(self.site.outlets()[outlet].floor_a);
        state.kept_a = None;
        if self.allowed_a(outlet) < before_a {
            self.outlets[outlet].book.is_lowered(now_ms);
        }
    }

    /// The outlet's station is not known to have its floor.
    pub fn has_no_floor(&mut self, outlet: usize) {
        self.outlets[outlet].floor_a = None;
    }

    /// Whether grants of the outlet end a lease after its station took them, and not at a time that it is told: they are booked
    /// without an end until it answers, or goes offline. So is what it did not answer yet.
    pub fn grants_float(&mut self, outlet: usize, float: bool) {
        let state = &mut self.outlets[outlet];
        state.grants_float = float;
        if float {
            for it in &state.unanswered {
                state.book.floats(it.id);
            }
        }
    }

    /// Whether grants of the outlet are known not to end while its station is offline.
    pub fn keeps_grants(&mut self, outlet: usize, keeps: bool) {
        self.outlets[outlet].keeps_grants = keeps;
    }

    /// It keeps its grants while its station is offline, and a predecessor granted it up to so much, in A.
    pub fn recall_kept(&mut self, outlet: usize, amps: f64) {
        let state = &mut self.outlets[outlet];
        state.keeps_grants = true;
        state.keeps(amps);
    }

    /// What the session at the outlet wants; none when it is over, or there is none. A session that is over takes its
    /// grants with it, so this must not be said before the station did.
    pub fn wish(&mut self, outlet: usize, wish: Option<Wish>, now_ms: i64) {
        let state = &mut self.outlets[outlet];
        if state.wish.map(|it| it.session) != wish.map(|it| it.session) {
            state.raised_ms = None;
            state.is_unverified = false;
            state.is_outside &= wish.is_none();
            state.since_ms = now_ms;
            state.charging = false;
            state.refused_until_ms = None;
            state.refusals = 0;
            state.unanswered.clear();
        }
        state.wish = wish;
    }

    /// The outlet's station may take so long to answer, in ms, before it is silent.
    pub fn patience(&mut self, outlet: usize, patience_ms: i64) {
        self.outlets[outlet].patience_ms = patience_ms;
    }

    /// What a station answered. Answers to another controller's commands are of no interest. Who refuses time and again is
    /// tried less and less often: the others make room for it each time.
    pub fn answered(&mut self, outlet: usize, id: CommandId, answer: Answer, now_ms: i64) {
        let before_a = self.allowed_a(outlet);
        let state = &mut self.outlets[outlet];
        state.book.ends(id, now_ms + self.settings.lease_ms);
        let asked = state.unanswered.iter().any(|it| it.id == id);
        state.unanswered.retain(|it| it.id > id);
        match answer {
            _ if !asked => {}
            Answer::Accepted => {
                state.book.is_accepted(id, now_ms);
                state.refusals = 0;
                state.kept_a = None;
            }
            Answer::Refused => {
                state.book.is_refused(id);
                if state.refused_until_ms.is_none() {
                    state.refusals = (state.refusals + 1).min(REFUSALS_MOST);
                }
                let longer = 1 << state.refusals.saturating_sub(1);
                state.refused_until_ms = Some(now_ms + longer * self.settings.refused_ms);
            }
        }
        if self.allowed_a(outlet) < before_a {
            self.outlets[outlet].book.is_lowered(now_ms);
        }
    }

    /// What the outlet draws, the greatest of its phases in A, read at that time; of an average, when it began.
    pub fn measured(&mut self, outlet: usize, amps: f64, at_ms: i64, now_ms: i64) {
        let state = &mut self.outlets[outlet];
        state.measured_a = Some((amps, at_ms));
        state.is_outside = false;
        let allowed_a = self.allowed_a(outlet);
        let lasts_ms = self.settings.lasts_ms();
        let tolerance_a = self.settings.tolerance_a;
        (self.outlets[outlet].book).is_seen(amps, at_ms, tolerance_a);
        if self.is_shown_within(outlet, amps, Evidence::Meter, at_ms, now_ms) {
            let book = &mut self.outlets[outlet].book;
            book.obeys(amps, allowed_a, at_ms, lasts_ms);
        }
    }

    /// As [`Controller::measured`], of a meter that contradicts itself: it speaks against the outlet, and never for it.
    pub fn measured_in_doubt(&mut self, outlet: usize, amps: f64, at_ms: i64, now_ms: i64) {
        self.suspect_above(outlet, amps, Evidence::Meter, at_ms, now_ms);
        self.outlets[outlet].book.is_in_doubt();
    }

    /// The outlet's meter tells what it says was long ago, as of a clock that stands still. Where that goes on, and nothing
    /// else is shown, it is taken for unverified sooner.
    pub fn measured_late(&mut self, outlet: usize, now_ms: i64) {
        let state = &mut self.outlets[outlet];
        let since_ms = *state.late_since_ms.get_or_insert(now_ms);
        state.is_late |= now_ms - since_ms >= LATE_MS;
    }

    /// As [`Controller::measured`], where no session is known. What flows then is limited by no floor, since that is for
    /// transactions, and by no grant: the outlet is booked at the most it can draw until it draws nothing any more, or a
    /// session begins.
    pub fn measured_outside(&mut self, outlet: usize, amps: f64, at_ms: i64, now_ms: i64) {
        let state = &mut self.outlets[outlet];
        state.measured_a = Some((amps, at_ms));
        state.shown_ms = Some(now_ms);
        state.is_outside = amps > self.settings.tolerance_a;
    }

    /// What the schedule of the outlet's station allows it, in A, asked at that time. More than it may draw is as good as
    /// drawn; no more is as good as a reading, except of one whose meter has shown that it does not obey.
    pub fn shown(&mut self, outlet: usize, amps: f64, at_ms: i64, now_ms: i64) {
        let lasts_ms = self.settings.lasts_ms();
        if self.is_shown_within(outlet, amps, Evidence::Schedule, at_ms, now_ms) {
            let book = &mut self.outlets[outlet].book;
            book.shows_that_it_obeys(at_ms, lasts_ms);
        }
    }

    /// Whether what the outlet shows is no more than it may draw; it is suspected if not.
    fn is_shown_within(
        &mut self,
        outlet: usize,
        amps: f64,
        evidence: Evidence,
        at_ms: i64,
        now_ms: i64,
    ) -> bool {
        let state = &mut self.outlets[outlet];
        state.shown_ms = Some(now_ms);
        state.is_unverified = false;
        (state.late_since_ms, state.is_late) = (None, false);
        self.suspect_above(outlet, amps, evidence, at_ms, now_ms)
    }

    /// Whether so much is no more than the outlet may draw; it is suspected if not.
    fn suspect_above(
        &mut self,
        outlet: usize,
        amps: f64,
        evidence: Evidence,
        at_ms: i64,
        now_ms: i64,
    ) -> bool {
        let most_a = self.allowed_a(outlet) + self.settings.tolerance_a;
        let margin_ms = self.settings.margin_ms;
        let evidence = match self.is_learning(now_ms) {
            true => Evidence::Predecessor,
            false => evidence,
        };
        let book = &mut self.outlets[outlet].book;
        if amps > most_a && !book.was_more_at(at_ms, margin_ms) {
            book.suspect(amps, evidence);
        }
        amps <= most_a
    }

    /// What a meter says of the load at a node that is not the outlets', per phase in A.
    pub fn unmanaged(&mut self, node: usize, amps: [f64; 3], at_ms: i64) {
        let before = self.metered.get(&node).copied();
        self.metered
            .insert(node, Metered::says(before, amps, at_ms));
    }

    /// Whether a meter shows more at a node than may flow, and when it did. While it does, outlets below that were not seen
    /// to obey lately are told their floors.
    pub fn overloaded(&mut self, node: usize, at_ms: Option<i64>) {
        match at_ms {
            Some(at_ms) => self.overloaded_ms.insert(node, at_ms),
            None => self.overloaded_ms.remove(&node),
        };
    }

    /// What draws at nodes, per phase in A, that no limit of ours reaches: all that there is of it. A node's own meter knows
    /// of it already.
    pub fn strays(&mut self, amps: HashMap<usize, [f64; 3]>) {
        self.strays_a = amps;
    }
}
