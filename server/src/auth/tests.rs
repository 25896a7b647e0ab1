//! Guards against tokens that are taken although they are forged, stale or meant for others.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use serde_json::{Value, json};
use signature::Signer;

use super::hs256::HmacSha256;
use super::*;
use crate::config::{ROLES_MAX, TOKEN_LEEWAY};

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
    // An expired token with a bad signature must not learn that it has expired.
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
    for bad in [
        "[]",
        "5",
        "\"x\"",
        "null",
        "{",
        "",
        r#"{"exp":1e400}"#,
        r#"{"exp":NaN}"#,
        r#"{"roles":[],"roles":["admin"]}"#,
        r#"{"exp":1,"exp":2}"#,
        r#"{"name":"\ud800"}"#,
    ] {
        assert_eq!(
            auth_here.verify(&signed(&auth_here, HS256, bad)),
            Err(TokenError::Part(claims::NO_CLAIMS)),
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
            r#"{"alg":"none","alg":"HS256"}"#,
            Some(TokenError::Part(claims::NO_HEADER)),
        ),
        (
            r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
            Some(TokenError::Part(claims::NO_HEADER)),
        ),
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
    json!({
        "sub": "a", "roles": ["editor"], "iat": now.0 / 1000 - 60, "exp": now.0 / 1000 + 60,
        "iss": "indelible", "aud": "indelible",
    })
}

