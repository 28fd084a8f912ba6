//! From register readings to energy delivered. Pure.
//!
//! A meter's import register only counts up, so energy is what the readings rise by, taken in the order
//! the meter was read. What else the register does is no energy, and flagged: it falls (a replaced or
//! reset meter), or it rises by more than any outlet delivers in that time (a broken reading, one in
//! another unit, a replaced meter). What was counted before is kept, and counting goes on from there; a
//! reading that only strays and comes back is left out. Energy never goes down and is never negative.
//!
//! OCPP 2.x messages may come in any order and say which it is, by their sequence number (E04). So as
//! long as a message is missing, the readings beside it are remembered, and the total is the same
//! whatever order they come in. Readings that nothing can come between are forgotten, but for the first
//! and the last of each stretch in which the register rose. OCPP 1.6 keeps its own order (§3.7.1), and
//! its clocks may be set meanwhile: there a higher reading is a later one.
//!
//! Example: 1000 Wh at the start, 1500, then a reset to 20, then 120: 500 + 100 = 600 Wh.

use model::{Flag, MeterPoint, SeqRange, Session};

/// No outlet delivers more: the Megawatt Charging System ends at 1250 V and 3000 A.
const POWER_MOST_W: f64 = 4e6;
/// For what registers and clocks are rounded by.
const ROUNDING_MOST_WH: f64 = 10e3;
/// No vehicle takes more at once, however long it takes, or where the clock does not tell how long.
const BATTERY_MOST_WH: f64 = 1e6;
/// More points than this are not remembered: what comes before the oldest is then settled.
const POINTS_MOST: usize = 16;

/// Takes a reading of the register into account.
pub(super) fn take_reading(session: &mut Session, reading: MeterPoint) {
    if is_no_register(reading.wh) {
        session.flags.insert(Flag::MeterImplausible);
        return;
    }
    resume(session);
    if session.meter_points.is_empty() && session.meter_start_wh.is_none() {
        session.flags.insert(Flag::MeterStartMissing);
    }
    if let Some(place) = place_of(session, &reading) {
        insert(session, place, reading);
    }
}

/// The reading the session began with, told by its start.
pub(super) fn take_start_reading(session: &mut Session, reading: MeterPoint) {
    if is_no_register(reading.wh) {
        session.flags.insert(Flag::MeterImplausible);
        return;
    }
    resume(session);
    session.meter_start_wh = Some(reading.wh);
    session.flags.remove(&Flag::MeterStartMissing);
    // A start that comes late is before all others; unless those before the oldest are settled.
    match session.meter_points.first() {
        Some(_) if session.energy_before_wh > 0.0 => {}
        Some(first) => {
            let at = reading.at.min(first.at);
            insert(session, 0, MeterPoint { at, ..reading });
        }
        None => insert(session, 0, reading),
    }
}

fn is_no_register(wh: f64) -> bool {
    !wh.is_finite() || wh < 0.0
}

/// Goes on from a session that was kept without its points.
fn resume(session: &mut Session) {
    if let (true, Some(wh), Some(at)) = (
        session.meter_points.is_empty(),
        session.meter_last_wh,
        session.meter_last_at,
    ) {
        let seq = session.last_seq;
        session.meter_points.push(MeterPoint { wh, at, seq });
        session.energy_before_wh = session.energy_wh;
    }
}

/// Where among the points a reading belongs; nowhere, where it tells nothing.
fn place_of(session: &Session, reading: &MeterPoint) -> Option<usize> {
    let points = &session.meter_points;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Some(0);
    };
    let before_all = session.meter_start_wh.is_none() && session.energy_before_wh == 0.0;
    // A number that falls while the time and the register rise was not counted on.
    let plainly_later = reading.at > last.at && reading.wh >= last.wh;
    if reading.seq.is_some() && !plainly_later {
        let place =
            points.partition_point(|point| (point.seq, point.at) <= (reading.seq, reading.at));
        return (place > 0 || before_all).then_some(place);
    }
    if reading.wh >= last.wh || reading.at >= last.at {
        return Some(points.len());
    }
    // Taken before the last one. Without a start reading, it may tell better where counting began.
    let earlier = reading.at < first.at && reading.wh < first.wh;
    (before_all && earlier).then_some(0)
}

fn insert(session: &mut Session, place: usize, mut reading: MeterPoint) {
    let points = &mut session.meter_points;
    if let Some(before) = place.checked_sub(1).map(|at| &points[at]) {
        match reading.seq {
            // The clock was set back.
            None => reading.at = reading.at.max(before.at),
            Some(_) => reading.seq = reading.seq.max(before.seq),
        }
    }
    points.insert(place, reading);
    leave_out_strays(session, place);
    note_odds(session);
    forget_settled(session);
    let points = &session.meter_points;
    session.meter_last_wh = points.last().map(|last| last.wh);
    session.meter_last_at = points.iter().map(|point| point.at).max();
    session.energy_wh = session.energy_before_wh + energy_of(points, limits(session));
}

