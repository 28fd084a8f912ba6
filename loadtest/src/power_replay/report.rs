//! What the replays brought, as a table and as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::files::{Network, Sessions};
use super::method::Method;
use super::replay::Outcome;

/// The replays of one site's sessions.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    network: String,
    site: String,
    evses: usize,
    sessions: usize,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    cap_kw: f64,
    method: &'static str,
    ordering: &'static str,
    /// This project's own.
    ours: bool,
    wanted_kwh: f64,
    delivered_kwh: f64,
    /// Of the energy that was wanted, in percent.
    energy_met_pct: f64,
    /// Jain's index of what each session got of what it wanted: 1 if all got the same part.
    jain: f64,
    changes_per_session: f64,
    pauses_per_session: f64,
    /// The highest load of a constraint over its limit.
    max_constraint_util: f64,
    constraint_violations: u64,
    cpu_us_per_step: f64,
    slowest_step_us: f64,
}

impl Report {
    pub(crate) fn new(network: &Network, sessions: &Sessions) -> Self {
        Self {
            network: network.name.clone(),
            site: sessions.site.clone(),
            evses: network.evses.len(),
            sessions: sessions.sessions.len(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; `ordering` is how settings came to count.
    pub(crate) fn add(
        &mut self,
        cap_kw: f64,
        method: Method,
        ordering: &'static str,
        it: &Outcome,
    ) {
        let sessions = (self.sessions as f64).max(1.0);
        let microseconds = |time: std::time::Duration| time.as_secs_f64() * 1e6;
        self.rows.push(Row {
            cap_kw,
            method: method.name(),
            ordering,
            ours: method.is_ours(),
            wanted_kwh: it.wanted_kwh,
            delivered_kwh: it.delivered_kwh,
            energy_met_pct: 100.0 * it.delivered_kwh / it.wanted_kwh.max(f64::MIN_POSITIVE),
            jain: jain(&it.shares),
            changes_per_session: it.changes as f64 / sessions,
            pauses_per_session: it.pauses as f64 / sessions,
            max_constraint_util: it.worst_utilisation,
            constraint_violations: it.violations,
            cpu_us_per_step: microseconds(it.cpu) / (it.steps as f64).max(1.0),
            slowest_step_us: microseconds(it.slowest),
        });
    }

    /// Whether this project's methods kept every limit.
    pub(crate) fn passed(&self) -> bool {
        (self.rows.iter()).all(|row| !row.ours || row.constraint_violations == 0)
    }

    pub(crate) fn print(&self, out: &mut impl Write, json: bool) -> io::Result<()> {
        if json {
            serde_json::to_writer_pretty(&mut *out, self)?;
            return writeln!(out);
        }
        writeln!(
            out,
            "{}: {} EVSEs, {} sessions of {}",
            self.network, self.evses, self.sessions, self.site
        )?;
        writeln!(
            out,
            "  cap kW  method    ordering  energy met %   Jain  changes  pauses  max load  violations  µs/step  slowest"
        )?;
        for row in &self.rows {
            writeln!(
                out,
                "{:>8}  {:<8}{} {:<8}  {:>12.3}  {:>5.3}  {:>7.2}  {:>6.2}  {:>8.4}  {:>10}  {:>7.1}  {:>7.0}",
                row.cap_kw,
                row.method,
                if row.ours { '*' } else { ' ' },
                row.ordering,
                row.energy_met_pct,
                row.jain,
                row.changes_per_session,
                row.pauses_per_session,
                row.max_constraint_util,
                row.constraint_violations,
                row.cpu_us_per_step,
                row.slowest_step_us,
            )?;
        }
        writeln!(
            out,
            "* this project's. Changes and pauses are per session; max load is over its limit."
        )
    }
}

fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares > 0.0 {
        sum * sum / (shares.len() as f64 * squares)
    } else {
        1.0
    }
}
