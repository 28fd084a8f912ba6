//! From register readings to energy delivered. Pure.
//!
//! A meter's import register only counts up, so energy is what the readings rise by, taken in the order
//! the meter was read. What else the register does is no energy, and flagged: it falls (a replaced or
//! reset meter), or it rises by more than any outlet delivers in that time (a broken reading, one in
//! another unit, a replaced meter). What was counted before is kept, and counting goes on from there; a
//! reading that only strays and comes back is left out. Energy never goes down and is never negative.
//!
//! OCPP 2.x messages may come in any order and say which it is, by their sequence number (E04). So as
//! long as a message is missing, the readings behind it are remembered, all of them, and the total is the
//! same whatever order they come in. Of the others only the first and the last of each stretch are kept
//! in which the register rose. OCPP 1.6 keeps its own order (§3.7.1), and its clocks may be set meanwhile:
//! there a reading that tells an earlier time is put where it belongs by that, unless the register would
//! have fallen there; then a higher reading is a later one.
//!
//! Example: 1000 Wh at the start, 1500, then a reset to 20, then 120: 500 + 100 = 600 Wh.

use std::cmp::Ordering;

use model::{Flag, MeterPoint, Session};

/// No outlet delivers more: the Megawatt Charging System ends at 1250 V and 3000 A.
const POWER_MOST_W: f64 = 4e6;
/// For what registers and clocks are rounded by.
const ROUNDING_MOST_WH: f64 = 10e3;
/// No vehicle takes more at once, however long it takes, or where the clock does not tell how long.
const BATTERY_MOST_WH: f64 = 1e6;
/// A register that fell by less may have been reset, though it came back in one step.
const STRAYED_LEAST_WH: f64 = 1e3;
/// More points than this are not remembered: what comes before the oldest is then settled.
const POINTS_MOST: usize = 32;

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
        session.meter_points.push(MeterPoint::new(wh, at, seq));
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
    if reading.seq.is_some() {
        let place =
            points.partition_point(|point| (point.seq, point.at) <= (reading.seq, reading.at));
        return (place > 0 || before_all).then_some(place);
    }
    match reading.at.cmp(&last.at) {
        Ordering::Greater => return Some(points.len()),
        // The clock stands still.
        Ordering::Equal => {
            let is_late = is_covered(points, reading, limits(session));
            return (!is_late).then_some(points.len());
        }
        Ordering::Less => {}
    }
    let by_time = points.partition_point(|point| point.at <= reading.at);
    if by_time > 0 && fits(session, reading, by_time) {
        return Some(by_time);
    }
    if reading.wh >= last.wh {
        return Some(points.len());
    }
    // Taken before the last one. Without a start reading, it may tell better where counting began.
    let earlier = reading.at < first.at && reading.wh < first.wh;
    (before_all && earlier).then_some(0)
}

/// Whether the register has passed by the reading since it last fell: it is late, rather than that the
/// register fell just there.
fn is_covered(points: &[MeterPoint], reading: &MeterPoint, limits: Limits) -> bool {
    let rose = points.windows(2).rev();
    let rose = rose.take_while(|pair| matches!(limits.step(&pair[0], &pair[1]), Step::Rose(_)));
    let since = rose.last().map(|pair| pair[0]);
    let last = points.last();
    since
        .zip(last)
        .is_some_and(|(since, last)| since.wh < reading.wh && reading.wh < last.wh)
}

/// Whether the register is no odder with the reading at that place, behind another, and no less counted.
fn fits(session: &Session, reading: &MeterPoint, place: usize) -> bool {
    let limits = limits(session);
    let points = &session.meter_points;
    let (before, behind) = (&points[place - 1], &points[place]);
    let is_odd = |from, to| !matches!(limits.step(from, to), Step::Rose(_));
    let odd = [is_odd(before, reading), is_odd(reading, behind)];
    let no_odder = odd.into_iter().filter(|odd| *odd).count() <= is_odd(before, behind).into();
    limits.times_tell && no_odder && {
        let with = with_reading(points, place, *reading);
        let energy_wh = energy_of(&Counted::of(&with, limits).points, limits);
        session.energy_before_wh + energy_wh >= session.energy_wh
    }
}

fn insert(session: &mut Session, place: usize, reading: MeterPoint) {
    session.meter_points = with_reading(&session.meter_points, place, reading);
    count(session);
}

/// The points with the reading among them at that place. What became of those behind it is open again; one
/// before all adds to them and changes nothing of that.
fn with_reading(points: &[MeterPoint], place: usize, mut reading: MeterPoint) -> Vec<MeterPoint> {
    let mut points = points.to_vec();
    if let Some(before) = place.checked_sub(1).map(|at| points[at]) {
        // The clock was set back, or the station counts anew.
        if reading.seq.is_none() {
            reading.at = reading.at.max(before.at);
        }
        reading.seq = reading.seq.max(before.seq);
        for behind in &mut points[place..] {
            behind.settled = false;
        }
    }
    points.insert(place, reading);
    points
}

