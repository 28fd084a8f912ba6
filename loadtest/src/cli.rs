//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use loadtest::Version;

use crate::plan::Traits;
use crate::power_replay::PowerReplay;
use crate::power_site::PowerSite;
use crate::scenario::Scenario;

/// Simulated EV chargers against any OCPP-J central system. Exits with 1 when the central system fails the scenario,
/// with 2 when the run itself could not be done.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connect and boot chargers at a rate, then hold: connect times and failures.
    Ramp(Ramp),
    /// A realistic life: heartbeats, cars that charge and leave. No error, no lost message.
    Steady(Steady),
    /// Idle chargers: memory of the hub per charger after boot and after one 2 KB message each (with --hub-pid).
    Idle(Idle),
    /// A closed loop of sessions: messages a second, latencies, and CPU per message of the hub (with --hub-pid).
    Sessions(Sessions),
    /// A few chargers run sessions, all others hammer: who waits, and does a session's end wait for a heartbeat?
    Overload(Overload),
    /// Chargers drop without a word and come back at once, round after round.
    DropReconnect(DropReconnect),
    /// Chargers connect all at once, as after a power cut: time until all are booted, refusals, retries.
    ReconnectStorm(ReconnectStorm),
    /// Charging chargers drop without a word and come back at once, round after round: nothing may get lost.
    Flap(Flap),
    /// Chargers charge offline, come back at once and replay what they have queued.
    OfflineReplay(OfflineReplay),
    /// A command kills and restarts the central system under charging chargers, at random moments.
    Kill(Kill),
    /// A site whose limit must hold: what its cars take is summed in every conductor, the limit is cut, the hub killed.
    Power(PowerSite),
    /// No chargers: recorded sessions of a site through the power allocator, beside simple baselines.
    PowerReplay(PowerReplay),
    /// Internal: one worker process.
    #[command(hide = true)]
    Worker,
    /// Internal: the raw echo server of `sessions --with-echo`.
    #[command(hide = true)]
    EchoServer,
}

