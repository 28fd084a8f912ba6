//! What a run brought, for people and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use loadtest::METER_SHARE;
use serde::Serialize;

use crate::conduct::Outcome;
use crate::plan::Plan;
use crate::scenario::{LARGE_MESSAGE_BYTES, Scenario};
use crate::tally::{Counts, Latencies, Percentiles, Tally};

/// The report of one run. Times are microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    scenario: &'static str,
    url: String,
    version: String,
    chargers: u64,
    workers: usize,
    seed: u64,
    passed: bool,
    faults: Vec<String>,
    seconds: f64,
    messages: u64,
    messages_per_second: f64,
    connect: Option<Percentiles>,
    connect_failures: Counts,
    disconnects: Counts,
    booted: u64,
    actions: BTreeMap<String, Action>,
    obeyed: Counts,
    transaction_messages: TransactionMessages,
    /// From the beginning of a round until a charger was back.
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<Percentiles>,
    /// From the loss of its socket until a charger was back.
    #[serde(skip_serializing_if = "Option::is_none")]
    away: Option<Percentiles>,
    /// Until all were back.
    #[serde(skip_serializing_if = "Option::is_none")]
    rounds: Option<Percentiles>,
    /// The same, round by round, in seconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    round_seconds: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<Replay>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<Hub>,
    #[serde(skip_serializing_if = "Option::is_none")]
    echo: Option<Echo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    yardstick: Option<Yardstick>,
}

#[derive(Debug, Serialize)]
struct Action {
    sent: u64,
    answered: u64,
    failures: Counts,
    refusals: Counts,
    latency: Option<Percentiles>,
}

#[derive(Debug, Serialize)]
struct TransactionMessages {
    queued: u64,
    acknowledged: u64,
    lost: u64,
}

/// Queues of chargers that were offline.
#[derive(Debug, Serialize)]
struct Replay {
    waiting: u64,
    messages_per_second: f64,
    /// Until all queues were empty.
    seconds: f64,
    /// Messages that still waited at the deadline.
    undrained: u64,
}

impl Replay {
    fn new(tally: &Tally) -> Self {
        let seconds = tally.replay.took.as_secs_f64();
        Self {
            waiting: tally.replay.waiting,
            messages_per_second: tally.replay.sent as f64 / seconds.max(f64::EPSILON),
            seconds,
            undrained: tally.replay.undrained,
        }
    }
}

/// The hub's process.
#[derive(Debug, Serialize)]
struct Hub {
    memory_before: u64,
    memory_ready: u64,
    memory_measured: u64,
    /// Every ten seconds of the measured part.
    memory_meanwhile: Vec<u64>,
    bytes_per_charger_ready: f64,
    bytes_per_charger_measured: f64,
    cpu_us_per_message: Option<f64>,
}

/// The raw echo server beside it.
#[derive(Debug, Serialize)]
struct Echo {
    /// One for each run.
    cpu_us_per_message: Vec<f64>,
    messages_per_second: Vec<f64>,
    /// The hub's CPU per message, over the mean of the echo's.
    hub_to_echo: Option<f64>,
}

/// The command beside it.
#[derive(Debug, Serialize)]
struct Yardstick {
    /// One for each run.
    messages_per_second: Vec<f64>,
    /// The central system's rate, over the mean of the yardstick's.
    reached: f64,
}

impl Yardstick {
    fn new(rates: Vec<f64>, outcome: &Outcome) -> Self {
        let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        Self {
            reached: messages_per_second(outcome) / mean,
            messages_per_second: rates,
        }
    }
}

