//! A small central system for tests: it answers both OCPP versions over real sockets, remembers all it got, and can be
//! told to answer badly, to drop a socket, or to call a charger.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A CALL or an answer that a charger sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Received {
    pub(crate) identity: String,
    pub(crate) id: String,
    /// Of an answer: `result`, or the CALLERROR code.
    pub(crate) action: String,
    pub(crate) payload: Value,
}

/// What to do with a CALL.
pub(crate) enum Reaction {
    /// Answer as a good central system does.
    Usual,
    Answer(Value),
    Error(&'static str),
    /// Do not answer.
    Silence,
    /// Drop the socket without an answer.
    Drop,
    /// First send this frame, then answer as usual once it was answered.
    CallFirst(String),
}

type Script = dyn Fn(&Received) -> Reaction + Send + Sync;

struct State {
    received: Mutex<Vec<Received>>,
    calls: Mutex<HashMap<String, mpsc::UnboundedSender<String>>>,
    script: Box<Script>,
    transactions: AtomicI64,
    reachable: AtomicBool,
    refused: AtomicU64,
    /// Raised by one, all sockets are dropped.
    crashes: watch::Sender<u64>,
}

pub(crate) struct CentralSystem {
    state: Arc<State>,
    pub(crate) url: String,
    server: tokio::task::JoinHandle<()>,
}

impl CentralSystem {
    pub(crate) async fn start(
        script: impl Fn(&Received) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State {
            received: Mutex::default(),
            calls: Mutex::default(),
            script: Box::new(script),
            transactions: AtomicI64::new(1_000),
            reachable: AtomicBool::new(true),
            refused: AtomicU64::new(0),
            crashes: watch::Sender::default(),
        });
        let serving = state.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Unreachable: the connection is closed before the handshake.
                if serving.reachable.load(Ordering::SeqCst) {
                    tokio::spawn(serve(stream, serving.clone()));
                } else {
                    serving.refused.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self {
            state,
            url: format!("ws://127.0.0.1:{port}/ocpp/{{id}}"),
            server,
        }
    }

    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.state.reachable.store(reachable, Ordering::SeqCst);
    }

    /// Connections that were closed because it was unreachable.
    pub(crate) fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::SeqCst)
    }

    /// Drops all sockets without a word.
    pub(crate) fn crash(&self) {
        self.state.crashes.send_modify(|crashes| *crashes += 1);
    }

    /// Everything received from this charger so far, in order.
    pub(crate) fn received(&self, identity: &str) -> Vec<Received> {
        let all = self.state.received.lock().expect("no panic while locked");
        all.iter()
            .filter(|it| it.identity == identity)
            .cloned()
            .collect()
    }

    /// Calls a charger and returns its answer.
    pub(crate) async fn call(
        &self,
        identity: &str,
        id: &str,
        action: &str,
        payload: Value,
    ) -> Received {
        let frame = json!([2, id, action, payload]).to_string();
        let sender = self
            .state
            .calls
            .lock()
            .expect("no panic")
            .get(identity)
            .cloned();
        sender
            .expect("the charger is connected")
            .send(frame)
            .expect("its socket is open");
        self.until(identity, |received| {
            received
                .iter()
                .find(|it| it.id == id && is_answer(it))
                .cloned()
        })
        .await
    }

    /// Waits until `look` finds something in what this charger sent.
    pub(crate) async fn until<T>(
        &self,
        identity: &str,
        look: impl Fn(&[Received]) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let received = self.received(identity);
            if let Some(found) = look(&received) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "not seen in time; received: {received:#?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for CentralSystem {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Whether this is a charger's answer rather than a CALL.
pub(crate) fn is_answer(received: &Received) -> bool {
    received.action == "result" || received.id.starts_with("central-")
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut identity = String::new();
    // tungstenite's callback has a large error type of its own.
    #[allow(clippy::result_large_err)]
    let choose = |request: &Request, mut response: Response| {
        identity = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        if let Some(offered) = request.headers().get("Sec-WebSocket-Protocol") {
            response
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", offered.clone());
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, choose).await else {
        return;
    };
    let (sender, mut calls) = mpsc::unbounded_channel();
    state
        .calls
        .lock()
        .expect("no panic")
        .insert(identity.clone(), sender);
    let mut crashes = state.crashes.subscribe();
    let mut held_back: Option<String> = None;
    loop {
        let text = tokio::select! {
            Some(frame) = calls.recv() => {
                if socket.send(Message::text(frame)).await.is_err() {
                    return;
                }
                continue;
            }
            _ = crashes.changed() => return,
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(_)) => continue,
                _ => return,
            },
        };
        let received = read(&identity, &text);
        state
            .received
            .lock()
            .expect("no panic")
            .push(received.clone());
        let answer = if is_answer(&received) {
            held_back.take()
        } else {
            let usual = || json!([3, received.id, usual_answer(&received, &state)]).to_string();
            match (state.script)(&received) {
                Reaction::Usual => Some(usual()),
                Reaction::Answer(payload) => Some(json!([3, received.id, payload]).to_string()),
                Reaction::Error(code) => Some(json!([4, received.id, code, "", {}]).to_string()),
                Reaction::Silence => None,
                Reaction::Drop => return,
                Reaction::CallFirst(frame) => {
                    held_back = Some(usual());
                    Some(frame)
                }
            }
        };
        if let Some(answer) = answer
            && socket.send(Message::text(answer)).await.is_err()
        {
            return;
        }
    }
}

fn read(identity: &str, text: &str) -> Received {
    let frame: Value = serde_json::from_str(text).expect("chargers send JSON");
    let (action, payload) = match frame[0].as_i64() {
        Some(2) => (frame[2].clone(), frame[3].clone()),
        Some(3) => (json!("result"), frame[2].clone()),
        Some(4) => (frame[2].clone(), frame[3].clone()),
        other => panic!("no OCPP-J message type: {other:?}"),
    };
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Received {
        identity: identity.to_owned(),
        id: word(&frame[1]),
        action: word(&action),
        payload,
    }
}

fn usual_answer(call: &Received, state: &State) -> Value {
    match call.action.as_str() {
        "BootNotification" => {
            json!({ "status": "Accepted", "interval": 300, "currentTime": "2026-01-01T00:00:00Z" })
        }
        "Heartbeat" => json!({ "currentTime": "2026-01-01T00:00:00Z" }),
        "Authorize" if call.payload.get("idToken").is_some() => {
            json!({ "idTokenInfo": { "status": "Accepted" } })
        }
        "Authorize" | "StopTransaction" => json!({ "idTagInfo": { "status": "Accepted" } }),
        "StartTransaction" => {
            let id = state.transactions.fetch_add(1, Ordering::SeqCst);
            json!({ "transactionId": id, "idTagInfo": { "status": "Accepted" } })
        }
        _ => json!({}),
    }
}
