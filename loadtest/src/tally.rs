//! Counts and latencies of many chargers: kept by a worker, sent as JSON, merged by the parent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A short name to count by.
pub(crate) type Name = Cow<'static, str>;
/// How often each of some names occurred.
pub(crate) type Counts = BTreeMap<Name, u64>;

/// Everything that happened in one run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Time to open each WebSocket.
    pub(crate) connects: Latencies,
    pub(crate) connect_failures: Counts,
    pub(crate) disconnects: Counts,
    /// Boots that were accepted.
    pub(crate) booted: u64,
    pub(crate) actions: BTreeMap<Name, ActionTally>,
    /// CALLs of the central system that were answered.
    pub(crate) obeyed: Counts,
    /// Frames that should not have come.
    pub(crate) unexpected: Counts,
    /// Transaction messages that went into the queue, were acknowledged, were given up.
    pub(crate) queued: u64,
    pub(crate) acknowledged: u64,
    pub(crate) discarded: u64,
    /// Sessions whose start was acknowledged.
    pub(crate) begun: u64,
    /// Time until a charger was back, from the beginning of its round.
    pub(crate) returns: Latencies,
    /// The same, from the loss of its own socket.
    pub(crate) away: Latencies,
    /// Time until all chargers of a worker were back, a round.
    pub(crate) rounds: Vec<Duration>,
    /// Rounds in which not all came back in time.
    pub(crate) rounds_failed: u64,
    pub(crate) replay: Replay,
}

/// How the queues of chargers that were offline drained (offline-replay only).
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Replay {
    /// Messages in the queues when the chargers came back.
    pub(crate) waiting: u64,
    /// Messages acknowledged from then until all queues were empty.
    pub(crate) sent: u64,
    pub(crate) took: Duration,
    /// Messages that still waited at the deadline.
    pub(crate) undrained: u64,
}

/// What became of the CALLs of one action.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ActionTally {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// By kind: timed out, disconnected, CALLERROR code, bad answer.
    pub(crate) failures: Counts,
    /// Answers that said no, by status.
    pub(crate) refusals: Counts,
    pub(crate) latency: Latencies,
}

impl Tally {
    pub(crate) fn action(&mut self, action: &'static str) -> &mut ActionTally {
        self.actions.entry(Cow::Borrowed(action)).or_default()
    }

    /// CALLs that were answered with a result.
    pub(crate) fn answered(&self) -> u64 {
        self.actions.values().map(|action| action.answered).sum()
    }

    /// CALLs that got no good answer.
    pub(crate) fn failed(&self) -> u64 {
        self.actions
            .values()
            .flat_map(|action| action.failures.values())
            .sum()
    }

    /// Transaction messages that the central system never acknowledged.
    pub(crate) fn lost(&self) -> u64 {
        self.queued.saturating_sub(self.acknowledged)
    }

    /// Transaction messages that are still in the queues.
    pub(crate) fn waiting(&self) -> u64 {
        self.lost().saturating_sub(self.discarded)
    }

    /// Adds the counts of another part of the fleet.
    pub(crate) fn merge(&mut self, other: Self) {
        self.connects.merge(&other.connects);
        self.returns.merge(&other.returns);
        self.away.merge(&other.away);
        self.rounds.extend(other.rounds);
        self.begun += other.begun;
        merge_counts(&mut self.connect_failures, other.connect_failures);
        merge_counts(&mut self.disconnects, other.disconnects);
        merge_counts(&mut self.obeyed, other.obeyed);
        merge_counts(&mut self.unexpected, other.unexpected);
        self.booted += other.booted;
        self.queued += other.queued;
        self.acknowledged += other.acknowledged;
        self.discarded += other.discarded;
        self.rounds_failed += other.rounds_failed;
        self.replay.waiting += other.replay.waiting;
        self.replay.sent += other.replay.sent;
        self.replay.took = self.replay.took.max(other.replay.took);
        self.replay.undrained += other.replay.undrained;
        for (name, theirs) in other.actions {
            let ours = self.actions.entry(name).or_default();
            ours.sent += theirs.sent;
            ours.answered += theirs.answered;
            merge_counts(&mut ours.failures, theirs.failures);
            merge_counts(&mut ours.refusals, theirs.refusals);
            ours.latency.merge(&theirs.latency);
        }
    }
}

impl ActionTally {
    /// CALLs of which no answer is awaited any more.
    pub(crate) fn settled(&self) -> u64 {
        self.answered + self.failures.values().sum::<u64>()
    }
}

/// Adds one to the count of `name`.
pub(crate) fn count(counts: &mut Counts, name: impl Into<Name>) {
    *counts.entry(name.into()).or_default() += 1;
}

fn merge_counts(ours: &mut Counts, theirs: Counts) {
    for (name, number) in theirs {
        *ours.entry(name).or_default() += number;
    }
}

/// A histogram of durations in microseconds, exact to three digits. It takes no memory until the first value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Option<Histogram<u64>>);

/// The percentiles that reports show, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) max: u64,
}

impl Latencies {
    /// Longest duration that is told apart: ten minutes.
    const MAX_MICROS: u64 = 600_000_000;

    pub(crate) fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.histogram().saturating_record(micros.max(1));
    }

    /// How many were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.0.as_ref()?;
        Some(Percentiles {
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        })
    }

    fn merge(&mut self, other: &Self) {
        if let Some(theirs) = &other.0 {
            self.histogram()
                .add(theirs)
                .expect("all have the same bounds");
        }
    }

    fn histogram(&mut self) -> &mut Histogram<u64> {
        self.0.get_or_insert_with(|| {
            Histogram::new_with_bounds(1, Self::MAX_MICROS, 3).expect("constant bounds are valid")
        })
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut latencies = Self::default();
        for took in durations {
            latencies.record(took);
        }
        latencies
    }
}

/// As pairs of value and count: small for what a run records, and readable.
impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let recorded = self
            .0
            .iter()
            .flat_map(|histogram| histogram.iter_recorded());
        serializer.collect_seq(recorded.map(|it| (it.value_iterated_to(), it.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (value, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            latencies.histogram().saturating_record_n(value, count);
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_survive_the_way_from_worker_to_parent() {
        let mut latencies = Latencies::default();
        for micros in [90, 100, 110, 5_000, 2_000_000] {
            latencies.record(Duration::from_micros(micros));
        }
        let text = serde_json::to_string(&latencies).expect("serialises");
        let back: Latencies = serde_json::from_str(&text).expect("reads back");
        assert_eq!(back.percentiles(), latencies.percentiles());
        assert_eq!(back.percentiles().map(|it| it.p50), Some(110));
    }

    #[test]
    fn merging_adds_counts_and_failures() {
        let mut one = Tally {
            queued: 3,
            acknowledged: 3,
            ..Tally::default()
        };
        let mut two = Tally {
            queued: 2,
            acknowledged: 1,
            ..Tally::default()
        };
        count(&mut one.action("Heartbeat").failures, "timed out");
        count(&mut two.action("Heartbeat").failures, "timed out");
        two.action("Heartbeat").answered = 5;
        one.merge(two);
        assert_eq!((one.failed(), one.answered(), one.lost()), (2, 5, 1));
    }
}
