//! Tokens: who somebody is, signed.
//!
//! A token is a JWT (RFC 7519) signed with HS256 (RFC 7518) by the secret of the key file. Its
//! claims: `sub` (the principal's id), `name`, `roles`, `iat`, `exp`, and `iss` and `aud`, which
//! both must be `indelible`. The algorithm is fixed here; the one a token names is only compared.
//!
//! Invariant: a [`Principal`] from here is either anonymous or was signed by the secret, is not
//! expired and does not carry an id reserved for the server.
//! Must never know: what a role may do; connections; where tokens come from.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};

use indelible_engine::principal::{Principal, is_reserved_id};
use indelible_engine::time::Timestamp;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use signature::{Signer, Verifier};

use crate::config::{
    PRINCIPAL_ID_BYTES_MAX, PRINCIPAL_NAME_BYTES_MAX, ROLE_BYTES_MAX, ROLES_MAX, TOKEN_BYTES_MAX,
    TOKEN_LEEWAY, TOKEN_TTL_MAX,
};
use crate::keys::Keys;

const ISSUER: &str = "indelible";
const AUDIENCE: &str = "indelible";

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// Why a token is not taken. Says nothing about the token's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It was not signed with this server's key.
    #[error("the token is not signed with this server's key")]
    Signature,
    /// It is no JWT, or names another algorithm.
    #[error("this is not a token")]
    Malformed,
    /// A claim is missing or not what this server asks for.
    #[error("the token's claims are not for this server")]
    Claims,
}

impl TokenError {
    /// The stable name that clients go by.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "token-expired",
            Self::Signature => "token-signature",
            Self::Malformed => "token-malformed",
            Self::Claims => "token-claims",
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
        let _ = HMAC_ONLY.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = TOKEN_LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
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
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        // `decode` reads the header again, but would not tell a bad header from bad claims.
        match jsonwebtoken::decode_header(token) {
            Ok(header) if header.alg == Algorithm::HS256 => {}
            _ => return Err(TokenError::Malformed),
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation);
        let claims = decoded.map_err(|error| token_error(error.kind()))?.claims;
        let expires = claims
            .exp
            .checked_mul(1000)
            .map(Timestamp)
            .ok_or(TokenError::Claims)?;
        let principal = Principal {
            id: claims.sub,
            name: claims.name,
            roles: claims.roles,
        };
        check(&principal).map_err(|_| TokenError::Claims)?;
        Ok(Authenticated { principal, expires })
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

fn token_error(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::InvalidIssuer
        | ErrorKind::InvalidAudience
        | ErrorKind::InvalidSubject
        | ErrorKind::ImmatureSignature => TokenError::Claims,
        // The header was read before; what is left are the claims, read after the signature.
        ErrorKind::Json(error) if error.is_data() => TokenError::Claims,
        _ => TokenError::Malformed,
    }
}

/// HS256 and nothing else. The providers that come with `jsonwebtoken` bring RSA and elliptic
/// curves along, which no token of ours uses and which would only widen what can be attacked.
static HMAC_ONLY: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(HmacSha256::new(key.as_bytes()))),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(HmacSha256::new(key.try_get_as_bytes()?))),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct HmacSha256(Hmac<Sha256>);

impl HmacSha256 {
    fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }
}

impl Signer<Vec<u8>> for HmacSha256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self
            .0
            .clone()
            .chain_update(message)
            .finalize()
            .into_bytes()
            .to_vec())
    }
}

impl Verifier<Vec<u8>> for HmacSha256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0
            .clone()
            .chain_update(message)
            .verify_slice(signature)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    //! Guards against tokens that are taken although they are forged, stale or meant for others.

    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

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
        for bad in ["", "a", "a.b.c", "....", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(auth_here.verify(bad), Err(TokenError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn the_algorithm_is_not_the_token_s_choice() {
        let dir = tempfile::tempdir().unwrap();
        let auth = auth(&dir);
        let claims = format!(
            r#"{{"sub":"a","roles":[],"iat":0,"exp":{},"iss":"indelible","aud":"indelible"}}"#,
            now().0 / 1000 + 60
        );
        assert!(
            auth.verify(&signed(&auth, r#"{"alg":"HS256"}"#, &claims))
                .is_ok()
        );
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            "{}",
        ] {
            let token = signed(&auth, header, &claims);
            assert_eq!(auth.verify(&token), Err(TokenError::Malformed), "{header}");
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            assert_eq!(
                auth.verify(&unsigned),
                Err(TokenError::Malformed),
                "{header}"
            );
        }
    }

    #[test]
    fn every_claim_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let auth = auth(&dir);
        let good = serde_json::json!({
            "sub": "a", "roles": ["editor"], "iat": 0, "exp": now().0 / 1000 + 60,
            "iss": "indelible", "aud": "indelible",
        });
        let verify = |claims: &serde_json::Value| {
            auth.verify(&signed(&auth, r#"{"alg":"HS256"}"#, &claims.to_string()))
        };
        assert!(verify(&good).is_ok());
        for claim in ["sub", "roles", "iat", "exp", "iss", "aud"] {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(claim);
            assert_eq!(verify(&claims), Err(TokenError::Claims), "without {claim}");
        }
        for (claim, bad) in [
            ("iss", "somebody"),
            ("aud", "something"),
            ("sub", "system"),
            ("sub", "anonymous"),
            ("sub", ""),
            ("sub", "a\u{0}b"),
            ("name", "a\nb"),
        ] {
            let mut claims = good.clone();
            claims[claim] = bad.into();
            assert_eq!(
                verify(&claims),
                Err(TokenError::Claims),
                "{claim} = {bad:?}"
            );
        }
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
