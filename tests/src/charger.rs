//! A charger that says exactly what a test tells it to.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Message, client::IntoClientRequest, http::HeaderValue, protocol::CloseFrame,
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a charger speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OCPP 1.6.
    V16,
    /// OCPP 2.0.1.
    V201,
    /// OCPP 2.1.
    V21,
}

impl Dialect {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::V16, Self::V201, Self::V21];
    /// Those of OCPP 2.x, which have their messages in common.
    pub const OF_2X: [Self; 2] = [Self::V201, Self::V21];

    /// The subprotocol.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }

    /// A BootNotification.
    pub fn boot(self) -> Value {
        match self {
            Self::V16 => json!({"chargePointVendor": "Acme", "chargePointModel": "One"}),
            Self::V201 | Self::V21 => json!({
                "reason": "PowerUp",
                "chargingStation": {"vendorName": "Acme", "model": "Two"}
            }),
        }
    }
}

/// A charger's open socket.
pub struct Charger {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u32,
}

impl Charger {
    /// Connects to the hub at `address` (`host:port`) as `identity`.
    ///
    /// # Panics
    /// When the handshake does not succeed.
    pub async fn connect(address: &str, identity: &str, dialect: Dialect) -> Self {
        let offered = Self::try_connect(address, identity, Some(dialect.subprotocol())).await;
        let (charger, agreed) = offered.expect("the hub takes the charger");
        assert_eq!(agreed.as_deref(), Some(dialect.subprotocol()));
        charger
    }

    /// Tries to connect, offering these subprotocols; tells which one was agreed on.
    ///
    /// # Errors
    /// What tungstenite makes of a refusal.
    pub async fn try_connect(
        address: &str,
        identity: &str,
        offer: Option<&str>,
    ) -> Result<(Self, Option<String>), Box<tungstenite::Error>> {
        let mut request = format!("ws://{address}/ocpp/{identity}").into_client_request()?;
        if let Some(offer) = offer {
            let offer = HeaderValue::from_str(offer).expect("an offer is a header value");
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", offer);
        }
        let (socket, response) = connect_async(request).await?;
        let agreed = response.headers().get("Sec-WebSocket-Protocol");
        let agreed = agreed
            .and_then(|agreed| agreed.to_str().ok())
            .map(str::to_owned);
        Ok((Self { socket, next_id: 0 }, agreed))
    }

    /// Sends a CALL and returns the payload of its CALLRESULT.
    ///
    /// # Panics
    /// When the answer is anything else.
    pub async fn call(&mut self, action: &str, payload: Value) -> Value {
        let answer = self.ask(action, payload).await;
        assert_eq!(
            answer[0], 3,
            "{action} is answered with a CALLRESULT: {answer}"
        );
        answer[2].clone()
    }

    /// Sends a CALL and returns the whole frame that answers it.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn ask(&mut self, action: &str, payload: Value) -> Value {
        self.next_id += 1;
        let id = format!("t-{}", self.next_id);
        self.send(&json!([2, id, action, payload]).to_string())
            .await;
        let answer = self.read().await;
        assert_eq!(
            answer[1],
            json!(id),
            "{action} is answered by its id: {answer}"
        );
        answer
    }

    /// Sends a CALL, payload as it is, and returns the whole frame that answers it; `None` when the
    /// connection ends first.
    pub async fn try_ask(&mut self, action: &str, payload: &str) -> Option<Value> {
        self.next_id += 1;
        let id = self.next_id.to_string();
        let call = format!(r#"[2,"{id}","{action}",{payload}]"#);
        self.socket.send(Message::text(call)).await.ok()?;
        loop {
            if let Message::Text(text) = self.socket.next().await?.ok()? {
                let frame: Value = serde_json::from_str(&text).ok()?;
                if frame[1] == id.as_str() {
                    return Some(frame);
                }
            }
        }
    }

    /// Sends a text frame as it is.
    ///
    /// # Panics
    /// When the socket is closed.
    pub async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text.to_owned())).await;
    }

    /// Sends a WebSocket message as it is.
    ///
    /// # Panics
    /// When the socket is closed.
    pub async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.expect("the socket is open");
    }

    /// Sends a WebSocket message as it is.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn try_send(&mut self, message: Message) -> Result<(), Box<tungstenite::Error>> {
        Ok(self.socket.send(message).await?)
    }

    /// The next OCPP-J frame.
    ///
    /// # Panics
    /// When the socket closes or nothing comes.
    pub async fn read(&mut self) -> Value {
        loop {
            match self.read_message().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).expect("the hub sends JSON");
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected a frame, got {other:?}"),
            }
        }
    }

    /// The next thing that happens on the socket; `None` when it has ended.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn read_message(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        timeout(PATIENCE, self.socket.next())
            .await
            .expect("something happens on the socket")
    }

    /// The next thing that happens on the socket, however long it takes; `None` when it has ended.
    pub async fn try_read(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        self.socket.next().await
    }

    /// Reads until the hub closes the socket; returns its close frame, if it sent one.
    ///
    /// # Panics
    /// When it does not close.
    pub async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.read_message().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Waits for the hub's next CALL and answers it; returns its action and payload.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn answer(&mut self, with: Value) -> (String, Value) {
        let call = self.read().await;
        assert_eq!(call[0], 2, "expected a CALL of the hub: {call}");
        self.send(&json!([3, call[1], with]).to_string()).await;
        (
            call[2].as_str().expect("an action is text").to_owned(),
            call[3].clone(),
        )
    }

    /// Boots; returns the answer.
    pub async fn boot(&mut self, dialect: Dialect) -> Value {
        self.call("BootNotification", dialect.boot()).await
    }

    /// Drops the connection without a word.
    pub fn vanish(self) {
        drop(self);
    }
}
