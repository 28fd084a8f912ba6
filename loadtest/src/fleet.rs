//! The chargers of one worker process, under one set of orders.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loadtest::{Orders, Pace, Profile, SimCharger, TargetError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::plan::Plan;
use crate::recorder::Recorder;

/// How long the last messages, answers and closings may take when a run ends.
const DRAIN: Duration = Duration::from_secs(60);

/// Chargers that run in this process.
pub(crate) struct Fleet {
    pub(crate) plan: Plan,
    pub(crate) recorder: Arc<Recorder>,
    orders: watch::Sender<Orders>,
    chargers: JoinSet<()>,
}

impl Fleet {
    pub(crate) fn new(plan: Plan, recorder: Arc<Recorder>) -> Self {
        Self {
            plan,
            recorder,
            orders: watch::Sender::default(),
            chargers: JoinSet::new(),
        }
    }

    /// Starts all chargers, `rate` a second.
    pub(crate) async fn start(&mut self) -> Result<(), TargetError> {
        let profile = Arc::new(self.plan.profile()?);
        let began = Instant::now();
        for index in 0..self.plan.count {
            let due = began + Duration::from_secs_f64(index as f64 / self.plan.rate);
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            self.start_one(&profile, index);
        }
        Ok(())
    }

    /// Starts all chargers at once.
    pub(crate) fn start_all_at_once(&mut self) -> Result<(), TargetError> {
        let profile = Arc::new(self.plan.profile()?);
        for index in 0..self.plan.count {
            self.start_one(&profile, index);
        }
        Ok(())
    }

    fn start_one(&mut self, profile: &Arc<Profile>, index: u64) {
        let number = self.plan.first + index;
        let identity = self.plan.identity(number);
        let orders = self.orders.subscribe();
        let charger = SimCharger::new(
            profile.clone(),
            &identity,
            number,
            self.recorder.clone(),
            orders,
        );
        self.chargers.spawn(charger.run());
    }

    /// Starts all chargers and lets each of their connectors begin a session, `patience` at most.
    pub(crate) async fn start_and_charge(
        &mut self,
        patience: Duration,
    ) -> Result<bool, TargetError> {
        if !self.start_and_settle(patience).await? {
            return Ok(false);
        }
        let sessions = self.plan.count * u64::from(self.plan.traits.connectors);
        self.order(|orders| orders.pace = Pace::Charging);
        Ok(self
            .recorder
            .wait(Instant::now() + patience, |tally| tally.begun >= sessions)
            .await)
    }

    /// From now on each charger counts as away until it is back, see [`crate::roll_call`].
    pub(crate) fn call_roll(&self) {
        let numbers = self.plan.first..self.plan.first + self.plan.count;
        self.recorder
            .call_roll(numbers.map(|number| self.plan.identity(number)));
    }

    /// Starts all chargers and waits until they are booted and have reported their connectors, `patience` at most.
    pub(crate) async fn start_and_settle(
        &mut self,
        patience: Duration,
    ) -> Result<bool, TargetError> {
        self.start().await?;
        let count = self.plan.count;
        let reports = if self.plan.scenario.reports_status() {
            count * u64::from(self.plan.traits.connectors)
        } else {
            0
        };
        let settled = self
            .recorder
            .wait(Instant::now() + patience, |tally| {
                // 2.1 says it in the other.
                let reported = ["StatusNotification", "NotifyEvent"]
                    .iter()
                    .filter_map(|action| tally.actions.get(*action))
                    .map(|it| it.answered)
                    .sum::<u64>();
                tally.booted >= count && reported >= reports
            })
            .await;
        Ok(settled)
    }

    /// Changes the orders of all chargers.
    pub(crate) fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }

    /// Ends all sessions, waits until everything said is answered, and closes all sockets.
    pub(crate) async fn leave(mut self) {
        self.recorder.fleet_leaves();
        self.order(|orders| {
            orders.pace = Pace::Leaving;
            orders.stop = true;
        });
        let all = async { while self.chargers.join_next().await.is_some() {} };
        // What is missing after that counts as lost; the end of this process closes the sockets.
        let _ = tokio::time::timeout(DRAIN, all).await;
    }
}
