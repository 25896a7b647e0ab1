//! Guards against requests that say more than is followed: conditions of other protocols, parts of
//! bodies, digests of other bodies, and parameters that were to hold something and are empty.

use serde_json::json;

use indelible_engine::protocol::{ClientFrame, ServerFrame};

use super::harness::{Answer, Running};
use super::http_form::{assert_problem, development};
use super::raw_socket::raw;

fn detail(answer: &Answer) -> &str {
    answer.body["detail"].as_str().unwrap_or_default()
}

const WRITES: [(&str, &str, bool); 4] = [
    ("PUT", "/api/site", true),
    ("POST", "/api/page?id=n", true),
    ("DELETE", "/api/page/home", false),
    ("POST", "/api/page/home/undelete", false),
];

#[tokio::test]
async fn what_would_make_another_write_of_it_is_refused() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let before = http.get("/api/site").await;
    for (name, value) in [
        ("if", "(<urn:uuid:1>)"),
        ("if-schedule-tag-match", "\"x\""),
        ("if-anything", "x"),
        ("if-none-match", "*"),
        ("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ("range", "bytes=0-1"),
        ("if-range", "\"x\""),
        ("content-range", "bytes 0-1/2"),
        ("x-update-range", "append"),
        ("upload-complete", "?0"),
        ("content-transfer-encoding", "base64"),
        ("x-http-method-override", "PATCH"),
        ("prefer", "handling=stirct"),
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("content-digest", "sha-256=:AAAA:"),
        ("repr-digest", "sha-512=:AAAA:"),
        ("digest", "sha-256=AAAA"),
        ("content-digest", "md5=:AAAA:"),
        ("trailer", "Content-Digest"),
        ("trailer", "Expires, If-Match"),
        ("trailer", "Prefer"),
    ] {
        for (method, path, has_body) in WRITES {
            let mut headers = vec![(name, value)];
            if method == "DELETE" {
                headers.push(("if-match", "*"));
            }
            let body = has_body.then(|| json!({ "title": "Other" }));
            let answer = http.send(method, path, &headers, body).await;
            assert_problem(&answer, 400, "bad-request");
            let told = detail(&answer).to_ascii_lowercase();
            assert!(told.contains(name), "{method} {name}: {answer:?}");
        }
    }
    assert_eq!(http.get("/api/site").await.body, before.body);
    assert_eq!(http.get("/api/page/home").await.status, 200);
    assert_eq!(http.get("/api/page/n").await.status, 404);
}