/// How the register went from one reading to the next.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Rose(f64),
    Fell,
    /// It rose by more than is delivered in that time.
    Jumped,
}

/// What a rise may be at most.
#[derive(Clone, Copy)]
struct Limits {
    /// The session's times are the station's own.
    times_tell: bool,
}

fn limits(session: &Session) -> Limits {
    Limits {
        times_tell: !session.flags.contains(&Flag::ClockReplaced),
    }
}

impl Limits {
    fn step(self, from: &MeterPoint, to: &MeterPoint) -> Step {
        let (rise, ms) = (to.wh - from.wh, to.at.ms_since(from.at));
        let most = match self.times_tell && ms > 0 {
            true => POWER_MOST_W * ms as f64 / 3_600_000.0 + ROUNDING_MOST_WH,
            false => f64::INFINITY,
        };
        let most = most.min(BATTERY_MOST_WH);
        match rise {
            _ if rise < 0.0 => Step::Fell,
            _ if rise > most => Step::Jumped,
            _ => Step::Rose(rise),
        }
    }
}

fn energy_of(points: &[MeterPoint], limits: Limits) -> f64 {
    let steps = points
        .windows(2)
        .map(|pair| limits.step(&pair[0], &pair[1]));
    steps
        .map(|step| match step {
            Step::Rose(wh) => wh,
            Step::Fell | Step::Jumped => 0.0,
        })
        .sum()
}

/// Where the reading at `place`, or the one behind it, goes on from an earlier one as if those between
/// were not there, they strayed: the register jumped on the way to them or back. One that falls, and
/// rises from there, was reset instead.
fn leave_out_strays(session: &mut Session, place: usize) {
    let limits = limits(session);
    for back in [place, place + 1] {
        let points = &session.meter_points;
        let Some(came_back) = points.get(back) else {
            return;
        };
        let stray_from = (1..back).rev().find(|&stray| {
            let goes_on = limits.step(&points[stray - 1], came_back);
            let there = limits.step(&points[stray - 1], &points[stray]);
            let and_back = limits.step(&points[back - 1], came_back);
            let strayed = match (there, and_back) {
                (Step::Rose(_), _) | (_, Step::Rose(_)) => false,
                (there, and_back) => there == Step::Jumped || and_back == Step::Jumped,
            };
            // What was counted meanwhile is not taken back.
            let meanwhile = energy_of(&points[stray..back], limits);
            strayed && matches!(goes_on, Step::Rose(wh) if wh >= meanwhile)
        });
        if let Some(stray) = stray_from {
            session.flags.insert(Flag::MeterImplausible);
            session.meter_points.drain(stray..back);
            return;
        }
    }
}

fn note_odds(session: &mut Session) {
    let limits = limits(session);
    for pair in session.meter_points.windows(2) {
        match limits.step(&pair[0], &pair[1]) {
            Step::Rose(_) => continue,
            Step::Fell => session.flags.insert(Flag::MeterFellBack),
            Step::Jumped => session.flags.insert(Flag::MeterImplausible),
        };
    }
}

/// Forgets each reading on the way from the one before it to the one behind it, where nothing can come
/// between that would show it to be an end; then the oldest, where there are too many.
fn forget_settled(session: &mut Session) {
    let limits = limits(session);
    let missing = &session.missing_seqs;
    let points = &mut session.meter_points;
    let mut at = 1;
    while at + 1 < points.len() {
        let [before, point, behind] = [at - 1, at, at + 1].map(|at| &points[at]);
        let rises = |from, to| matches!(limits.step(from, to), Step::Rose(_));
        let on_the_way = rises(before, point) && rises(point, behind) && rises(before, behind);
        match on_the_way && !may_come_between(missing, before, behind) {
            true => drop(points.remove(at)),
            false => at += 1,
        }
    }
    while points.len() > POINTS_MOST {
        session.energy_before_wh += energy_of(&points[..2], limits);
        points.remove(0);
    }
}

fn may_come_between(missing: &[SeqRange], before: &MeterPoint, behind: &MeterPoint) -> bool {
    let (Some(before), Some(behind)) = (before.seq, behind.seq) else {
        return false;
    };
    missing
        .iter()
        .any(|gap| gap.last > before && gap.first < behind)
}

#[cfg(test)]
#[path = "energy_tests.rs"]
mod tests;