/// Counts by the points there are, and keeps those that may still matter.
fn count(session: &mut Session) {
    let limits = limits(session);
    let counted = Counted::of(&session.meter_points, limits);
    session.meter_last_wh = counted.points.last().map(|last| last.wh);
    session.meter_last_at = counted.points.iter().map(|point| point.at).max();
    session.energy_wh = session.energy_before_wh + energy_of(&counted.points, limits);
    note_odds(session, &counted, limits);

    let points = &session.meter_points;
    let settled = match session.missing_seqs.first() {
        Some(gap) if points.len() <= POINTS_MOST => {
            points.partition_point(|point| point.seq.is_none_or(|seq| seq < gap.first))
        }
        _ => points.len(),
    };
    let (settled, open) = points.split_at(settled);
    let mut kept = Counted::of(settled, limits).points;
    for point in &mut kept {
        point.settled = true;
    }
    kept.extend_from_slice(open);
    while kept.len() > POINTS_MOST {
        session.energy_before_wh += energy_of(&kept[..2], limits);
        kept.remove(0);
    }
    session.meter_points = kept;
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

/// The readings that count among those there are, in their order: what each one becomes follows from those
/// before it.
struct Counted {
    points: Vec<MeterPoint>,
    any_strayed: bool,
}

impl Counted {
    fn of(points: &[MeterPoint], limits: Limits) -> Self {
        let mut counted = Self {
            points: Vec::with_capacity(points.len()),
            any_strayed: false,
        };
        for point in points {
            let counted_before = energy_of(&counted.points, limits);
            counted.points.push(*point);
            if point.settled {
                continue;
            }
            while counted.leaves_out_strays(counted_before, limits) {
                counted.any_strayed = true;
            }
            counted.leave_out_what_is_on_the_way(limits);
        }
        counted
    }

    /// Where the last reading goes on from an earlier one as if those between were not there, they strayed.
    /// A register that fell and rises from there was reset instead, unless it came back in one step.
    fn leaves_out_strays(&mut self, counted_before: f64, limits: Limits) -> bool {
        let [others @ .., came_back] = self.points.as_slice() else {
            return false;
        };
        let stray_from = (1..others.len()).rev().find(|&stray| {
            let (before, strays) = (&others[stray - 1], &others[stray..]);
            let meanwhile = energy_of(strays, limits);
            let there = limits.step(before, &strays[0]);
            let and_back = limits.step(&strays[strays.len() - 1], came_back);
            let strayed = match (there, and_back) {
                (Step::Fell, Step::Rose(wh)) => {
                    before.wh - strays[0].wh >= STRAYED_LEAST_WH && wh > 10.0 * meanwhile
                }
                (Step::Rose(_), _) | (_, Step::Rose(_)) => false,
                (there, and_back) => there == Step::Jumped || and_back == Step::Jumped,
            };
            // What was counted meanwhile is not taken back.
            let without = energy_of(&others[..stray], limits);
            let goes_on = limits.step(before, came_back);
            strayed && matches!(goes_on, Step::Rose(wh) if without + wh >= counted_before)
        });
        if let Some(stray) = stray_from {
            self.points.drain(stray..self.points.len() - 1);
        }
        stray_from.is_some()
    }

    /// The register rose to the last but one and on to the last, so that one is no end. But it shows that
    /// a register that fell did not come back in one step.
    fn leave_out_what_is_on_the_way(&mut self, limits: Limits) {
        let rises =
            |from: &MeterPoint, to: &MeterPoint| matches!(limits.step(from, to), Step::Rose(_));
        while let [others @ .., before, point, behind] = self.points.as_slice()
            && rises(before, point)
            && rises(point, behind)
            && rises(before, behind)
            && !others
                .iter()
                .any(|other| before.wh < other.wh && other.wh <= behind.wh)
        {
            self.points.remove(self.points.len() - 2);
        }
    }
}

fn note_odds(session: &mut Session, counted: &Counted, limits: Limits) {
    if counted.any_strayed {
        session.flags.insert(Flag::MeterImplausible);
    }
    for pair in counted.points.windows(2) {
        match limits.step(&pair[0], &pair[1]) {
            Step::Rose(_) => continue,
            Step::Fell => session.flags.insert(Flag::MeterFellBack),
            Step::Jumped => session.flags.insert(Flag::MeterImplausible),
        };
    }
}

#[cfg(test)]
#[path = "energy_tests.rs"]
mod tests;
