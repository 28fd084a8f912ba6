//! `loadtest`: load scenarios for any OCPP-J central system. The parent process shares the fleet among worker processes
//! (this program again), keeps them in step, and reports.

mod acknowledged;
mod cli;
mod conduct;
mod echo_server;
mod fleet;
mod hub_process;
mod plan;
mod power_replay;
mod power_site;
mod progress;
mod recorder;
mod report;
mod roll_call;
mod scenario;
mod tally;
mod worker;
mod yardstick;

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use loadtest::Target;

use crate::cli::{Cli, Command, Common, HubPid};
use crate::conduct::{Outcome, conduct};
use crate::hub_process::HubProcess;
use crate::plan::{Plan, Traits};
use crate::report::Report;
use crate::scenario::Scenario;

/// How long the central system may take to accept the first TCP connection.
const REACHABLE_WITHIN: Duration = Duration::from_secs(5);
/// How long the echo server is measured at most, each time.
const ECHO_SECONDS: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Worker => single_threaded(worker::run())
            .map_err(Into::into)
            .map(|()| true),
        Command::EchoServer => multi_threaded(echo_server::run())
            .map_err(Into::into)
            .map(|()| true),
        Command::PowerReplay(replay) => single_threaded(replay.run()),
        Command::Power(site) => single_threaded(site.run()),
        command => single_threaded(run(command)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // Without stderr there is nobody to tell.
            let _ = writeln!(io::stderr(), "loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs a scenario; true when the central system passed.
async fn run(command: &Command) -> Result<bool, Box<dyn Error>> {
    let Some((scenario, common, chargers)) = command.scenario() else {
        return Err("internal commands have no scenario".into());
    };
    let traits = common.traits();
    let plans = Plan::share(&scenario, &traits, chargers, common.rate, common.workers)?;
    if matches!(scenario, Scenario::Kill { .. }) {
        check_kill(&plans, common)?;
    }
    let target = Target::new(&traits.url, traits.basic_auth.as_deref())?;
    check_reachable(&target)?;
    let hub = find_hub(common, &target)?;
    let with_echo = matches!(command, Command::Sessions(sessions) if sessions.with_echo);
    let yardstick = match command {
        Command::Sessions(sessions) => sessions.yardstick.as_deref(),
        _ => None,
    };
    let (mut echoes, mut yardsticks) = (Vec::new(), Vec::new());
    if with_echo {
        echoes.push(measure_echo(&scenario, &traits, chargers, common).await?);
    }
    if let Some(command) = yardstick {
        yardsticks.push(yardstick::measure(command).await?);
    }
    let outcome = conduct(&plans, hub).await?;
    if with_echo {
        echoes.push(measure_echo(&scenario, &traits, chargers, common).await?);
    }
    if let Some(command) = yardstick {
        yardsticks.push(yardstick::measure(command).await?);
    }
    let report = Report::new(&plans, &outcome, &echoes, yardsticks);
    report.print(&mut io::stdout().lock())?;
    if let Some(path) = &common.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(report.passed())
}

/// What the other scenarios can and `kill` cannot.
fn check_kill(plans: &[Plan], common: &Common) -> Result<(), &'static str> {
    if plans.len() > 1 {
        return Err(
            "kill runs in one worker process, which gives the kill command: use at most 15000 chargers and no --workers",
        );
    }
    if common.hub_pid.is_some() {
        return Err("kill takes no --hub-pid: that process does not outlive the first kill");
    }
    Ok(())
}

/// One clear message instead of thousands of failed connections.
fn check_reachable(target: &Target) -> Result<(), String> {
    TcpStream::connect_timeout(&target.address(), REACHABLE_WITHIN).map(drop).map_err(|error| {
        format!(
            "cannot connect to {} ({error}): is the central system running, and are host and port of --url right?",
            target.template()
        )
    })
}

fn find_hub(
    common: &Common,
    target: &Target,
) -> Result<Option<HubProcess>, hub_process::HubProcessError> {
    common
        .hub_pid
        .map(|which| match which {
            HubPid::Auto => HubProcess::listening_on(target.address().port()),
            HubPid::Pid(pid) => Ok(HubProcess::new(pid)),
        })
        .transpose()
}

/// Runs the closed loop of `sessions` with raw text against an echo server of our own.
async fn measure_echo(
    sessions: &Scenario,
    traits: &Traits,
    chargers: u64,
    common: &Common,
) -> Result<Outcome, Box<dyn Error>> {
    let Scenario::Sessions { active, duration } = sessions else {
        return Err("only sessions are compared with an echo".into());
    };
    let server = EchoServer::start()?;
    let scenario = Scenario::Echo {
        active: *active,
        duration: (*duration).min(ECHO_SECONDS),
    };
    let traits = Traits {
        url: format!("ws://127.0.0.1:{}/{{id}}", server.port),
        ..traits.clone()
    };
    let plans = Plan::share(&scenario, &traits, chargers, common.rate, common.workers)?;
    Ok(conduct(&plans, Some(HubProcess::new(server.process.id()))).await?)
}

/// The echo server as a process of its own, so that its CPU time can be read. It ends when dropped.
struct EchoServer {
    process: Child,
    port: u16,
}

impl EchoServer {
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut process = std::process::Command::new(std::env::current_exe()?)
            .arg("echo-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line
            .trim()
            .parse()
            .map_err(|_| "the echo server did not start")?;
        Ok(Self { process, port })
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A worker needs one core at most, and leaves the others to the central system.
fn single_threaded<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime without threads needs no more than an epoll descriptor")
        .block_on(work)
}

/// The echo server runs as a hub does.
fn multi_threaded<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("threads for each core").block_on(work)
}
