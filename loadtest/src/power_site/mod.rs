//! `power`: a site whose limit must hold. The chargers of one site, cars that come and go, and a monitor that sums what
//! the cars take in every conductor; the site is configured through the API of the hub under test.
//!
//! In turn: the site is configured and its chargers boot; cars charge for a while; the limit of the grid connection is
//! cut and lifted again some times; at last, if asked for, the hub is killed, and the site must fall to its floors by
//! itself.

pub(crate) mod api;
mod cars;
pub(crate) mod chargers;
pub(crate) mod grid;
pub(crate) mod monitor;
mod reaction;
mod report;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use loadtest::{Faults, Target, Version};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::cli::{HubPid, duration, positive};
use crate::hub_process::{HubProcess, Usage};
use api::Api;
use chargers::{Chargers, Traits, watch_until};
use monitor::Monitor;
use reaction::{Cut, Cuts};
use report::Report;

/// How long all chargers may take to boot.
const BOOT: Duration = Duration::from_secs(60);
/// How long after its death a hub's site is watched.
const AFTER_DEATH: Duration = Duration::from_secs(120);

/// Options of `power`.
#[derive(Debug, Args)]
pub(crate) struct PowerSite {
    /// Where chargers connect; {id} stands for the identity
    #[arg(long, default_value = "ws://127.0.0.1:9220/ocpp/{id}")]
    url: String,
    /// The hub's API, through which the site is configured and its limit cut
    #[arg(long, default_value = "http://127.0.0.1:9221")]
    api: String,
    /// Key of an operator for the API, if it asks for one
    #[arg(long, env = "LOADTEST_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// The site's id
    #[arg(long, default_value = "loadtest")]
    site: String,
    /// Its EVSEs, each a charger of its own
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=5000))]
    evses: u16,
    /// OCPP version: 1.6, 2.0.1 or 2.1; `all` by turns
    #[arg(long, default_value = "all")]
    version: Speaks,
    /// What each phase of the grid connection may carry, in A [default: 8 for each EVSE]
    #[arg(long, value_parser = positive)]
    limit_a: Option<f64>,
    /// What each EVSE falls back to by itself, in A: 0, or 6 or more
    #[arg(long, default_value_t = 0.0)]
    floor_a: f64,
    /// Some EVSEs with one phase and some for DC among those with three
    #[arg(long)]
    mixed: bool,
    /// How current is shared: `fair` or `urgent`
    #[arg(long, default_value = "fair")]
    sharing: String,
    /// How long cars come and go before the first cut
    #[arg(long, default_value = "120s", value_parser = duration)]
    duration: Duration,
    /// The first car of each EVSE comes within this time
    #[arg(long, default_value = "20s", value_parser = duration)]
    arrive: Duration,
    /// How long cars stay, about [default: to the end]
    #[arg(long, value_parser = duration)]
    stay: Option<Duration>,
    /// How often the limit is cut
    #[arg(long, default_value_t = 5)]
    cuts: u32,
    /// What a cut leaves of the limit
    #[arg(long, default_value_t = 0.5, value_parser = positive)]
    cut_to: f64,
    /// Time between two cuts
    #[arg(long, default_value = "15s", value_parser = duration)]
    between: Duration,
    /// How long after a cut what is above it is no violation
    #[arg(long, default_value = "10s", value_parser = duration)]
    grace: Duration,
    /// At the end, a command that kills the hub, run with sh; the site must fall to its floors
    #[arg(long)]
    kill_cmd: Option<String>,
    /// How long the site may take to do so: the hub's lease
    #[arg(long, default_value = "60s", value_parser = duration)]
    lease: Duration,
    /// What the firmware of some chargers does wrong, such as `delays-5s,keeps-offline`; see the README
    #[arg(long, default_value = "")]
    faults: Faults,
    /// How many of the chargers have those faults
    #[arg(long, default_value_t = 0)]
    faulty: usize,
    /// Token of the drivers; in it, {n} becomes the charger's number
    #[arg(long, default_value = "TAG{n}")]
    token: String,
    /// Real time between two meter values of a session
    #[arg(long, default_value = "10s", value_parser = duration)]
    meter_interval: Duration,
    /// Seed of wirings and cars [default: drawn, and printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Write the report as JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Process of the hub on this machine, to read its CPU: a PID, or `auto` by the URL's port
    #[arg(long, value_parser = crate::cli::hub_pid)]
    hub_pid: Option<HubPid>,
}

/// What the chargers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    One(Version),
    All,
}

impl std::str::FromStr for Speaks {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "all" => Ok(Self::All),
            other => other.parse().map(Self::One),
        }
    }
}

/// What a run brought.
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) evses: usize,
    pub(crate) limit_a: f64,
    pub(crate) floors_a: f64,
    /// How long cars came and went before the first cut, and the hub's CPU time in it.
    pub(crate) took: Duration,
    pub(crate) hub_cpu: Option<Duration>,
    /// The most cars that took current at once, and the most that flowed in a phase, in A.
    pub(crate) most_charging: usize,
    pub(crate) most_drawn_a: f64,
    pub(crate) cuts: Vec<Cut>,
    /// After the hub was killed: what flowed then, and how long the site took to be at its floors for good.
    pub(crate) after_death: Option<(f64, Option<Duration>)>,
    pub(crate) allowed: Duration,
    pub(crate) counts: monitor::Counts,
}