#[derive(Debug, Args)]
pub(crate) struct Ramp {
    /// How long to hold the fleet once all are booted
    #[arg(long, default_value = "5s", value_parser = duration)]
    hold: Duration,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Steady {
    /// How long the life is watched
    #[arg(long, default_value = "120s", value_parser = duration)]
    duration: Duration,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Idle {
    /// Send one 2 KB MeterValues each after boot, and look at the memory again
    #[arg(long = "after-2kb", default_value_t = true, action = clap::ArgAction::Set)]
    after_2kb: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// How many of the chargers run sessions; the others are connected and idle
    #[arg(long, default_value_t = 200)]
    pub(crate) active: u64,
    /// How long the loop is measured
    #[arg(long, default_value = "20s", value_parser = duration)]
    duration: Duration,
    /// Measure a raw WebSocket echo server of our own with the same sockets, before and after, for comparison
    #[arg(long)]
    pub(crate) with_echo: bool,
    /// Run this command with sh before and after, for comparison: its last line is the messages a second that it reached
    #[arg(long)]
    pub(crate) yardstick: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Overload {
    /// How many of the chargers run sessions, each message right after the answer before, with a second between two
    /// sessions; each of the others sends heartbeats, status reports or meter values, the next right after the answer
    #[arg(long, default_value_t = 300)]
    active: u64,
    /// How long the load is measured
    #[arg(long, default_value = "20s", value_parser = duration)]
    duration: Duration,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct DropReconnect {
    /// How often all chargers drop and come back
    #[arg(long, default_value_t = 50)]
    rounds: u64,
    /// How long a round may take
    #[arg(long, default_value = "10s", value_parser = duration)]
    deadline: Duration,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct ReconnectStorm {
    /// How long the last charger may take to be connected and booted
    #[arg(long, default_value = "60s", value_parser = duration)]
    deadline: Duration,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Flap {
    /// How often all chargers drop and come back
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// Time between two rounds, in which all charge
    #[arg(long, default_value = "1s", value_parser = duration)]
    pause: Duration,
    /// How long a round may take
    #[arg(long, default_value = "60s", value_parser = duration)]
    deadline: Duration,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct OfflineReplay {
    /// How long all are offline
    #[arg(long, default_value = "60s", value_parser = duration)]
    offline: Duration,
    /// How long coming back and replaying may take
    #[arg(long, default_value = "120s", value_parser = duration)]
    deadline: Duration,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Kill {
    /// Command that kills and restarts the central system, run with sh; it must end, with status 0
    #[arg(long)]
    kill_cmd: String,
    /// How often
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// How long all charge before each kill, once all chargers are back
    #[arg(long, default_value = "0s", value_parser = duration)]
    rest: Duration,
    /// Each kill comes at a random moment within this time after that
    #[arg(long, default_value = "5s", value_parser = duration)]
    within: Duration,
    /// How long all chargers may take to be back after a kill
    #[arg(long, default_value = "60s", value_parser = duration)]
    deadline: Duration,
    /// Write every acknowledged transaction message to this file, one JSON object a line
    #[arg(long)]
    acknowledged: Option<PathBuf>,
    /// The command kills one of many processes behind the URL: only chargers that lose their socket have to come back
    #[arg(long)]
    one_of_many: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Options of all scenarios.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Where chargers connect; {id} stands for the identity
    #[arg(long, default_value = "ws://127.0.0.1:9220/ocpp/{id}")]
    url: String,
    /// OCPP version: 1.6, 2.0.1 or 2.1
    #[arg(long, default_value = "1.6")]
    version: Version,
    /// Chargers [default: by scenario: ramp 1000, steady 1000, idle 10000, sessions 1000, overload 3000,
    /// drop-reconnect 20, reconnect-storm 5000, flap 5000, offline-replay 500, kill 500]
    #[arg(long)]
    chargers: Option<u64>,
    /// New connections a second (reconnect-storm has no rate)
    #[arg(long, default_value_t = 500.0, value_parser = positive)]
    pub(crate) rate: f64,
    /// Worker processes [default: one for each 15,000 chargers]
    #[arg(long)]
    pub(crate) workers: Option<u64>,
    /// Identities are PREFIX-000000, PREFIX-000001, …
    #[arg(long, default_value = "SIM")]
    id_prefix: String,
    /// Token of the drivers; in it, {n} becomes the charger's number and {c} the connector. At most 20 characters
    #[arg(long, default_value = "TAG{n}")]
    token: String,
    /// Basic authentication, user:password; {id} stands for the identity
    #[arg(long)]
    basic_auth: Option<String>,
    /// Connectors of a charger
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    connectors: u32,
    /// Simulated seconds per real second, for cars and drivers
    #[arg(long, default_value_t = 60.0, value_parser = positive)]
    speed: f64,
    /// Real time between two meter values of a session (steady)
    #[arg(long, default_value = "10s", value_parser = duration)]
    meter_interval: Duration,
    /// Heartbeat interval [default: what the central system asks for]
    #[arg(long, value_parser = duration)]
    heartbeat: Option<Duration>,
    /// Seed of everything random but message ids [default: drawn, and printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Write the report as JSON to this file
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Process of the central system on this machine, to read its CPU and memory: a PID, or `auto` by the URL's port
    #[arg(long, value_parser = hub_pid)]
    pub(crate) hub_pid: Option<HubPid>,
}

/// Which process is the hub.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HubPid {
    Auto,
    Pid(u32),
}

impl Command {
    /// The scenario and its common options; none for the internal commands.
    pub(crate) fn scenario(&self) -> Option<(Scenario, &Common, u64)> {
        let (scenario, common, default_chargers) = match self {
            Self::Ramp(it) => (Scenario::Ramp { hold: it.hold }, &it.common, 1_000),
            Self::Steady(it) => (
                Scenario::Steady {
                    duration: it.duration,
                },
                &it.common,
                1_000,
            ),
            Self::Idle(it) => (
                Scenario::Idle {
                    large_message: it.after_2kb,
                },
                &it.common,
                10_000,
            ),
            Self::Sessions(it) => {
                let scenario = Scenario::Sessions {
                    active: it.active,
                    duration: it.duration,
                };
                (scenario, &it.common, 1_000)
            }
            Self::Overload(it) => {
                let scenario = Scenario::Overload {
                    active: it.active,
                    duration: it.duration,
                };
                (scenario, &it.common, 3_000)
            }
            Self::DropReconnect(it) => {
                let scenario = Scenario::DropReconnect {
                    rounds: it.rounds,
                    deadline: it.deadline,
                };
                (scenario, &it.common, 20)
            }
            Self::ReconnectStorm(it) => {
                let scenario = Scenario::ReconnectStorm {
                    deadline: it.deadline,
                };
                (scenario, &it.common, 5_000)
            }
            Self::Flap(it) => {
                let scenario = Scenario::Flap {
                    rounds: it.rounds,
                    pause: it.pause,
                    deadline: it.deadline,
                };
                (scenario, &it.common, 5_000)
            }
            Self::OfflineReplay(it) => {
                let scenario = Scenario::OfflineReplay {
                    offline: it.offline,
                    deadline: it.deadline,
                };
                (scenario, &it.common, 500)
            }
            Self::Kill(it) => {
                let scenario = Scenario::Kill {
                    command: it.kill_cmd.clone(),
                    kills: it.kills,
                    rest: it.rest,
                    within: it.within,
                    deadline: it.deadline,
                    acknowledged: it.acknowledged.clone(),
                    one_of_many: it.one_of_many,
                };
                (scenario, &it.common, 500)
            }
            Self::Power(_) | Self::PowerReplay(_) | Self::Worker | Self::EchoServer => return None,
        };
        Some((
            scenario,
            common,
            common.chargers.unwrap_or(default_chargers),
        ))
    }
}

impl Common {
    pub(crate) fn traits(&self) -> Traits {
        Traits {
            url: self.url.clone(),
            basic_auth: self.basic_auth.clone(),
            version: self.version,
            id_prefix: self.id_prefix.clone(),
            token: self.token.clone(),
            connectors: self.connectors,
            speed: self.speed,
            meter_interval: self.meter_interval,
            heartbeat: self.heartbeat,
            seed: self
                .seed
                .unwrap_or_else(|| u64::from(rand::random::<u32>())),
        }
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("write a duration like 500ms, 30s, 2m or 1h".into()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "write a duration like 500ms, 30s, 2m or 1h".to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("write a number above 0".into()),
    }
}

pub(crate) fn hub_pid(text: &str) -> Result<HubPid, String> {
    if text == "auto" {
        return Ok(HubPid::Auto);
    }
    text.parse()
        .map(HubPid::Pid)
        .map_err(|_| "write a process id, or auto".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err());
        assert!(duration("3 weeks").is_err());
    }
}
