//! What is asked of the central system's HTTP API: this scenario is for Switchyard only, since no standard says how a site
//! is configured.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use thiserror::Error;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The API of a hub.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    base: String,
    key: Option<String>,
}

/// Why the central system could not be told something.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    #[error("cannot reach {path} ({source}): is --api the address of the hub's API?")]
    Unreachable {
        path: String,
        source: reqwest::Error,
    },
    #[error("{path} answered {status}: {body}")]
    Refused {
        path: String,
        status: StatusCode,
        body: String,
    },
}

impl Api {
    /// The API at `base`, such as `http://127.0.0.1:9221`, with a key if it asks for one.
    pub(crate) fn new(base: &str, key: Option<String>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: Client::builder().timeout(PATIENCE).build()?,
            base: base.trim_end_matches('/').to_owned(),
            key,
        })
    }

    /// Sets a site, lets these stations stand there, and sets its power plan, which is about them.
    pub(crate) async fn put_site(
        &self,
        site: &str,
        stations: &[String],
        plan: &Value,
    ) -> Result<(), ApiError> {
        let path = format!("/api/v1/sites/{}", percent_encode(site));
        let named = json!({ "name": "loadtest power" });
        self.ask(Method::PUT, &path, Some(&named)).await?;
        for station in stations {
            self.put_station(station, site).await?;
        }
        self.ask(Method::PUT, &format!("{path}/power"), Some(plan))
            .await
            .map(drop)
    }

    /// Lets a station stand at a site.
    async fn put_station(&self, station: &str, site: &str) -> Result<(), ApiError> {
        let new = json!({ "id": station, "site": site });
        match self.ask(Method::POST, "/api/v1/stations", Some(&new)).await {
            Err(ApiError::Refused { status, .. }) if status == StatusCode::CONFLICT => {
                let path = format!("/api/v1/stations/{}", percent_encode(station));
                let site = json!({ "site": site });
                self.ask(Method::PATCH, &path, Some(&site)).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }

    /// Limits a part of a site for a while; a set-point of the same name is replaced.
    pub(crate) async fn put_set_point(
        &self,
        site: &str,
        name: &str,
        set_point: &Value,
    ) -> Result<(), ApiError> {
        self.ask(Method::PUT, &set_point_path(site, name), Some(set_point))
            .await
            .map(drop)
    }

    /// Lifts a set-point.
    pub(crate) async fn delete_set_point(&self, site: &str, name: &str) -> Result<(), ApiError> {
        self.ask(Method::DELETE, &set_point_path(site, name), None)
            .await
            .map(drop)
    }

    /// Says what a session wants: its energy, and when its car leaves.
    pub(crate) async fn put_preferences(
        &self,
        session: &str,
        preferences: &Value,
    ) -> Result<(), ApiError> {
        let path = format!("/api/v1/sessions/{}/preferences", percent_encode(session));
        self.ask(Method::PUT, &path, Some(preferences))
            .await
            .map(drop)
    }

    /// The site's power as the central system sees it.
    pub(crate) async fn power(&self, site: &str) -> Result<Value, ApiError> {
        let path = format!("/api/v1/sites/{}/power/live", percent_encode(site));
        self.ask(Method::GET, &path, None).await
    }

    /// Asks; the answer's body, null if it has none.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let unreachable = |source| ApiError::Unreachable {
            path: path.to_owned(),
            source,
        };
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.text().await.map_err(unreachable)?;
        if !status.is_success() {
            let path = path.to_owned();
            return Err(ApiError::Refused { path, status, body });
        }
        Ok(serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}

fn set_point_path(site: &str, name: &str) -> String {
    let (site, name) = (percent_encode(site), percent_encode(name));
    format!("/api/v1/sites/{site}/power/set-points/{name}")
}

/// A text as a segment of a path.
fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
