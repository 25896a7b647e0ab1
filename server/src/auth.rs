//! Tokens: who somebody is, signed.
//!
//! A token is a JWT (RFC 7519) signed with HS256 (RFC 7518) by the secret of the key file. Its
//! claims: `sub` (the principal's id), `name`, `roles`, `iat`, `exp`, `nbf`, and `iss` and `aud`,
//! which must be and include `indelible`. The algorithm is fixed here; the one a token names is only
//! compared.
//!
//! Invariant: a [`Principal`] from here is either anonymous or was signed by the secret, is not
//! expired and does not carry an id reserved for the server. Nothing of a token's claims is looked
//! at, or reported, before its signature was found good.
//! Must never know: what a role may do; connections; where tokens come from.

mod claims;
mod hs256;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use indelible_engine::principal::{Principal, is_reserved_id};
use indelible_engine::time::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock;
use crate::config::{
    PRINCIPAL_ID_BYTES_MAX, PRINCIPAL_NAME_BYTES_MAX, ROLE_BYTES_MAX, ROLES_MAX, TOKEN_BYTES_MAX,
    TOKEN_TTL_MAX,
};
use crate::keys::Keys;

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
    /// It is no JWT.
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
    /// A claim is missing, or is not what it has to be: a sentence that names it.
    Claim(&'static str),
}

impl TokenError {
    /// The stable name, for logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed | Self::TooLong => "token-malformed",
            Self::Algorithm => "token-algorithm",
            Self::Critical => "token-critical",
            Self::Signature => "token-signature",
            Self::Expired => "token-expired",
            Self::NotYetValid => "token-not-yet-valid",
            Self::Issuer => "token-issuer",
            Self::Audience => "token-audience",
            Self::Claim(_) => "token-claims",
        }
    }

    /// A sentence for whoever presents the token; short enough to close a connection with.
    pub fn text(self) -> &'static str {
        match self {
            Self::Malformed => "this is not a token: a JWT in compact form is expected",
            Self::TooLong => "the token is too long",
            Self::Algorithm => "the token must be signed with HS256",
            Self::Critical => {
                "the token's header demands an extension (crit) that this server does not know"
            }
            Self::Signature => "the token is not signed with this server's key",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::Issuer => "the token's issuer (iss) is not \"indelible\"",
            Self::Audience => "the token's audience (aud) does not include \"indelible\"",
            Self::Claim(text) => text,
        }
    }
}

/// Why no token can be made for a principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The id is the server's own or that of strangers.
    #[error("{0:?} is reserved: nobody can sign in with it")]
    Reserved(String),
    /// Empty, too long or with control characters.
    #[error("the {what} must be 1 to {bytes_max} bytes without control characters")]
    Text {
        /// "subject", "name", "role".
        what: &'static str,
        /// How long it may be.
        bytes_max: usize,
    },
    /// More roles than one principal may have.
    #[error("a principal has at most {ROLES_MAX} roles")]
    TooManyRoles,
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
        // A second call finds it installed already, and nobody else in this process installs one.
        let _ = hs256::ALONE.install_default();
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
        let decoded =
            jsonwebtoken::decode::<Map<String, Value>>(token, &self.verifying, &self.validation);
        let found = decoded.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            _ => TokenError::Malformed,
        })?;
        let authenticated = claims::judge(&found.claims, now)?;
        check(&authenticated.principal).map_err(|_| {
            TokenError::Claim("nobody can sign in with the sub, name or roles of this token")
        })?;
        Ok(authenticated)
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
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("claims are plain JSON, and HMAC takes a key of any length");
        if token.len() > TOKEN_BYTES_MAX {
            Err(IssueError::TooLong)
        } else {
            Ok(token)
        }
    }
}

