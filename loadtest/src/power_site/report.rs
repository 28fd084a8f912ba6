//! What a run of `power` brought, as text and as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::Outcome;
use super::reaction::Cut;

/// The most that a decrease may take to be on the wire (99 of 100), in s.
const REACTION_S: f64 = 1.0;

/// The report.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    seed: u64,
    evses: usize,
    limit_a: f64,
    floors_a: f64,
    most_charging: usize,
    most_drawn_a: f64,
    begun: u64,
    ended: usize,
    energy_met_pct: f64,
    changes_per_session: f64,
    pauses_per_session: f64,
    profiles: u64,
    hub_cpu_pct: Option<f64>,
    above_as: f64,
    above_s: f64,
    grace_as: f64,
    highest_load: f64,
    worst: Option<(String, f64, f64)>,
    lost_sockets: u64,
    cuts: Vec<Cut>,
    /// Median, 99 % and most of when a charger heard of a cut, in s.
    lowered_s: Option<[f64; 3]>,
    /// What flowed when the hub was killed, and when the site was at its floors, in s.
    after_death: Option<(f64, Option<f64>)>,
    faults: Vec<String>,
}

impl Report {
    pub(crate) fn new(outcome: &Outcome) -> Self {
        let counts = &outcome.counts;
        let each = |count: u64| count as f64 / (counts.begun as f64).max(1.0);
        let mut heard: Vec<f64> = (outcome.cuts.iter())
            .flat_map(|cut| cut.lowered_s.iter().copied())
            .collect();
        heard.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = heard.len().checked_sub(1)?;
            heard.get((last as f64 * share).ceil() as usize).copied()
        };
        let mut report = Self {
            seed: outcome.seed,
            evses: outcome.evses,
            limit_a: outcome.limit_a,
            floors_a: outcome.floors_a,
            most_charging: outcome.most_charging,
            most_drawn_a: outcome.most_drawn_a,
            begun: counts.begun,
            ended: counts.shares.len(),
            energy_met_pct: 100.0 * counts.got_wh / counts.wanted_wh.max(f64::MIN_POSITIVE),
            changes_per_session: each(counts.changes),
            pauses_per_session: each(counts.pauses),
            profiles: counts.profiles,
            hub_cpu_pct: (outcome.hub_cpu)
                .map(|cpu| 100.0 * cpu.as_secs_f64() / outcome.took.as_secs_f64()),
            above_as: counts.above_as,
            above_s: counts.above_s,
            grace_as: counts.grace_as,
            highest_load: counts.highest,
            worst: counts.worst.clone(),
            lost_sockets: counts.lost_sockets,
            cuts: outcome.cuts.clone(),
            lowered_s: at(0.5)
                .zip(at(0.99))
                .zip(at(1.0))
                .map(|((half, most), all)| [half, most, all]),
            after_death: (outcome.after_death)
                .map(|(amps, below)| (amps, below.map(|it| it.as_secs_f64()))),
            faults: Vec::new(),
        };
        report.faults = report.judge(outcome.allowed.as_secs_f64());
        report
    }

    /// Whether the hub passed.
    pub(crate) fn passed(&self) -> bool {
        self.faults.is_empty()
    }

    fn judge(&self, allowed_s: f64) -> Vec<String> {
        let mut faults = Vec::new();
        if self.above_as > 0.0 {
            let (name, load, most) = self.worst.clone().unwrap_or_default();
            faults.push(format!(
                "limits were exceeded for {:.1} s, by {:.1} A·s in all; at worst {name} carried {load:.1} A of {most:.1} A",
                self.above_s, self.above_as
            ));
        }
        let missed = self.cuts.iter().filter(|cut| cut.below_s.is_none()).count();
        if missed > 0 {
            faults.push(format!(
                "{missed} of {} cuts were not obeyed",
                self.cuts.len()
            ));
        }
        if let Some([_, most, _]) = self.lowered_s
            && most > REACTION_S
        {
            faults.push(format!(
                "chargers heard of a cut after {most:.2} s (99 %), which is more than {REACTION_S} s"
            ));
        }
        if !self.cuts.is_empty() && self.lowered_s.is_none() {
            faults.push("no charger heard of a cut: the limit was not what held them".into());
        }
        match self.after_death {
            Some((_, None)) => faults.push("without the hub the site did not fall to its floors".into()),
            Some((_, Some(seconds))) if seconds > allowed_s => faults.push(format!(
                "without the hub the site took {seconds:.1} s to fall to its floors, more than {allowed_s} s"
            )),
            _ => {}
        }
        if self.most_charging == 0 {
            faults.push("no car charged: does the hub accept the tokens?".into());
        }
        faults
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "power: {} EVSEs, {:.0} A per phase, floors {:.0} A, seed {}",
            self.evses, self.limit_a, self.floors_a, self.seed
        )?;
        let mut row = |name: &str, value: String| writeln!(out, "  {name:<22}{value}");
        row(
            "at most",
            format!(
                "{} cars at once, {:.1} A in a phase",
                self.most_charging, self.most_drawn_a
            ),
        )?;
        row(
            "above limits",
            format!(
                "{:.1} A·s in {:.1} s; {:.1} A·s while a cut was obeyed",
                self.above_as, self.above_s, self.grace_as
            ),
        )?;
        if let Some((name, load, most)) = &self.worst {
            row("fullest", format!("{name}, {load:.1} A of {most:.1} A"))?;
        }
        row(
            "sessions",
            format!(
                "{} began; {} ended, with {:.1} % of the energy they wanted",
                self.begun, self.ended, self.energy_met_pct
            ),
        )?;
        row(
            "a session",
            format!(
                "{:.1} changes, {:.2} pauses",
                self.changes_per_session, self.pauses_per_session
            ),
        )?;
        row("profiles sent", self.profiles.to_string())?;
        if let Some(pct) = self.hub_cpu_pct {
            row("hub CPU", format!("{pct:.1} % of a core before the cuts"))?;
        }
        for cut in &self.cuts {
            let below = cut
                .below_s
                .map_or("never".into(), |it| format!("{it:.2} s"));
            row(
                "a cut",
                format!(
                    "{:.0} to {:.0} A: {} chargers lowered, all below after {below}",
                    cut.before_a,
                    cut.limit_a,
                    cut.lowered_s.len()
                ),
            )?;
        }
        if let Some([half, most, all]) = self.lowered_s {
            row(
                "a charger hears of it",
                format!("after {half:.3} s (median), {most:.3} s (99 %), {all:.3} s (most)"),
            )?;
        }
        if let Some((amps, below)) = self.after_death {
            let below = below.map_or("never".into(), |it| format!("after {it:.1} s"));
            row(
                "hub killed",
                format!("at {amps:.0} A; at the floors {below}"),
            )?;
        }
        row("lost sockets", self.lost_sockets.to_string())?;
        for fault in &self.faults {
            writeln!(out, "  FAULT {fault}")?;
        }
        writeln!(out, "{}", if self.passed() { "passed" } else { "failed" })
    }
}
