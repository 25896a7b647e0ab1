//! What goes out over HTTP when something is not as asked: problem details (RFC 9457).
//!
//! Invariant: every answer that is not a success is made here, with a stable code and a text that
//! is meant for the public; causes go to the log.
//!
//! Must not know: how anything is decided, only how it is told.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indelible_engine::violation::Violation;
use serde_json::{Value, json};

/// An answer that is not a success.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Option<String>,
    violations: Vec<Value>,
}

impl Problem {
    /// A problem with a stable `code`, by which programs tell problems apart, and a `title`.
    pub(crate) fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self {
            status,
            code,
            title,
            detail: None,
            violations: Vec::new(),
        }
    }

    /// Adds what is particular about this occurrence.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
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

    /// 401: who asks is unknown and nobody unknown may do this.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Sign in to do this",
        )
    }

    /// 401: the token is no good.
    pub(crate) fn bad_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "bad-token",
            "The token is invalid or has expired",
        )
    }

    /// 403: who asks is known and may not do this.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this")
    }

    /// 404: there is nothing of that name.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here")
    }

    /// 503: the store cannot take writes now.
    pub(crate) fn unavailable() -> Self {
        let title = "The server cannot do this now; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title)
    }
}

fn violation_json(violation: &Violation) -> Value {
    let mut json = json!({
        "pointer": violation.pointer.to_string(),
        "rule": violation.rule.to_string(),
        "message": violation.message,
    });
    if let Value::Object(fields) = &mut json {
        for (name, value) in [
            ("attempted", &violation.attempted),
            ("kept", &violation.kept),
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:indelible:problem:{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "code": self.code,
        });
        if let Value::Object(fields) = &mut body {
            if let Some(detail) = self.detail {
                fields.insert("detail".into(), detail.into());
            }
            if !self.violations.is_empty() {
                fields.insert("violations".into(), self.violations.into());
            }
        }
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"indelible\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
