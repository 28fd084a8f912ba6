//! The site controller: a state machine without clock, sockets or store.
//!
//! Whoever runs it tells it what happens (a session began, a station left, a meter was read) and calls
//! [`Controller::reconcile`] at each event and every few seconds; the whole state goes in each time, and what comes out is
//! what to send now. The rules, whatever fails:
//!
//! 1. **Grants are leases.** Each ends by itself at the station, which then falls back to its floor. The floors of a site
//!    fit below its limits ([`Site::new`]), so a site whose hub is gone is safe one lease later.
//! 2. **An outlet is booked at the most that it may draw** ([`Book`]): its floor and all grants that have not ended,
//!    answered or not. An offline outlet is booked like any other; never at 0 unless its floor is. One whose grants are
//!    known not to end while it is offline is booked at what it had then until it is known to have its floor again.
//! 3. **Decreases first.** They go out at once. An increase goes out only when it fits beside everything that is booked,
//!    so never before the grants that make room for it have ended, or their sessions have.
//! 4. **Limits count ahead**: no grant outlasts a limit that it would break.
//! 5. **A new controller learns before it grants**: for one lease it raises nothing, since grants of its predecessor that
//!    it knows nothing of may be under way; after that all have ended. It grants at once if it is told them all
//!    ([`Controller::recall`]): if what they allow, and until when, was remembered before any of them was sent. Another
//!    plan of the site takes over what is known ([`Controller::replan`]), so that decreases go out at once then as well.
//! 6. **Accepted is not applied.** An outlet that is seen to draw more than it may is booked at the most it can draw
//!    until its meter has shown for a whole lease that it keeps to a limit that binds (it draws a good part of what it
//!    may, which is less than it drew before): the others make room, and an alarm is raised. That nothing is heard of it
//!    proves nothing, nor does another session: who does not obey is the station.
//! 7. **Unseen is not obeyed.** An outlet that has had more than its floor for some time and showed nothing of what it
//!    does, neither by a meter nor by its schedule, is booked at the most it can draw until it does, or its session is
//!    over. It keeps what it has, and an alarm is raised. So is one that draws and has no session that is known.

mod book;
mod commands;
mod hearing;
mod metered;
mod replan;
mod settings;
mod state;
mod view;

use std::collections::{BTreeMap, HashMap};

pub use settings::Settings;
pub use view::{Alarm, OutletView};

use crate::allocate::{Ask, Grant, Held, Need, allocate};
use crate::limits::Limits;
use crate::tree::Site;
use book::{Book, Evidence, TAKEN_LATE_MS};
use metered::Metered;
use state::State;

/// A session's number, unique while its grants last.
pub type SessionId = u64;

/// Which controller sent a command, and its place among those it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId {
    /// The controller's epoch: it rises with each restart or move.
    pub epoch: u64,
    /// Rises with each command of that controller.
    pub number: u64,
}

/// Something to be sent to a station: a TxProfile for this session, to replace the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Command {
    /// Names it in the answer.
    pub id: CommandId,
    /// The outlet, by its index in the site.
    pub outlet: usize,
    /// The session it is for: a station must not apply it to another.
    pub session: SessionId,
    /// The limit, per phase in A.
    pub amps: f64,
    /// When the limit ends and the floor holds again (validTo), in ms since 1970.
    pub ends_ms: i64,
}

/// What a station answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It says it will.
    Accepted,
    /// It will not: `Rejected`, `NotSupported`, an error.
    Refused,
}

/// What a session wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// Which session.
    pub session: SessionId,
    /// The most the car takes, per phase in A; what the outlet allows, if that is not known.
    pub most_a: f64,
    /// Its share compared with that of others; 1 without priority.
    pub weight: f64,
    /// How much it needs and by when, if known: Ah of a phase, and the time it leaves in ms since 1970.
    pub need: Option<(f64, i64)>,
    /// It has the energy that its driver wanted: it gets what nobody else wants.
    pub served: bool,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// To be sent, in this order: decreases first.
    pub commands: Vec<Command>,
    /// What somebody should know, each for as long as it is so.
    pub alarms: Vec<Alarm>,
}