/// An answer is short whatever the request says.
#[tokio::test]
async fn names_and_values_are_quoted_by_their_beginning() {
    let server = development().await;
    let http = server.http_as("ada", &["editor"]);
    let (long, shorter) = ("x".repeat(200_000), "y".repeat(30_000));
    let member = json!({ long.as_str(): 1 }).to_string();
    let twice = format!("{{\"{long}\":1,\"{long}\":2}}");
    let deep = format!("{}{member}{}", "{\"a\":".repeat(9), "}".repeat(9));
    let mut token = json!({ "name": "ada", "role": "editor" });
    token[long.as_str()] = 1.into();
    let none: [(&str, &str); 0] = [];
    let (unread, kind) = ([("prefer", &*shorter)], [("authorization-", &*shorter)]);
    let spaced = format!("{shorter} a");
    let prefer = [("prefer", &*spaced)];
    let field = format!("if-{shorter}");
    let condition = [(&*field, "x")];
    for (asked, headers, body) in [
        ("PUT /api/site".to_owned(), &none[..], member.clone()),
        ("POST /api/page?id=n".to_owned(), &none, member),
        ("PUT /api/site".to_owned(), &none, twice),
        ("PUT /api/site".to_owned(), &none, deep),
        (
            format!("PUT /api/site?preserve={shorter}"),
            &none,
            "{}".to_owned(),
        ),
        (
            format!("PUT /api/site?preserve=/{shorter}/a~"),
            &none,
            "{}".to_owned(),
        ),
        (format!("PUT /api/site?{shorter}=1"), &none, "{}".to_owned()),
        (
            format!("PUT /api/site?base=%zz{shorter}"),
            &none,
            "{}".to_owned(),
        ),
        ("POST /dev/token".to_owned(), &none, token.to_string()),
        ("PUT /api/site".to_owned(), &prefer, "{}".to_owned()),
        ("PUT /api/site".to_owned(), &kind, "{}".to_owned()),
        ("PUT /api/site".to_owned(), &condition, "{}".to_owned()),
    ] {
        let (method, path) = asked.split_once(' ').unwrap();
        let answer = http.send_text(method, path, headers, Some(body)).await;
        let (bytes, start) = (answer.body.to_string().len(), &asked[..asked.len().min(40)]);
        assert!(answer.status >= 400, "{start}: {}", answer.status);
        assert!(bytes < 4_000, "{start}: {bytes}");
    }
    let unknown = http
        .send("PUT", "/api/site", &unread, Some(json!({})))
        .await;
    assert_eq!(
        unknown.status, 200,
        "a preference that is not known is no mistake"
    );
    let mut client = server.connect("ada", &["editor"]).await;
    let (id, entity) = (client.next_id(), "page/n".parse().unwrap());
    let value = json!({ "slug": "n", "title": "N", long.as_str(): 1 }).to_string();
    client
        .send(&ClientFrame::Create { id, entity, value })
        .await;
    match client.next().await {
        refused @ ServerFrame::Refused { .. } => {
            let bytes = refused.encode().len();
            assert!(bytes < 4_000, "{bytes}");
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_body_with_its_digest_is_taken() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    // `printf '{"title":"Title"}' | openssl dgst -sha256 -binary | base64`
    let digest = "dhikkkw1XysE9dNBkZ3z40mBElJ8KlR3O/b0lWybj9I=";
    for (field, value) in [
        ("content-digest", format!("sha-256=:{digest}:")),
        ("repr-digest", format!("md5=:AAAA:, sha-256=:{digest}:")),
        ("digest", format!("SHA-256={digest}")),
    ] {
        let body = json!({ "title": "Title" });
        let headers = [(field, value.as_str())];
        let answer = http.send("PUT", "/api/site", &headers, Some(body)).await;
        assert_eq!(answer.status, 200, "{field}: {answer:?}");
        let altered = Some(json!({ "title": "Altered" }));
        let answer = http.send("PUT", "/api/site", &headers, altered).await;
        assert_problem(&answer, 400, "bad-request");
        assert!(detail(&answer).contains("altered on the way"), "{answer:?}");
    }
}

#[tokio::test]
async fn conditions_of_reads_are_tags_or_a_star() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    for path in ["/api/site", "/api/page", "/api/page/home", "/", "/healthz"] {
        for value in ["abc", "\"a", "\"a\" \"b\"", "*, \"a\"", "w/\"a\""] {
            for method in ["GET", "HEAD"] {
                let answer = http
                    .send(method, path, &[("if-none-match", value)], None)
                    .await;
                assert_eq!(answer.status, 400, "{method} {path} {value}: {answer:?}");
            }
        }
        let answer = http
            .send("GET", path, &[("if-none-match", "\"other\"")], None)
            .await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let answer = http
            .send("GET", path, &[("if-schedule-tag-match", "\"x\"")], None)
            .await;
        assert_problem(&answer, 400, "bad-request");
    }
}

#[tokio::test]
async fn parameters_that_are_empty_are_refused_by_name() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    for path in [
        "PUT /api/site?preserve=",
        "PUT /api/site?preserve",
        "PUT /api/site?preserve=,",
        "PUT /api/site?preserve=+%2C+",
        "PUT /api/site?remove=",
        "PUT /api/site?remove=,",
        "PUT /api/site?preserve=[]",
        "PUT /api/site?remove=[]",
        "PUT /api/site?base=",
        "PUT /api/site?base=+",
        "POST /api/page?id=",
        "GET /api/page?limit=",
        "GET /api/page?after=",
        "GET /healthz?origin=",
    ] {
        let (method, target) = path.split_once(' ').unwrap();
        let name = target.split(['?', '=']).nth(1).unwrap();
        let body = (method != "GET").then(|| json!({ "title": "Changed" }));
        let answer = http.send(method, target, &[], body).await;
        assert_problem(&answer, 400, "bad-request");
        assert!(detail(&answer).contains(name), "{path}: {answer:?}");
    }
    assert_ne!(http.get("/api/site").await.body["title"], "Changed");
}

