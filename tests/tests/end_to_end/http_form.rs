//! Guards against requests that are taken for others than they are: a parameter, condition or header
//! that protects and is passed over; and against failures that speak in other words than ours.

use serde_json::json;

use super::harness::{Answer, Running};
use super::raw_socket::raw;

pub(super) fn detail(answer: &Answer) -> &str {
    answer.body["detail"].as_str().unwrap_or_default()
}

pub(super) fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (status, &json!(code)),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

pub(super) async fn development() -> Running {
    Running::with(|config| {
        config.mode = indelible_server::config::Mode::Development;
    })
    .await
}

#[tokio::test]
async fn parameters_that_are_not_known_are_refused() {
    let server = development().await;
    let http = server.http_as("ada", &["editor"]);
    let before = http.get("/api/site").await;
    for (asked, told) in [
        ("PUT /api/site?bsae=x", "\"bsae\": is it base?"),
        ("PUT /api/site?Base=x", "\"Base\": is it base?"),
        ("PUT /api/site?preserv=title", "is it preserve?"),
        ("PUT /api/site?base=x&base=y", "base is given twice"),
        ("PUT /api/site?limit=1", "\"limit\""),
        (
            "PUT /api/page/home?whole=1",
            "taken here: base, preserve, remove",
        ),
        ("POST /api/page?idd=x", "is it id?"),
        ("POST /api/page?id=x&id=x", "id is given twice"),
        ("POST /api/page?base=x", "\"base\""),
        ("GET /api/page?limt=1", "is it limit?"),
        ("GET /api/page?limit=1&limit=2", "limit is given twice"),
        ("GET /api/site?limit=1", "none is taken here"),
        ("GET /api/%73ite?limit=1", "none is taken here"),
        ("GET /api/page/home?after=a", "none is taken here"),
        ("HEAD /api/page?limt=1", ""),
        ("DELETE /api/page/home?base=x", "none is taken here"),
        ("POST /api/page/home/undelete?x", "\"x\""),
        ("POST /dev/token?name=x", "none is taken here"),
        ("OPTIONS /api/site?bsae=x", "\"bsae\": is it base?"),
        ("OPTIONS /api/page?limit=1&idd=x", "is it id?"),
        ("OPTIONS /api/page/home?after=x", "\"after\""),
        ("OPTIONS /sync?token=x", "\"token\""),
        ("OPTIONS /dev/token?name=x", "none is taken here"),
        ("OPTIONS /healthz?verbose", "\"verbose\""),
        ("OPTIONS /api/site?base=%zz", "hexadecimal"),
        ("GET /sync?token=x", "\"token\""),
        ("GET /healthz?verbose", "\"verbose\""),
        ("GET /readyz?x=1", "\"x\""),
        ("PUT /api/site?base=%zz", "hexadecimal"),
        ("PUT /api/site?base=%ff", "UTF-8"),
        ("GET /api/page?limit=many", "limit is a number from 1 to"),
        ("GET /api/page?limit=0", "limit is a number from 1 to"),
    ] {
        let (method, path) = asked.split_once(' ').unwrap();
        let body = matches!(method, "PUT" | "POST").then(|| json!({ "title": "Changed" }));
        let answer = http.send(method, path, &[], body).await;
        if method == "HEAD" {
            assert_eq!(answer.status, 400, "{path}");
            continue;
        }
        assert_problem(&answer, 400, "bad-request");
        assert!(detail(&answer).contains(told), "{path}: {answer:?}");
    }
    let after = http.get("/api/site").await;
    assert_eq!(
        (after.header("etag"), after.body.clone()),
        (before.header("etag"), before.body.clone())
    );
    // Pages have parameters of their own.
    assert_ne!(http.get("/demo/site?lang=fr").await.status, 400);
    // What a browser asks before it sends is not refused: its page would not learn why.
    let preflight = [("access-control-request-method", "PUT")];
    for (path, headers) in [
        ("/api/site?base=x", &[][..]),
        ("/api/page?limit=1&id=x", &[]),
        ("/api/site?bsae=x", &preflight),
        ("/demo/site?lang=fr", &[]),
    ] {
        let answer = http.send("OPTIONS", path, headers, None).await;
        assert_eq!(answer.status, 204, "{path}: {answer:?}");
    }
    let answer = http
        .send("OPTIONS", "/api/site", &[], Some(json!({})))
        .await;
    assert_problem(&answer, 400, "bad-request");
}