fn check(principal: &Principal) -> Result<(), IssueError> {
    if is_reserved_id(&principal.id) {
        return Err(IssueError::Reserved(principal.id.clone()));
    }
    check_text("subject", &principal.id, PRINCIPAL_ID_BYTES_MAX)?;
    if let Some(name) = &principal.name {
        check_text("name", name, PRINCIPAL_NAME_BYTES_MAX)?;
    }
    if principal.roles.len() > ROLES_MAX {
        return Err(IssueError::TooManyRoles);
    }
    principal
        .roles
        .iter()
        .try_for_each(|role| check_text("role", role, ROLE_BYTES_MAX))
}

fn check_text(what: &'static str, text: &str, bytes_max: usize) -> Result<(), IssueError> {
    if text.is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(IssueError::Text { what, bytes_max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Guards against tokens that are taken although they are forged, stale or meant for others.

    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use signature::Signer;

    use super::hs256::HmacSha256;
    use super::*;
    use crate::config::TOKEN_LEEWAY;

    fn auth(dir: &tempfile::TempDir) -> Auth {
        Auth::new(&Keys::open_or_create(dir.path()).unwrap())
    }

    fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp(since.as_millis().try_into().unwrap())
    }

    fn alice() -> Principal {
        Principal {
            name: Some("Alice".into()),
            ..Principal::new("alice", ["editor", "viewer"])
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    /// A token with these parts, signed with the server's own key.
    fn signed(auth: &Auth, header: &str, claims: &str) -> String {
        let text = |part: &str| URL_SAFE_NO_PAD.encode(part);
        let message = format!("{}.{}", text(header), text(claims));
        let signature = HmacSha256::new(auth.signing.as_bytes()).sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn a_token_brings_back_its_principal() {
        let dir = tempfile::tempdir().unwrap();
        let now = now();
        let token = auth(&dir).issue(&alice(), now, HOUR).unwrap();
        let found = auth(&dir).verify(&token).unwrap();
        assert_eq!(found.principal, alice());
        assert_eq!(found.expires.0, (now.0 / 1000 + 3600) * 1000);
    }

    #[test]
    fn forged_and_stale_tokens_are_told_apart() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let auth_here = auth(&dir);
        let old = Timestamp(now().0 - 2 * 3_600_000);
        let token = |auth: &Auth, at| auth.issue(&alice(), at, HOUR).unwrap();
        assert_eq!(
            auth_here.verify(&token(&auth_here, old)),
            Err(TokenError::Expired)
        );
        assert_eq!(
            auth_here.verify(&token(&auth(&other), now())),
            Err(TokenError::Signature)
        );
        // An expired token with a bad signature must not be told that it has expired.
        assert_eq!(
            auth_here.verify(&token(&auth(&other), old)),
            Err(TokenError::Signature)
        );
        let long = "x".repeat(TOKEN_BYTES_MAX + 1);
        assert_eq!(auth_here.verify(&long), Err(TokenError::TooLong));
        for bad in ["", "a", "a.b.c", "...."] {
            assert_eq!(auth_here.verify(bad), Err(TokenError::Malformed), "{bad:?}");
        }
        let whole = token(&auth_here, now());
        let claims = whole.split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        for bad in [format!("{header}.{claims}"), format!("{whole}.x")] {
            assert_eq!(
                auth_here.verify(&bad),
                Err(TokenError::Malformed),
                "{bad:?}"
            );
        }
        assert_eq!(
            auth_here.verify(&format!("{header}.{claims}.")),
            Err(TokenError::Signature)
        );
        for bad in ["[]", "5", "\"x\"", "null", "{", ""] {
            assert_eq!(
                auth_here.verify(&signed(&auth_here, HS256, bad)),
                Err(TokenError::Malformed),
                "{bad:?}"
            );
        }
    }

    const HS256: &str = r#"{"alg":"HS256"}"#;

    #[test]
    fn the_header_says_hs256_and_demands_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let auth = auth(&dir);
        let claims = good(now()).to_string();
        let malformed = TokenError::Malformed;
        for (header, outcome) in [
            (HS256, None),
            (r#"{"alg":"HS256","typ":"JWT","kid":"any"}"#, None),
            (r#"{"alg":"none"}"#, Some(TokenError::Algorithm)),
            (r#"{"alg":"HS512"}"#, Some(TokenError::Algorithm)),
            (r#"{"alg":"RS256"}"#, Some(TokenError::Algorithm)),
            (r#"{"alg":"hs256"}"#, Some(TokenError::Algorithm)),
            (r#"{"alg":"Unheard"}"#, Some(TokenError::Algorithm)),
            (r#"{"alg":["HS256"]}"#, Some(TokenError::Algorithm)),
            ("{}", Some(TokenError::Algorithm)),
            (
                r#"{"alg":"HS256","crit":["b64"],"b64":true}"#,
                Some(TokenError::Critical),
            ),
            (
                r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
                Some(TokenError::Critical),
            ),
            (
                r#"{"alg":"HS256","crit":["alg"]}"#,
                Some(TokenError::Critical),
            ),
            (r#"{"alg":"HS256","crit":[]}"#, Some(malformed)),
            (r#"{"alg":"HS256","crit":null}"#, Some(malformed)),
            (r#"{"alg":"HS256","crit":"b64"}"#, Some(malformed)),
            (r#"{"alg":"HS256","crit":[1]}"#, Some(malformed)),
            ("[]", Some(malformed)),
            ("{", Some(malformed)),
        ] {
            let token = signed(&auth, header, &claims);
            assert_eq!(auth.verify(&token).err(), outcome, "{header}");
            // The same without a signature is no better.
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            let outcome = outcome.unwrap_or(TokenError::Signature);
            assert_eq!(auth.verify(&unsigned), Err(outcome), "{header}");
        }
    }

    /// The claims of a token that is good at `now`.
    fn good(now: Timestamp) -> Value {
        serde_json::json!({
            "sub": "a", "roles": ["editor"], "iat": 0, "exp": now.0 / 1000 + 60,
            "iss": "indelible", "aud": "indelible",
        })
    }

    #[test]
    fn every_claim_is_asked_for_and_the_answer_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let auth = auth(&dir);
        let verify = |claims: &Value| auth.verify(&signed(&auth, HS256, &claims.to_string()));
        assert!(verify(&good(now())).is_ok());
        let names = |outcome: Result<Authenticated, TokenError>, claim: &str| {
            let error = outcome.expect_err(claim);
            assert!(matches!(error, TokenError::Claim(_)), "{claim}: {error}");
            assert!(error.to_string().contains(claim), "{claim}: {error}");
        };
        for claim in ["sub", "roles", "iat", "exp", "iss", "aud"] {
            let mut claims = good(now());
            claims.as_object_mut().unwrap().remove(claim);
            names(verify(&claims), claim);
        }
        for (claim, bad) in [
            ("sub", serde_json::json!(5)),
            ("name", serde_json::json!({})),
            ("roles", serde_json::json!("editor")),
            ("roles", serde_json::json!(["editor", 1])),
            ("iat", serde_json::json!("0")),
            ("exp", serde_json::json!("9999999999")),
            ("exp", serde_json::json!(1e300)),
            ("exp", Value::Null),
            ("nbf", serde_json::json!("0")),
            ("nbf", Value::Null),
            ("iss", serde_json::json!(["indelible"])),
            ("aud", serde_json::json!({})),
            ("aud", serde_json::json!(["indelible", 5])),
        ] {
            let mut claims = good(now());
            claims[claim] = bad;
            names(verify(&claims), claim);
        }
        for (claim, bad) in [
            ("sub", "system"),
            ("sub", "anonymous"),
            ("sub", ""),
            ("sub", "a\u{0}b"),
            ("name", "a\nb"),
        ] {
            let mut claims = good(now());
            claims[claim] = bad.into();
            let refused = verify(&claims);
            assert!(
                matches!(refused, Err(TokenError::Claim(_))),
                "{claim} = {bad:?}"
            );
        }
    }

    #[test]
    fn issuer_and_audience_are_us() {
        let dir = tempfile::tempdir().unwrap();
        let auth = auth(&dir);
        for (claim, value, outcome) in [
            ("aud", serde_json::json!(["other", "indelible"]), None),
            ("aud", serde_json::json!(["indelible"]), None),
            (
                "aud",
                serde_json::json!("other"),
                Some(TokenError::Audience),
            ),
            (
                "aud",
                serde_json::json!(["other"]),
                Some(TokenError::Audience),
            ),
            ("aud", serde_json::json!([]), Some(TokenError::Audience)),
            (
                "aud",
                serde_json::json!("Indelible"),
                Some(TokenError::Audience),
            ),
            ("iss", serde_json::json!("other"), Some(TokenError::Issuer)),
            ("iss", serde_json::json!(""), Some(TokenError::Issuer)),
        ] {
            let mut claims = good(now());
            claims[claim] = value.clone();
            let token = signed(&auth, HS256, &claims.to_string());
            assert_eq!(auth.verify(&token).err(), outcome, "{claim} = {value}");
        }
    }

    /// One leeway, whether clocks are too fast or too slow, and times in fractions of a second.
    #[test]
    fn times_are_exact_and_have_one_leeway() {
        let dir = tempfile::tempdir().unwrap();
        let auth = auth(&dir);
        let leeway = i64::try_from(TOKEN_LEEWAY.as_millis()).unwrap();
        let at = Timestamp(1_800_000_000_500);
        for (claim, seconds, now, outcome) in [
            ("exp", 1_800_000_000.5, at.0 + leeway - 1, None),
            (
                "exp",
                1_800_000_000.5,
                at.0 + leeway,
                Some(TokenError::Expired),
            ),
            ("nbf", 1_800_000_000.5, at.0 - leeway, None),
            (
                "nbf",
                1_800_000_000.5,
                at.0 - leeway - 1,
                Some(TokenError::NotYetValid),
            ),
            ("iat", 1_800_000_000.5, at.0 - leeway, None),
            (
                "iat",
                1_800_000_000.5,
                at.0 - leeway - 1,
                Some(TokenError::NotYetValid),
            ),
            ("nbf", 0.25, at.0, None),
            ("iat", -1.5, at.0, None),
            ("exp", -1.5, at.0, Some(TokenError::Expired)),
        ] {
            let now = Timestamp(now);
            let mut claims = good(now);
            claims[claim] = seconds.into();
            let token = signed(&auth, HS256, &claims.to_string());
            assert_eq!(
                auth.verify_at(&token, now).err(),
                outcome,
                "{claim} {now:?}"
            );
        }
        let mut claims = good(at);
        claims["exp"] = 1_800_000_060.25.into();
        let token = signed(&auth, HS256, &claims.to_string());
        let found = auth.verify_at(&token, at).unwrap();
        assert_eq!(found.expires, Timestamp(1_800_000_060_250));
    }

    #[test]
    fn nobody_gets_a_token_as_the_server_itself() {
        let dir = tempfile::tempdir().unwrap();
        let issue = |principal: &Principal, ttl| auth(&dir).issue(principal, now(), ttl);
        assert!(matches!(
            issue(&Principal::system(), HOUR),
            Err(IssueError::Reserved(_))
        ));
        assert!(matches!(
            issue(&Principal::anonymous(), HOUR),
            Err(IssueError::Reserved(_))
        ));
        assert_eq!(issue(&alice(), Duration::ZERO), Err(IssueError::Lifetime));
        assert_eq!(
            issue(&alice(), TOKEN_TTL_MAX * 2),
            Err(IssueError::Lifetime)
        );
        let crowd = Principal::new("a", (0..=ROLES_MAX).map(|n| n.to_string()));
        assert_eq!(issue(&crowd, HOUR), Err(IssueError::TooManyRoles));
    }
}
