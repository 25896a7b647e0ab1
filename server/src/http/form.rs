//! What each address takes: methods, and with each the parameters, the condition and the body.
//!
//! Invariant: what is not in these tables is refused before a handler is reached, and `Allow` and
//! the answers to `OPTIONS` are made of the same tables.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use indelible_engine::id::Kind;
use indelible_engine::policy::Policy;
use percent_encoding::percent_decode_str;

use super::App;
use super::digest;
use super::fields;
use super::problem::Problem;
use super::query::{Query, is_encoded};
use super::request;

/// One method of an address.
#[derive(Debug)]
struct Verb {
    method: Method,
    /// The parameters; `None` where they are the page's own business.
    query: Option<&'static [&'static str]>,
    conditions: Conditions,
    body: bool,
    /// Whether it writes an entity, as what `Idempotency-Key` and `Prefer` say of a write can be
    /// stated with that only. With what reads, nothing depends on them.
    entity: bool,
}

/// Which conditions can be stated (RFC 9110, section 13.1).
#[derive(Debug, Clone, Copy)]
enum Conditions {
    /// All that are about a version.
    All,
    /// None that has to hold; why. Those of who has an answer already are passed over: it comes whole.
    Unversioned(&'static str),
    /// `If-Match` alone; why none of the others.
    Match(&'static str),
    /// None; why.
    None(&'static str),
}

impl Conditions {
    /// Refuses those that cannot be stated.
    fn check(self, headers: &HeaderMap) -> Result<(), Problem> {
        let (names, why) = match self {
            Self::All => return Ok(()),
            Self::Unversioned(why) => (&TO_HOLD[..], why),
            Self::Match(why) => (&FOR_READING[..], why),
            Self::None(why) => (&CONDITIONS[..], why),
        };
        match names.iter().find(|name| headers.contains_key(*name)) {
            None => Ok(()),
            Some(name) => {
                let name = fields::title(name);
                let detail = format!("{name} cannot be stated here: {why}");
                Err(Problem::bad_request(detail))
            }
        }
    }
}

const CONDITIONS: [HeaderName; 3] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
];
const TO_HOLD: [HeaderName; 1] = [header::IF_MATCH];
const FOR_READING: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// What an address takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// `/api/{kind}`, which depends on the kind.
    Kind,
    /// `/api/{kind}/{id}`.
    Entity,
    /// `/api/{kind}/{id}/undelete`.
    Undelete,
    /// `/dev/token`.
    Token,
    /// What is only asked.
    Question,
    /// Whether the process runs, and lets pages of an origin in.
    Health,
    /// What a browser loads.
    Page,
}

const fn reads(query: &'static [&'static str]) -> Verb {
    Verb {
        method: Method::GET,
        query: Some(query),
        conditions: Conditions::All,
        body: false,
        entity: false,
    }
}

const fn asks(query: &'static [&'static str]) -> Verb {
    Verb {
        method: Method::GET,
        query: Some(query),
        conditions: Conditions::Unversioned("what is asked here has no version"),
        body: false,
        entity: false,
    }
}

const PUT: Verb = Verb {
    method: Method::PUT,
    query: Some(&["base", "preserve", "remove"]),
    conditions: Conditions::Match(
        "it is for reading, and a PUT never creates; send If-Match with the version instead",
    ),
    body: true,
    entity: true,
};

const CREATE: Verb = Verb {
    method: Method::POST,
    query: Some(&["id"]),
    conditions: Conditions::None("what is not there has no version, and a POST never replaces"),
    body: true,
    entity: true,
};

const COLLECTION: &[Verb] = &[reads(&["after", "limit"]), CREATE];
const SINGLETON: &[Verb] = &[reads(&[]), PUT];
/// Of an unknown kind, with any method: handlers say so.
const NO_KIND: &[Verb] = &[reads(&["after", "limit"]), CREATE, PUT];
const ENTITY: &[Verb] = &[
    reads(&[]),
    PUT,
    Verb {
        method: Method::DELETE,
        query: Some(&[]),
        conditions: Conditions::Match("it is for reading; send If-Match with the version instead"),
        body: false,
        entity: true,
    },
];
const UNDELETE: &[Verb] = &[Verb {
    method: Method::POST,
    query: Some(&[]),
    conditions: Conditions::None("what is deleted has no version"),
    body: false,
    entity: true,
}];
const TOKEN: &[Verb] = &[Verb {
    method: Method::POST,
    query: Some(&[]),
    conditions: Conditions::None("a token has no version"),
    body: true,
    entity: false,
}];
const QUESTION: &[Verb] = &[asks(&[])];
const HEALTH: &[Verb] = &[asks(&["origin"])];
const PAGE: &[Verb] = &[Verb {
    method: Method::GET,
    query: None,
    conditions: Conditions::All,
    body: false,
    entity: false,
}];

impl Form {
    /// The routes of one address, behind its table.
    pub(super) fn guard(self, app: &App, methods: MethodRouter<App>) -> MethodRouter<App> {
        let state = (app.clone(), self);
        // A router of methods without `any` adds an `Allow` of its own to what is refused.
        let methods = any(unlisted).merge(methods);
        methods.layer(middleware::from_fn_with_state(state, check))
    }

