//! What one outlet may draw, as far as anybody can know.
//!
//! A grant is a lease: the station drops it by itself at its end. So an outlet may draw the greatest of its floor and of
//! all grants that were ever sent to it and have not ended, whatever became of them on the way: refused, lost, late,
//! overtaken, accepted and ignored. Nothing but the end of a lease, or of the session it was for, takes it off the books.

use super::{CommandId, SessionId};

/// A grant that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lease {
    pub(crate) id: CommandId,
    pub(crate) session: SessionId,
    pub(crate) amps: f64,
    pub(crate) sent_ms: i64,
    /// Its end by the station's clock; by ours, up to the margin later. [`NOT_KNOWN_MS`] while nobody knows it.
    pub(crate) ends_ms: i64,
    /// When the station said that it will, in ms.
    pub(crate) accepted_ms: Option<i64>,
    /// When a reading showed that it does, in ms.
    pub(crate) seen_ms: Option<i64>,
    /// The station said that it will not.
    pub(crate) is_refused: bool,
}

/// The end of a grant that ends so long after its station took it, as long as it did not answer.
pub(crate) const NOT_KNOWN_MS: i64 = i64::MAX / 2;
/// Who did not take what it was sent after so long never does, in ms.
pub(crate) const TAKEN_LATE_MS: i64 = 60_000;

impl Lease {
    /// Whether the outlet follows it at that time: it was seen to, or the station took it so long before.
    fn is_followed(&self, at_ms: i64, within_ms: i64) -> bool {
        let accepted = self.accepted_ms.is_some_and(|it| at_ms >= it + within_ms);
        self.is_running(at_ms) && (accepted || self.seen_ms.is_some_and(|it| at_ms >= it))
    }

    fn is_running(&self, now_ms: i64) -> bool {
        now_ms < self.ends_ms
    }
}

/// The books of one outlet.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    leases: Vec<Lease>,
    /// How long it takes to follow a grant that its station accepted, in ms, as far as it was seen.
    follows_within_ms: i64,
    /// What a predecessor's grants allow, in A, and when the last of them ends.
    recalled: Option<(f64, i64)>,
    /// When the outlet was last booked less.
    lowered_ms: Option<i64>,
    /// It drew more than it may, and so is booked at the most it can draw.
    suspicion: Option<Suspicion>,
}

/// What shows that an outlet does more than it may, the weakest first. What is weaker does not refute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Evidence {
    /// That may have been a predecessor's grant: to be shown once that it is over is enough.
    Predecessor,
    /// Its schedule allows more.
    Schedule,
    /// It drew more.
    Meter,
}

/// An outlet that was seen to draw more than it may.
#[derive(Debug, Clone, Copy)]
struct Suspicion {
    /// The strongest that there is for it.
    evidence: Evidence,
    /// The most it drew since, in A: a limit that is not below that proves nothing.
    drew_a: f64,
    /// Since when readings have shown that it obeys.
    obeys_since_ms: Option<i64>,
}

impl Suspicion {
    /// It is shown at that time to obey; for `long_ms` in a row, and it is none any more.
    fn refuted(self, at_ms: i64, long_ms: i64) -> Option<Self> {
        let since_ms = self.obeys_since_ms.unwrap_or(at_ms);
        let is_over = self.evidence == Evidence::Predecessor || at_ms - since_ms >= long_ms;
        (!is_over).then_some(Self {
            obeys_since_ms: Some(since_ms),
            ..self
        })
    }

    /// Whether a reading shows that it keeps to a limit that binds: what is allowed is less than it drew before, and it
    /// draws a good part of that. A car that is full, or gone, draws little whatever its station does.
    fn is_refuted_by(&self, amps: f64, allowed_a: f64) -> bool {
        allowed_a < self.drew_a && amps >= allowed_a * BINDS_FROM
    }
}

/// A car that draws this part of what it may would draw more if it might.
const BINDS_FROM: f64 = 0.5;
/// How long a car may take to follow another limit (IEC 61851-1), in ms.
const FOLLOWS_WITHIN_MS: i64 = 5_000;
/// Who takes longer than this, in ms, does not follow.
const FOLLOWS_AT_ALL_MS: i64 = 15_000;
/// One that was seen not to follow yet may take so much longer, in ms.
const FOLLOWS_SOON_MS: i64 = 2_000;

