//! What every request passes before its handler: the rules of its operation in the OpenAPI document.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use metrics::{Unit, counter, describe_counter};
use model::Role;

use super::{Api, auth::Caller, openapi::Rule, problem::Problem};

const REQUESTS: &str = "switchyard_api_requests_total";

/// How long an operation may take that does not wait for a station.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Tells the recorder what the metrics of the API mean.
pub(crate) fn describe_metrics() {
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "API requests answered, by method, route and status."
    );
}

/// Lets a request through to its handler if the rules of its operation allow it. A route without an
/// operation in the document does not answer at all, so nothing can be open by oversight.
pub(crate) async fn gate(
    State(api): State<Arc<Api>>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let Some(rule) = api.document.rule(path.as_str(), &method) else {
        return method_not_allowed(&api, path.as_str());
    };
    let admitted = admit(&api, rule, &mut request).await;
    let caller = request.extensions().get::<Caller>().cloned();
    let response = match admitted {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    note(&method, path.as_str(), caller.as_ref(), &response);
    response
}

/// Answers 503 instead of waiting on.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request))
        .await
        .unwrap_or_else(|_| {
            Problem::unavailable("this took too long and was given up; ask for less, or try again")
                .into_response()
        })
}

/// Modest security headers, on every answer.
pub(crate) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn admit(api: &Api, rule: &Rule, request: &mut Request) -> Result<(), Problem> {
    if let Some(role) = rule.role {
        let authorization = request.headers().get(header::AUTHORIZATION);
        let caller = api.keys.caller(authorization, &api.limiter).await?;
        api.limiter.request(&caller.prefix)?;
        if caller.role < role {
            return Err(Problem::forbidden(format!(
                "this needs a key with the role {}; this key has {}",
                name(role),
                name(caller.role)
            )));
        }
        request.extensions_mut().insert(caller);
    }
    known_query(rule, request.uri().query().unwrap_or_default())
}

/// Refuses parameters the operation does not know (a misspelt filter would show everything) or that
/// are given twice.
fn known_query(rule: &Rule, query: &str) -> Result<(), Problem> {
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        if !rule.query.iter().any(|known| *known == name) {
            return Err(Problem::bad_request(match rule.query.as_slice() {
                [] => format!("the query parameter {name:?} is not known; this takes none"),
                known => format!(
                    "the query parameter {name:?} is not known; this takes {}",
                    known.join(", ")
                ),
            }));
        }
        if seen.contains(&name) {
            return Err(Problem::bad_request(format!(
                "the query parameter {name:?} is given twice"
            )));
        }
        seen.push(name);
    }
    Ok(())
}

fn method_not_allowed(api: &Api, path: &str) -> Response {
    let mut response = Problem::method_not_allowed().into_response();
    if let Ok(allowed) = HeaderValue::from_str(&api.document.allowed(path)) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// Counts a request and, where it may have changed something, logs who did it.
fn note(method: &Method, route: &str, caller: Option<&Caller>, response: &Response) {
    let status = response.status().as_u16();
    counter!(
        REQUESTS,
        "method" => method.to_string(),
        "route" => route.to_owned(),
        "status" => status.to_string()
    )
    .increment(1);
    if let Some(caller) = caller
        && !method.is_safe()
    {
        tracing::info!(key = &*caller.prefix, %method, route, status, "API change");
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}
