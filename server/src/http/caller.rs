//! Who makes a request.
//!
//! Invariant: no token means `anonymous`; an invalid token is never treated like a missing one.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use indelible_engine::policy::{Permission, Policy};
use indelible_engine::principal::Principal;

use super::App;
use super::problem::Problem;

/// The principal behind a request.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::of(app, &parts.headers)
    }
}

impl Caller {
    /// Who sends a request with these fields.
    ///
    /// # Errors
    /// 401 where the header does not hold a token, or an invalid one.
    pub(crate) fn of(app: &App, headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Ok(Self(Principal::anonymous()));
        };
        let text = value.to_str().map_err(|_| Problem::other_scheme())?;
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::other_scheme());
        }
        match app.context.auth.verify(token.trim()) {
            Ok(authenticated) => Ok(Self(authenticated.principal)),
            Err(error) => Err(Problem::bad_token(error.to_string()).by(error.code())),
        }
    }

    /// Nothing, if the caller may read the kind.
    ///
    /// # Errors
    /// 401 for those who are not signed in, 403 for the others; the same for every entity of the
    /// kind, whether it exists or not.
    pub(crate) fn reads(&self, policy: &Policy) -> Result<(), Problem> {
        if policy.readable(&self.0) {
            Ok(())
        } else {
            Err(self.denied())
        }
    }

    /// Nothing, if the caller may replace values of the kind: an answer shows the current value, so
    /// this takes the right to read it as well as the right to edit it. A service may write the
    /// system's fields without reading; its answers then hold no values.
    ///
    /// # Errors
    /// As [`Self::may`].
    pub(crate) fn merges(&self, policy: &Policy) -> Result<(), Problem> {
        if policy.may(&self.0, Permission::System) {
            return Ok(());
        }
        self.may(policy, Permission::Edit)?;
        self.reads(policy)
    }

    /// Nothing, if the caller may delete entities of the kind: an answer shows whether it is there,
    /// so this takes the right to read it as well.
    ///
    /// # Errors
    /// As [`Self::may`].
    pub(crate) fn deletes(&self, policy: &Policy) -> Result<(), Problem> {
        self.may(policy, Permission::Delete)?;
        self.reads(policy)
    }

    /// Nothing, if the caller has a permission on the kind.
    ///
    /// # Errors
    /// 401 for those who are not signed in, 403 for the others.
    pub(crate) fn may(&self, policy: &Policy, permission: Permission) -> Result<(), Problem> {
        if policy.may(&self.0, permission) {
            Ok(())
        } else {
            Err(self.denied())
        }
    }

    fn denied(&self) -> Problem {
        if self.0.is_anonymous() {
            Problem::unauthorized()
        } else {
            Problem::forbidden().by(&self.0.id)
        }
    }
}
