//! What the controller sends: decreases first, and nothing more than fits beside all that is booked.

use std::collections::BTreeMap;

use super::{
    Command, CommandId, Controller, SAME_A,
    book::{Lease, NOT_KNOWN_MS},
    down,
    state::Unanswered,
};
use crate::limits::{Limits, Loading};

impl Controller {
    /// What to send to come closer to the goal: decreases, then increases as far as they fit beside all that is booked,
    /// and renewals.
    pub(super) fn commands(
        &mut self,
        goal: &BTreeMap<usize, f64>,
        budget: &Limits,
        now_ms: i64,
    ) -> Vec<Command> {
        let (mut lower, mut renewed, mut higher) = (Vec::new(), Vec::new(), Vec::new());
        let booked = self.booked();
        // Decreases leave it as it is.
        let mut loading = Loading::new(budget, &booked);
        for (&outlet, &amps) in goal {
            let (it, state) = (&self.site.outlets()[outlet], &self.outlets[outlet]);
            let has = state.set_to(it, now_ms);
            if amps < has - SAME_A {
                lower.push((outlet, amps));
            } else if state.book.goes_by_more_than(it.floor_a, now_ms)
                && !loading.fits(outlet, booked[outlet])
            {
                // How much it has of a predecessor is not known, but that its floor is no more.
                lower.push((outlet, it.floor_a));
            } else if amps > has + SAME_A && !self.is_learning(now_ms) {
                higher.push((outlet, amps));
            } else {
                renewed.push((outlet, has));
            }
        }
        higher.sort_by_key(|(outlet, _)| (self.outlets[*outlet].charging, *outlet));
        let mut sent: Vec<Command> = Vec::new();
        for (outlet, amps) in lower {
            sent.push(self.send(outlet, amps, now_ms));
        }
        for (outlet, amps) in higher {
            if self.outlets[outlet].is_awaited(&self.settings) {
                continue;
            }
            let room = loading.amps()[outlet] + loading.room(outlet);
            let fits = self.site.outlets()[outlet]
                .steps
                .at_most(down(amps.min(room)));
            let has = self.outlets[outlet].set_to(&self.site.outlets()[outlet], now_ms);
            if fits > has + SAME_A && loading.fits(outlet, fits.max(loading.amps()[outlet])) {
                loading.set(outlet, fits.max(loading.amps()[outlet]));
                sent.push(self.send(outlet, fits, now_ms));
            } else {
                renewed.push((outlet, has));
            }
        }
        for (outlet, amps) in renewed {
            sent.extend(self.renew(outlet, amps, now_ms));
        }
        sent
    }

    /// Renews what the outlet has, if it is more than its floor and time to do so. Who refused and has its floor, as far as
    /// it says, is left alone until that is over.
    fn renew(&mut self, outlet: usize, amps: f64, now_ms: i64) -> Option<Command> {
        let floor_a = self.site.outlets()[outlet].floor_a;
        let state = &self.outlets[outlet];
        if state.is_awaited(&self.settings) {
            return None;
        }
        if state.refused_until_ms.is_some() && !state.book.is_raised(floor_a, now_ms) {
            return None;
        }
        let last = state.book.last()?;
        let is_due = now_ms - last.sent_ms >= self.settings.renew_ms && now_ms < last.ends_ms;
        is_due.then(|| self.send(outlet, amps, now_ms))
    }

    fn send(&mut self, outlet: usize, amps: f64, now_ms: i64) -> Command {
        self.number += 1;
        let id = CommandId {
            epoch: self.epoch,
            number: self.number,
        };
        let ends_ms = now_ms + self.settings.lease_ms;
        let lowers = amps < self.leased_a(outlet) - SAME_A;
        let state = &mut self.outlets[outlet];
        let session = state.wish.map_or(0, |wish| wish.session);
        state.book.enter(Lease {
            id,
            session,
            amps,
            sent_ms: now_ms,
            ends_ms: match state.grants_float {
                true => NOT_KNOWN_MS,
                false => ends_ms,
            },
            accepted_ms: None,
            seen_ms: None,
            is_refused: false,
        });
        state.unanswered.push(Unanswered {
            id,
            sent_ms: now_ms,
            lowers,
        });
        let charging = amps > SAME_A;
        if charging != state.charging {
            state.charging = charging;
            state.since_ms = now_ms;
        }
        Command {
            id,
            outlet,
            session,
            amps,
            ends_ms,
        }
    }
}
