//! What a charger says and is told: OCPP-J messages, one text each, and the log of them.

use actors::{CallOutcome, CloseReason};
use model::{Direction, Timestamp};
use ocpp::frame::{self, Frame};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{LinkTask, goodbye::End, handle::Closing};
use crate::{
    metrics,
    socket::answer::{Answer, Call, InHand},
};

impl LinkTask {
    /// Takes a text that was read; a CALL that comes before its turn waits.
    pub(super) async fn take_text(&mut self, text: Utf8Bytes) -> Result<(), End> {
        let at = self.sockets.clock.now();
        let repaired;
        let parsed = match frame::parse(&text) {
            Ok(parsed) => Ok(parsed),
            Err(bad) => {
                repaired = frame::salvage(&text);
                match &repaired {
                    Some(repaired) => {
                        ::metrics::counter!(metrics::REPAIRS, "repair" => "salvaged_frame")
                            .increment(1);
                        frame::parse(repaired)
                    }
                    None => Err(bad),
                }
            }
        };
        match parsed {
            // Not begun, so not answered: the charger keeps it and sends it to whoever takes over.
            Ok(Frame::Call { .. }) if self.handle.finishes() => Ok(()),
            Ok(Frame::Call { .. }) if self.in_hand.is_some() => {
                self.ahead.push_back(text);
                Ok(())
            }
            Ok(Frame::Call {
                id,
                action,
                payload,
            }) => {
                // What nobody will look for costs nothing while others wait.
                let logged = action != "Heartbeat" || !self.sockets.gate.is_busy();
                if logged {
                    self.log(at, Direction::In, &action, &text);
                }
                // Two devices may have this identity: then it matters which one this is.
                let asks_who =
                    action == "BootNotification" && self.sockets.conflicts.concern(&self.station);
                let peer = asks_who.then(|| self.peer()).flatten();
                let call = Call {
                    id: id.into_owned(),
                    action: action.into_owned(),
                    payload,
                    at,
                    logged,
                    peer,
                };
                match InHand::begin(self.protocol, call, &self.connection, &self.sockets) {
                    Ok(in_hand) => {
                        self.in_hand = Some(Box::pin(in_hand));
                        Ok(())
                    }
                    Err(answer) => self.give(answer).await,
                }
            }
            Ok(Frame::CallResult { id, payload }) => {
                self.take_outcome(&id, CallOutcome::Answered(payload.get().to_owned()), &text)
                    .await
            }
            Ok(Frame::CallError {
                id,
                code,
                description,
                ..
            }) => {
                let (code, description) = (code.into_owned(), description.into_owned());
                self.take_outcome(&id, CallOutcome::Failed { code, description }, &text)
                    .await
            }
            Ok(Frame::Unknown {
                message_type,
                id,
                action,
            }) => {
                self.log(
                    at,
                    Direction::In,
                    action.as_deref().unwrap_or_default(),
                    &text,
                );
                let answer = Answer::to_unknown_type(self.protocol, message_type, id.as_deref());
                self.give(answer).await
            }
            Err(bad) => {
                self.log(at, Direction::In, "", &text);
                self.give(Answer::to_bad_frame(self.protocol, &bad)).await
            }
        }
    }

    /// The outcome of a call of the hub's.
    async fn take_outcome(
        &mut self,
        id: &str,
        outcome: CallOutcome,
        text: &str,
    ) -> Result<(), End> {
        let at = self.sockets.clock.now();
        let action = self
            .handle
            .word()
            .calls
            .answered(id, outcome)
            .unwrap_or_default();
        self.log(at, Direction::In, &action, text);
        self.send_next_call().await
    }

    /// Sends the hub's next call, if it may be sent, and sets the timer of the one that is out.
    pub(super) async fn send_next_call(&mut self) -> Result<(), End> {
        let next = match self.handle.finishes() {
            true => None,
            false => self.handle.word().calls.next_to_send(),
        };
        if let Some(call) = next {
            let frame = frame::call(&call.id, &call.action, &call.payload);
            let at = self.sockets.clock.now();
            self.log(at, Direction::Out, &call.action, &frame);
            self.write(Message::text(frame)).await?;
        }
        let deadline = self.handle.word().calls.next_deadline();
        self.call_timer =
            deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
        Ok(())
    }

    /// Gives the charger what it is answered.
    pub(super) async fn give(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Frame {
                action,
                frame,
                logged,
            } => {
                if logged {
                    let at = self.sockets.clock.now();
                    self.log(at, Direction::Out, &action, &frame);
                }
                self.write(Message::text(frame)).await
            }
            Answer::Nothing => Ok(()),
            Answer::IdentityConflict => {
                Err(End::Closing(Closing::Asked(CloseReason::IdentityConflict)))
            }
            Answer::Close => Err(End::Closing(Closing::Asked(CloseReason::NotDurable))),
        }
    }

    fn log(&self, at: Timestamp, direction: Direction, action: &str, text: &str) {
        let log = &self.sockets.log;
        log.log(&self.station, at, direction, action, text);
    }
}