impl Report {
    /// `echoes` and `yardsticks` are what was measured beside it, if anything.
    pub(crate) fn new(
        plans: &[Plan],
        outcome: &Outcome,
        echoes: &[Outcome],
        yardsticks: Vec<f64>,
    ) -> Self {
        let plan = &plans[0];
        let tally = &outcome.tally;
        let faults = plan.scenario.judge(plan.fleet, tally);
        let chargers = plan.fleet as f64;
        let hub = outcome.hub.map(|hub| {
            let grown = |memory: u64| (memory as f64 - hub.before.memory as f64) / chargers;
            Hub {
                memory_before: hub.before.memory,
                memory_ready: hub.ready.memory,
                memory_measured: hub.measured.memory,
                memory_meanwhile: outcome.memory_meanwhile.clone(),
                bytes_per_charger_ready: grown(hub.ready.memory),
                bytes_per_charger_measured: grown(hub.measured.memory),
                cpu_us_per_message: cpu_us_per_message(outcome),
            }
        });
        let echo = (!echoes.is_empty()).then(|| {
            let cpu: Vec<f64> = echoes.iter().filter_map(cpu_us_per_message).collect();
            let mean = cpu.iter().sum::<f64>() / cpu.len().max(1) as f64;
            Echo {
                messages_per_second: echoes.iter().map(messages_per_second).collect(),
                hub_to_echo: cpu_us_per_message(outcome).map(|hub| hub / mean),
                cpu_us_per_message: cpu,
            }
        });
        Self {
            scenario: plan.scenario.name(),
            url: plan.traits.url.clone(),
            version: plan.traits.version.to_string(),
            chargers: plan.fleet,
            workers: plans.len(),
            seed: plan.traits.seed,
            passed: faults.is_empty(),
            faults,
            seconds: outcome.took.as_secs_f64(),
            messages: outcome.answered,
            messages_per_second: messages_per_second(outcome),
            connect: tally.connects.percentiles(),
            connect_failures: tally.connect_failures.clone(),
            disconnects: tally.disconnects.clone(),
            booted: tally.booted,
            actions: actions(tally),
            obeyed: tally.obeyed.clone(),
            transaction_messages: TransactionMessages {
                queued: tally.queued,
                acknowledged: tally.acknowledged,
                lost: tally.lost(),
            },
            returns: tally.returns.percentiles(),
            away: tally.away.percentiles(),
            rounds: tally
                .rounds
                .iter()
                .copied()
                .collect::<Latencies>()
                .percentiles(),
            round_seconds: tally.rounds.iter().map(Duration::as_secs_f64).collect(),
            replay: matches!(plan.scenario, Scenario::OfflineReplay { .. })
                .then(|| Replay::new(tally)),
            hub,
            echo,
            yardstick: (!yardsticks.is_empty()).then(|| Yardstick::new(yardsticks, outcome)),
        }
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    /// Writes the report for people.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{}: {} chargers, OCPP {}, {} (workers: {}, seed: {})",
            self.scenario, self.chargers, self.version, self.url, self.workers, self.seed
        )?;
        writeln!(
            out,
            "{:.1} s, {} messages answered, {:.0} a second; {} transaction messages, {} lost",
            self.seconds,
            self.messages,
            self.messages_per_second,
            self.transaction_messages.queued,
            self.transaction_messages.lost
        )?;
        writeln!(
            out,
            "\n{:<24}{:>10}{:>9}{:>11}{:>10}{:>10}{:>10}{:>10}",
            "milliseconds", "answered", "failed", "p50", "p90", "p99", "p99.9", "max"
        )?;
        row(
            out,
            "connect",
            self.connect.map_or(0, |it| it.count),
            self.connect_failures.values().sum(),
            self.connect,
        )?;
        for (name, action) in &self.actions {
            row(
                out,
                name,
                action.answered,
                action.failures.values().sum(),
                action.latency,
            )?;
        }
        if let Some(rounds) = self.rounds {
            let returns = self.returns.map_or(0, |it| it.count);
            row(out, "back (each charger)", returns, 0, self.returns)?;
            row(out, "away (each charger)", returns, 0, self.away)?;
            row(out, "round (all back)", rounds.count, 0, self.rounds)?;
        }
        self.print_storm(out)?;
        self.print_hub(out)?;
        self.print_yardstick(out)?;
        writeln!(out)?;
        for fault in &self.faults {
            writeln!(out, "FAULT {fault}")?;
        }
        writeln!(out, "{}", if self.passed { "passed" } else { "FAILED" })
    }

    fn print_storm(&self, out: &mut impl Write) -> io::Result<()> {
        if self.scenario == "kill" {
            let each: Vec<_> = self
                .round_seconds
                .iter()
                .map(|it| format!("{it:.1}"))
                .collect();
            writeln!(out, "\nrecovered after: {} s", each.join(", "))?;
        }
        if let Some(replay) = &self.replay {
            writeln!(
                out,
                "\n{} messages waited; {:.0} a second for {:.2} s, then {} still waited",
                replay.waiting, replay.messages_per_second, replay.seconds, replay.undrained
            )?;
        }
        if !self.connect_failures.is_empty() {
            let each: Vec<_> = self
                .connect_failures
                .iter()
                .map(|(kind, count)| format!("{kind} ({count} times)"))
                .collect();
            writeln!(
                out,
                "\n{} connections failed and were tried again: {}",
                self.connect_failures.values().sum::<u64>(),
                each.join(", ")
            )?;
        }
        Ok(())
    }

    fn print_yardstick(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(yardstick) = &self.yardstick else {
            return Ok(());
        };
        writeln!(
            out,
            "yardstick: {} messages a second (before, after); the central system reaches {:.2} of that, {:.0} of its messages a second with a meter value",
            list(&yardstick.messages_per_second),
            yardstick.reached,
            self.messages_per_second * METER_SHARE
        )
    }

    fn print_hub(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(hub) = &self.hub else { return Ok(()) };
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        writeln!(
            out,
            "\nhub memory (Anonymous + Swap): {:.1} MiB before, {:.1} MiB with the fleet ready, {:.1} MiB at the end",
            mib(hub.memory_before),
            mib(hub.memory_ready),
            mib(hub.memory_measured)
        )?;
        if self.scenario == "steady" && !hub.memory_meanwhile.is_empty() {
            let meanwhile: Vec<_> = hub
                .memory_meanwhile
                .iter()
                .map(|it| format!("{:.1}", mib(*it)))
                .collect();
            writeln!(out, "every 10 s: {} MiB", meanwhile.join(", "))?;
        }
        if self.scenario == "idle" {
            writeln!(
                out,
                "bytes per charger: {:.0} after boot, {:.0} after one message of {LARGE_MESSAGE_BYTES} bytes each",
                hub.bytes_per_charger_ready, hub.bytes_per_charger_measured
            )?;
        }
        if let Some(cpu) = hub.cpu_us_per_message.filter(|_| self.scenario != "idle") {
            writeln!(out, "hub CPU per message: {cpu:.1} µs")?;
        }
        if let Some(echo) = &self.echo {
            let ratio = echo.hub_to_echo.map_or_else(String::new, |it| {
                format!("; the hub takes {it:.1} times as much")
            });
            writeln!(
                out,
                "raw echo CPU per message: {} µs (before, after) at {} messages a second{ratio}",
                list(&echo.cpu_us_per_message),
                list(&echo.messages_per_second)
            )?;
        }
        Ok(())
    }
}