/// Where a body ends must be known before anybody can say that it is coded in an unknown way.
#[tokio::test]
async fn codings_of_the_way_are_told_apart() {
    let server = Running::start().await;
    for (method, codings, status, code) in [
        ("GET", "gzip", 400, "bad-request"),
        ("PUT", "gzip", 400, "bad-request"),
        ("PUT", "gzip, chunked", 501, "transfer-coding"),
        ("GET", "gzip, chunked", 501, "transfer-coding"),
    ] {
        let token = server.token("ada", &["editor"]);
        let head = format!(
            "{method} /api/site HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\ntransfer-encoding: {codings}\r\n\r\n0\r\n\r\n",
            server.authority
        );
        let answer = raw(&server.authority, &[head.as_bytes()]).await;
        assert_problem(&answer, status, code);
        assert!(detail(&answer).contains("chunked"), "{answer:?}");
    }
}

/// The demo's pages know the demo's schema only.
#[tokio::test]
async fn the_first_page_links_only_what_works() {
    let own = Running::start().await;
    let demo = Running::with(|config| {
        config.schema = indelible_server::config::SchemaPlace::Demo;
    })
    .await;
    for (server, links) in [(own, false), (demo, true)] {
        let page = server.http(None).get("/").await;
        assert_eq!(page.status, 200);
        let text = page.body.as_str().unwrap();
        assert_eq!(text.contains("/demo/"), links, "{text}");
    }
}

/// Browsers do what the headers say, and only that.
#[tokio::test]
async fn every_answer_says_what_browsers_may_do_with_it() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/demo/site"),
        ("GET", "/api/site"),
        ("GET", "/api/nothing"),
        ("PATCH", "/api/site"),
        ("OPTIONS", "/api/site"),
        ("GET", "/healthz"),
        ("GET", "/sync"),
        ("GET", "/nowhere"),
        ("GET", "/assets/nothing.js"),
        ("PUT", "/api/site?bsae=1"),
    ] {
        assert_hardened(&http.send(method, path, &[], None).await, path);
    }
    // Also what is no HTTP at all.
    let answer = raw(&server.authority, &[b"nonsense\r\n\r\n"]).await;
    assert_problem(&answer, 400, "bad-request");
    assert_hardened(&answer, "nonsense");
}

fn assert_hardened(answer: &Answer, path: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{path} {name}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
    assert!(
        policy.contains("frame-ancestors 'none'"),
        "{path}: {policy}"
    );
    assert!(!policy.contains("https:"), "{path}: {policy}");
    assert!(answer.header("permissions-policy").contains("camera=()"));
    assert!(!answer.header("referrer-policy").is_empty(), "{path}");
}

/// Behind a proxy on the same machine everybody seems to be on the same machine.
#[tokio::test]
async fn development_tokens_are_not_for_what_a_proxy_passes_on() {
    let server = Running::with(|config| {
        config.mode = indelible_server::config::Mode::Development;
    })
    .await;
    let http = server.http(None);
    let wanted = || Some(json!({ "name": "Ada", "role": "editor" }));
    for (name, value) in [
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 proxy"),
        ("cf-connecting-ip", "192.0.2.1"),
        ("x-forwarded-port", "443"),
        ("x-original-forwarded-for", "192.0.2.1"),
        ("x-original-url", "/dev/token"),
        ("fly-client-ip", "192.0.2.1"),
        ("x-envoy-external-address", "192.0.2.1"),
        (
            "x-amzn-trace-id",
            "Root=1-67891233-abcdef012345678912345678",
        ),
        ("front-end-https", "on"),
    ] {
        let answer = http
            .send("POST", "/dev/token", &[(name, value)], wanted())
            .await;
        assert_problem(&answer, 403, "forbidden");
        assert!(detail(&answer).to_lowercase().contains(name), "{answer:?}");
    }
    let answer = http.send("POST", "/dev/token", &[], wanted()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