    fn verbs(self, app: &App, uri: &Uri) -> &'static [Verb] {
        match self {
            Self::Kind => match policy(app, uri) {
                None => NO_KIND,
                Some(policy) if policy.is_singleton() => SINGLETON,
                Some(_) => COLLECTION,
            },
            Self::Entity => ENTITY,
            Self::Undelete => UNDELETE,
            Self::Token => TOKEN,
            Self::Question => QUESTION,
            Self::Health => HEALTH,
            Self::Page => PAGE,
        }
    }

    /// Whether nothing can be at the address, whatever the method: of no kind, or with the id of
    /// something of which there is one.
    fn is_empty(self, app: &App, uri: &Uri) -> bool {
        match self {
            Self::Kind => policy(app, uri).is_none(),
            Self::Entity | Self::Undelete => policy(app, uri).is_none_or(|p| p.is_singleton()),
            _ => false,
        }
    }
}

/// The policy of the kind that the path of an address names.
fn policy<'a>(app: &'a App, uri: &Uri) -> Option<&'a Arc<Policy>> {
    let kind = uri.path().split('/').nth(2).unwrap_or_default();
    let kind = percent_decode_str(kind).decode_utf8_lossy();
    app.context.policy(&Kind::new(&*kind).ok()?)
}

async fn check(State((app, form)): State<(App, Form)>, request: Request, next: Next) -> Response {
    let verbs = form.verbs(&app, request.uri());
    let is_handled = verb(verbs, request.method()).is_some();
    if !is_handled && form.is_empty(&app, request.uri()) {
        // Empty, it says that nothing can be done here (RFC 9110, section 10.2.1).
        let nothing = HeaderValue::from_static("");
        let problem = Problem::not_found().header(header::ALLOW, nothing);
        return problem.into_response();
    }
    if request.method() == Method::OPTIONS {
        let mut response = match question(verbs, &request) {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(problem) => problem.into_response(),
        };
        response.headers_mut().insert(header::ALLOW, allow(verbs));
        return response;
    }
    match take(verbs, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// What answers a method that the table of an address has and its router has not.
async fn unlisted() -> Problem {
    Problem::internal()
}

/// Whether `OPTIONS` can be answered: it takes the parameters that any of the methods takes. A
/// browser that asks before it sends hands on the parameters of what it will send, and shows its page
/// no reason where this is refused: the request itself says it.
fn question(verbs: &[Verb], request: &Request) -> Result<(), Problem> {
    path(request.uri())?;
    let headers = request.headers();
    let is_preflight = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let known: Option<Vec<&[&str]>> = verbs.iter().map(|verb| verb.query).collect();
    if let Some(known) = known.filter(|_| !is_preflight) {
        Query::read(request.uri(), &known.concat())?;
    }
    if headers.contains_key(header::IF_MATCH) {
        let detail =
            "If-Match cannot be stated here: OPTIONS asks about the address, not a version";
        return Err(Problem::bad_request(detail));
    }
    without_body(request)
}

/// What an address takes with a method.
fn verb<'v>(verbs: &'v [Verb], method: &Method) -> Option<&'v Verb> {
    let asked = match method {
        &Method::HEAD => &Method::GET,
        method => method,
    };
    verbs.iter().find(|verb| verb.method == *asked)
}

fn take(verbs: &[Verb], request: &Request) -> Result<(), Problem> {
    path(request.uri())?;
    let Some(verb) = verb(verbs, request.method()) else {
        let title = "This cannot be done here";
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title);
        return Err(problem
            .detail(format!("here can be done: {}", names(verbs)))
            .header(header::ALLOW, allow(verbs)));
    };
    if let Some(known) = verb.query {
        Query::read(request.uri(), known)?;
    }
    verb.conditions.check(request.headers())?;
    if !verb.body {
        without_body(request)?;
    }
    if !verb.entity && !verb.method.is_safe() {
        request::no_write(request.headers())?;
    }
    match verb.body || verb.method.is_safe() {
        true => Ok(()),
        // Without a body, a digest is that of no bytes.
        false => digest::check(request.headers(), b""),
    }
}

/// Refuses a body where none is taken.
fn without_body(request: &Request) -> Result<(), Problem> {
    if fields::brings_body(request.headers()) {
        let method = request.method();
        let detail = format!("{method} takes no body here");
        return Err(Problem::bad_request(detail));
    }
    Ok(())
}

/// Whether a path can be read: what it names is UTF-8, with `%` before two hexadecimal digits.
fn path(uri: &Uri) -> Result<(), Problem> {
    let path = uri.path();
    let decodes = percent_decode_str(path).decode_utf8().is_ok();
    if is_encoded(path) && decodes {
        return Ok(());
    }
    let detail = "the path is not UTF-8 in which % stands before two hexadecimal digits";
    Err(Problem::bad_request(detail))
}

fn names(verbs: &[Verb]) -> String {
    let names = verbs.iter().map(|verb| match verb.method {
        Method::GET => "GET, HEAD",
        ref other => other.as_str(),
    });
    names.collect::<Vec<_>>().join(", ")
}

fn allow(verbs: &[Verb]) -> HeaderValue {
    let text = format!("{}, OPTIONS", names(verbs));
    HeaderValue::try_from(text).expect("the names of methods are plain text")
}
