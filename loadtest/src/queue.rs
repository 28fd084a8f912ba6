//! The transaction messages that the central system has not acknowledged yet, in the order they happened.
//!
//! Real firmware keeps StartTransaction, MeterValues and StopTransaction (1.6 §3.7) or TransactionEvent (2.0.1 E04) in
//! a queue, sends them one at a time and removes one only when it was answered. Invariants:
//! - the first message stays first, with the same payload, until it is acknowledged or discarded;
//! - a message is never sent before those that were queued earlier;
//! - in 1.6 the transaction id comes with the answer to StartTransaction: until then the later messages of that
//!   transaction wait without one, and [`TransactionQueue::resolve`] writes it into them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// One transaction message, ready to be sent but for the 1.6 transaction id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransactionMessage {
    /// The OCPP action, such as `StartTransaction`.
    pub(crate) action: &'static str,
    /// The charger's own number of the transaction.
    pub(crate) transaction: u32,
    /// The payload, JSON text.
    pub(crate) payload: String,
    /// Whether the transaction id has still to be written into the payload.
    pub(crate) awaits_id: bool,
}

/// Messages in order, with the retry state of the first.
#[derive(Debug, Default)]
pub(crate) struct TransactionQueue {
    messages: VecDeque<TransactionMessage>,
    refusals: u32,
    retry_at: Option<Instant>,
}

impl TransactionQueue {
    /// Adds a message behind all others.
    pub(crate) fn push(&mut self, message: TransactionMessage) {
        self.messages.push_back(message);
    }

    /// The message to send next, unless the first waits for its next try.
    pub(crate) fn due(&self, now: Instant) -> Option<&TransactionMessage> {
        if self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        self.messages.front()
    }

    /// When the first message may be tried again; none when it may go at once, or when nothing waits.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at.filter(|_| !self.messages.is_empty())
    }

    /// The first message was answered: removes and returns it.
    pub(crate) fn acknowledge(&mut self) -> Option<TransactionMessage> {
        self.refusals = 0;
        self.retry_at = None;
        self.messages.pop_front()
    }

    /// No answer came, or the socket went: the first message stays first and may go again after `pause`.
    pub(crate) fn unanswered(&mut self, now: Instant, pause: Duration) {
        self.retry_at = Some(now + pause);
    }

    /// The central system answered with an error. The message is tried `attempts` times in all, with a pause of
    /// `interval` times the number of tries so far (1.6 TransactionMessageRetryInterval), then discarded and returned.
    pub(crate) fn refused(
        &mut self,
        now: Instant,
        attempts: u32,
        interval: Duration,
    ) -> Option<TransactionMessage> {
        self.refusals += 1;
        if self.refusals >= attempts {
            return self.acknowledge();
        }
        self.retry_at = Some(now + interval * self.refusals);
        None
    }

    /// Forgets pauses: the socket is new, so the first message may go at once.
    pub(crate) fn reconnected(&mut self) {
        self.retry_at = None;
    }

    /// Writes the transaction id into every waiting message of `transaction`.
    pub(crate) fn resolve(&mut self, transaction: u32, id: i64) {
        let waiting = self
            .messages
            .iter_mut()
            .filter(|m| m.awaits_id && m.transaction == transaction);
        for message in waiting {
            message
                .payload
                .insert_str(1, &format!("\"transactionId\":{id},"));
            message.awaits_id = false;
        }
    }

    /// Whether a message that names this transaction id still waits.
    pub(crate) fn mentions(&self, id: &str) -> bool {
        self.messages
            .iter()
            .any(|message| message.payload.contains(id))
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(number: usize, transaction: u32) -> TransactionMessage {
        TransactionMessage {
            action: "MeterValues",
            transaction,
            payload: format!("{{\"number\":{number}}}"),
            awaits_id: true,
        }
    }

    #[test]
    fn the_id_reaches_only_the_waiting_messages_of_its_transaction() {
        let mut queue = TransactionQueue::default();
        queue.push(message(1, 7));
        queue.push(message(2, 8));
        queue.push(message(3, 7));
        queue.resolve(7, 4711);
        queue.resolve(7, 9999);
        let payloads: Vec<_> = queue.messages.iter().map(|m| m.payload.as_str()).collect();
        assert_eq!(
            payloads,
            [
                r#"{"transactionId":4711,"number":1}"#,
                r#"{"number":2}"#,
                r#"{"transactionId":4711,"number":3}"#
            ]
        );
    }

    #[test]
    fn a_refused_message_is_tried_three_times_with_growing_pauses_then_discarded() {
        let mut queue = TransactionQueue::default();
        queue.push(message(1, 1));
        queue.push(message(2, 1));
        let start = Instant::now();
        let interval = Duration::from_secs(10);
        assert_eq!(queue.refused(start, 3, interval), None);
        assert_eq!(queue.retry_at(), Some(start + interval));
        assert_eq!(queue.due(start), None);
        assert_eq!(queue.refused(start, 3, interval), None);
        assert_eq!(queue.retry_at(), Some(start + 2 * interval));
        assert_eq!(queue.refused(start, 3, interval), Some(message(1, 1)));
        assert_eq!(queue.due(start), Some(&message(2, 1)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push,
        Answer,
        Silence,
        Reconnect,
    }

    proptest! {
        #[test]
        fn messages_leave_in_the_order_they_came_and_none_is_skipped(
            steps in proptest::collection::vec(
                prop_oneof![Just(Step::Push), Just(Step::Answer), Just(Step::Silence), Just(Step::Reconnect)], 1..200)
        ) {
            let mut queue = TransactionQueue::default();
            let now = Instant::now();
            let (mut pushed, mut delivered) = (0, 0);
            for step in steps {
                match step {
                    Step::Push => { queue.push(message(pushed, 1)); pushed += 1; }
                    Step::Answer => if let Some(first) = queue.acknowledge() {
                        prop_assert_eq!(first, message(delivered, 1));
                        delivered += 1;
                    },
                    Step::Silence => queue.unanswered(now, Duration::from_secs(5)),
                    Step::Reconnect => queue.reconnected(),
                }
                prop_assert_eq!(queue.messages.len(), pushed - delivered);
                // Whatever happened, an unacknowledged message stays first.
                let first = queue.due(now + Duration::from_secs(5)).cloned();
                prop_assert_eq!(first, (delivered < pushed).then(|| message(delivered, 1)));
            }
        }
    }
}
