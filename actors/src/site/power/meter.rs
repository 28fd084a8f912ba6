//! What meters say: those of stations about their outlets, that of the site about everything else.

use model::{MeterSample, SiteLine, Timestamp, Wiring};
use power::Measure;
use serde::{Deserialize, Serialize};

use super::{Managed, appetite::Taking, lane::Lane, others::Sum};
use crate::metrics;

/// What a session was seen to draw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Draw {
    /// When.
    pub(crate) at: Timestamp,
    /// Per phase of the station, in A, where told.
    pub(super) currents_a: Option<[f64; 3]>,
    /// Of all phases together, in W.
    pub(super) power_w: Option<f64>,
    /// A current of no phase, in A.
    pub(super) plain_a: Option<f64>,
    /// What the energy register shows, in Wh.
    pub(super) register_wh: Option<f64>,
    /// The battery's charge in percent.
    pub(super) battery_pct: Option<f64>,
}

/// How long after its session was over a meter may still show it, in ms.
const STOPS_MS: i64 = 3_000;
/// How far below zero a meter may be that shows nothing, in A and W.
const NOISE_A: f64 = 0.5;
const NOISE_W: f64 = 100.0;
/// How much above what is configured the voltage may be (EN 50160), where a current is told by energy alone.
pub(super) const VOLTS_MOST: f64 = 1.1;
/// More than so many times what an outlet can draw is of another unit, or of a meter that is broken.
const ABSURD: f64 = 10.0;
/// What phases have to neutral where a station does not measure it, in V: outlets are counted by their configured one
/// where it matters.
const USUAL_PHASE_V: f64 = 230.0;

impl Draw {
    /// What the newest of these readings says, if it says anything.
    pub(crate) fn of(samples: &[MeterSample]) -> Option<Self> {
        let draws = samples.iter().filter_map(|sample| {
            let currents_a = sample.currents_a(USUAL_PHASE_V);
            let draw = Self {
                at: sample.at,
                currents_a: currents_a.and_then(|currents| {
                    let [one, two, three] = currents.map(|amps| sound(amps, NOISE_A));
                    Some([one?, two?, three?])
                }),
                power_w: sample.power_w().and_then(|watts| sound(watts, NOISE_W)),
                plain_a: (sample.plain_current_a()).and_then(|amps| sound(amps, NOISE_A)),
                register_wh: sample.energy_wh().and_then(|wh| sound(wh, 0.0)),
                battery_pct: sample.state_of_charge_pct(),
            };
            (draw.tells_flow() || draw.register_wh.is_some()).then_some(draw)
        });
        draws.max_by_key(|draw| (draw.at, draw.tells_flow()))
    }

    /// Whether it says by itself what flows.
    fn tells_flow(&self) -> bool {
        self.currents_a.is_some() || self.power_w.is_some() || self.plain_a.is_some()
    }
}

/// A reading that can be one: what is below zero by more than noise, or no number, is none, and proves nothing.
fn sound(value: f64, noise: f64) -> Option<f64> {
    (value.is_finite() && value >= -noise).then_some(value.max(0.0))
}

