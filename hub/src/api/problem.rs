//! Errors of the API: RFC 9457 problem details, whatever went wrong and wherever.
//!
//! `type` is left at `about:blank`, so `title` is the phrase of the status; `detail` says what happened
//! and what to do. What only the log should see (the store's own words) is logged here, once.

use std::{borrow::Cow, time::Duration};

use axum::{
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use store::{ReadError, WriteError};
use utoipa::ToSchema;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// An error, on its way to whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
}

/// What went wrong and what to do (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'a str,
    /// The phrase of the status.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What happened and what to do.
    detail: &'a str,
}

/// 409, for the documents of those operations that answer it.
#[derive(utoipa::IntoResponses)]
#[response(
    status = 409,
    description = "It cannot be done as things are; `detail` says why.",
    content_type = "application/problem+json"
)]
pub(crate) struct Conflict(
    #[expect(dead_code, reason = "only its schema is used")] ProblemBody<'static>,
);

impl Problem {
    fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// 400: the path, the query or the body cannot be read, or makes no sense.
    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: no key, or none that is known.
    pub(crate) fn unauthorized(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 403: the key may not.
    pub(crate) fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: there is no such thing.
    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405: the path is known, the method is not.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path does not know that method; the Allow header lists those it knows",
        )
    }

    /// 409: it cannot be done as things are.
    pub(crate) fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 429: too many, for now.
    pub(crate) fn too_many(detail: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// 503: not now.
    pub(crate) fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Rounded up, so that who waits that long is not turned away again.
            headers.insert(
                header::RETRY_AFTER,
                (wait.as_millis().div_ceil(1000).max(1) as u64).into(),
            );
        }
        response
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        tracing::error!(%error, "the API could not read the store");
        Self::unavailable("the store cannot be read at the moment; try again")
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        tracing::error!(%error, "the API could not write to the store");
        Self::unavailable(match error {
            WriteError::NotWritten(_) | WriteError::Refused(_) | WriteError::Stale => {
                "nothing was changed, because the store did not take it; try again"
            }
            WriteError::Unknown(_) | WriteError::Outdated => {
                "the change may or may not have been made; read it back before trying again"
            }
        })
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(format!("the query cannot be read: {}", reason(&rejection)))
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(format!(
            "the path cannot be read: {}",
            rejection.body_text()
        ))
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let detail = match &rejection {
            JsonRejection::JsonDataError(error) => {
                format!(
                    "the body does not fit: {}; /api/docs shows what it may hold",
                    reason(error)
                )
            }
            JsonRejection::JsonSyntaxError(error) => {
                format!("the body is not JSON: {}", reason(error))
            }
            JsonRejection::MissingJsonContentType(_) => {
                "send the body as JSON, with the header Content-Type: application/json".to_owned()
            }
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                format!("a body may be at most {} bytes", super::MAX_BODY_BYTES)
            }
            other => format!("the body cannot be read: {}", other.body_text()),
        };
        // axum tells a body that is no JSON (400) from one that does not fit (422); whoever reads
        // `detail` does not need to.
        let status = match rejection.status() {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            other => other,
        };
        Self::new(status, detail)
    }
}

/// Why, without the words axum puts before it.
fn reason(rejection: &dyn std::error::Error) -> String {
    rejection
        .source()
        .map_or_else(|| rejection.to_string(), ToString::to_string)
}
