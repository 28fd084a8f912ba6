//! `power-replay`: real sessions, replayed through the allocator and through simple baselines beside it.
//!
//! Time goes in periods of a few minutes. In each, cars leave, cars come, the method says what each outlet is set to, and
//! all charge until the next. The same sessions, network and semantics for every method, so that the rows compare.

mod baseline;
mod files;
mod method;
mod replay;
mod report;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use files::{Network, Sessions};
use method::Method;
use replay::{Ordering, Way, replay};
use report::Report;

/// Options of `power-replay`.
#[derive(Debug, Args)]
pub(crate) struct PowerReplay {
    /// The site: outlets and limits, as JSON
    #[arg(long)]
    network: PathBuf,
    /// The sessions, as JSON
    #[arg(long)]
    sessions: PathBuf,
    /// What the site may draw, in kW: one or more
    #[arg(long, value_delimiter = ',', required = true, value_parser = super::cli::positive)]
    cap: Vec<f64>,
    /// Which methods: of this project `urgent` (also `lp`: known departures by urgency) and `fair` (`maxmin`); beside
    /// them `fcfs`, `edf`, `llf`, `rr`, and `unctrl`, which knows no limit [default: all]
    #[arg(long, value_delimiter = ',')]
    method: Vec<Method>,
    /// When new settings count: `instant`, all at once; `safe`, increases wait until decreases are confirmed
    #[arg(long, value_delimiter = ',', default_value = "instant")]
    ordering: Vec<Ordering>,
    /// How long a decrease takes to be confirmed with the safe ordering
    #[arg(long, default_value = "60s", value_parser = super::cli::duration)]
    confirmed_after: Duration,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl PowerReplay {
    /// Replays all, prints the report; true if none of this project's methods exceeded a limit.
    pub(crate) fn run(&self) -> Result<bool, Box<dyn Error>> {
        let network: Network = files::read(&self.network)?;
        let sessions: Sessions = files::read(&self.sessions)?;
        let methods = match &self.method[..] {
            [] => Method::ALL.to_vec(),
            chosen => chosen.to_vec(),
        };
        let mut report = Report::new(&network, &sessions);
        for cap_kw in &self.cap {
            for ordering in &self.ordering {
                for method in &methods {
                    let site = network.site(*cap_kw)?;
                    let way = Way {
                        method: *method,
                        ordering: *ordering,
                        period_h: sessions.period_min / 60.0,
                        confirmed_h: self.confirmed_after.as_secs_f64() / 3600.0,
                    };
                    let outcome = replay(&site, &sessions, way)?;
                    report.add(*cap_kw, *method, *ordering, &outcome);
                }
            }
        }
        report.print(&mut io::stdout().lock(), self.json)?;
        Ok(report.passed())
    }
}
