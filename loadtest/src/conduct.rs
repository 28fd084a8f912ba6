//! The parent of the workers: starts them, keeps their steps together, looks at the hub's process between the steps,
//! and merges what they counted.

use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use crate::hub_process::{HubProcess, HubProcessError, Usage};
use crate::plan::Plan;
use crate::progress::ProgressDisplay;
use crate::recorder::Progress;
use crate::tally::Tally;
use crate::worker::Report;

/// What a run brought.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// CALLs answered in the measured part.
    pub(crate) answered: u64,
    /// How long the measured part took.
    pub(crate) took: Duration,
    pub(crate) hub: Option<HubUsage>,
    /// The hub's memory in bytes, every ten seconds of the measured part.
    pub(crate) memory_meanwhile: Vec<u64>,
}

/// The hub's process at the turns of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HubUsage {
    /// Before the first charger connected.
    pub(crate) before: Usage,
    /// When the fleet was ready and the measuring began.
    pub(crate) ready: Usage,
    /// When the measuring was over.
    pub(crate) measured: Usage,
}

/// Why a run could not be finished.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    #[error("cannot start a worker process: {0}")]
    Start(io::Error),
    #[error(
        "a worker process ended early: look for its message above, and at memory and open files (`ulimit -n`)"
    )]
    WorkerDied,
    #[error("a worker wrote what is no report ({0})")]
    Unreadable(serde_json::Error),
    #[error("{0}")]
    Worker(String),
    #[error(transparent)]
    Hub(#[from] HubProcessError),
}

/// How often the hub's memory is looked at while measuring.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Runs the plans, one worker process each.
pub(crate) async fn conduct(plans: &[Plan], hub: Option<HubProcess>) -> Result<Outcome, RunError> {
    let look = || hub.map(HubProcess::usage).transpose();
    let before = look()?;
    let mut workers = Workers::start(plans).await?;
    workers
        .all(|report| matches!(report, Report::Ready))
        .await?;
    let ready = look()?;
    workers.measuring(hub);
    workers.step("go").await?;
    let mut outcome = Outcome::default();
    let measured_by_all = workers
        .all(|report| matches!(report, Report::Measured { .. }))
        .await?;
    let measured = look()?;
    outcome.memory_meanwhile = workers
        .watch
        .take()
        .map_or_else(Vec::new, |watch| watch.memory);
    for report in measured_by_all {
        if let Report::Measured { answered, took } = report {
            outcome.answered += answered;
            outcome.took = outcome.took.max(took);
        }
    }
    workers.step("finish").await?;
    for report in workers
        .all(|report| matches!(report, Report::Done(_)))
        .await?
    {
        if let Report::Done(tally) = report {
            outcome.tally.merge(*tally);
        }
    }
    outcome.hub = before
        .zip(ready)
        .zip(measured)
        .map(|((before, ready), measured)| HubUsage {
            before,
            ready,
            measured,
        });
    Ok(outcome)
}

/// The worker processes of one run.
struct Workers {
    inputs: Vec<ChildStdin>,
    reports: mpsc::Receiver<(usize, Result<Report, RunError>)>,
    progress: Vec<Progress>,
    display: ProgressDisplay,
    watch: Option<Watch>,
    /// Killed when dropped.
    _children: Vec<Child>,
}

impl Workers {
    async fn start(plans: &[Plan]) -> Result<Self, RunError> {
        let program = std::env::current_exe().map_err(RunError::Start)?;
        let (sender, reports) = mpsc::channel(64);
        let (mut children, mut inputs) = (Vec::new(), Vec::new());
        for (index, plan) in plans.iter().enumerate() {
            let mut child = Command::new(&program)
                .arg("worker")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .map_err(RunError::Start)?;
            let mut input = child.stdin.take().expect("stdin is piped");
            let mut plan = serde_json::to_string(plan).expect("a plan always serialises");
            plan.push('\n');
            input
                .write_all(plan.as_bytes())
                .await
                .map_err(RunError::Start)?;
            let output = child.stdout.take().expect("stdout is piped");
            tokio::spawn(read_reports(index, output, sender.clone()));
            inputs.push(input);
            children.push(child);
        }
        let progress = vec![Progress::default(); plans.len()];
        let display = ProgressDisplay::new(plans);
        Ok(Self {
            inputs,
            reports,
            progress,
            display,
            watch: None,
            _children: children,
        })
    }

    fn measuring(&mut self, hub: Option<HubProcess>) {
        self.display.measuring();
        self.watch = hub.map(|hub| Watch {
            hub,
            looked: Instant::now(),
            memory: Vec::new(),
        });
    }

    /// Waits for one such report of each worker.
    async fn all(&mut self, awaited: impl Fn(&Report) -> bool) -> Result<Vec<Report>, RunError> {
        let mut found = Vec::new();
        while found.len() < self.inputs.len() {
            let (worker, report) = self.reports.recv().await.ok_or(RunError::WorkerDied)?;
            match report? {
                Report::Progress(progress) => {
                    self.progress[worker] = progress;
                    self.display.show(&self.progress);
                    if let Some(watch) = &mut self.watch {
                        watch.look()?;
                    }
                }
                Report::Failed(problem) => return Err(RunError::Worker(problem)),
                report if awaited(&report) => found.push(report),
                _ => return Err(RunError::Worker("a worker is out of step".into())),
            }
        }
        Ok(found)
    }

    /// Lets all workers take their next step.
    async fn step(&mut self, name: &str) -> Result<(), RunError> {
        for input in &mut self.inputs {
            let line = format!("{name}\n");
            input
                .write_all(line.as_bytes())
                .await
                .map_err(|_| RunError::WorkerDied)?;
        }
        Ok(())
    }
}

/// Looks at the hub's memory while the fleet is at work.
struct Watch {
    hub: HubProcess,
    looked: Instant,
    memory: Vec<u64>,
}

impl Watch {
    fn look(&mut self) -> Result<(), HubProcessError> {
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            self.memory.push(self.hub.usage()?.memory);
        }
        Ok(())
    }
}

async fn read_reports(
    worker: usize,
    output: tokio::process::ChildStdout,
    sender: mpsc::Sender<(usize, Result<Report, RunError>)>,
) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let report = serde_json::from_str(&line).map_err(RunError::Unreadable);
        let is_last = matches!(report, Ok(Report::Done(_) | Report::Failed(_)) | Err(_));
        if sender.send((worker, report)).await.is_err() || is_last {
            return;
        }
    }
    let _ = sender.send((worker, Err(RunError::WorkerDied))).await;
}
