//! What a token says, and whether it is for this server and of this time.
//!
//! Times are NumericDates (RFC 7519 §2), which may have fractions, and all have one leeway.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use serde_json::{Map, Value};

use super::{AUDIENCE, Authenticated, ISSUER, TokenError};
use crate::config::{TOKEN_LEEWAY, TOKEN_TTL_MAX};

/// The last time that has a date in every language that reads it, in seconds.
const SECONDS_MAX: f64 = 8.64e12;

/// Checks what the header asks for: HS256, and nothing that must be understood (RFC 7515 §4.1.11).
pub(super) fn check_header(token: &str) -> Result<(), TokenError> {
    let part = token.split('.').next().unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed)?;
    let header: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)?;
    if header.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(TokenError::Algorithm);
    }
    match header.get("crit") {
        None => Ok(()),
        // We know no extension, and those of the RFC itself may not be listed.
        Some(Value::Array(names)) if !names.is_empty() && names.iter().all(Value::is_string) => {
            Err(TokenError::Critical)
        }
        Some(_) => Err(TokenError::Malformed),
    }
}

/// Who is named by the claims of a token whose signature is good, if it is good at `now`.
pub(super) fn judge(
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Authenticated, TokenError> {
    let expires = time(
        claims.get("exp"),
        "the token does not say when it ends (exp, a number of seconds)",
    )?;
    let leeway = i64::try_from(TOKEN_LEEWAY.as_millis()).unwrap_or(i64::MAX);
    if now.0 >= expires.0.saturating_add(leeway) {
        return Err(TokenError::Expired);
    }
    let issued = time(
        claims.get("iat"),
        "the token does not say when it was issued (iat, a number of seconds)",
    )?;
    let begins = match claims.get("nbf") {
        None => issued,
        some => time(
            some,
            "the token does not say when it begins by a number of seconds (nbf)",
        )?,
    };
    if now.0 < issued.max(begins).0.saturating_sub(leeway) {
        return Err(TokenError::NotYetValid);
    }
    let lifetime_max = i64::try_from(TOKEN_TTL_MAX.as_millis()).unwrap_or(i64::MAX);
    if expires.0.saturating_sub(issued.0) > lifetime_max {
        return Err(TokenError::Claim(
            "the token lives longer than 366 days, from iat to exp",
        ));
    }
    check_issuer(claims.get("iss"))?;
    check_audience(claims.get("aud"))?;
    Ok(Authenticated {
        principal: principal(claims)?,
        expires,
    })
}

fn check_issuer(claim: Option<&Value>) -> Result<(), TokenError> {
    match claim.and_then(Value::as_str) {
        Some(ISSUER) => Ok(()),
        Some(_) => Err(TokenError::Issuer),
        None => Err(TokenError::Claim(
            "the token does not say who issued it (iss, a text)",
        )),
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
        None => Err(TokenError::Claim(
            "the token does not say whom it is for (aud, a text or a list of texts)",
        )),
    }
}

fn principal(claims: &Map<String, Value>) -> Result<Principal, TokenError> {
    let id = claims.get("sub").and_then(Value::as_str);
    let id = id.ok_or(TokenError::Claim(
        "the token does not say who presents it (sub, a text)",
    ))?;
    let name = match claims.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err(TokenError::Claim("the name in the token is no text (name)")),
    };
    let roles: Option<BTreeSet<String>> = claims.get("roles").and_then(|roles| {
        let roles = roles.as_array()?.iter();
        roles.map(|role| role.as_str().map(str::to_owned)).collect()
    });
    let roles = roles.ok_or(TokenError::Claim(
        "the token does not list roles (roles, a list of texts)",
    ))?;
    Ok(Principal {
        id: id.to_owned(),
        name,
        roles,
    })
}

/// A NumericDate in milliseconds.
fn time(claim: Option<&Value>, wrong: &'static str) -> Result<Timestamp, TokenError> {
    let seconds = claim.and_then(Value::as_f64);
    match seconds {
        Some(seconds) if seconds.abs() <= SECONDS_MAX => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the bound lies far below the largest integer, and parts of a millisecond go"
            )]
            let milliseconds = (seconds * 1000.0).floor() as i64;
            Ok(Timestamp(milliseconds))
        }
        _ => Err(TokenError::Claim(wrong)),
    }
}