impl Managed {
    /// A station says what an outlet draws. What it queued while it was offline is of no interest any more.
    pub(super) fn is_measured(&mut self, index: usize, draw: Draw, now_ms: i64) {
        if (now_ms - draw.at.0).abs() > self.settings.fresh_ms {
            self.controller.measured_late(index, now_ms);
            return;
        }
        let lane = &mut self.lanes[index];
        if lane.draw.is_some_and(|last| last.at > draw.at) {
            return;
        }
        let is_outside = lane.charging.is_none();
        // Of the session that just ended.
        if is_outside && draw.at.0 <= lane.over_ms + STOPS_MS {
            return;
        }
        let (draw, most_a, since_ms) = match lane.drawn_a(&draw) {
            Some(phases) => {
                let most_a = greatest(phases);
                if most_a > ABSURD * lane.outlet.most_a {
                    let most_a = lane.outlet.most_a;
                    return self.counts_against(index, most_a, draw.at, now_ms);
                }
                let slight_w = lane.watts(self.settings.tolerance_a / 2.0);
                let told_w = lane.drawn_w(phases);
                (lane.agreement).reads(draw.at, draw.register_wh, told_w, slight_w);
                if let Some(average_w) = lane.agreement.contradicts_w() {
                    return self.is_doubtful(index, draw, told_w.max(average_w), now_ms);
                }
                (draw, most_a, draw.at.0)
            }
            None => {
                let step_w = lane.watts(self.settings.tolerance_a / 2.0);
                let Some(average) = lane.register.reads(draw.register_wh, draw.at, step_w) else {
                    return;
                };
                let draw = Draw {
                    power_w: Some(average.watts),
                    ..draw
                };
                let least_a = average.watts / lane.watts(VOLTS_MOST);
                (draw, least_a, average.since_ms)
            }
        };
        let before = lane.draw.filter(|before| before.at < draw.at);
        lane.drew_before = before.or(lane.drew_before);
        lane.draw = Some(draw);
        if let Some((amps, sent_ms)) = lane.lowering
            && since_ms >= sent_ms
            && most_a <= amps + self.settings.tolerance_a
        {
            lane.lowering = None;
            ::metrics::histogram!(metrics::POWER_DECREASE_SECONDS)
                .record((now_ms - sent_ms) as f64 / 1_000.0);
        }
        match is_outside {
            true => (self.controller).measured_outside(index, most_a, since_ms, now_ms),
            false => {
                self.controller.measured(index, most_a, since_ms, now_ms);
                let lane = &mut self.lanes[index];
                let taking = Taking {
                    amps: most_a,
                    may_a: self.controller.view(index, now_ms).granted_a,
                    told_ms: lane.told_ms,
                    since_ms,
                    at_ms: draw.at.0,
                };
                lane.appetite.takes(taking, &lane.outlet);
            }
        }
    }

    /// An outlet's current and its register cannot both be true: no more flows than the greater of them tells.
    fn is_doubtful(&mut self, index: usize, draw: Draw, most_w: f64, now_ms: i64) {
        let lane = &mut self.lanes[index];
        lane.drew_before = None;
        lane.draw = Some(Draw {
            currents_a: None,
            plain_a: None,
            power_w: Some(most_w),
            ..draw
        });
        let most_a = most_w / lane.watts(VOLTS_MOST);
        self.counts_against(index, most_a, draw.at, now_ms);
    }

    /// An outlet may draw so much, by a meter that is not to be believed where it speaks for the outlet.
    fn counts_against(&mut self, index: usize, amps: f64, at: Timestamp, now_ms: i64) {
        self.lanes[index].appetite.is_in_doubt();
        let controller = &mut self.controller;
        match self.lanes[index].charging.is_none() {
            true => controller.measured_outside(index, amps, at.0, now_ms),
            false => controller.measured_in_doubt(index, amps, at.0, now_ms),
        }
    }

    /// The site's meter says what flows at a part, per phase in A: without the outlets below it, or with them.
    ///
    /// # Errors
    /// There is no such part.
    pub(in crate::site) fn is_metered(
        &mut self,
        part: &str,
        amps: [f64; 3],
        with_outlets: bool,
        at: Timestamp,
        now_ms: i64,
    ) -> Result<(), String> {
        let site = self.controller.site();
        let node = site
            .node(part)
            .ok_or_else(|| format!("there is no part {part:?} in the site's tree"))?;
        let others = if with_outlets {
            let configured = site.unmanaged_a(node);
            let sums = self.sums(node, amps, at.0, now_ms);
            let holds_ms = self.settings.lasts_ms();
            let others = self.others.entry(node).or_default();
            let overloaded = sums.iter().any(Sum::is_overload);
            let known = others.known(configured);
            (self.surpluses).see(node, &sums, configured, known, at.0);
            self.controller
                .overloaded(node, overloaded.then_some(now_ms));
            others.take(at.0, sums, configured, holds_ms)
        } else {
            amps
        };
        self.controller.unmanaged(node, others, at.0);
        Ok(())
    }

