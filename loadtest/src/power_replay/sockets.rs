//! `power-replay --sockets`: a part of the recording through a real hub, with a simulated charger at each EVSE.
//!
//! The clock goes faster than life: a car that wanted 10 kWh in 5 hours wants 1 kWh in half an hour at `--speed 10`, with
//! the same currents. What a hub does in real time (the lease of a grant, the time until an increase may follow a decrease)
//! is then as many times as long in the life of the cars, unless the hub is configured to be as much faster.
//!
//! The hub is told the site as a tree ([`tree`](super::tree)) and each session's energy and departure as soon as it has
//! begun; the monitor of `power` sums what the cars take.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use loadtest::{Faults, Target, Version, Visit};
use serde_json::{Value, json};

use super::files::{Network, Session, Sessions};
use super::replay::Outcome;
use super::tree::Told;
use crate::cli::{HubPid, duration, positive};
use crate::hub_process::HubProcess;
use crate::power_site::api::Api;
use crate::power_site::chargers::{Chargers, Traits, watch_until};
use crate::power_site::monitor::Monitor;

/// The site's id.
const SITE: &str = "replay";
/// How long all chargers may take to boot.
const BOOT: Duration = Duration::from_secs(60);
/// How often the hub is asked which sessions it has, to be told what they need.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Options of `--sockets`.
#[derive(Debug, Args)]
pub(super) struct Sockets {
    /// Replay a part through a hub and simulated chargers as well, beside the other methods on the same part
    #[arg(long)]
    pub(super) sockets: bool,
    /// Where the part begins, after the beginning of the recording
    #[arg(long, default_value = "0s", value_parser = duration)]
    skip: Duration,
    /// How long the part is; cars that stay longer leave at its end
    #[arg(long, default_value = "12h", value_parser = duration)]
    span: Duration,
    /// Seconds of the recording per real second
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    speed: f64,
    /// How long before the first car the chargers are there: what a hub needs to learn
    #[arg(long, default_value = "75s", value_parser = duration)]
    before: Duration,
    /// Where chargers connect; {id} stands for the identity
    #[arg(long, default_value = "ws://127.0.0.1:9220/ocpp/{id}")]
    url: String,
    /// The hub's API
    #[arg(long, default_value = "http://127.0.0.1:9221")]
    api: String,
    /// Key of an operator for the API, if it asks for one
    #[arg(long, env = "LOADTEST_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// OCPP version: 1.6, 2.0.1 or 2.1
    #[arg(long, default_value = "1.6")]
    version: Version,
    /// Token of the drivers; in it, {n} becomes the charger's number
    #[arg(long, default_value = "TAG{n}")]
    token: String,
    /// Process of the hub on this machine, to read its CPU: a PID, or `auto` by the URL's port
    #[arg(long, value_parser = crate::cli::hub_pid)]
    hub_pid: Option<HubPid>,
}

/// The part of a recording that is replayed: who comes in it, and leaves in it or at its end.
pub(super) fn part(sessions: &Sessions, sockets: &Sockets) -> Sessions {
    let periods = |time: Duration| (time.as_secs_f64() / 60.0 / sessions.period_min).round() as i64;
    let from = periods(sockets.skip);
    let to = from + periods(sockets.span).max(1);
    let within = |it: &&Session| (from..to).contains(&it.arrival);
    let cut = |it: &Session| Session {
        departure: it.departure.min(to),
        ..it.clone()
    };
    Sessions {
        site: sessions.site.clone(),
        period_min: sessions.period_min,
        sessions: sessions.sessions.iter().filter(within).map(cut).collect(),
    }
}

