//! Tokens: a signed statement of who the caller is.
//!
//! A token is a JWT (RFC 7519) signed with HS256 (RFC 7518) by the secret of the key file. Its
//! claims: `sub` (the principal's id), `name`, `roles`, `iat`, `exp`, `nbf`, and `iss` and `aud`,
//! which must be and include `indelible`. The algorithm is fixed here; the one a token names is only
//! compared.
//!
//! Invariant: a [`Principal`] from here is either anonymous or was signed by the secret, is not
//! expired and does not carry an id reserved for the server. Nothing of a token's claims is looked
//! at, or reported, before its signature was found good.

mod claims;
mod flaw;
mod hs256;
mod ids;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use indelible_engine::excerpt::Short;
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::clock;
use crate::config::{TOKEN_BYTES_MAX, TOKEN_TTL_MAX};
use crate::keys::Keys;

pub use flaw::Flaw;

const ISSUER: &str = "indelible";
const AUDIENCE: &str = "indelible";

/// The claims of tokens that we issue.
#[derive(Debug, Serialize)]
struct Claims {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    roles: BTreeSet<String>,
    iat: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// Somebody whose token was good, and until when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// Who it is.
    pub principal: Principal,
    /// When the token expires.
    pub expires: Timestamp,
}

/// Why a token is not taken. Says nothing of what is in a token that was not signed with this
/// server's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum TokenError {
    /// It is not a JWT.
    Malformed,
    /// It is longer than any that is looked at.
    TooLong,
    /// It names another algorithm, or none.
    Algorithm,
    /// Its header demands what this server does not know (RFC 7515 §4.1.11).
    Critical,
    /// It was not signed with this server's key.
    Signature,
    /// It was good once.
    Expired,
    /// It will be good.
    NotYetValid,
    /// Somebody else issued it.
    Issuer,
    /// It is for others.
    Audience,
    /// What lies between the dots is not what it has to be.
    Part(&'static str),
    /// A member of the header is not what it has to be.
    Header {
        /// Its name.
        member: &'static str,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A claim is missing, or is not what it has to be.
    Claim {
        /// Its name.
        claim: &'static str,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

impl TokenError {
    /// The stable name, for logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed | Self::TooLong | Self::Part(_) | Self::Header { .. } => {
                "token-malformed"
            }
            Self::Algorithm => "token-algorithm",
            Self::Critical => "token-critical",
            Self::Signature => "token-signature",
            Self::Expired => "token-expired",
            Self::NotYetValid => "token-not-yet-valid",
            Self::Issuer => "token-issuer",
            Self::Audience => "token-audience",
            Self::Claim { .. } => "token-claims",
        }
    }

    /// A sentence for the client that presents the token; short enough to close a connection with.
    pub fn text(self) -> Cow<'static, str> {
        let text = match self {
            Self::Malformed => "this is not a token: a JWT in compact form is expected",
            Self::TooLong => {
                return format!("the token is longer than {TOKEN_BYTES_MAX} bytes").into();
            }
            Self::Algorithm => "the token must be signed with HS256",
            Self::Critical => {
                "the token's header demands an extension (crit) that this server does not know"
            }
            Self::Signature => "the token is not signed with this server's key",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::Issuer => "the token's issuer (iss) is not \"indelible\"",
            Self::Audience => "the token's audience (aud) does not include \"indelible\"",
            Self::Part(text) => text,
            Self::Header { member, flaw } => {
                return format!("the header of the token: {member} {flaw}").into();
            }
            Self::Claim { claim, flaw } => return format!("the token: {claim} {flaw}").into(),
        };
        text.into()
    }
}