/// The controller of one site.
#[derive(Debug, Clone)]
pub struct Controller {
    site: Site,
    settings: Settings,
    epoch: u64,
    number: u64,
    /// Until then it grants nothing: grants of a predecessor may still hold.
    learns_until_ms: i64,
    /// By node: what a meter says of the load that is not ours.
    metered: HashMap<usize, Metered>,
    /// By node: what draws there beside it that should be an outlet and is in no plan.
    strays_a: HashMap<usize, [f64; 3]>,
    /// By node: when a meter last showed more there than may flow, while it does.
    overloaded_ms: HashMap<usize, i64>,
    outlets: Vec<State>,
}

impl Controller {
    /// A controller that takes the site over now. `epoch` is higher than that of any before it; `has_floor` says of each
    /// outlet whether its station is known to have its floor as TxDefaultProfile, which is to be remembered durably.
    pub fn new(
        site: Site,
        settings: Settings,
        epoch: u64,
        has_floor: &[bool],
        now_ms: i64,
    ) -> Self {
        let outlets = (site.outlets().iter().enumerate())
            .map(|(index, outlet)| State {
                floor_a: has_floor
                    .get(index)
                    .and_then(|has| has.then_some(outlet.floor_a)),
                since_ms: now_ms,
                ..State::default()
            })
            .collect();
        Self {
            learns_until_ms: now_ms + settings.lasts_ms(),
            site,
            settings,
            epoch,
            number: 0,
            metered: HashMap::new(),
            strays_a: HashMap::new(),
            overloaded_ms: HashMap::new(),
            outlets,
        }
    }

    /// The most that grants of predecessors allow outlets (by index, in A) until then (in ms since 1970): all of them, as was
    /// remembered before they were sent. So there is nothing to learn. To be told before the first reconcile.
    pub fn recall(&mut self, leases: &[(usize, f64, i64)], now_ms: i64) {
        for (outlet, amps, ends_ms) in leases {
            self.outlets[*outlet].book.recall(*amps, *ends_ms);
        }
        self.learns_until_ms = now_ms;
    }

    /// This outlet drew so much, in A, that its meter showed a predecessor that it does not obey.
    pub fn recall_disobedience(&mut self, outlet: usize, drew_a: f64) {
        self.outlets[outlet].book.suspect(drew_a, Evidence::Meter);
    }

    /// The most the outlet drew, in A, since its meter showed that it does not obey; none: it is not known not to. To be
    /// remembered for the next controller.
    pub fn disobeyed_a(&self, outlet: usize) -> Option<f64> {
        self.outlets[outlet].book.disobeyed_a()
    }

