//! Shows how a run goes on: a bar on a terminal, else a line every ten seconds. All on stderr.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::plan::Plan;
use crate::recorder::Progress;

/// How often a line is written when nobody watches a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The display of one run.
pub(crate) struct ProgressDisplay {
    name: &'static str,
    chargers: u64,
    duration: Option<Duration>,
    measuring_since: Option<Instant>,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl ProgressDisplay {
    pub(crate) fn new(plans: &[Plan]) -> Self {
        let scenario = plans.first().map(|plan| &plan.scenario);
        let chargers = plans.iter().map(|plan| plan.count).sum();
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix:>14} [{bar:30}] {msg}")
                .expect("a constant template is valid")
                .progress_chars("=> ");
            ProgressBar::new(chargers)
                .with_style(style)
                .with_prefix(scenario.map_or("", |it| it.name()))
        });
        Self {
            name: scenario.map_or("", |it| it.name()),
            chargers,
            duration: scenario.and_then(|it| it.duration()),
            measuring_since: None,
            bar,
            last_line: Instant::now(),
        }
    }

    /// The fleet is ready; from now on the time counts.
    pub(crate) fn measuring(&mut self) {
        self.measuring_since = Some(Instant::now());
    }

    pub(crate) fn show(&mut self, workers: &[Progress]) {
        let sum = |part: fn(&Progress) -> u64| workers.iter().map(part).sum::<u64>();
        let phase = match self.measuring_since {
            None => "connecting".to_owned(),
            Some(since) => match self.duration {
                Some(duration) => {
                    format!("{} of {} s", since.elapsed().as_secs(), duration.as_secs())
                }
                None => format!("{} s", since.elapsed().as_secs()),
            },
        };
        let booted = sum(|it| it.booted);
        let line = format!(
            "{phase}: {} of {} connected, {booted} booted, {} answered, {} errors",
            sum(|it| it.connected),
            self.chargers,
            sum(|it| it.answered),
            sum(|it| it.errors),
        );
        match &self.bar {
            Some(bar) => {
                match self.measuring_since.zip(self.duration) {
                    Some((since, duration)) => {
                        bar.set_length(duration.as_secs());
                        bar.set_position(since.elapsed().as_secs().min(duration.as_secs()));
                    }
                    None => bar.set_position(booted),
                }
                bar.set_message(line);
            }
            None if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                // Progress that cannot be shown is no reason to stop.
                let _ = writeln!(std::io::stderr(), "{}: {line}", self.name);
            }
            None => {}
        }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