#[test]
fn what_is_wrong_with_a_header_is_said_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let auth = auth(&dir);
    let claims = good(now()).to_string();
    let crit =
        "the header of the token: crit must be a list of one or more texts where it is given";
    let no_header = claims::NO_HEADER;
    for (header, sentence) in [
        (r#"{"alg":"HS256","crit":[]}"#, crit),
        (r#"{"alg":"HS256","crit":null}"#, crit),
        (r#"{"alg":"HS256","crit":"b64"}"#, crit),
        (r#"{"alg":"HS256","crit":[1]}"#, crit),
        (
            r#"{"alg":"HS256","typ":5}"#,
            "the header of the token: typ must be a text",
        ),
        (
            r#"{"alg":"HS256","typ":null}"#,
            "the header of the token: typ must be a text",
        ),
        (
            r#"{"alg":"HS256","x5c":null}"#,
            "the header of the token: x5c must be a list of texts",
        ),
        (
            r#"{"alg":"HS256","kid":["a"]}"#,
            "the header of the token: kid must be a text",
        ),
        (
            r#"{"alg":"HS256","x5c":"a"}"#,
            "the header of the token: x5c must be a list of texts",
        ),
        (
            r#"{"alg":"HS256","jwk":1}"#,
            "the header of the token: jwk must be a key as RFC 7517 says it",
        ),
        ("[]", no_header),
        ("{", no_header),
    ] {
        let refused = auth.verify(&signed(&auth, header, &claims)).unwrap_err();
        assert_eq!(refused.to_string(), sentence, "{header}");
        assert_eq!(refused.code(), "token-malformed");
    }
    // What we know nothing of is passed over (RFC 7515 §4).
    let header = r#"{"alg":"HS256","ours":{"a":[1]},"theirs":null}"#;
    assert!(auth.verify(&signed(&auth, header, &claims)).is_ok());
}

const TIME: &str = "a number of seconds since 1970, at most 8640000000000 from there";

/// Whoever makes tokens by a program of their own reads which claim is wrong, and its bound.
#[test]
fn every_claim_is_asked_for_and_the_answer_names_it_and_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let auth = auth(&dir);
    let verify = |claims: &Value| auth.verify(&signed(&auth, HS256, &claims.to_string()));
    assert!(verify(&good(now())).is_ok());
    for (claim, form) in [
        ("sub", "a text"),
        ("roles", "a list of texts"),
        ("iat", TIME),
        ("exp", TIME),
        ("iss", "a text"),
        ("aud", "a text or a list of texts"),
    ] {
        let mut claims = good(now());
        claims.as_object_mut().unwrap().remove(claim);
        let expected = format!("the token: {claim} is missing: it must be {form}");
        assert_eq!(verify(&claims).unwrap_err().to_string(), expected);
    }
    let time = format!("must be {TIME}");
    let crowd: Vec<String> = (0..=ROLES_MAX).map(|n| n.to_string()).collect();
    let reserved = "must not be a name that is reserved for the server";
    let hidden = "must have no blank, no invisible character and none that turns the text around";
    let control = "must have no control characters";
    for (claim, bad, flaw) in [
        ("sub", json!(5), "must be a text"),
        ("sub", Value::Null, "must be a text"),
        ("sub", json!(""), "must not be empty"),
        ("sub", json!("x".repeat(129)), "must have at most 128 bytes"),
        ("sub", json!("é".repeat(65)), "must have at most 128 bytes"),
        ("sub", json!("a\u{0}b"), control),
        ("sub", json!("system"), reserved),
        ("sub", json!("anonymous"), reserved),
        ("sub", json!("System"), reserved),
        ("sub", json!("ada "), hidden),
        ("sub", json!("a\u{200b}da"), hidden),
        ("sub", json!("\u{202e}ada"), hidden),
        ("name", json!({}), "must be a text"),
        ("name", Value::Null, "must be a text"),
        ("name", json!(""), "must not be empty"),
        (
            "name",
            json!("x".repeat(129)),
            "must have at most 128 bytes",
        ),
        ("name", json!("a\nb"), control),
        ("roles", json!("editor"), "must be a list of texts"),
        ("roles", json!(["editor", 1]), "must be a list of texts"),
        ("roles", Value::Null, "must be a list of texts"),
        ("roles", json!(crowd), "must have at most 64 entries"),
        ("each of roles", json!([""]), "must not be empty"),
        (
            "each of roles",
            json!(["x".repeat(65)]),
            "must have at most 64 bytes",
        ),
        ("iat", json!("0"), time.as_str()),
        ("iat", json!(-8.7e12), &time),
        ("exp", json!("9999999999"), &time),
        ("exp", json!("NaN"), &time),
        ("exp", json!(1e300), &time),
        ("exp", json!(-1e300), &time),
        ("exp", json!(8_640_000_000_001_i64), &time),
        ("exp", json!(true), &time),
        ("exp", Value::Null, &time),
        ("nbf", json!("0"), &time),
        ("nbf", json!(1e300), &time),
        ("nbf", Value::Null, &time),
        ("iss", json!(["indelible"]), "must be a text"),
        ("aud", json!({}), "must be a text or a list of texts"),
        (
            "aud",
            json!(["indelible", 5]),
            "must be a text or a list of texts",
        ),
    ] {
        let mut claims = good(now());
        claims[claim.trim_start_matches("each of ")] = bad.clone();
        let refused = verify(&claims).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("the token: {claim} {flaw}"),
            "{bad}"
        );
        assert_eq!(refused.code(), "token-claims");
    }
}

/// A WebSocket is closed with the sentence, for which there are 123 bytes.
#[test]
fn every_sentence_fits_in_a_close_frame() {
    let dir = tempfile::tempdir().unwrap();
    let auth = auth(&dir);
    for claim in ["sub", "roles", "iat", "exp", "nbf", "iss", "aud", "name"] {
        for bad in [Value::Null, json!(["", 5]), json!(1e300), json!({})] {
            let mut claims = good(now());
            claims[claim] = bad;
            if let Err(error) = auth.verify(&signed(&auth, HS256, &claims.to_string())) {
                assert!(error.text().len() <= 123, "{error}");
            }
        }
    }
    for header in [
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","jwk":1}"#,
        "5",
    ] {
        let error = auth.verify(&signed(&auth, header, "{}")).unwrap_err();
        assert!(error.text().len() <= 123, "{error}");
    }
    let error = auth.verify(&signed(&auth, HS256, "5")).unwrap_err();
    assert!(error.text().len() <= 123, "{error}");
}

#[test]
fn issuer_and_audience_are_us() {
    let dir = tempfile::tempdir().unwrap();
    let auth = auth(&dir);
    for (claim, value, outcome) in [
        ("aud", json!(["other", "indelible"]), None),
        ("aud", json!(["indelible"]), None),
        ("aud", json!("other"), Some(TokenError::Audience)),
        ("aud", json!(["other"]), Some(TokenError::Audience)),
        ("aud", json!([]), Some(TokenError::Audience)),
        ("aud", json!("Indelible"), Some(TokenError::Audience)),
        ("iss", json!("other"), Some(TokenError::Issuer)),
        ("iss", json!(""), Some(TokenError::Issuer)),
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
        ("exp", -1.5, at.0, Some(TokenError::Expired)),
    ] {
        let now = Timestamp(now);
        let mut claims = good(now);
        claims[claim] = seconds.into();
        if claim == "exp" {
            claims["iat"] = (seconds - 1.0).into();
        }
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

/// A token that was made with a lifetime below zero would be good for as long as the leeway.
#[test]
fn a_token_that_ends_before_it_was_made_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let auth = auth(&dir);
    let now = now().0 / 1000;
    for (iat, exp, taken) in [
        (now, now, true),
        (now, now - 1, false),
        (now + 5, now + 4, false),
        (now, now - 3600, false),
        (now + 3600, now + 60, false),
    ] {
        let mut claims = good(Timestamp(now * 1000));
        (claims["iat"], claims["exp"]) = (iat.into(), exp.into());
        let outcome = auth.verify(&signed(&auth, HS256, &claims.to_string()));
        assert_eq!(outcome.is_ok(), taken, "{iat} {exp}: {outcome:?}");
        if let Err(error) = outcome {
            let said = "exp must not lie before iat";
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

/// Whoever has the key can write any time into a token, and slips by a factor of a thousand.
#[test]
fn a_token_that_lives_too_long_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let auth = auth(&dir);
    let now = now().0 / 1000;
    let year = i64::try_from(TOKEN_TTL_MAX.as_secs()).unwrap();
    for (iat, exp, taken) in [
        (now, now + year, true),
        (now, now + year + 1, false),
        (now - 10, now + year - 10, true),
        (0, now + 60, false),
        (now, 9_999_999_999, false),
        (now, now * 1000, false),
    ] {
        let mut claims = good(Timestamp(now * 1000));
        (claims["iat"], claims["exp"]) = (iat.into(), exp.into());
        let outcome = auth.verify(&signed(&auth, HS256, &claims.to_string()));
        assert_eq!(outcome.is_ok(), taken, "{iat} {exp}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("366 days"), "{error}");
        }
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
    let refused = issue(&crowd, HOUR).unwrap_err().to_string();
    assert_eq!(refused, "roles must have at most 64 entries");
    let refused = issue(&Principal::new("x".repeat(129), ["a"]), HOUR).unwrap_err();
    assert_eq!(refused.to_string(), "sub must have at most 128 bytes");
}