    /// What is known of what a node's meter shows.
    fn sums(&self, node: usize, amps: [f64; 3], at_ms: i64, now_ms: i64) -> [Sum; 3] {
        let site = self.controller.site();
        let mut sums = amps.map(|amps| Sum {
            amps,
            outlets: (0.0, 0.0),
            limit: f64::INFINITY,
            sharing: 0,
        });
        for index in 0..site.limits().len() {
            let (of, Some(phase)) = (site.measure(index).node, site.measure(index).phase) else {
                continue;
            };
            if of == node {
                let sum = &mut sums[phase as usize];
                sum.limit = site.most(index, now_ms, now_ms);
                sum.outlets = self.drawn_between(index, phase as usize, at_ms, now_ms);
                let raised = |it: &usize| {
                    let floor_a = self.lanes[*it].planned.floor_a;
                    self.controller.leased_a(*it) > floor_a && site.loads(*it, index)
                };
                sum.sharing = (0..self.lanes.len()).filter(raised).count();
            }
        }
        sums
    }

    /// The least and the most that outlets draw on the phase of a limit at that time, in A.
    fn drawn_between(&self, limit: usize, phase: usize, at_ms: i64, now_ms: i64) -> (f64, f64) {
        let site = self.controller.site();
        let charging = self.lanes.iter().enumerate();
        let charging = charging.filter(|(index, lane)| {
            (lane.charging.is_some() || lane.draw.is_some()) && site.loads(*index, limit)
        });
        charging.fold((0.0, 0.0), |(least, most), (index, lane)| {
            match lane.draws_at(at_ms) {
                Some(draw) => {
                    let amps = on_phase(lane, &draw, phase);
                    (least + amps, most + amps)
                }
                None => {
                    let most_a = self.controller.follows_a(index, at_ms, now_ms);
                    (least, most + most_a)
                }
            }
        })
    }

    /// What outlets were lately seen to draw through the limit of this index, in its unit.
    pub(super) fn drawn_at(&self, limit: usize, now_ms: i64) -> f64 {
        let site = self.controller.site();
        let Measure { phase, .. } = site.measure(limit);
        let mut sum = 0.0;
        for (index, lane) in self.lanes.iter().enumerate() {
            let is_fresh = |draw: &Draw| now_ms - draw.at.0 <= self.settings.fresh_ms;
            let Some(draw) = lane.draw.filter(is_fresh) else {
                continue;
            };
            if !site.loads(index, limit) {
                continue;
            }
            sum += match phase {
                Some(phase) => on_phase(lane, &draw, phase as usize),
                None => draw.power_w.unwrap_or_else(|| {
                    let phases = lane.drawn_a(&draw).unwrap_or_default();
                    phases.iter().sum::<f64>() * self.power.plan.phase_v
                }),
            };
        }
        sum
    }

    /// Counts limits that outlets are seen to exceed, once each time.
    pub(super) fn count_violations(&mut self, now_ms: i64) {
        let budget = self.controller.limits_now(now_ms);
        for (index, limit) in budget.iter().enumerate() {
            if !limit.most.is_finite() {
                continue;
            }
            let drawn = self.drawn_at(index, now_ms);
            let tolerance = match self.controller.site().measure(index).phase {
                Some(_) => self.settings.tolerance_a,
                None => self.settings.tolerance_a * self.power.plan.phase_v,
            };
            let violated = drawn > limit.most + tolerance;
            if !violated {
                self.violated.remove(&index);
            } else if self.violated.insert(index) {
                ::metrics::counter!(metrics::POWER_VIOLATIONS).increment(1);
                tracing::warn!(site = %self.site, limit = limit.name, most = limit.most, drawn, "outlets are seen to draw more than a limit allows");
            }
        }
    }
}

/// What an outlet draws on a phase of the site, in A.
fn on_phase(lane: &Lane, draw: &super::Draw, phase: usize) -> f64 {
    let phases = lane.drawn_a(draw).unwrap_or_default();
    let at = |line: &SiteLine| *line as usize == phase;
    match &lane.planned.wiring {
        Wiring::Phases(lines) => {
            let wired = lines.iter().position(at);
            wired.map_or(0.0, |station_phase| phases[station_phase])
        }
        Wiring::Between([one, other]) => {
            if at(one) || at(other) {
                greatest(phases)
            } else {
                0.0
            }
        }
        Wiring::Dc => phases[phase],
    }
}

/// The greatest of the phases, in A.
pub(super) fn greatest(phases: [f64; 3]) -> f64 {
    phases.into_iter().fold(0.0, f64::max)
}