/// Replays the part at the hub; the outcome is in the energies of the recording.
pub(super) async fn replay(
    sockets: &Sockets,
    network: &Network,
    told: &Told,
    part: &Sessions,
    cap_kw: f64,
    sharing: &str,
) -> Result<Outcome, Box<dyn Error>> {
    let first = part.sessions.iter().map(|it| it.arrival).min().unwrap_or(0);
    let last = part
        .sessions
        .iter()
        .map(|it| it.departure)
        .max()
        .unwrap_or(0);
    let scale = Scale {
        first,
        before: sockets.before,
        period_s: 60.0 * part.period_min / sockets.speed,
    };
    let (visits, needs) = visits(network, part, &scale, sockets.speed)?;
    let target = Target::new(&sockets.url, None)?;
    let hub = match sockets.hub_pid {
        None => None,
        Some(HubPid::Auto) => Some(HubProcess::listening_on(target.address().port())?),
        Some(HubPid::Pid(pid)) => Some(HubProcess::new(pid)),
    };
    let api = Api::new(&sockets.api, sockets.api_key.clone())?;
    let stations: Vec<String> = told
        .grid
        .outlets
        .iter()
        .map(|it| it.station.clone())
        .collect();
    api.put_site(SITE, &stations, &told.grid.plan(sharing))
        .await?;
    let monitor = Arc::new(Monitor::new(&stations, told.conductors(network, cap_kw)?));
    let traits = Traits {
        target,
        versions: vec![sockets.version],
        token: sockets.token.clone(),
        meter_interval: Duration::from_secs_f64((60.0 / sockets.speed).max(1.0)),
        faults: Faults::default(),
        faulty: 0,
        seed: 0,
    };
    let (began, began_at) = (Instant::now(), Utc::now());
    let chargers = Chargers::start(&told.grid, visits, &traits, &monitor).await;
    let all = stations.len() as u64;
    if !watch_until(&monitor, Instant::now() + BOOT, |it| {
        it.counts().booted >= all
    })
    .await
    {
        let booted = monitor.counts().booted;
        return Err(format!(
            "only {booted} of {all} chargers were accepted: look at the hub's log"
        )
        .into());
    }
    let usage = || hub.map(HubProcess::usage).transpose();
    let before = usage()?;
    let teller = tokio::spawn(tell_needs(api, needs, began_at));
    watch_until(&monitor, began + scale.real(last), |_| false).await;
    let cpu = usage()?
        .zip(before)
        .map(|(after, before)| after.cpu.saturating_sub(before.cpu));
    teller.abort();
    chargers.leave().await;
    let counts = monitor.counts();
    Ok(Outcome {
        wanted_kwh: part.sessions.iter().map(|it| it.energy_kwh).sum(),
        delivered_kwh: counts.got_wh / 1_000.0 * sockets.speed,
        shares: counts.shares.clone(),
        changes: counts.changes,
        pauses: counts.pauses,
        worst_utilisation: counts.highest,
        violations: counts.above_s.ceil() as u64,
        steps: (last - first).max(1) as u64,
        cpu: cpu.unwrap_or_default(),
        slowest: Duration::ZERO,
    })
}

/// From the periods of a recording to real time.
struct Scale {
    first: i64,
    before: Duration,
    /// Real seconds of a period.
    period_s: f64,
}

impl Scale {
    /// When a period begins, after the chargers were started.
    fn real(&self, period: i64) -> Duration {
        self.before + Duration::from_secs_f64((period - self.first) as f64 * self.period_s)
    }
}

/// What is known of a car's need when it comes.
struct Need {
    arrives: Duration,
    leaves: Duration,
    energy_wh: f64,
}

type Visits = Vec<Vec<Visit>>;
type Needs = HashMap<String, Vec<Need>>;

/// The cars by outlet, and what they need by station.
fn visits(
    network: &Network,
    part: &Sessions,
    scale: &Scale,
    speed: f64,
) -> Result<(Visits, Needs), String> {
    let places: HashMap<&str, usize> = (network.evses.iter().enumerate())
        .map(|(index, evse)| (evse.id.as_str(), index))
        .collect();
    let mut visits: Visits = vec![Vec::new(); network.evses.len()];
    let mut needs = Needs::new();
    for session in &part.sessions {
        let index = *(places.get(session.evse.as_str()))
            .ok_or_else(|| format!("{} is no evse of this network", session.evse))?;
        let evse = &network.evses[index];
        let energy_wh = 1_000.0 * session.energy_kwh / speed;
        let arrives = scale.real(session.arrival);
        visits[index].push(Visit {
            connector: 1,
            arrives,
            leaves: scale.real(session.departure),
            energy_wh,
            most_a: 1_000.0 * session.max_kw / evse.voltage_v,
            phases: 1,
        });
        if let Some(leaves) = session.est_departure {
            needs.entry(station(&session.evse)).or_default().push(Need {
                arrives,
                leaves: scale.real(leaves.max(session.arrival)),
                energy_wh,
            });
        }
    }
    Ok((visits, needs))
}

/// What an EVSE's charger is called.
pub(super) fn station(evse: &str) -> String {
    format!("REPLAY-{evse}")
}

/// Tells the hub of each session what it needs and when it leaves, once it knows the session.
async fn tell_needs(api: Api, needs: Needs, began_at: DateTime<Utc>) {
    let mut told = HashSet::new();
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        // The hub may be slow; what is not told now is told next time.
        let Ok(view) = api.power(SITE).await else {
            continue;
        };
        for outlet in view["outlets"].as_array().into_iter().flatten() {
            let (Some(session), Some(station)) = (
                outlet["session"]["session"].as_str(),
                outlet["station"].as_str(),
            ) else {
                continue;
            };
            let since = Utc::now()
                .signed_duration_since(began_at)
                .to_std()
                .unwrap_or_default();
            let come = |it: &&Need| it.arrives <= since;
            let Some(need) = needs.get(station).and_then(|all| all.iter().rfind(come)) else {
                continue;
            };
            if !told.contains(session)
                && api
                    .put_preferences(session, &preferences(need, began_at))
                    .await
                    .is_ok()
            {
                told.insert(session.to_owned());
            }
        }
    }
}

fn preferences(need: &Need, began_at: DateTime<Utc>) -> Value {
    let departure = began_at + need.leaves;
    json!({
        "energy_wh": need.energy_wh,
        "departure_at": departure.to_rfc3339_opts(SecondsFormat::Millis, true),
    })
}