impl PowerSite {
    /// Runs the scenario; true when the hub passed.
    pub(crate) async fn run(&self) -> Result<bool, Box<dyn Error>> {
        let outcome = self.measure().await?;
        let report = Report::new(&outcome);
        report.print(&mut io::stdout().lock())?;
        if let Some(path) = &self.json {
            std::fs::write(path, serde_json::to_string_pretty(&report)?)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(report.passed())
    }

    async fn measure(&self) -> Result<Outcome, Box<dyn Error>> {
        let seed = self
            .seed
            .unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let mut rng = SmallRng::seed_from_u64(seed);
        let evses = usize::from(self.evses);
        let build = cars::Build {
            evses,
            most_a: self.limit_a.unwrap_or(8.0 * f64::from(self.evses)),
            floor_a: self.floor_a,
            mixed: self.mixed,
        };
        let site = &self.site;
        let grid = cars::grid(build, |index| format!("{site}-{index:04}"), &mut rng);
        let visits = (grid.outlets.iter())
            .map(|it| {
                let evse = it.evse(grid.phase_v);
                let (stay, span) = (self.stay.unwrap_or(2 * self.span()), self.span());
                cars::visits(&evse, self.arrive, stay, span, &mut rng)
            })
            .collect();
        let traits = self.traits(seed)?;
        let hub = self.hub(&traits.target)?;
        let api = Api::new(&self.api, self.api_key.clone())?;
        let stations: Vec<String> = grid.outlets.iter().map(|it| it.station.clone()).collect();
        api.put_site(site, &stations, &grid.plan(&self.sharing))
            .await?;
        let monitor = Arc::new(Monitor::new(&stations, grid.conductors()));
        let chargers = Chargers::start(&grid, visits, &traits, &monitor).await;
        let booted = |it: &Monitor| it.counts().booted >= evses as u64;
        if !watch_until(&monitor, Instant::now() + BOOT, booted).await {
            return Err(format!(
                "only {} of {evses} chargers were accepted: look at the hub's log",
                monitor.counts().booted
            )
            .into());
        }

        let cpu = || hub.map(HubProcess::usage).transpose();
        let (began, before) = (Instant::now(), cpu()?);
        let (mut most_charging, mut most_drawn_a) = (0, 0.0_f64);
        watch_until(&monitor, began + self.duration, |it| {
            most_charging = most_charging.max(it.charging());
            most_drawn_a = most_drawn_a.max(it.drawn_a());
            false
        })
        .await;
        let spent = |after: Usage, before: Usage| after.cpu.saturating_sub(before.cpu);
        let hub_cpu = cpu()?
            .zip(before)
            .map(|(after, before)| spent(after, before));
        let took = began.elapsed();

        let mut cuts = Vec::new();
        for _ in 0..self.cuts {
            cuts.push(reaction::cut(&api, site, &monitor, self.cuts(build.most_a)).await?);
            watch_until(&monitor, Instant::now() + self.between, |_| false).await;
        }
        let after_death = match &self.kill_cmd {
            Some(command) => Some(death(command, &monitor, grid.floors_a()).await?),
            None => None,
        };
        if after_death.is_none() {
            chargers.leave().await;
        }
        Ok(Outcome {
            seed,
            evses,
            limit_a: build.most_a,
            floors_a: grid.floors_a(),
            took,
            hub_cpu,
            most_charging,
            most_drawn_a,
            cuts,
            after_death,
            allowed: self.lease,
            counts: monitor.counts(),
        })
    }

    /// How long cars go on coming.
    fn span(&self) -> Duration {
        let a_cut = self.between + Duration::from_secs(10);
        let death = self
            .kill_cmd
            .as_ref()
            .map_or(Duration::ZERO, |_| AFTER_DEATH);
        BOOT + self.duration + self.cuts * a_cut + death
    }

    fn cuts(&self, most_a: f64) -> Cuts {
        Cuts {
            most_a,
            share: self.cut_to,
            grace: self.grace,
        }
    }

    fn traits(&self, seed: u64) -> Result<Traits, loadtest::TargetError> {
        Ok(Traits {
            target: Target::new(&self.url, None)?,
            versions: match self.version {
                Speaks::One(version) => vec![version],
                Speaks::All => Version::ALL.to_vec(),
            },
            token: self.token.clone(),
            meter_interval: self.meter_interval,
            faults: self.faults,
            faulty: self.faulty,
            seed,
        })
    }

    fn hub(&self, target: &Target) -> Result<Option<HubProcess>, Box<dyn Error>> {
        Ok(match self.hub_pid {
            None => None,
            Some(HubPid::Auto) => Some(HubProcess::listening_on(target.address().port())?),
            Some(HubPid::Pid(pid)) => Some(HubProcess::new(pid)),
        })
    }
}

/// Kills the hub; what flowed then in the fullest phase, and how long it took until that was at the sum of the floors and
/// stayed so.
async fn death(
    command: &str,
    monitor: &Monitor,
    floors_a: f64,
) -> Result<(f64, Option<Duration>), Box<dyn Error>> {
    let flowed_a = monitor.drawn_a();
    let began = Instant::now();
    let status = tokio::process::Command::new("sh")
        .args(["-c", command])
        .status()
        .await?;
    if !status.success() {
        return Err(format!("the kill command failed ({status})").into());
    }
    let mut below = None;
    watch_until(monitor, began + AFTER_DEATH, |it| {
        if it.drawn_a() > floors_a + 0.05 {
            below = None;
        } else if below.is_none() {
            below = Some(began.elapsed());
        }
        false
    })
    .await;
    Ok((flowed_a, below))
}