impl Default for Book {
    fn default() -> Self {
        Self {
            leases: Vec::new(),
            follows_within_ms: FOLLOWS_WITHIN_MS,
            recalled: None,
            lowered_ms: None,
            suspicion: None,
        }
    }
}

impl Book {
    /// Books a grant that is about to be sent.
    pub(crate) fn enter(&mut self, lease: Lease) {
        self.leases.push(lease);
    }

    /// How much later than now a grant may begin to last that is on its way, in ms.
    pub(crate) fn taken_late_ms(&self) -> i64 {
        let floats = self.ends_ms().is_some_and(|it| it >= NOT_KNOWN_MS);
        if floats { TAKEN_LATE_MS } else { 0 }
    }

    /// All that was sent up to this one is with the station by now, or will never be: what was not known to end does so then
    /// at the latest.
    pub(crate) fn ends(&mut self, id: CommandId, ends_ms: i64) {
        let unknown = (self.leases.iter_mut())
            .filter(|lease| lease.id <= id && lease.ends_ms == NOT_KNOWN_MS);
        unknown.for_each(|lease| lease.ends_ms = ends_ms);
    }

    /// As long as it does not answer nobody knows when that grant ends.
    pub(crate) fn floats(&mut self, id: CommandId) {
        let floating = self.leases.iter_mut().filter(|lease| lease.id == id);
        floating.for_each(|lease| lease.ends_ms = NOT_KNOWN_MS);
    }

    /// Forgets what has ended `margin_ms` ago or more, and leases of sessions that are over.
    pub(crate) fn clear(&mut self, session: Option<SessionId>, now_ms: i64, margin_ms: i64) {
        let before_a = self.most_a();
        self.leases
            .retain(|lease| Some(lease.session) == session && lease.ends_ms + margin_ms > now_ms);
        self.recalled = (self.recalled).filter(|(_, ends_ms)| ends_ms + margin_ms > now_ms);
        if self.most_a() < before_a {
            self.is_lowered(now_ms);
        }
    }

    /// What the outlet may draw beyond its floor, in A.
    pub(crate) fn most_a(&self) -> f64 {
        let recalled_a = self.recalled.map_or(0.0, |(amps, _)| amps);
        self.leases
            .iter()
            .map(|lease| lease.amps)
            .fold(recalled_a, f64::max)
    }

    /// When the last of what it may draw beyond its floor ends, by its own clock, in ms.
    pub(crate) fn ends_ms(&self) -> Option<i64> {
        let recalled = self.recalled.iter().map(|(_, ends_ms)| *ends_ms);
        let leases = self.leases.iter().map(|lease| lease.ends_ms);
        leases.chain(recalled).max()
    }

    /// A predecessor's grants allow so much until then, whatever session they are for.
    pub(crate) fn recall(&mut self, amps: f64, ends_ms: i64) {
        self.recalled = Some((amps, ends_ms));
    }

    /// Whether it may go by a predecessor's grant of more than this.
    pub(crate) fn goes_by_more_than(&self, floor_a: f64, now_ms: i64) -> bool {
        let holds = |(amps, ends_ms): (f64, i64)| amps > floor_a && now_ms < ends_ms;
        self.leases.is_empty() && self.recalled.is_some_and(holds)
    }

    /// The grant that was sent last, if it has not ended.
    pub(crate) fn last(&self) -> Option<&Lease> {
        self.leases.last()
    }

    /// The station says at that time that it will do as this grant says.
    pub(crate) fn is_accepted(&mut self, id: CommandId, at_ms: i64) {
        let accepted = self.leases.iter_mut().filter(|lease| lease.id == id);
        accepted.for_each(|lease| lease.accepted_ms = Some(at_ms));
    }

    /// It was seen at that time to draw so much: that shows whether it follows the last grant by then.
    pub(crate) fn is_seen(&mut self, amps: f64, at_ms: i64, tolerance_a: f64) {
        let Some(last) = self.leases.last_mut().filter(|it| at_ms >= it.sent_ms) else {
            return;
        };
        let follows = amps <= last.amps + tolerance_a;
        if follows && amps >= last.amps * BINDS_FROM {
            last.seen_ms.get_or_insert(at_ms);
        } else if let (false, Some(accepted_ms)) = (follows, last.accepted_ms) {
            let within_ms = (at_ms - accepted_ms + FOLLOWS_SOON_MS).min(FOLLOWS_AT_ALL_MS);
            self.follows_within_ms = self.follows_within_ms.max(within_ms);
        }
    }

