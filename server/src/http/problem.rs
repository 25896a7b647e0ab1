//! What goes out over HTTP when something is not as asked: problem details (RFC 9457).
//!
//! Invariant: every answer that is not a success is made here, with a stable code and a text that
//! is meant for the public; causes go to the log.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indelible_engine::excerpt::{SENTENCE_CHARS_MAX, cut};
use indelible_engine::violation::Violation;
use serde_json::{Value, json};

use crate::config::RETRY_AFTER;

/// An answer that is not a success.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Option<Box<str>>,
    violations: Vec<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    who: Option<Box<str>>,
}

/// What the log needs of a problem, beside the answer.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    /// The code.
    pub(super) code: &'static str,
    /// The principal, where it is known.
    pub(super) who: Option<Box<str>>,
}

impl Problem {
    /// A problem with a stable `code`, by which programs distinguish problems, and a `title`.
    pub(crate) fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self {
            status,
            code,
            title,
            detail: None,
            violations: Vec::new(),
            headers: Vec::new(),
            who: None,
        }
    }

    /// Notes whose request it was, for the log only.
    pub(crate) fn by(mut self, who: &str) -> Self {
        self.who = Some(who.into());
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Adds a header to the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says how to sign in, and what was wrong with the attempt, if there was one (RFC 6750,
    /// section 3.1).
    pub(crate) fn challenge(self, error: Option<&str>) -> Self {
        let error = error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
        let challenge = format!("Bearer realm=\"indelible\"{error}");
        let challenge = HeaderValue::try_from(challenge).expect("the codes are plain text");
        self.header(header::WWW_AUTHENTICATE, challenge)
    }

    /// Adds what is particular about this occurrence.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        self.detail = Some(cut(&detail, SENTENCE_CHARS_MAX).into());
        self
    }

    /// Adds the violations of a refused write.
    pub(crate) fn violations(mut self, violations: &[Violation]) -> Self {
        self.violations = violations.iter().map(violation_json).collect();
        self
    }

    /// 400: the request makes no sense.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request is malformed",
        )
        .detail(detail)
    }

    /// 401: the caller has not signed in, and has to for this.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Sign in to do this",
        )
        .challenge(None)
    }

    /// 401: the token is not valid, for this reason.
    pub(crate) fn bad_token(reason: impl Into<String>) -> Self {
        Self::no_token(reason).challenge(Some("invalid_token"))
    }

    /// 401: the caller wants to sign in, but not with a token.
    pub(crate) fn other_scheme() -> Self {
        Self::no_token("Authorization is Bearer and a token, or is left out").challenge(None)
    }

    fn no_token(reason: impl Into<String>) -> Self {
        let title = "The token is invalid or has expired";
        Self::new(StatusCode::UNAUTHORIZED, "bad-token", title).detail(reason)
    }

    /// 403: who asks is known and may not do this.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this")
            .challenge(Some("insufficient_scope"))
    }

    /// 415: the body is packed; `told_by` is what says so.
    pub(crate) fn packed(told_by: &str) -> Self {
        let title = "The body has to come as it is, not packed";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", title)
            .detail(format!("{told_by} says that the body is packed"))
            .header(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            )
    }

    /// 404: there is nothing of that name.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here")
    }

    /// 429: the caller, or the address, wrote too much; after so many seconds it is taken.
    pub(crate) fn rate_limited(seconds: u64) -> Self {
        let title = "Too much was written in a short time";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", title)
            .header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// 500: the server failed on this very request.
    pub(crate) fn internal() -> Self {
        let title = "The server failed on this";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title)
    }

    /// 503: too much is waiting, of the caller's or of all.
    pub(crate) fn busy() -> Self {
        let title = "Too much is waiting; try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title)
    }

    /// 503: no connection is left for those without a token.
    pub(crate) fn crowded() -> Self {
        let title = "Too many are connected; try again later, or sign in";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title)
    }

    /// 503: the store cannot take writes now.
    pub(crate) fn unavailable() -> Self {
        let title = "The server cannot do this now; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title)
    }
}

fn violation_json(violation: &Violation) -> Value {
    let mut json = json!({
        "pointer": violation.pointer.shown().to_string(),
        "rule": violation.rule.to_string(),
        "message": violation.to_string(),
    });
    if let Value::Object(fields) = &mut json {
        for (name, value) in [
            ("attempted", &violation.attempted),
            ("kept", &violation.kept),
            ("bound", &violation.bound),
        ] {
            if let Some(value) = value {
                fields.insert(name.into(), value.clone());
            }
        }
        if let Some(holder) = &violation.holder {
            fields.insert("holder".into(), holder.to_string().into());
        }
    }
    json
}

impl Problem {
    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("urn:indelible:problem:{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "code": self.code,
        });
        if let Value::Object(fields) = &mut body {
            if let Some(detail) = &self.detail {
                fields.insert("detail".into(), (**detail).into());
            }
            if !self.violations.is_empty() {
                fields.insert("violations".into(), self.violations.clone().into());
            }
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        let noted = Noted {
            code: self.code,
            who: self.who,
        };
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(RETRY_AFTER.as_secs()),
            );
        }
        response.extensions_mut().insert(noted);
        response
    }
}
