//! The yardstick beside the sessions: the same sockets, the same closed loop, but raw text that comes back as it went.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use loadtest::{ConnectError, Pace, Target, TargetError, open_socket};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::plan::Plan;
use crate::recorder::Recorder;
use crate::tally::count;

/// The size of a usual message of a session.
const BYTES: usize = 500;
/// The name under which echoes are counted.
const ACTION: &str = "echo";

/// Raw sockets of one worker, some of which echo in a closed loop.
pub(crate) struct EchoLoad {
    plan: Plan,
    recorder: Arc<Recorder>,
    sockets: JoinSet<()>,
}

impl EchoLoad {
    pub(crate) fn new(plan: Plan, recorder: Arc<Recorder>) -> Self {
        Self {
            plan,
            recorder,
            sockets: JoinSet::new(),
        }
    }

    /// Opens all sockets; those with an even share of `active` begin to echo at once.
    pub(crate) async fn prepare(&mut self, active: u64) -> Result<(), TargetError> {
        let target = Arc::new(Target::new(&self.plan.traits.url, None)?);
        let loops = Pace::ClosedLoop {
            active,
            of: self.plan.fleet,
        };
        for number in self.plan.first..self.plan.first + self.plan.count {
            let began = Instant::now();
            let identity = self.plan.identity(number);
            match open_socket(&target, &identity, None, self.plan.source).await {
                Ok(mut socket) => {
                    self.recorder.tally().connects.record(began.elapsed());
                    let recorder = self.recorder.clone();
                    self.sockets.spawn(async move {
                        if loops.loops(number) {
                            echo(&mut socket, &recorder).await;
                        } else {
                            // An idle socket just stays open.
                            socket.next().await;
                        }
                    });
                }
                Err(error) => self.failed(&error),
            }
        }
        Ok(())
    }

    fn failed(&self, error: &ConnectError) {
        count(&mut self.recorder.tally().connect_failures, error.kind());
    }

    pub(crate) async fn measure(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Sends and waits for the echo until the socket goes.
async fn echo(
    socket: &mut tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
    recorder: &Recorder,
) {
    let text = "x".repeat(BYTES);
    loop {
        let began = Instant::now();
        recorder.tally().action(ACTION).sent += 1;
        if socket.send(Message::text(text.as_str())).await.is_err() {
            return;
        }
        match socket.next().await {
            Some(Ok(Message::Text(_))) => {
                let mut tally = recorder.tally();
                let tally = tally.action(ACTION);
                tally.answered += 1;
                tally.latency.record(began.elapsed());
            }
            _ => return,
        }
    }
}