#[tokio::test]
async fn conditions_and_headers_that_are_not_followed_are_refused() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let date = "Sat, 01 Jan 2000 00:00:00 GMT";
    let put = ("PUT", "/api/site");
    let get = ("GET", "/api/site");
    for ((method, path), name, value, status) in [
        (put, "if-unmodified-since", date, 400),
        (get, "if-unmodified-since", date, 400),
        (
            ("DELETE", "/api/page/home"),
            "if-unmodified-since",
            date,
            400,
        ),
        (put, "if-modified-since", date, 400),
        (put, "if-none-match", "*", 400),
        (("POST", "/api/page?id=n"), "if-none-match", "*", 400),
        (("POST", "/api/page/home/undelete"), "if-match", "", 400),
        (
            ("POST", "/api/page/home/undelete"),
            "if-none-match",
            "*",
            400,
        ),
        (("POST", "/api/page?id=n"), "if-match", "*", 400),
        (("POST", "/api/page/home/undelete"), "if-match", "*", 400),
        (put, "content-range", "bytes 0-1/2", 400),
        (put, "x-http-method-override", "DELETE", 400),
        (get, "x-http-method-override", "DELETE", 400),
        (put, "x-method-override", "DELETE", 400),
        (put, "content-encoding", "gzip", 415),
        (put, "content-encoding", "identity, br", 415),
        (put, "expect", "200-ok", 417),
        (put, "prefer", "handling=stirct", 400),
        (put, "prefer", "handlng=strict", 400),
        (put, "prefer", "handling:strict", 400),
        (put, "prefer", "wait=1, Strict", 400),
        (put, "prefer", "handling=lenient, handling=strict", 400),
        (put, "prefer", "handling=lenient;handling=strict", 400),
        (put, "prefer", "foo=\"bar, handling=strict", 400),
        (put, "prefer", "\"handling\"=strict", 400),
        (put, "prefer", "wait=5 handling=strict", 400),
        (put, "prefer", "handle=strict", 400),
        (put, "prefer", "x-handling=strict", 400),
        (put, "prefer", "mode=strict", 400),
        (put, "prefer", "validation=Strict", 400),
        (put, "prefer", "return=\"strict\"", 400),
        (put, "dry-run", "true", 400),
        (put, "x-dry-run", "true", 400),
        (put, "validate-only", "1", 400),
        (put, "base", "x", 400),
        (put, "x-method", "DELETE", 400),
        (put, "prefer", "return=minimal handling=strict", 400),
        (put, "prefer", ";handling=strict", 400),
        (put, "http-method-override", "DELETE", 400),
        (put, "x-http-verb-override", "DELETE", 400),
        (put, "upload-length", "4", 400),
        (put, "prefer", "", 400),
        (put, "if-match", "", 400),
        (get, "if-match", "", 400),
        (get, "if-none-match", "", 400),
        (get, "if-none-match", ",", 400),
        // What may be passed over by its definition is.
        (put, "content-encoding", "identity", 200),
        (put, "prefer", "respond-async, wait=10", 200),
        (put, "prefer", "wait=5;handling=strict", 200),
        (put, "prefer", "return=minimal; handling=strict", 200),
        (put, "range", "bytes=0-1", 400),
        (get, "range", "bytes=0-1", 200),
        (get, "if-range", "\"x\"", 200),
        (get, "if-modified-since", date, 200),
        (get, "accept", "text/html", 200),
    ] {
        let body = (method == "PUT" || path.contains('?')).then(|| json!({ "title": "Before" }));
        let answer = http.send(method, path, &[(name, value)], body).await;
        assert_eq!(answer.status, status, "{method} {path} {name}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(!detail(&answer).is_empty(), "{answer:?}");
        }
    }
    // If-Match decides where both are stated.
    let etag = http.get("/api/site").await.header("etag").to_owned();
    let both = [("if-unmodified-since", date), ("if-match", etag.as_str())];
    let body = Some(json!({ "title": "Both" }));
    assert_eq!(http.send("PUT", "/api/site", &both, body).await.status, 200);
    let packed = [("content-encoding", "gzip")];
    let answer = http
        .send("PUT", "/api/site", &packed, Some(json!({})))
        .await;
    assert_problem(&answer, 415, "media-type");
    assert_eq!(answer.header("accept-encoding"), "identity");
}

