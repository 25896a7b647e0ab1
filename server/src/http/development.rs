//! What exists with `--dev` only: a token for everyone on this machine who asks.
//!
//! Invariant: only with `--dev`, only over loopback, only for pages and tools of this machine
//! (a foreign page that makes a browser ask is refused by its origin, or by the host it names).

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::routing::post;
use axum::{Json, Router};
use indelible_engine::excerpt::Short;
use indelible_engine::principal::Principal;
use serde::Serialize;
use serde_json::Value;

use super::App;
use super::body;
use super::caller::Caller;
use super::cors;
use super::fields;
use super::form::Form;
use super::host;
use super::problem::Problem;
use super::request;
use crate::auth::IssueError;
use crate::clock;
use crate::config::{Mode, PRINCIPAL_ID_BYTES_MAX, TOKEN_TTL_DEFAULT};
use crate::served_roles;

/// By these, proxies say that they pass on what others ask: then the peer is the proxy, on this
/// machine, and the caller is not. Those whose names say so are not listed (`says_so`).
const FORWARDED: [&str; 27] = [
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ray",
    "cf-visitor",
    "front-end-https",
    "tailscale-user-login",
    "via",
    "x-akamai-edgescape",
    "x-amz-cf-id",
    "x-amzn-trace-id",
    "x-appengine-user-ip",
    "x-arr-log-id",
    "x-arr-ssl",
    "x-azure-ref",
    "x-azure-socketip",
    "x-cloud-trace-context",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-nginx-proxy",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-scheme",
    "x-url-scheme",
    "x-varnish",
    "x-vercel-id",
];

/// Whether a field is one that proxies add to what they pass on.
fn is_forwarded(name: &HeaderName) -> bool {
    let name = name.as_str();
    let says_so = name.contains("forwarded")
        || name.starts_with("x-original-")
        || name.ends_with("client-ip")
        || name.ends_with("clientip");
    says_so || FORWARDED.contains(&name)
}

/// The routes, if there are any.
pub(crate) fn router(app: &App) -> Router<App> {
    match app.config.mode {
        Mode::Development => Router::new().route("/dev/token", Form::Token.guard(app, post(token))),
        Mode::Production => Router::new(),
    }
}

struct Wanted {
    name: String,
    role: String,
}

impl Wanted {
    fn read(asked: &Value) -> Result<Self, Problem> {
        let text = |name: &str| match asked.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            _ => Err(Problem::bad_request(format!("{name} is a text"))),
        };
        let mut names = asked.as_object().into_iter().flat_map(|asked| asked.keys());
        if let Some(other) = names.find(|name| !matches!(name.as_str(), "name" | "role")) {
            let detail = format!(
                "a token is made from name and role; there is no {:?}",
                Short(other)
            );
            return Err(Problem::bad_request(detail));
        }
        Ok(Self {
            name: text("name")?,
            role: text("role")?,
        })
    }
}

#[derive(Debug, Serialize)]
struct Issued {
    token: String,
    id: String,
}

async fn token(
    State(app): State<App>,
    // An invalid token is never treated like a missing one.
    _: Caller,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Issued>, Problem> {
    let foreign = headers
        .get(header::ORIGIN)
        .is_some_and(|o| !cors::is_own(&headers, o));
    if !peer.ip().to_canonical().is_loopback() || !names_this_machine(&uri, &headers) || foreign {
        return Err(Problem::not_found());
    }
    if let Some(name) = headers.keys().find(|name| is_forwarded(name)) {
        let detail = format!(
            "{} says that a proxy passed this on, so it may come from anywhere: --dev is for programs \
             on this machine",
            fields::title(name)
        );
        return Err(Problem::forbidden().detail(detail));
    }
    let mut body = body::read(&app, "", &headers, body).await;
    let wanted = Wanted::read(&request::object(&headers, body.take())?)?;
    let id = id_from(&wanted.name);
    let longest = wanted.name.len().max(id.len() - PREFIX.len());
    if longest > NAME_BYTES_MAX {
        let detail = format!("name must have at most {NAME_BYTES_MAX} bytes, in lower case too");
        return Err(Problem::bad_request(detail));
    }
    let principal = Principal {
        id: id.clone(),
        name: Some(wanted.name),
        roles: BTreeSet::from([wanted.role.clone()]),
    };
    let token = app
        .context
        .auth
        .issue(&principal, clock::now(), TOKEN_TTL_DEFAULT)
        .map_err(|error| Problem::bad_request(said_of(&error)))?;
    // A role that no schema names reads what all may: only one that is probably mistyped, or
    // can be none, is refused.
    let known = served_roles::named(app.context.policies.iter().map(|policy| &**policy));
    match served_roles::check(&wanted.role, Some(&known)) {
        Err(error) if error.is_certain() => return Err(Problem::bad_request(error.to_string())),
        _ => {}
    }
    Ok(Json(Issued { token, id }))
}

/// What is wrong, by the names that the request has for things.
fn said_of(error: &IssueError) -> String {
    match error {
        IssueError::Claim { claim, flaw } => {
            let asked = match *claim {
                "each of roles" => "role",
                claim => claim,
            };
            format!("{asked} {flaw}")
        }
        other => other.to_string(),
    }
}

/// Whether the request names this machine as its host: a page that had its own name resolve to
/// this machine does not.
fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    host::named(uri, headers).is_some_and(|host| host.is_loopback())
}

/// What ids of people who name themselves begin with.
const PREFIX: &str = "dev:";

/// A name is a part of an id.
const NAME_BYTES_MAX: usize = PRINCIPAL_ID_BYTES_MAX - PREFIX.len();

/// An id that says where it comes from: `dev:ada`.
fn id_from(name: &str) -> String {
    let words: Vec<String> = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    format!(
        "{PREFIX}{}",
        if words.is_empty() {
            "somebody".to_owned()
        } else {
            words.join("-")
        }
    )
}
