//! The side that is asked: reads frames, carries them out side by side, answers.

use std::{
    convert::Infallible,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Code, Status, Streaming,
    body::Body,
    metadata::{Ascii, MetadataValue},
    server::Grpc,
    transport::Server,
};
use tonic_prost::ProstCodec;
use uuid::Uuid;

use crate::{
    Answer, Receive, Received, Security, Settings, TlsError, UnderWay, addressee,
    lateness::Lateness,
    listen, metrics,
    once::{self, Begin, Once},
    present::{IsPresent, Present},
    wire::{self, Happened, Reply, Request, WatchRequest},
};

/// Answers of a stream that may wait for its reader.
const REPLIES: usize = 64;
/// How long the receiver may take beyond a message's deadline before it is given up.
const OVERTIME: Duration = Duration::from_secs(2);
/// How long the streams may take to end when this node stops.
const GOODBYES_MOST: Duration = Duration::from_secs(2);
/// Streams of one connection.
const STREAMS: u32 = 16;
/// HTTP/2 windows: a stream whose reader is slow does not use up its connection's.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// A node that can be asked. It stops being that when this is dropped.
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who holds a stream to this node.
    present: Present,
    stop: DropGuard,
    accepting: JoinHandle<()>,
}

/// Lets other nodes ask this one.
///
/// # Errors
/// The certificates are none.
///
/// # Panics
/// Outside a tokio runtime.
pub fn serve(
    listener: TcpListener,
    security: &Security,
    settings: &Settings,
    receive: Arc<dyn Receive>,
) -> Result<Serving, TlsError> {
    let stop = CancellationToken::new();
    let present = Present::default();
    let service = Service(Arc::new(Asked {
        name: settings.name.clone(),
        present: present.clone(),
        receive,
        once: Arc::new(Once::new(settings.remembered, settings.remembered_bytes)),
        process: Uuid::new_v4().to_string().parse().ok(),
        under_way: settings.under_way,
        max_frame_bytes: settings.max_frame_bytes,
        stop: stop.clone(),
    }));
    let mut server = Server::builder();
    if let Security::Mutual(tls) = security {
        server = server.tls_config(tls.server()).map_err(TlsError::from)?;
    }
    let server = server
        .http2_keepalive_interval(Some(settings.keep_alive))
        .http2_keepalive_timeout(Some(settings.keep_alive_timeout))
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let address = listener.local_addr();
    let incoming = listen::incoming(listener, settings.connections);
    let stopped = stop.clone().cancelled_owned();
    let accepting = tokio::spawn(async move {
        let served = server.serve_with_incoming_shutdown(service, incoming, stopped);
        if let Err(error) = served.await {
            tracing::error!(%error, "other nodes cannot ask this one any more");
        }
    });
    Ok(Serving {
        // A listener that is bound has an address.
        address: address.unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0))),
        present,
        stop: stop.drop_guard(),
        accepting,
    })
}

impl Serving {
    /// Who holds a stream to this node; goes on telling.
    pub fn present(&self) -> Present {
        self.present.clone()
    }

    /// Takes nothing new, answers what is under way, and ends.
    pub async fn stop(self) {
        drop(self.stop);
        // Whoever does not read its answers is left.
        let _ = tokio::time::timeout(GOODBYES_MOST, self.accepting).await;
    }
}

/// What all streams share.
struct Asked {
    /// What this node is called.
    name: String,
    present: Present,
    receive: Arc<dyn Receive>,
    once: Arc<Once>,
    /// Tells this process from the next.
    process: Option<MetadataValue<Ascii>>,
    under_way: usize,
    max_frame_bytes: usize,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Service(Arc<Asked>);

impl tower::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let asked = Arc::clone(&self.0);
        Box::pin(async move {
            let most = asked.max_frame_bytes;
            Ok(match request.uri().path() {
                wire::EXCHANGE => {
                    let codec = ProstCodec::<Reply, Request>::default();
                    let mut grpc = Grpc::new(codec).max_decoding_message_size(most);
                    let exchange =
                        tower::service_fn(move |request| asked.clone().exchange(request));
                    grpc.streaming(exchange, request).await
                }
                wire::WATCH => {
                    let codec = ProstCodec::<Happened, WatchRequest>::default();
                    let mut grpc = Grpc::new(codec).max_decoding_message_size(most);
                    let watch = tower::service_fn(move |request| asked.clone().watch(request));
                    grpc.server_streaming(watch, request).await
                }
                _ => Status::unimplemented("nodes do not ask each other for this").into_http(),
            })
        })
    }
}

impl Asked {
    async fn exchange(
        self: Arc<Self>,
        request: tonic::Request<Streaming<Request>>,
    ) -> Result<tonic::Response<ReceiverStream<Result<Reply, Status>>>, Status> {
        addressee::check(request.metadata(), &self.name, self.receive.incarnation())?;
        let (replies, to_send) = mpsc::channel(REPLIES);
        let from = addressee::name_of(request.metadata(), wire::FROM).unwrap_or_default();
        let stream = Inbound {
            _present: self.present.comes(&from),
            from,
            lateness: Lateness::new(Instant::now()),
            places: Arc::new(Semaphore::new(self.under_way)),
            asked: self.clone(),
            replies,
        };
        tokio::spawn(stream.read(request.into_inner()));
        let mut response = tonic::Response::new(ReceiverStream::new(to_send));
        if let Some(process) = &self.process {
            response
                .metadata_mut()
                .insert(wire::PROCESS, process.clone());
        }
        Ok(response)
    }

