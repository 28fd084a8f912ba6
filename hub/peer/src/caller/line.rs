//! The task that holds the stream to a node.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use placement::NodeAddress;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic_prost::ProstCodec;
use uuid::Uuid;

use super::{Asked, State};
use crate::{
    peers::{Dialer, NO_ANSWER, back_off},
    standing::Told,
    why,
    wire::{self, Reply, Request, What},
};

/// A stream that lasted for so long was opened to a node that is there.
const LASTED: Duration = Duration::from_secs(2);
/// How often messages that nobody waits for are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// The task that holds the stream.
pub(super) struct Line {
    pub(super) node: NodeAddress,
    pub(super) dialer: Arc<Dialer>,
    pub(super) state: Arc<State>,
    pub(super) queue: mpsc::Receiver<Asked>,
    /// The next to be sent.
    pub(super) next: Option<Asked>,
    /// Sent and not answered.
    pub(super) under_way: HashMap<Uuid, Asked>,
    /// The process that has those.
    pub(super) process: Option<String>,
}

/// An open stream.
struct Open {
    frames: mpsc::Sender<Request>,
    replies: Streaming<Reply>,
    opened: Instant,
    process: Option<String>,
}

impl Line {
    /// Holds a stream for as long as somebody may ask. When it breaks while there is something to ask, and cannot be opened
    /// anew, whoever asks is told so at once for a while.
    pub(super) async fn hold(mut self) {
        let mut failures = 0;
        loop {
            let patience = 2 * self.dialer.settings.connect_timeout;
            let opened = timeout(patience, self.open()).await;
            match opened.unwrap_or_else(|_| Err(NO_ANSWER.to_owned())) {
                Ok(open) => {
                    self.state.rest(None);
                    self.is_reached();
                    let opened = Instant::now();
                    let (why, was_of_use) = self.exchange(open).await;
                    self.is_not_reached(&why);
                    if was_of_use || opened.elapsed() > LASTED {
                        failures = 0;
                        continue;
                    }
                }
                Err(why) => self.is_not_reached(&why),
            }
            let pause = back_off(failures);
            failures += 1;
            if self.next.is_some() || !self.under_way.is_empty() {
                self.state.rest(Some(Instant::now() + pause));
                tokio::time::sleep(pause).await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    asked = self.queue.recv() => match asked {
                        Some(asked) => self.next = Some(asked),
                        None => return,
                    },
                }
            }
            self.forget_given_up();
        }
    }

    async fn open(&self) -> Result<Open, String> {
        let mut grpc = self.dialer.dial(&self.node).await?;
        grpc.ready().await.map_err(|error| why::unreached(&error))?;
        let opened = Instant::now();
        let (frames, to_send) = mpsc::channel(1);
        let request = self
            .dialer
            .request(&self.node, ReceiverStream::new(to_send));
        let path = http::uri::PathAndQuery::from_static(wire::EXCHANGE);
        let codec = ProstCodec::<Request, Reply>::default();
        let response = grpc.streaming(request, path, codec).await;
        let response = response.map_err(|status| why::unreached(&status))?;
        let process = response.metadata().get(wire::PROCESS);
        let process = process.and_then(|process| process.to_str().ok());
        Ok(Open {
            frames,
            process: process.map(str::to_owned),
            replies: response.into_inner(),
            opened,
        })
    }

    /// Asks over a stream until it breaks; why it did, and whether it was of any use.
    async fn exchange(&mut self, open: Open) -> (String, bool) {
        let Open {
            frames,
            mut replies,
            opened,
            process,
        } = open;
        if process.is_none() || process != self.process {
            // What the process before it did, this one does not know.
            self.under_way.retain(|_, asked| !asked.message.once);
        }
        self.process = process;
        let mut again: VecDeque<Uuid> = self.under_way.keys().copied().collect();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_of_use = false;
        loop {
            let takes = self.next.is_none()
                && again.is_empty()
                && self.under_way.len() < self.dialer.settings.under_way;
            tokio::select! {
                place = frames.reserve(), if self.next.is_some() || !again.is_empty() => {
                    let Ok(place) = place else {
                        return ("the stream ended".to_owned(), was_of_use);
                    };
                    if let Some(id) = again.pop_front() {
                        if let Some(asked) = self.under_way.get(&id) {
                            place.send(Request::of(&asked.message, opened));
                        }
                    } else if let Some(asked) = self.next.take_if(|asked| asked.fate.send()) {
                        place.send(Request::of(&asked.message, opened));
                        self.under_way.insert(asked.message.id, asked);
                    } else {
                        self.next = None;
                    }
                }
                asked = self.queue.recv(), if takes => match asked {
                    Some(asked) => self.next = Some(asked),
                    None => return ("nobody asks any more".to_owned(), was_of_use),
                },
                reply = replies.message() => match reply {
                    Ok(Some(reply)) => was_of_use |= self.heed(reply),
                    Ok(None) => return ("it ended the stream".to_owned(), was_of_use),
                    Err(status) => return (why::unreached(&status), was_of_use),
                },
                _ = sweep.tick() => self.forget_given_up(),
            }
        }
    }

    /// Passes an answer on; `false` where there is nobody it is for.
    fn heed(&mut self, reply: Reply) -> bool {
        let (Ok(id), Some(what)) = (Uuid::from_slice(&reply.id), reply.what) else {
            return false;
        };
        if let What::UnderWay(_) = what {
            let asked = self.under_way.get_mut(&id);
            if let Some(under_way) = asked.and_then(|asked| asked.under_way.take()) {
                // Nobody may want to know.
                let _ = under_way.send(());
            }
            return true;
        }
        let asked = self.under_way.remove(&id);
        if let (Some(asked), Some(answer)) = (asked, what.into_answer()) {
            let _ = asked.answer.send(answer);
            return true;
        }
        false
    }

    fn forget_given_up(&mut self) {
        self.next.take_if(|asked| asked.answer.is_closed());
        self.under_way.retain(|_, asked| !asked.answer.is_closed());
    }

    fn is_reached(&self) {
        let told = self.state.standing().reached(Instant::now());
        if let Some(Told::Back(after)) = told {
            let after_s = after.as_secs();
            tracing::warn!(node = %self.node.name, address = %self.node.address, after_s, "a node is reached again");
        }
    }

    fn is_not_reached(&self, why: &str) {
        let told = self.state.standing().not_reached(why, Instant::now());
        if told.is_some() {
            tracing::warn!(node = %self.node.name, address = %self.node.address, why, "a node cannot be reached: what it is asked from here fails until it can");
        }
    }
}
