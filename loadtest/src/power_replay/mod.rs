//! `power-replay`: real sessions, replayed through the allocator and through simple baselines beside it.
//!
//! Time goes in periods of a few minutes. In each, cars leave, cars come, the method says what each outlet is set to, and
//! all charge until the next. The same sessions, network and semantics for every method, so that the rows compare.

mod baseline;
mod check;
mod files;
mod method;
mod replay;
mod report;
mod sockets;
#[cfg(test)]
mod tests;
mod tree;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use files::{Network, Sessions, said_of};
use method::Method;
use replay::{Ordering, Way, replay};
use report::Report;
use sockets::Sockets;

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
    #[command(flatten)]
    hub: Sockets,
}

impl PowerReplay {
    /// Replays all, with a hub's help or without, and prints the report; true if none of this project's methods exceeded
    /// a limit.
    pub(crate) async fn run(&self) -> Result<bool, Box<dyn Error>> {
        let network: Network = files::read(&self.network)?;
        check::network(&network).map_err(|why| said_of(&self.network, &why))?;
        let sessions: Sessions = files::read(&self.sessions)?;
        check::sessions(&sessions, &network).map_err(|why| said_of(&self.sessions, &why))?;
        let report = if self.hub.sockets {
            self.beside_a_hub(&network, &sessions).await?
        } else {
            self.alone(&network, &sessions)?
        };
        report.print(&mut io::stdout().lock(), self.json)?;
        Ok(report.passed())
    }

    fn alone(&self, network: &Network, sessions: &Sessions) -> Result<Report, String> {
        let mut report = Report::new(network, sessions);
        for cap_kw in &self.cap {
            self.methods(network, sessions, *cap_kw, &mut report)?;
        }
        Ok(report)
    }

    /// All methods under the limits that the hub is told, and the hub itself with both ways to share.
    async fn beside_a_hub(
        &self,
        network: &Network,
        sessions: &Sessions,
    ) -> Result<Report, Box<dyn Error>> {
        let part = sockets::part(sessions, &self.hub);
        if part.sessions.is_empty() {
            return Err("nobody comes in this part of the recording: see --skip and --span".into());
        }
        let mut report = Report::new(network, &part);
        for cap_kw in &self.cap {
            let told = tree::told(network, *cap_kw, sockets::station)?;
            let same = Network {
                constraints: told.constraints.clone(),
                ..network.clone()
            };
            self.methods(&same, &part, *cap_kw, &mut report)?;
            for method in self.chosen().into_iter().filter(|it| it.is_ours()) {
                let outcome =
                    sockets::replay(&self.hub, network, &told, &part, *cap_kw, method.name())
                        .await?;
                report.add(*cap_kw, method, "sockets", &outcome);
            }
        }
        Ok(report)
    }

    fn chosen(&self) -> Vec<Method> {
        match &self.method[..] {
            [] => Method::ALL.to_vec(),
            chosen => chosen.to_vec(),
        }
    }

    /// Replays the sessions with each method.
    fn methods(
        &self,
        network: &Network,
        sessions: &Sessions,
        cap_kw: f64,
        report: &mut Report,
    ) -> Result<(), String> {
        let site = network.site(cap_kw)?;
        for ordering in &self.ordering {
            for method in self.chosen() {
                let way = Way {
                    method,
                    ordering: *ordering,
                    period_h: sessions.period_min / 60.0,
                    confirmed_h: self.confirmed_after.as_secs_f64() / 3600.0,
                };
                let outcome = replay(&site, sessions, way)?;
                report.add(cap_kw, method, ordering.name(), &outcome);
            }
        }
        Ok(())
    }
}
