//! What a token says, and whether it is for this server and of this time.
//!
//! Times are NumericDates (RFC 7519 §2), which may have fractions, and all have one leeway.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indelible_engine::json;
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use jsonwebtoken::Header;
use serde_json::{Map, Value};

use super::flaw::{self, Flaw};
use super::{AUDIENCE, Authenticated, ISSUER, TokenError};
use crate::config::{TOKEN_LEEWAY, TOKEN_TTL_MAX};

/// The last time that has a date in every language that reads it, in seconds.
const SECONDS_MAX: f64 = 8.64e12;

/// What times are, with their bound.
const TIME: &str = "a number of seconds since 1970, at most 8640000000000 from there";

const TEXT: &str = "a text";
const TEXTS: &str = "a list of texts";

/// What is said of claims that are not JSON, or some other JSON.
pub(super) const NO_CLAIMS: &str = "the token's claims must be a JSON object: no name twice, no lone surrogate, no number beyond 1e308, not nested deep";

/// What is said of a header that is not JSON, or some other JSON.
pub(super) const NO_HEADER: &str =
    "the token's header must be a JSON object in base64url, in which no name appears twice";

/// The members of a header that have a form (RFC 7515 §4.1); we make no use of them.
const FORMS: [(&str, &str); 11] = [
    ("typ", TEXT),
    ("cty", TEXT),
    ("kid", TEXT),
    ("jku", TEXT),
    ("x5u", TEXT),
    ("x5t", TEXT),
    ("x5t#S256", TEXT),
    ("enc", TEXT),
    ("zip", TEXT),
    ("x5c", TEXTS),
    ("jwk", "a key as RFC 7517 says it"),
];

/// Checks what the header asks for: HS256, and nothing that must be understood (RFC 7515 §4.1.11).
pub(super) fn check_header(token: &str) -> Result<(), TokenError> {
    let mut parts = token.split('.');
    let (Some(part), Some(_), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed);
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed)?;
    let header = object(&bytes).ok_or(TokenError::Part(NO_HEADER))?;
    if header.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(TokenError::Algorithm);
    }
    match header.get("crit") {
        None => {}
        // We know no extension, and those of the RFC itself may not be listed.
        Some(Value::Array(names)) if !names.is_empty() && names.iter().all(Value::is_string) => {
            return Err(TokenError::Critical);
        }
        Some(_) => {
            let flaw = Flaw::Form("a list of one or more texts where it is given");
            let member = "crit";
            return Err(TokenError::Header { member, flaw });
        }
    }
    let wrong = FORMS.iter().find(|(member, _)| {
        header.get(*member).is_some_and(|value| {
            let alone = serde_json::json!({ "alg": "HS256", *member: value });
            // The reader takes null for a member that is left out.
            value.is_null() || serde_json::from_value::<Header>(alone).is_err()
        })
    });
    wrong.map_or(Ok(()), |&(member, form)| {
        let flaw = Flaw::Form(form);
        Err(TokenError::Header { member, flaw })
    })
}

/// The claims of a token whose signature is good.
pub(super) fn read(token: &str) -> Result<Map<String, Value>, TokenError> {
    let part = token.split('.').nth(1);
    let bytes = part.and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims = bytes.and_then(|bytes| object(&bytes));
    claims.ok_or(TokenError::Part(NO_CLAIMS))
}

/// An object that all readers of JSON read alike.
fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match json::parse(text) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

/// Who is named by the claims of a token whose signature is good, if it is good at `now`.
pub(super) fn judge(
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Authenticated, TokenError> {
    let expires = time("exp", claims.get("exp"))?;
    let issued = time("iat", claims.get("iat"))?;
    if expires < issued {
        return Err(TokenError::Claim {
            claim: "exp",
            flaw: Flaw::BeforeIssue,
        });
    }
    let leeway = i64::try_from(TOKEN_LEEWAY.as_millis()).unwrap_or(i64::MAX);
    if now.0 >= expires.0.saturating_add(leeway) {
        return Err(TokenError::Expired);
    }
    let begins = match claims.get("nbf") {
        None => issued,
        some => time("nbf", some)?,
    };
    if now.0 < issued.max(begins).0.saturating_sub(leeway) {
        return Err(TokenError::NotYetValid);
    }
    let lifetime_max = i64::try_from(TOKEN_TTL_MAX.as_millis()).unwrap_or(i64::MAX);
    if expires.0.saturating_sub(issued.0) > lifetime_max {
        return Err(TokenError::Claim {
            claim: "exp",
            flaw: Flaw::Lifetime,
        });
    }
    check_issuer(claims.get("iss"))?;
    check_audience(claims.get("aud"))?;
    Ok(Authenticated {
        principal: principal(claims)?,
        expires,
    })
}

fn check_issuer(claim: Option<&Value>) -> Result<(), TokenError> {
    match text("iss", claim)? {
        ISSUER => Ok(()),
        _ => Err(TokenError::Issuer),
    }
}

/// One name, or a list of them (RFC 7519 §4.1.3).
fn check_audience(claim: Option<&Value>) -> Result<(), TokenError> {
    let names = match claim {
        Some(Value::String(name)) => Some(vec![name.as_str()]),
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect(),
        _ => None,
    };
    match names {
        Some(names) if names.contains(&AUDIENCE) => Ok(()),
        Some(_) => Err(TokenError::Audience),
        None => Err(wrong("aud", claim, "a text or a list of texts")),
    }
}

fn principal(claims: &Map<String, Value>) -> Result<Principal, TokenError> {
    let id = text("sub", claims.get("sub"))?;
    let name = match claims.get("name") {
        None => None,
        some => Some(text("name", some)?.to_owned()),
    };
    let listed = claims.get("roles");
    let roles: Option<BTreeSet<String>> = listed.and_then(|roles| {
        let roles = roles.as_array()?.iter();
        roles.map(|role| role.as_str().map(str::to_owned)).collect()
    });
    let principal = Principal {
        id: id.to_owned(),
        name,
        roles: roles.ok_or_else(|| wrong("roles", listed, TEXTS))?,
    };
    match flaw::of(&principal) {
        None => Ok(principal),
        Some((claim, flaw)) => Err(TokenError::Claim { claim, flaw }),
    }
}

fn text<'a>(name: &'static str, claim: Option<&'a Value>) -> Result<&'a str, TokenError> {
    let text = claim.and_then(Value::as_str);
    text.ok_or_else(|| wrong(name, claim, TEXT))
}

/// A NumericDate in milliseconds.
fn time(name: &'static str, claim: Option<&Value>) -> Result<Timestamp, TokenError> {
    match claim.and_then(Value::as_f64) {
        Some(seconds) if seconds.abs() <= SECONDS_MAX => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the bound lies far below the largest integer, and parts of a millisecond go"
            )]
            let milliseconds = (seconds * 1000.0).floor() as i64;
            Ok(Timestamp(milliseconds))
        }
        _ => Err(wrong(name, claim, TIME)),
    }
}

/// Says what a claim must be that is not there, or is something else.
fn wrong(claim: &'static str, given: Option<&Value>, form: &'static str) -> TokenError {
    let flaw = match given {
        None => Flaw::Missing(form),
        Some(_) => Flaw::Form(form),
    };
    TokenError::Claim { claim, flaw }
}
