//! The OpenAPI document, and the rules it holds for every request.
//!
//! The document is generated from the handlers, and then it is law: [`Document::rule`] tells the gate
//! which role an operation needs and which query parameters it knows, read from the very text that is
//! served. So what is documented and what is enforced cannot differ. A handler states its role as a
//! security requirement, `security(("api_key" = ["operator"]))` (OpenAPI 3.1 §4.8.30 lets a bearer
//! scheme list roles there). An operation without one needs no key.

use std::{collections::HashMap, str::FromStr};

use axum::{body::Bytes, http::Method};
use model::{LiveEvent, Role};
use serde_json::{Map, Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::problem::{PROBLEM_JSON, ProblemBody};

const SECURITY_SCHEME: &str = "api_key";

/// What the handlers do not say: title, tags, the security scheme.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Switchyard",
        description = "The operator API of Switchyard, the hub that EV chargers connect to.\n\n\
            Every list is paged: hand the `next` of a page back as `after`. Every error is a problem \
            (RFC 9457) whose `detail` says what to do. `hub api-key create` makes the first key.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/")),
    tags(
        (name = "stations", description = "Chargers: configuration and live state."),
        (name = "commands", description = "What the hub asks of stations."),
        (name = "sessions", description = "Charging sessions, their totals and meter values."),
        (name = "dead letters", description = "Transaction messages that crash whoever handles them."),
        (name = "tokens", description = "What drivers identify with."),
        (name = "sites", description = "Stations behind one grid connection."),
        (name = "power", description = "How a site's power is shared: limits, set-points, what drivers want."),
        (name = "events", description = "What happens now."),
        (name = "keys", description = "Who may use this API."),
        (name = "cluster", description = "The hubs that act as one."),
        (name = "health", description = "For those who watch the hub itself."),
    ),
    components(schemas(LiveEvent, ProblemBody)),
    modifiers(&KeyScheme),
)]
pub(crate) struct Base;

struct KeyScheme;

impl Modify for KeyScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API key. `viewer` keys read, `operator` keys also command and configure, \
                 `admin` keys also make keys.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme(SECURITY_SCHEME, SecurityScheme::Http(scheme));
    }
}

/// What an operation asks of a request.
pub(crate) struct Rule {
    /// The role a key needs; absent where no key is needed.
    pub(crate) role: Option<Role>,
    /// The query parameters it knows.
    pub(crate) query: Vec<String>,
}

/// The document as it is served, and its rules.
pub(crate) struct Document {
    /// The document as JSON.
    pub(crate) json: Bytes,
    rules: HashMap<String, HashMap<Method, Rule>>,
}

impl Document {
    /// Completes what utoipa made of the handlers.
    pub(crate) fn new(generated: &utoipa::openapi::OpenApi) -> Self {
        let mut document =
            serde_json::to_value(generated).expect("an OpenAPI document can be written as JSON");
        document["components"]["responses"] = common_responses();
        let mut rules: HashMap<_, HashMap<_, _>> = HashMap::new();
        for (path, item) in object(&mut document["paths"]) {
            for (method, operation) in object(item) {
                let method = Method::from_str(&method.to_ascii_uppercase())
                    .expect("utoipa names methods as HTTP does");
                let rule = rule(operation);
                complete(operation, path, &rule);
                rules.entry(path.clone()).or_default().insert(method, rule);
            }
        }
        Self {
            json: document.to_string().into(),
            rules,
        }
    }

    /// What a request by that method to that path (as a template) has to keep to; absent where there
    /// is no such operation. HEAD is a GET whose body is not sent.
    pub(crate) fn rule(&self, path: &str, method: &Method) -> Option<&Rule> {
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.rules.get(path)?.get(method)
    }

    /// The methods a path (as a template) knows, as an `Allow` header lists them.
    pub(crate) fn allowed(&self, path: &str) -> String {
        let mut methods: Vec<&str> = self.rules.get(path).map_or_else(Vec::new, |operations| {
            operations.keys().map(Method::as_str).collect()
        });
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.sort_unstable();
        methods.join(",")
    }
}

/// Reads an operation's rule from its part of the document.
fn rule(operation: &Value) -> Rule {
    let role = operation["security"][0][SECURITY_SCHEME][0].as_str();
    let parameters = operation["parameters"].as_array();
    Rule {
        role: role.map(|name| {
            serde_json::from_value(name.into())
                .unwrap_or_else(|_| panic!("a handler asks for the role {name:?}; there is none"))
        }),
        query: parameters
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
            .collect(),
    }
}

/// Adds to an operation what follows from the others: the errors every operation of its kind answers.
fn complete(operation: &mut Value, path: &str, rule: &Rule) {
    let has_body = operation.get("requestBody").is_some();
    let answers = [
        ("400", true),
        ("401", rule.role.is_some()),
        ("403", rule.role > Some(Role::Viewer)),
        ("404", path.contains('{')),
        ("413", has_body),
        ("415", has_body),
        ("429", rule.role.is_some()),
        ("503", rule.role.is_some()),
    ];
    let responses = object(&mut operation["responses"]);
    for (status, _) in answers.into_iter().filter(|(_, answered)| *answered) {
        responses
            .entry(status)
            .or_insert_with(|| json!({ "$ref": format!("#/components/responses/{status}") }));
    }
    // utoipa lets an optional parameter be null; a query has no null, a parameter is left out.
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        not_null(&mut parameter["schema"]);
    }
}

fn not_null(schema: &mut Value) {
    if let Some(kinds) = schema["type"].as_array() {
        let kind = kinds.iter().find(|kind| **kind != "null").cloned();
        schema["type"] = kind.expect("utoipa names another type beside null");
    }
    if let Some(either) = schema["oneOf"].as_array() {
        let other = either.iter().find(|kind| kind["type"] != "null").cloned();
        *schema = other.expect("utoipa names another type beside null");
    }
}

fn common_responses() -> Value {
    let problem = |description: &str| {
        json!({
            "description": description,
            "content": { PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        })
    };
    let retry_after = json!({
        "Retry-After": {
            "description": "How many seconds to wait.",
            "schema": { "type": "integer", "minimum": 1 },
        },
    });
    let mut responses = json!({
        "400": problem("The path, the query or the body cannot be read or makes no sense; `detail` says where."),
        "401": problem("No API key, or one that is not known."),
        "403": problem("The key's role may not do this; `detail` names the role that may."),
        "404": problem("There is no such thing."),
        "413": problem("The body is too long."),
        "415": problem("The body is not declared to be JSON."),
        "429": problem("Too many requests."),
        "503": problem("Not at the moment: the store cannot be used, or it takes too long."),
    });
    responses["401"]["headers"] = json!({
        "WWW-Authenticate": { "schema": { "type": "string", "const": "Bearer" } },
    });
    responses["429"]["headers"] = retry_after.clone();
    responses["503"]["headers"] = retry_after;
    responses
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    value
        .as_object_mut()
        .expect("an object, by the OpenAPI Specification")
}