    async fn watch(
        self: Arc<Self>,
        request: tonic::Request<WatchRequest>,
    ) -> Result<tonic::Response<impl Stream<Item = Result<Happened, Status>> + use<>>, Status> {
        addressee::check(request.metadata(), &self.name, self.receive.incarnation())?;
        let happens = self.receive.watch();
        let happens = happens.take_until(self.stop.clone().cancelled_owned());
        Ok(tonic::Response::new(
            happens.map(|body: Bytes| Ok(Happened { body })),
        ))
    }

    /// Carries a message out, unless it was before; tells what came of it.
    async fn answer(
        &self,
        message: Received,
        once: bool,
        under_way: UnderWay,
    ) -> (Answer, &'static str) {
        let carry_out = async |message: Received| {
            let most = tokio::time::Instant::from_std(message.deadline) + OVERTIME;
            let carried_out = self.receive.receive(message, under_way);
            let carried_out = AssertUnwindSafe(carried_out).catch_unwind();
            match tokio::time::timeout_at(most, carried_out).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => once::given_up(),
            }
        };
        if !once {
            let answer = carry_out(message).await;
            let outcome = outcome(&answer);
            return (answer, outcome);
        }
        match self
            .once
            .begin(message.id, message.deadline, Instant::now())
        {
            Begin::First(ticket) => {
                let answer = carry_out(message).await;
                ticket.answered(&answer);
                let outcome = outcome(&answer);
                (answer, outcome)
            }
            Begin::Again(answer) => (answer.await.unwrap_or_else(|_| once::given_up()), "again"),
            Begin::Known(answer) => (answer, "again"),
            Begin::Full => (Answer::Busy, "busy"),
        }
    }
}

/// A stream of messages from one node.
struct Inbound {
    from: String,
    _present: IsPresent,
    lateness: Lateness,
    /// How many of its messages may be under way.
    places: Arc<Semaphore>,
    asked: Arc<Asked>,
    replies: mpsc::Sender<Result<Reply, Status>>,
}

impl Inbound {
    async fn read(mut self, mut frames: Streaming<Request>) {
        let stop = self.asked.stop.clone();
        loop {
            let frame = tokio::select! {
                () = stop.cancelled() => return,
                frame = frames.message() => frame,
            };
            match frame {
                Ok(Some(frame)) => match frame.id() {
                    Some(id) => self.take(id, frame).await,
                    None => {
                        let status =
                            Status::invalid_argument("a message without an id of 16 bytes");
                        return self.broken(status).await;
                    }
                },
                Ok(None) => return,
                Err(status) if matches!(status.code(), Code::Internal | Code::OutOfRange) => {
                    return self.broken(status).await;
                }
                // The other node is gone.
                Err(_) => return,
            }
        }
    }

    /// Ends a stream on which something came that is no frame: where the next one begins is not known.
    async fn broken(self, status: Status) {
        ::metrics::counter!(metrics::BROKEN).increment(1);
        tracing::warn!(from = %self.from, error = status.message(), "a node sent what is no message; its stream is ended");
        let _ = self.replies.send(Err(status)).await;
    }

    /// Takes a message on, or says at once why not.
    async fn take(&mut self, id: Uuid, frame: Request) {
        let now = Instant::now();
        let late = self.lateness.of(frame.sent_ms, now);
        let budget = Duration::from_millis(frame.budget_ms);
        let left = budget.checked_sub(late).filter(|left| !left.is_zero());
        let place = Arc::clone(&self.places).try_acquire_owned();
        let not_taken = match (left, frame.target(), place) {
            (Some(left), Some(to), Ok(place)) => {
                let message = Received {
                    from: self.from.clone(),
                    id,
                    to,
                    epoch: frame.epoch,
                    // A budget that no clock can hold is as good as a year.
                    deadline: now + left.min(Duration::from_secs(365 * 24 * 3600)),
                    body: frame.body,
                };
                return self.spawn(message, frame.once, frame.id, place);
            }
            (None, _, _) => Answer::Deadline,
            (_, None, _) => Answer::Refused(
                "this node does not know what that is about; it runs another version".to_owned(),
            ),
            (_, _, Err(_)) => Answer::Busy,
        };
        count(outcome(&not_taken));
        // While its answers are not read, nothing more is.
        let reply = Reply::of(frame.id, not_taken, self.asked.max_frame_bytes);
        let _ = self.replies.send(Ok(reply)).await;
    }

    fn spawn(&self, message: Received, once: bool, id: Bytes, place: OwnedSemaphorePermit) {
        let (asked, replies) = (Arc::clone(&self.asked), self.replies.clone());
        // A task of its own: it goes on when the stream breaks, and the answer is remembered.
        tokio::spawn(async move {
            let (tell, told) = oneshot::channel();
            let under_way = async {
                if told.await.is_ok() {
                    let _ = replies.send(Ok(Reply::under_way(id.clone()))).await;
                }
            };
            let answer = asked.answer(message, once, UnderWay(tell));
            let ((answer, outcome), ()) = tokio::join!(answer, under_way);
            count(outcome);
            let reply = Reply::of(id.clone(), answer, asked.max_frame_bytes);
            // It may have gone meanwhile, and asks again.
            let _ = replies.send(Ok(reply)).await;
            drop(place);
        });
    }
}

fn count(outcome: &'static str) {
    ::metrics::counter!(metrics::RECEIVED, "outcome" => outcome).increment(1);
}

/// An answer, for the metrics.
pub(crate) fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Answer::Ok(_) => "ok",
        Answer::NotHere { .. } => "not_here",
        Answer::Stale { .. } => "stale",
        Answer::Busy => "busy",
        Answer::Deadline => "deadline",
        Answer::Refused(_) => "refused",
    }
}
