//! The calls the hub makes to one charger: one outstanding at a time (OCPP-J 1.6 §4.1.1, 2.0.1 Part 4
//! §4.1.1), a few waiting. Pure but for the ports the outcomes go to.

use std::{collections::VecDeque, time::Instant};

use actors::{CallOutcome, OutgoingCall};
use uuid::Uuid;

/// The calls to one charger.
#[derive(Default)]
pub(crate) struct Calls {
    waiting: VecDeque<Waiting>,
    on_the_wire: Option<Box<OnTheWire>>,
}

struct Waiting {
    call: OutgoingCall,
    deadline: Instant,
}

struct OnTheWire {
    id: String,
    action: String,
    deadline: Instant,
    outcome: tokio::sync::oneshot::Sender<CallOutcome>,
}

/// A CALL to write to the socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ToSend {
    /// The message id.
    pub(crate) id: String,
    /// The action.
    pub(crate) action: String,
    /// The payload, as JSON text.
    pub(crate) payload: String,
}

impl Calls {
    /// Takes on a call, or answers it with `Busy` when `most` are waiting.
    pub(crate) fn push(&mut self, call: OutgoingCall, most: usize, now: Instant) {
        if self.waiting.len() >= most {
            // Whoever asked may have given up.
            let _ = call.outcome.send(CallOutcome::Busy);
            return;
        }
        let deadline = now + call.timeout;
        self.waiting.push_back(Waiting { call, deadline });
    }

    /// Whether a call waits that may be sent.
    pub(crate) fn can_send(&self) -> bool {
        self.on_the_wire.is_none() && !self.waiting.is_empty()
    }

    /// Whether the station owes an answer.
    pub(crate) fn is_on_the_wire(&self) -> bool {
        self.on_the_wire.is_some()
    }

    /// The next call to send, if none is on the wire.
    pub(crate) fn next_to_send(&mut self) -> Option<ToSend> {
        if self.on_the_wire.is_some() {
            return None;
        }
        let Waiting { call, deadline } = self.waiting.pop_front()?;
        let OutgoingCall {
            action,
            payload,
            sent,
            outcome,
            ..
        } = call;
        let id = Uuid::new_v4().to_string();
        let _ = sent.send(());
        self.on_the_wire = Some(Box::new(OnTheWire {
            id: id.clone(),
            action: action.clone(),
            deadline,
            outcome,
        }));
        if self.waiting.is_empty() {
            // Nothing is kept while there is nothing to keep.
            self.waiting = VecDeque::new();
        }
        Some(ToSend {
            id,
            action,
            payload,
        })
    }

    /// The station answered; returns the action that was asked, or nothing when no call of that id is
    /// on the wire (it was too late, or never asked).
    pub(crate) fn answered(&mut self, id: &str, outcome: CallOutcome) -> Option<String> {
        let call = self.on_the_wire.take_if(|call| call.id == id)?;
        let _ = call.outcome.send(outcome);
        Some(call.action)
    }

    /// When the next call runs out of time.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|waiting| waiting.deadline);
        waiting
            .chain(self.on_the_wire.as_ref().map(|call| call.deadline))
            .min()
    }

    /// Ends the calls that have run out of time; returns how many were on the wire.
    pub(crate) fn expire(&mut self, now: Instant) -> usize {
        let (late, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| waiting.deadline <= now);
        self.waiting = waiting;
        for waiting in late {
            let _ = waiting.call.outcome.send(CallOutcome::TimedOut);
        }
        match self.on_the_wire.take_if(|call| call.deadline <= now) {
            Some(call) => {
                let _ = call.outcome.send(CallOutcome::TimedOut);
                1
            }
            None => 0,
        }
    }

    /// The socket is gone: ends every call.
    pub(crate) fn gone(&mut self) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.call.outcome.send(CallOutcome::Gone);
        }
        if let Some(call) = self.on_the_wire.take() {
            let _ = call.outcome.send(CallOutcome::Gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    fn call(action: &str) -> (OutgoingCall, oneshot::Receiver<CallOutcome>) {
        let (outcome, told) = oneshot::channel();
        let (sent, _) = oneshot::channel();
        let call = OutgoingCall {
            action: action.into(),
            payload: "{}".into(),
            timeout: Duration::from_secs(30),
            sent,
            outcome,
        };
        (call, told)
    }

    #[test]
    fn one_call_is_on_the_wire_at_a_time() {
        let (mut calls, now) = (Calls::default(), Instant::now());
        let (first, mut first_told) = call("Reset");
        let (second, _second_told) = call("ClearCache");
        calls.push(first, 2, now);
        calls.push(second, 2, now);
        let on_the_wire = calls.next_to_send().unwrap();
        assert_eq!(on_the_wire.action, "Reset");
        assert_eq!(calls.next_to_send(), None);
        assert_eq!(calls.answered("not this", CallOutcome::Gone), None);
        let answer = CallOutcome::Answered("{}".into());
        assert_eq!(
            calls.answered(&on_the_wire.id, answer.clone()).as_deref(),
            Some("Reset")
        );
        assert_eq!(first_told.try_recv().unwrap(), answer);
        assert_eq!(calls.next_to_send().unwrap().action, "ClearCache");
    }

    #[test]
    fn a_call_too_many_is_told_at_once() {
        let (mut calls, now) = (Calls::default(), Instant::now());
        let (first, _first_told) = call("Reset");
        let (second, mut told) = call("Reset");
        calls.push(first, 1, now);
        calls.push(second, 1, now);
        assert_eq!(told.try_recv().unwrap(), CallOutcome::Busy);
    }

    #[test]
    fn calls_run_out_of_time_wherever_they_are() {
        let (mut calls, now) = (Calls::default(), Instant::now());
        let (first, mut first_told) = call("Reset");
        let (second, mut second_told) = call("Reset");
        calls.push(first, 2, now);
        calls.push(second, 2, now);
        calls.next_to_send();
        let later = calls.next_deadline().unwrap();
        assert_eq!(calls.expire(later), 1);
        assert_eq!(first_told.try_recv().unwrap(), CallOutcome::TimedOut);
        assert_eq!(second_told.try_recv().unwrap(), CallOutcome::TimedOut);
        assert_eq!(calls.next_deadline(), None);
    }

    #[test]
    fn every_call_is_told_when_the_socket_goes() {
        let mut calls = Calls::default();
        let (only, mut told) = call("Reset");
        calls.push(only, 1, Instant::now());
        calls.gone();
        assert_eq!(told.try_recv().unwrap(), CallOutcome::Gone);
    }
}