/// Each address says in words of its own why a condition cannot be stated.
#[tokio::test]
async fn refused_conditions_say_why() {
    let server = development().await;
    let http = server.http_as("ada", &["editor"]);
    for (asked, name, value, why) in [
        ("PUT /api/site", "if-none-match", "*", "a PUT never creates"),
        (
            "DELETE /api/page/home",
            "if-none-match",
            "*",
            "send If-Match",
        ),
        (
            "POST /api/page",
            "if-match",
            "*",
            "what is not there has no version",
        ),
        (
            "POST /api/page",
            "if-none-match",
            "*",
            "a POST never replaces",
        ),
        (
            "POST /api/page/home/undelete",
            "if-match",
            "",
            "what is deleted has no version",
        ),
        (
            "POST /api/page/home/undelete",
            "if-none-match",
            "*",
            "what is deleted has no version",
        ),
        (
            "POST /dev/token",
            "if-match",
            "\"x\"",
            "a token has no version",
        ),
        (
            "POST /dev/token",
            "if-none-match",
            "*",
            "a token has no version",
        ),
        (
            "OPTIONS /api/site",
            "if-match",
            "*",
            "OPTIONS asks about the address",
        ),
        ("GET /healthz", "if-match", "\"y\"", "has no version"),
        ("GET /readyz", "if-match", "\"y\"", "has no version"),
        ("GET /sync", "if-match", "\"y\"", "has no version"),
    ] {
        let (method, path) = asked.split_once(' ').unwrap();
        let brings_body = matches!(method, "PUT" | "POST") && !path.ends_with("undelete");
        let body = brings_body.then(|| json!({ "name": "ada", "role": "editor" }));
        let answer = http.send(method, path, &[(name, value)], body).await;
        assert_problem(&answer, 400, "bad-request");
        assert!(detail(&answer).contains(why), "{asked} {name}: {answer:?}");
    }
}

#[tokio::test]
async fn preferences_are_a_list() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    for (lines, strict) in [
        (&["handling=strict"][..], true),
        (&["Handling = \"Strict\""], true),
        (&["return=minimal", "wait=1, handling=strict"], true),
        (&["handling=strict, handling=strict"], true),
        (&["handling=strict;wait=5"], true),
        (&["foo=\"a, handling=strict\""], false),
        (&["foo; handling=strict"], false),
        (&["wait=5;handling=strict"], false),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| ("prefer", *line)).collect();
        let forged = Some(json!({ "license": "forged" }));
        let answer = http.send("PUT", "/api/site", &headers, forged).await;
        assert_eq!(answer.status == 422, strict, "{lines:?}: {answer:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_are_told_what_they_are() {
    let server = development().await;
    let http = server.http_as("ada", &["editor"]);
    let send = async |path: &str, kind: Option<&str>, body: &[u8]| {
        let (method, path) = path.split_once(' ').unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", server.authority);
        let token = server.token("ada", &["editor"]);
        head += &format!(
            "authorization: Bearer {token}\r\ncontent-length: {}\r\n",
            body.len()
        );
        if let Some(kind) = kind {
            head += &format!("content-type: {kind}\r\n");
        }
        raw(
            &server.authority,
            &[head.as_bytes(), b"connection: close\r\n\r\n", body],
        )
        .await
    };
    let json = Some("application/json");
    let utf_16: Vec<u8> = "\u{feff}{}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let unmarked =
        |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { "{}".encode_utf16().flat_map(bytes).collect() };
    let (little, big) = (unmarked(u16::to_le_bytes), unmarked(u16::to_be_bytes));
    for path in ["PUT /api/site", "POST /api/page?id=x", "POST /dev/token"] {
        for (kind, body, status, told) in [
            (json, &b"\xef\xbb\xbf{}"[..], 400, "byte-order mark"),
            (json, &utf_16, 400, "UTF-16"),
            (json, &little, 400, "UTF-16"),
            (json, &big, 400, "UTF-16"),
            (json, b"{\0\0\0}\0\0\0", 400, "UTF-32"),
            (json, b"{\"a\":\"\xff\"}", 400, "not UTF-8"),
            (json, b"\x1f\x8b\x08\x00", 415, "gzip"),
            (json, b"", 400, "empty"),
            (json, b"[]", 400, "JSON object"),
            (json, b"{", 400, "not JSON"),
            (None, b"{}", 415, "Content-Type is missing"),
            (Some("text/plain"), b"{}", 415, "text/plain"),
            (
                Some("application/merge-patch+json"),
                b"{}",
                415,
                "merge-patch",
            ),
            (
                Some("application/json; charset=utf-16"),
                b"{}",
                415,
                "charset",
            ),
        ] {
            let answer = send(path, kind, body).await;
            let code = if status == 415 {
                "media-type"
            } else {
                "bad-request"
            };
            assert_problem(&answer, status, code);
            assert!(
                detail(&answer).contains(told),
                "{path} {kind:?}: {answer:?}"
            );
        }
    }
    let answer = send("PUT /api/site", Some("text/plain"), b"{}").await;
    assert_eq!(answer.header("accept"), "application/json");
    for kind in [
        "application/json;charset=UTF-8",
        "Application/JSON; charset=\"utf-8\"",
    ] {
        assert_eq!(
            send("PUT /api/site", Some(kind), b"{}").await.status,
            200,
            "{kind}"
        );
    }
    for (body, told) in [
        (json!({}), "name is a text"),
        (json!({ "name": "a", "role": 1 }), "role is a text"),
        (
            json!({ "name": "a", "role": "editor", "roles": [] }),
            "\"roles\"",
        ),
    ] {
        let answer = http.post("/dev/token", body).await;
        assert_problem(&answer, 400, "bad-request");
        assert!(detail(&answer).contains(told), "{answer:?}");
    }
    for (method, path) in [("DELETE", "/api/page/home"), ("GET", "/api/site")] {
        let answer = http
            .send(method, path, &[("if-match", "*")], Some(json!({})))
            .await;
        assert_problem(&answer, 400, "bad-request");
    }
}

