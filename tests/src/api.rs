//! A client of the operator API.

use reqwest::{Client, Method, Response};
use serde_json::Value;

/// A client with an API key.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
    key: String,
}

impl Api {
    /// A client of the API at `address` (`host:port`).
    pub fn new(address: &str, key: &str) -> Self {
        Self {
            // No connection is kept: a hub that was killed and is back would not know it.
            client: Client::builder()
                .pool_max_idle_per_host(0)
                .build()
                .expect("a client needs nothing"),
            base: format!("http://{address}"),
            key: key.to_owned(),
        }
    }

    /// The answer to a GET of a path below `/api/v1`, which must be a success.
    ///
    /// # Panics
    /// When it is not.
    pub async fn get(&self, path: &str) -> Value {
        self.ok(Method::GET, path, None).await
    }

    /// The answer to a POST, which must be a success.
    ///
    /// # Panics
    /// When it is not.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.ok(Method::POST, path, Some(body)).await
    }

    /// The answer to a request, which must be a success.
    ///
    /// # Panics
    /// When it is not.
    pub async fn ok(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(method.clone(), path, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// The status and the answer to a request.
    ///
    /// # Panics
    /// When the hub cannot be reached.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.send(method, path, body).await;
        let status = response.status().as_u16();
        let text = response.text().await.expect("an answer can be read");
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// The raw response to a request.
    ///
    /// # Panics
    /// When the hub cannot be reached.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = self.client.request(method, url).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("the hub answers")
    }

    /// The text at a path outside `/api/v1` (`/metrics`, `/ready`), with its status.
    ///
    /// # Panics
    /// When the hub cannot be reached.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.base)).send().await;
        let response = response.expect("the hub answers");
        (
            response.status().as_u16(),
            response.text().await.expect("an answer can be read"),
        )
    }
}
