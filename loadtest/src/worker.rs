//! A worker process: it gets a [`Plan`] as the first line on stdin, does it step by step, and writes [`Report`] lines.
//!
//! The steps of all workers are kept together by the parent: after `Ready` a worker waits for `go`, after `Measured` for
//! `finish`. When stdin closes, the parent is gone and the worker ends.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::recorder::{Progress, Recorder};
use crate::scenario::{EchoLoad, Scenario, ScenarioError};
use crate::tally::Tally;

/// How often a worker tells its progress.
const PROGRESS: Duration = Duration::from_millis(500);

/// One line of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Progress(Progress),
    /// Prepared; waits for `go`.
    Ready,
    /// The measured part is over: CALLs answered in it and how long it took. Waits for `finish`.
    Measured {
        answered: u64,
        took: Duration,
    },
    /// The sockets are closed; these are all counts.
    Done(Box<Tally>),
    /// The plan cannot be done.
    Failed(String),
}

/// Does the plan on stdin.
pub(crate) async fn run() -> io::Result<()> {
    let mut lines = stdin_lines();
    let plan = match lines
        .recv()
        .await
        .as_deref()
        .map(serde_json::from_str::<Plan>)
    {
        Some(Ok(plan)) => plan,
        Some(Err(error)) => return report(&Report::Failed(format!("unreadable plan: {error}"))),
        None => return Ok(()),
    };
    let recorder = Arc::new(Recorder::default());
    let work = async {
        match work(plan, recorder.clone(), &mut lines).await {
            Ok(()) => {
                let tally = std::mem::take(&mut *recorder.tally());
                report(&Report::Done(Box::new(tally)))
            }
            Err(Stopped::ParentGone) => Ok(()),
            Err(Stopped::Impossible(error)) => report(&Report::Failed(error.to_string())),
            Err(Stopped::Output(error)) => Err(error),
        }
    };
    tokio::select! {
        done = work => done,
        stopped = tell_progress(&recorder) => stopped,
    }
}

/// Why the work ended early.
enum Stopped {
    ParentGone,
    Impossible(ScenarioError),
    Output(io::Error),
}

impl From<ScenarioError> for Stopped {
    fn from(error: ScenarioError) -> Self {
        Self::Impossible(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

async fn work(
    plan: Plan,
    recorder: Arc<Recorder>,
    lines: &mut mpsc::Receiver<String>,
) -> Result<(), Stopped> {
    let scenario = plan.scenario.clone();
    if let Scenario::Echo { active, duration } = scenario {
        let mut load = EchoLoad::new(plan, recorder.clone());
        load.prepare(active).await.map_err(ScenarioError::from)?;
        let window = Window::begin(&recorder, lines).await?;
        load.measure(duration).await;
        return window.end(&recorder, lines).await;
    }
    let mut fleet = Fleet::new(plan, recorder.clone());
    scenario.prepare(&mut fleet).await?;
    let window = Window::begin(&recorder, lines).await?;
    scenario.measure(&mut fleet).await?;
    window.end(&recorder, lines).await?;
    fleet.leave().await;
    recorder
        .close_acknowledged()
        .map_err(ScenarioError::Acknowledged)?;
    Ok(())
}

/// The measured part of the run.
struct Window {
    began: Instant,
    answered: u64,
}

impl Window {
    async fn begin(
        recorder: &Recorder,
        lines: &mut mpsc::Receiver<String>,
    ) -> Result<Self, Stopped> {
        report(&Report::Ready)?;
        next_step(lines).await?;
        Ok(Self {
            began: Instant::now(),
            answered: recorder.tally().answered(),
        })
    }

    async fn end(
        self,
        recorder: &Recorder,
        lines: &mut mpsc::Receiver<String>,
    ) -> Result<(), Stopped> {
        let answered = recorder.tally().answered() - self.answered;
        report(&Report::Measured {
            answered,
            took: self.began.elapsed(),
        })?;
        next_step(lines).await
    }
}

/// Waits for the parent's next line.
async fn next_step(lines: &mut mpsc::Receiver<String>) -> Result<(), Stopped> {
    lines.recv().await.map(drop).ok_or(Stopped::ParentGone)
}

/// Tells the progress until the fleet hits a limit of this machine.
async fn tell_progress(recorder: &Recorder) -> io::Result<()> {
    loop {
        tokio::time::sleep(PROGRESS).await;
        if let Some(limit) = recorder.own_limit() {
            return report(&Report::Failed(limit));
        }
        report(&Report::Progress(recorder.progress()))?;
    }
}

fn report(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, report)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Stdin, line by line. Reading blocks, so a thread does it.
fn stdin_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