    /// The site, for caps to be set and lifted.
    pub fn site_mut(&mut self) -> &mut Site {
        &mut self.site
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// What to send now.
    pub fn reconcile(&mut self, now_ms: i64) -> Plan {
        for state in &mut self.outlets {
            let session = state.wish.map(|wish| wish.session);
            // What did not reach it never will.
            if let (false, Some(last)) = (state.online, state.book.last()) {
                state.book.ends(last.id, now_ms + self.settings.lease_ms);
            }
            // Nobody knows yet that it is away.
            if state.keeps_grants && state.is_silent(&self.settings, now_ms) {
                state.keeps(state.book.most_a());
            }
            state.book.clear(session, now_ms, self.settings.margin_ms);
            state.refused_until_ms = state.refused_until_ms.filter(|until| *until > now_ms);
            // Who was silent for so long is tried again.
            let again_ms = 2 * state.silent_ms(&self.settings);
            state
                .unanswered
                .retain(|it| now_ms - it.sent_ms <= again_ms);
        }
        self.verify(now_ms);
        let budget = self.budget(now_ms);
        let goal = self.goal(&budget, now_ms);
        let commands = self.commands(&goal, &budget, now_ms);
        let limits = self.limits_now(now_ms);
        // What is booked until a limit comes is no alarm: no grant outlasts it. Nor is what is not known yet.
        let alarms = self.alarms((!self.is_learning(now_ms)).then_some(&limits), now_ms);
        Plan { commands, alarms }
    }

    /// Finds those that may draw more than their floors and have shown nothing for too long.
    fn verify(&mut self, now_ms: i64) {
        for (state, outlet) in self.outlets.iter_mut().zip(self.site.outlets()) {
            let raised = state.wish.is_some() && state.book.most_a() > outlet.floor_a + SAME_A;
            if !raised {
                state.raised_ms = None;
                continue;
            }
            let raised_ms = *state.raised_ms.get_or_insert(now_ms);
            let seen_ms = state
                .shown_ms
                .map_or(raised_ms, |shown| shown.max(raised_ms));
            let patience_ms = match state.is_late {
                true => self.settings.lasts_ms(),
                false => self.settings.verify_ms,
            };
            state.is_unverified |= now_ms - seen_ms > patience_ms;
        }
    }

    /// What the limits leave, now and for as long as a grant of now may last.
    fn budget(&self, now_ms: i64) -> Limits {
        let floats = self.outlets.iter().any(|state| state.grants_float);
        let late_ms = if floats { TAKEN_LATE_MS } else { 0 };
        let until_ms = now_ms + self.settings.lasts_ms() + late_ms;
        self.site.budget(now_ms, until_ms, &self.told(now_ms))
    }

    /// What meters say of the load that is not ours, where they said so lately, and what strays draw.
    fn told(&self, now_ms: i64) -> HashMap<usize, [f64; 3]> {
        let metered = self.metered.iter().filter_map(|(node, metered)| {
            let planned = self.site.unmanaged_a(*node);
            Some((
                *node,
                metered.counts(planned, self.settings.fresh_ms, now_ms)?,
            ))
        });
        let strays = self.strays_a.iter().map(|(node, amps)| {
            let configured = self.site.unmanaged_a(*node);
            (*node, std::array::from_fn(|it| configured[it] + amps[it]))
        });
        strays.chain(metered).collect()
    }

    /// What each outlet that can be told should have: by outlet, in A.
    fn goal(&mut self, budget: &Limits, now_ms: i64) -> BTreeMap<usize, f64> {
        let asks: Vec<Ask> = (0..self.outlets.len())
            .filter_map(|outlet| self.ask(outlet, now_ms))
            .collect();
        let grants = allocate(budget, &self.booked(), &asks, &self.settings.rules);
        let goals: Vec<(usize, Grant)> = (asks.iter().zip(grants))
            .map(|(ask, grant)| (ask.outlet, self.set_to(ask, grant, now_ms)))
            .collect();
        for state in &mut self.outlets {
            state.grant = None;
        }
        for (outlet, grant) in &goals {
            self.outlets[*outlet].grant = Some(*grant);
        }
        let goals = goals.into_iter();
        goals.map(|(outlet, grant)| (outlet, grant.amps)).collect()
    }

    /// What an outlet is to be set to that is to get so much.
    fn set_to(&self, ask: &Ask, grant: Grant, now_ms: i64) -> Grant {
        let (it, state) = (&self.site.outlets()[ask.outlet], &self.outlets[ask.outlet]);
        if let Some(limit) = self.makes_room_at(ask.outlet, now_ms) {
            return Grant {
                amps: it.floor_a,
                held_by: Some(Held::Limit(limit)),
            };
        }
        let amps = match state.is_doubted() {
            true => ask.now_a,
            false => ask.steps.at_most(down(grant.amps)).max(it.floor_a),
        };
        Grant { amps, ..grant }
    }

    /// Whether the outlet's meter or schedule showed lately that it keeps to what it was told, as far as they tell the truth.
    pub fn is_seen_to_obey(&self, outlet: usize, now_ms: i64) -> bool {
        let is_fresh = |at_ms: i64| now_ms - at_ms <= self.settings.fresh_ms;
        let state = &self.outlets[outlet];
        !state.is_doubted() && state.shown_ms.is_some_and(is_fresh)
    }

    /// The limit above the outlet that too much flows through, if the outlet was not seen to obey lately.
    fn makes_room_at(&self, outlet: usize, now_ms: i64) -> Option<usize> {
        let is_fresh = |at_ms: &i64| now_ms - at_ms <= self.settings.fresh_ms;
        if self.is_seen_to_obey(outlet, now_ms) {
            return None;
        }
        let overloaded = self.overloaded_ms.iter();
        let overloaded = overloaded.filter(|(_, at_ms)| is_fresh(at_ms));
        overloaded
            .filter_map(|(node, _)| self.site.limit_of(outlet, *node))
            .min()
    }

    /// What the session at an outlet asks for, if its station can be told what it gets.
    fn ask(&self, outlet: usize, now_ms: i64) -> Option<Ask> {
        let (it, state) = (&self.site.outlets()[outlet], &self.outlets[outlet]);
        let wish = state.wish?;
        if !state.may_be_told(it, &self.settings, now_ms) {
            return None;
        }
        let now_a = state.set_to(it, now_ms);
        // Who refuses gets no more than it has, so that others can use the room.
        let most_a = match state.refused_until_ms {
            Some(_) => now_a,
            None => wish.most_a.min(it.most_a),
        };
        // The others make room for all that one can draw who draws more than it may, or may do so unseen; it is told no
        // other limit meanwhile.
        let least_a = match state.is_doubted() {
            true => it.most_a,
            false => it.floor_a,
        };
        Some(Ask {
            outlet,
            least_a,
            most_a: most_a.max(least_a),
            steps: it.steps.clone(),
            weight: wish.weight,
            need: wish.need.map(|(ah, leaves_ms)| Need {
                ah,
                hours: hours(leaves_ms - now_ms),
            }),
            served: wish.served,
            now_a,
            since_h: hours(now_ms - state.since_ms),
        })
    }

    /// What each limit leaves for outlets at this time, beside the unmanaged load.
    pub fn limits_now(&self, now_ms: i64) -> Limits {
        self.site.budget(now_ms, now_ms, &self.told(now_ms))
    }

    /// What the outlet is allowed by grants that have not ended, or by its floor, in A: what it may draw if its station
    /// obeys.
    pub fn leased_a(&self, outlet: usize) -> f64 {
        let floor_a = self.site.outlets()[outlet].floor_a;
        self.outlets[outlet].book.most_a().max(floor_a)
    }

    /// The most that the outlet draws at that time, in A: where it was seen to obey lately, what its station accepted by
    /// then, and it had the time to follow; of any other what is booked.
    pub fn follows_a(&self, outlet: usize, at_ms: i64, now_ms: i64) -> f64 {
        let (it, state) = (&self.site.outlets()[outlet], &self.outlets[outlet]);
        let booked_a = self.booked_a(outlet);
        match state
            .floor_a
            .filter(|_| !it.unlimitable && self.is_seen_to_obey(outlet, now_ms))
        {
            Some(floor_a) => state.book.follows_a(at_ms).max(floor_a).min(booked_a),
            None => booked_a,
        }
    }

    /// When the last grant of the outlet that is booked ends at the latest, in ms since 1970; none: none is.
    pub fn leased_until_ms(&self, outlet: usize) -> Option<i64> {
        let ends_ms = self.outlets[outlet].book.ends_ms();
        ends_ms.map(|ends_ms| ends_ms + self.settings.margin_ms)
    }

    /// What outlets may draw, by index, in A.
    fn booked(&self) -> Vec<f64> {
        let outlets = 0..self.outlets.len();
        outlets.map(|outlet| self.booked_a(outlet)).collect()
    }

    /// What the outlet may draw, in A.
    pub fn booked_a(&self, outlet: usize) -> f64 {
        match self.outlets[outlet].is_doubted() {
            true => self.site.outlets()[outlet].most_a,
            false => self.allowed_a(outlet),
        }
    }

    /// What the outlet may draw if its station does as it is told, in A.
    fn allowed_a(&self, outlet: usize) -> f64 {
        let (it, state) = (&self.site.outlets()[outlet], &self.outlets[outlet]);
        match state.floor_a.filter(|_| !it.unlimitable) {
            None => it.most_a,
            // After a change of the plan it may still have the one of before.
            Some(floor_a) => {
                let kept_a = state.kept_a.unwrap_or(0.0);
                self.leased_a(outlet).max(floor_a).max(kept_a)
            }
        }
    }
}

/// A queue of old readings is emptied sooner, in ms.
const LATE_MS: i64 = 10_000;

/// Currents that differ by less, in A, are the same.
const SAME_A: f64 = 0.05;

/// Down to what a profile can say: a tenth of an ampere.
fn down(amps: f64) -> f64 {
    (amps * 10.0 + 1e-6).floor() / 10.0
}

fn hours(ms: i64) -> f64 {
    ms as f64 / 3_600_000.0
}
