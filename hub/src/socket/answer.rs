//! From a charger's CALL to the frame that answers it.

use std::{
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use actors::{Clock, Connection};
use model::{Protocol, Refusal, StationEvent, StationReply, Timestamp};
use ocpp::{
    ErrorCode,
    frame::{self, BadFrame},
    inbound, outbound,
};
use serde_json::value::RawValue;

use super::{Sockets, line::Class};
use crate::{dead_letters::Keepsake, metrics};

/// What a charger is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This frame.
    Frame {
        /// The action it answers.
        action: String,
        /// The frame.
        frame: String,
        /// Whether the message log keeps it.
        logged: bool,
    },
    /// Nothing.
    Nothing,
    /// The socket is closed: the message could not be kept.
    Close,
    /// The socket is closed: another device uses its identity, and keeps it.
    IdentityConflict,
}

/// A CALL as it was read.
pub(crate) struct Call<'t> {
    pub(crate) id: String,
    pub(crate) action: String,
    pub(crate) payload: &'t RawValue,
    /// When it was read.
    pub(crate) at: Timestamp,
    /// Whether the message log keeps it, and its answer.
    pub(crate) logged: bool,
    /// Where it came from, where it matters which device it is.
    pub(crate) peer: Option<IpAddr>,
}

/// A CALL on its way to its answer.
pub(crate) struct InHand(Pin<Box<dyn Future<Output = Answer> + Send>>);

impl Future for InHand {
    type Output = Answer;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.0.as_mut().poll(cx)
    }
}

impl InHand {
    /// Decodes a CALL and, when its turn comes, brings it to the charger's actor.
    ///
    /// # Errors
    /// The answer to a CALL that cannot be decoded, which no actor sees.
    pub(crate) fn begin(
        protocol: Protocol,
        call: Call<'_>,
        connection: &Arc<Connection>,
        sockets: &Arc<Sockets>,
    ) -> Result<Self, Answer> {
        let started = Instant::now();
        let Call {
            id,
            action,
            payload,
            at,
            logged,
            peer,
        } = call;
        let decoded = match inbound::decode(protocol, &action, payload, at) {
            Ok(decoded) => decoded,
            Err(fault) => {
                count(label_of(&action), "malformed");
                let frame = frame::call_error(&id, fault.code, protocol, &fault.description);
                return Err(Answer::Frame {
                    action,
                    frame,
                    logged,
                });
            }
        };
        if let (StationEvent::Boot(boot), Some(peer)) = (&decoded.event, peer) {
            let (station, epoch) = (connection.station(), connection.epoch());
            if !sockets.conflicts.boots(station, epoch, peer, boot, at) {
                count(label_of(&action), "refused");
                return Err(Answer::IdentityConflict);
            }
        }
        for repair in &decoded.repairs {
            ::metrics::counter!(metrics::REPAIRS, "repair" => *repair).increment(1);
        }
        let keepsake = Keepsake::of(&decoded.event, payload);
        let (connection, sockets) = (Arc::clone(connection), Arc::clone(sockets));
        Ok(Self(Box::pin(async move {
            let inbound::Decoded { event, shape, .. } = decoded;
            let label = label_of(&action);
            let asked = match sockets.gate.enter(Class::of(&event)).await {
                Some(_ticket) => {
                    let mut asked = connection.ask(event, at).await;
                    if let (Err(Refusal::Crashed), Some(keepsake)) = (&asked, keepsake) {
                        let letters = &sockets.dead_letters;
                        asked = letters
                            .keep(keepsake, protocol, &action, at, &connection)
                            .await;
                    }
                    asked
                }
                None => {
                    ::metrics::counter!(metrics::CALLS_SHED, "action" => label).increment(1);
                    by_the_clock(&connection, &*sockets.clock)
                }
            };
            let (outcome, frame) = match asked {
                Ok(reply) => {
                    let payload = outbound::reply(shape, &action, &reply);
                    ("answered", frame::call_result(&id, &payload))
                }
                // A message that may be lost is not asked twice, so it is never `Crashed`.
                Err(Refusal::Close | Refusal::Crashed) => {
                    count(label, "closed");
                    return Answer::Close;
                }
                Err(Refusal::NotAccepted) => {
                    let why =
                        "this station has not been accepted; send a BootNotification and wait";
                    (
                        "refused",
                        frame::call_error(&id, ErrorCode::SecurityError, protocol, why),
                    )
                }
                Err(Refusal::Internal) => {
                    let why = "the hub could not answer this; try again";
                    (
                        "refused",
                        frame::call_error(&id, ErrorCode::InternalError, protocol, why),
                    )
                }
            };
            count(label, outcome);
            ::metrics::histogram!(metrics::MESSAGE_SECONDS, "action" => label)
                .record(started.elapsed().as_secs_f64());
            Answer::Frame {
                action,
                frame,
                logged,
            }
        })))
    }
}

/// What the charger's actor says to a heartbeat.
fn by_the_clock(connection: &Connection, clock: &dyn Clock) -> Result<StationReply, Refusal> {
    match connection.is_accepted() {
        true => Ok(StationReply::Now(clock.now())),
        false => Err(Refusal::NotAccepted),
    }
}

impl Answer {
    /// To a frame that is no OCPP-J message. Without an id to answer to, 1.6 has no answer; 2.0.1
    /// answers with the id "-1" (Part 4 §4.2.3).
    pub(crate) fn to_bad_frame(protocol: Protocol, bad: &BadFrame) -> Self {
        count("unreadable", "malformed");
        let id = match (&bad.id, protocol) {
            (Some(id), _) => id.as_str(),
            (None, Protocol::Ocpp201 | Protocol::Ocpp21) => "-1",
            (None, Protocol::Ocpp16) => return Self::Nothing,
        };
        let code = match (&bad.id, protocol) {
            (None, _) => ErrorCode::RpcFrameworkError,
            _ => ErrorCode::FormatViolation,
        };
        let frame = frame::call_error(id, code, protocol, &bad.problem);
        Self::Frame {
            action: String::new(),
            frame,
            logged: true,
        }
    }

    /// To a message that is no CALL and no answer to one: 1.6 ignores what it does not know (§4.1.3), 2.0.1 has an error
    /// for it (Part 4 §4.4), and what 2.1 adds (CALLRESULTERROR, SEND) wants no answer.
    pub(crate) fn to_unknown_type(protocol: Protocol, message_type: i64, id: Option<&str>) -> Self {
        count("unreadable", "malformed");
        match protocol {
            Protocol::Ocpp16 | Protocol::Ocpp21 => Self::Nothing,
            Protocol::Ocpp201 => {
                let why = format!("there is no message type {message_type}; send 2, 3 or 4");
                let id = id.unwrap_or("-1");
                let frame =
                    frame::call_error(id, ErrorCode::MessageTypeNotSupported, protocol, &why);
                Self::Frame {
                    action: String::new(),
                    frame,
                    logged: true,
                }
            }
        }
    }
}

/// The action as a metric label: one of those OCPP has, so that no charger can make new series.
fn label_of(action: &str) -> &'static str {
    ocpp::canonical_action(action).unwrap_or("other")
}

fn count(action: &'static str, outcome: &'static str) {
    ::metrics::counter!(metrics::MESSAGES, "action" => action, "outcome" => outcome).increment(1);
}