fn list(numbers: &[f64]) -> String {
    let each: Vec<_> = numbers.iter().map(|it| format!("{it:.1}")).collect();
    each.join(", ")
}

fn row(
    out: &mut impl Write,
    name: &str,
    answered: u64,
    failed: u64,
    latency: Option<Percentiles>,
) -> io::Result<()> {
    write!(out, "{name:<24}{answered:>10}{failed:>9}")?;
    if let Some(it) = latency {
        let ms = |micros: u64| format!("{:.2}", micros as f64 / 1_000.0);
        let (p50, p90, p99) = (ms(it.p50), ms(it.p90), ms(it.p99));
        write!(
            out,
            "{p50:>11}{p90:>10}{p99:>10}{:>10}{:>10}",
            ms(it.p99_9),
            ms(it.max)
        )?;
    }
    writeln!(out)
}

fn actions(tally: &Tally) -> BTreeMap<String, Action> {
    let report = |it: &crate::tally::ActionTally| Action {
        sent: it.sent,
        answered: it.answered,
        failures: it.failures.clone(),
        refusals: it.refusals.clone(),
        latency: it.latency.percentiles(),
    };
    tally
        .actions
        .iter()
        .map(|(name, it)| (name.to_string(), report(it)))
        .collect()
}

fn messages_per_second(outcome: &Outcome) -> f64 {
    outcome.answered as f64 / outcome.took.as_secs_f64().max(f64::EPSILON)
}

/// CPU time that the process took for each message answered while measuring.
fn cpu_us_per_message(outcome: &Outcome) -> Option<f64> {
    let hub = outcome.hub.filter(|_| outcome.answered > 0)?;
    let spent = hub.measured.cpu.saturating_sub(hub.ready.cpu);
    Some(spent.as_secs_f64() * 1e6 / outcome.answered as f64)
}