#[tokio::test]
async fn misspelt_fields_that_protect_are_refused() {
    let server = development().await;
    let http = server.http_as("ada", &["editor"]);
    for (name, meant) in [
        ("idempotency-keys", "Idempotency-Key"),
        ("idempotencykey", "Idempotency-Key"),
        ("idempotnecy-key", "Idempotency-Key"),
        ("authorisation", "Authorization"),
        ("prefers", "Prefer"),
        ("content-digests", "Content-Digest"),
        ("repr-digset", "Repr-Digest"),
        ("ifmatch", "If-Match"),
        ("if_match", "If-Match"),
        ("iff-match", "If-Match"),
        ("etag-match", "If-Match"),
        ("match", "If-Match"),
        ("ifnonematch", "If-None-Match"),
        ("unmodified-since", "If-Match"),
        ("preference", "Prefer"),
        ("digests", "Digest"),
        ("idempotent", "Idempotency-Key"),
        ("authorize", "Authorization"),
        ("authentication", "Authorization"),
        ("expects", "Expect"),
        ("content-encodin", "Content-Encoding"),
        ("x-if-match", "If-Match"),
        ("preconditions", "If-Match"),
        ("expected-version", "If-Match"),
        ("etag", "If-Match"),
        ("x-prefer", "Prefer"),
        ("handling", "Prefer"),
        ("content-sha256", "Content-Digest"),
        ("x-content-digest", "Content-Digest"),
        ("content-compression", "Content-Encoding"),
        ("idem-key", "Idempotency-Key"),
        ("dedup-key", "Idempotency-Key"),
    ] {
        let headers = [(name, "x")];
        let answer = http
            .send("PUT", "/api/site", &headers, Some(json!({})))
            .await;
        assert_problem(&answer, 400, "bad-request");
        let meant = format!("is it {meant}?");
        assert!(detail(&answer).contains(&meant), "{name}: {answer:?}");
    }
    for name in [
        "referer",
        "x-authorization",
        "x-match",
        "authentication-info",
        "sec-ch-prefers-color-scheme",
        "want-content-digest",
        "pragma",
    ] {
        let headers = [(name, "x")];
        let answer = http
            .send("PUT", "/api/site", &headers, Some(json!({})))
            .await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn challenges_say_what_was_wrong_with_the_token() {
    let server = Running::start().await;
    let nobody = server.token("nora", &["stranger"]);
    for (authorization, status, error) in [
        (None, 401, None),
        (Some("Basic YTpi".to_owned()), 401, None),
        (
            Some("Bearer nonsense".to_owned()),
            401,
            Some("invalid_token"),
        ),
        (Some("Bearer ".to_owned()), 401, Some("invalid_token")),
        (
            Some(format!("Bearer {nobody}")),
            403,
            Some("insufficient_scope"),
        ),
    ] {
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        let http = server.http(None);
        let answer = http.send("GET", "/api/memo", &headers, None).await;
        assert_eq!(answer.status, status, "{authorization:?}");
        let told = answer.header("www-authenticate");
        let expected = error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
        assert_eq!(told, format!("Bearer realm=\"indelible\"{expected}"));
    }
    let both = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    let answer = server
        .http(None)
        .send("GET", "/api/memo", &both, None)
        .await;
    assert_problem(&answer, 400, "bad-request");
    assert!(
        answer
            .header("www-authenticate")
            .ends_with("error=\"invalid_request\"")
    );
}

#[tokio::test]
async fn pages_of_listed_origins_read_what_is_wrong() {
    let origin = "https://example.org";
    let server = Running::with(|config| config.allow_origins = vec![origin.parse().unwrap()]).await;
    let http = server.http(None);
    for (method, path, headers) in [
        ("GET", "/api/page?limt=1", vec![]),
        ("PATCH", "/api/page", vec![]),
        (
            "PUT",
            "/api/site",
            vec![("x-http-method-override", "DELETE")],
        ),
        ("GET", "/api/memo", vec![]),
    ] {
        let mut headers = headers;
        headers.push(("origin", origin));
        let answer = http.send(method, path, &headers, None).await;
        assert!(answer.status >= 400, "{answer:?}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            origin,
            "{path}"
        );
    }
    let asking = [("origin", origin), ("access-control-request-method", "PUT")];
    for (path, methods) in [
        ("/api/site", "GET, HEAD, PUT, OPTIONS"),
        ("/api/page", "GET, HEAD, POST, OPTIONS"),
    ] {
        let answer = http.send("OPTIONS", path, &asking, None).await;
        assert_eq!(
            answer.header("access-control-allow-methods"),
            methods,
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_named_is_removed_for_those_who_may() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    http.put("/api/site", json!({ "phone": "1" })).await;
    let path = "/api/site?remove=phone,%2Flicense";
    let answer = http.put(path, json!({ "title": "T" })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["changed"], json!(["/phone", "/title"]));
    assert_eq!(answer.body["preserved"], json!(["/license"]));
    let strict = [("prefer", "handling=strict")];
    let answer = http.send("PUT", path, &strict, Some(json!({}))).await;
    assert_eq!(
        (answer.status, &answer.body["violations"][0]["rule"]),
        (422, &json!("write"))
    );
    for (path, body) in [
        ("/api/site?remove=phone", json!({ "phone": "2" })),
        ("/api/site?remove=fone", json!({})),
        ("/api/site?remove=%5B1%5D", json!({})),
    ] {
        assert_problem(&http.put(path, body).await, 400, "bad-request");
    }
    // The key of a write covers it.
    let key = [("idempotency-key", "k")];
    let body = Some(json!({ "title": "Key" }));
    assert_eq!(
        http.send("PUT", "/api/site", &key, body.clone())
            .await
            .status,
        200
    );
    let other = http.send("PUT", "/api/site?remove=motto", &key, body).await;
    assert_problem(&other, 422, "id-reused");
    // Who may not read names the system's fields only, whatever there is.
    let rater = server.http_as("rater", &["rater"]);
    assert_eq!(
        rater
            .put("/api/memo/secret", json!({ "score": 3 }))
            .await
            .status,
        200
    );
    assert_eq!(
        rater
            .put("/api/memo/secret?remove=score", json!({}))
            .await
            .status,
        200
    );
    for body in [json!({}), json!({ "score": null })] {
        let answer = rater.put("/api/memo/secret?remove=text", body).await;
        assert_eq!(
            (answer.status, &answer.body["violations"][0]["rule"]),
            (422, &json!("write"))
        );
    }
}