    /// The most that it draws at that time beyond its floor, in A, if it follows what its station accepted: what was sent
    /// before the last grant that it follows by then is over.
    pub(crate) fn follows_a(&self, at_ms: i64) -> f64 {
        let is_followed = |lease: &Lease| lease.is_followed(at_ms, self.follows_within_ms);
        match self.leases.iter().rposition(is_followed) {
            Some(last) => (self.leases[last..].iter()).fold(0.0, |most_a, it| it.amps.max(most_a)),
            None => self.most_a(),
        }
    }

    /// That grant is refused. It stays booked all the same, as that may be a lie.
    pub(crate) fn is_refused(&mut self, id: CommandId) {
        let refused = self.leases.iter_mut().filter(|lease| lease.id == id);
        refused.for_each(|lease| lease.is_refused = true);
    }

    /// What it goes by if its station does as it says, in A: what it was told last and has not ended, but for what would
    /// be more than it had and was refused.
    pub(crate) fn goes_by_a(&self, floor_a: f64, now_ms: i64) -> f64 {
        let running = self.leases.iter().filter(|lease| lease.is_running(now_ms));
        running.fold(floor_a, |has_a, lease| {
            match lease.is_refused && lease.amps > has_a {
                true => has_a,
                false => lease.amps,
            }
        })
    }

    /// Whether something above its floor is running that was not refused.
    pub(crate) fn is_raised(&self, floor_a: f64, now_ms: i64) -> bool {
        (self.leases.iter()).any(|it| it.is_running(now_ms) && !it.is_refused && it.amps > floor_a)
    }

    /// It may draw less from now on.
    pub(crate) fn is_lowered(&mut self, now_ms: i64) {
        self.lowered_ms = Some(now_ms);
    }

    /// Whether it was booked more at that time than it is now, or shortly before.
    pub(crate) fn was_more_at(&self, at_ms: i64, shortly_ms: i64) -> bool {
        self.lowered_ms
            .is_some_and(|lowered| at_ms < lowered + shortly_ms)
    }

    /// It was seen to draw so much, or to be allowed it by its schedule, which is more than it may.
    pub(crate) fn suspect(&mut self, amps: f64, evidence: Evidence) {
        let before = self.suspicion;
        self.suspicion = Some(Suspicion {
            evidence: before.map_or(evidence, |it| it.evidence.max(evidence)),
            drew_a: before.map_or(amps, |it| it.drew_a.max(amps)),
            obeys_since_ms: None,
        });
    }

    /// It was seen at that time to draw so much, which is no more than it may. Only that ends a suspicion, once it has
    /// kept for `long_ms` to limits that bind: not that nothing is heard of it, nor that another session begins.
    pub(crate) fn obeys(&mut self, amps: f64, allowed_a: f64, at_ms: i64, long_ms: i64) {
        self.suspicion = self.suspicion.and_then(|suspicion| {
            let is_refuted = suspicion.evidence == Evidence::Predecessor
                || suspicion.is_refuted_by(amps, allowed_a);
            match is_refuted {
                true => suspicion.refuted(at_ms, long_ms),
                false => Some(suspicion),
            }
        });
    }

    /// What it was seen to draw may be wrong: the time for which it was seen to obey begins anew.
    pub(crate) fn is_in_doubt(&mut self) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.obeys_since_ms = None;
        }
    }

    /// Its schedule of that time allows no more than it may: that refutes another schedule, and no meter.
    pub(crate) fn shows_that_it_obeys(&mut self, at_ms: i64, long_ms: i64) {
        self.suspicion = self
            .suspicion
            .and_then(|suspicion| match suspicion.evidence {
                Evidence::Meter => Some(suspicion),
                Evidence::Predecessor | Evidence::Schedule => suspicion.refuted(at_ms, long_ms),
            });
    }

    /// The most it drew since its meter showed that it does not obey.
    pub(crate) fn disobeyed_a(&self) -> Option<f64> {
        let by_meter = |it: &Suspicion| it.evidence == Evidence::Meter;
        self.suspicion.filter(by_meter).map(|it| it.drew_a)
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspicion.is_some()
    }
}