/// Why no token can be made for a principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The id is the server's own or that of strangers, or looks like it.
    #[error(
        "{:?} is reserved, or looks like \"system\" or \"anonymous\": nobody can sign in with it",
        Short(.0)
    )]
    Reserved(String),
    /// The id holds what people do not see.
    #[error(
        "the subject {:?} holds a blank, an invisible character or one that turns the text around",
        Short(.0)
    )]
    Hidden(String),
    /// A claim that is not what it has to be.
    #[error("{claim} {flaw}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A lifetime of nothing, or of too long.
    #[error("a token lives between one second and {} days", TOKEN_TTL_MAX.as_secs() / 86_400)]
    Lifetime,
    /// The token would be too long to be taken back.
    #[error("the token would be longer than {TOKEN_BYTES_MAX} bytes: give fewer or shorter roles")]
    TooLong,
}

/// Issues and checks tokens.
#[derive(Clone)]
pub struct Auth {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth(…)")
    }
}

impl Auth {
    /// Tokens signed with the secret of these keys.
    pub fn new(keys: &Keys) -> Self {
        install_hs256();
        // Claims are judged in `claims`: with fractions, with reasons, and all with one leeway.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            signing: EncodingKey::from_secret(keys.token_secret()),
            verifying: DecodingKey::from_secret(keys.token_secret()),
            validation,
        }
    }

    /// Checks a token against the system's clock.
    ///
    /// # Errors
    /// Says which of a few ways of being wrong, never what was in it.
    pub fn verify(&self, token: &str) -> Result<Authenticated, TokenError> {
        self.verify_at(token, clock::now())
    }

    fn verify_at(&self, token: &str, now: Timestamp) -> Result<Authenticated, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        claims::check_header(token)?;
        let decoded = jsonwebtoken::decode::<IgnoredAny>(token, &self.verifying, &self.validation);
        decoded.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            // Only claims are still unread once the signature is good.
            ErrorKind::Json(_) => TokenError::Part(claims::NO_CLAIMS),
            _ => TokenError::Malformed,
        })?;
        claims::judge(&claims::read(token)?, now)
    }

    /// Signs a token for a principal.
    ///
    /// # Errors
    /// When the principal's id is reserved, or a name or the lifetime is out of bounds.
    pub fn issue(
        &self,
        principal: &Principal,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<String, IssueError> {
        encoded(principal, now, ttl, &self.signing)
    }
}

/// Refuses claims that no token can be issued for, with any key.
///
/// # Errors
/// As [`Auth::issue`].
pub(crate) fn check_issue(
    principal: &Principal,
    now: Timestamp,
    ttl: Duration,
) -> Result<(), IssueError> {
    encoded(principal, now, ttl, &EncodingKey::from_secret(&[])).map(drop)
}

fn encoded(
    principal: &Principal,
    now: Timestamp,
    ttl: Duration,
    key: &EncodingKey,
) -> Result<String, IssueError> {
    install_hs256();
    check(principal)?;
    let seconds = i64::try_from(ttl.as_secs()).map_err(|_| IssueError::Lifetime)?;
    if seconds == 0 || ttl > TOKEN_TTL_MAX {
        return Err(IssueError::Lifetime);
    }
    let iat = now.0.div_euclid(1000);
    let claims = Claims {
        sub: principal.id.clone(),
        name: principal.name.clone(),
        roles: principal.roles.clone(),
        iat,
        exp: iat + seconds,
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
    };
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key)
        .expect("claims are plain JSON, and HMAC takes a key of any length");
    if token.len() > TOKEN_BYTES_MAX {
        Err(IssueError::TooLong)
    } else {
        Ok(token)
    }
}

fn install_hs256() {
    // A second call finds it installed already; nothing else in this process installs one.
    let _ = hs256::ALONE.install_default();
}

fn check(principal: &Principal) -> Result<(), IssueError> {
    if ids::looks_reserved(&principal.id) {
        return Err(IssueError::Reserved(principal.id.clone()));
    }
    match flaw::of(principal) {
        None => Ok(()),
        Some((_, Flaw::Hidden)) => Err(IssueError::Hidden(principal.id.clone())),
        Some((claim, flaw)) => Err(IssueError::Claim { claim, flaw }),
    }
}

#[cfg(test)]
mod tests;
