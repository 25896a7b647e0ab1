//! Guards against answers that say too much, are stale, or are not what HTTP means.

use std::io::Read as _;

use serde_json::json;

use super::harness::Running;

#[tokio::test]
async fn singletons_entities_and_collections_are_readable() {
    let server = Running::start().await;
    let http = server.http(None);
    let site = http.get("/api/site").await;
    assert_eq!(site.status, 200);
    assert_eq!(site.body["title"], "Before");
    assert!(site.body["createdAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(site.header("cache-control"), "no-cache");
    assert_eq!(site.header("x-content-type-options"), "nosniff");

    let home = http.get("/api/page/home").await;
    assert_eq!(home.body["body"], "Welcome.");
    let known = [("if-none-match", home.header("etag"))];
    let again = http.send("GET", "/api/page/home", &known, None).await;
    assert_eq!((again.status, again.body), (304, json!("")));
    assert_eq!(
        http.send("HEAD", "/api/page/home", &[], None).await.status,
        200
    );

    let all = http.get("/api/page").await;
    let ids: Vec<_> = all.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["id"])
        .collect();
    assert_eq!(ids, ["about", "home"]);
    assert_eq!(all.body["items"][1]["value"], home.body);
    assert_eq!(all.body["next"], json!(null));
    let first = http.get("/api/page?limit=1").await;
    assert_eq!(first.body["next"], "about");
    let second = http.get("/api/page?limit=1&after=about").await;
    assert_eq!(second.body["items"][0]["id"], "home");
    assert_eq!(second.body["next"], json!(null));
}

#[tokio::test]
async fn problems_say_what_is_wrong_and_no_more() {
    let server = Running::start().await;
    let (stranger, viewer) = (server.http(None), server.http_as("vera", &["viewer"]));
    let bad = server.http(Some("nonsense".into()));
    let nobody = server.http_as("nora", &["stranger"]);
    let cases = [
        (&stranger, "/api/page/missing", 404, "not-found"),
        (&stranger, "/api/nothing", 404, "not-found"),
        (&stranger, "/api/site/x", 404, "not-found"),
        (&stranger, "/elsewhere", 404, "not-found"),
        (&stranger, "/api/memo/secret", 401, "unauthorized"),
        (&stranger, "/api/memo/missing", 401, "unauthorized"),
        (&stranger, "/api/memo", 401, "unauthorized"),
        (&nobody, "/api/memo/secret", 403, "forbidden"),
        (&nobody, "/api/memo/missing", 403, "forbidden"),
        (&viewer, "/api/memo/missing", 404, "not-found"),
        (&bad, "/api/site", 401, "bad-token"),
        (&stranger, "/api/page?limit=0", 400, "bad-request"),
        (&stranger, "/api/page?after=//", 400, "bad-request"),
    ];
    for (http, path, status, code) in cases {
        let answer = http.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.body["code"], code, "{path}");
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{path}"
        );
        assert_eq!(
            answer.header("www-authenticate").is_empty(),
            !matches!(status, 401 | 403),
            "{path}"
        );
    }
    assert_eq!(
        viewer.get("/api/memo/secret").await.body["text"],
        "for us only"
    );
    let put = viewer.put("/api/memo/secret", json!({ "text": "x" })).await;
    assert_eq!((put.status, &put.body["code"]), (403, &json!("forbidden")));
    assert_eq!(
        stranger.send("DELETE", "/api/site", &[], None).await.status,
        405
    );
}

#[tokio::test]
async fn only_listed_origins_may_read_across() {
    let server = Running::with(|config| {
        config.allow_origins = vec!["https://example.org".parse().unwrap()];
    })
    .await;
    let http = server.http(None);
    for (origin, allowed) in [
        ("https://example.org", true),
        ("https://evil.example", false),
    ] {
        let expected = if allowed { origin } else { "" };
        let answer = http
            .send("GET", "/api/site", &[("origin", origin)], None)
            .await;
        assert_eq!(answer.header("access-control-allow-origin"), expected);
        let asking = [("origin", origin), ("access-control-request-method", "PUT")];
        let answer = http.send("OPTIONS", "/api/site", &asking, None).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), expected);
        assert_eq!(
            answer
                .header("access-control-allow-methods")
                .contains("PUT"),
            allowed
        );
    }
}

#[tokio::test]
async fn health_pages_and_development() {
    let server = Running::start().await;
    let http = server.http(None);
    assert_eq!(http.get("/healthz").await.status, 200);
    assert_eq!(http.get("/readyz").await.status, 200);
    let page = http.get("/demo/site").await;
    assert!(matches!(page.status, 200 | 503), "built or not, it is said");
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "img-src 'self' data:;",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'; trusted-types 'none'",
    ] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert_eq!(http.get("/assets/../Cargo.toml").await.status, 404);
    let wanted = json!({ "name": "Ada L.", "role": "editor" });
    assert_eq!(http.post("/dev/token", wanted.clone()).await.status, 404);

    let server = Running::with(|config| {
        config.mode = indelible_server::config::Mode::Development;
    })
    .await;
    let http = server.http(None);
    let issued = http.post("/dev/token", wanted.clone()).await;
    assert_eq!(issued.body["id"], "dev:ada-l");
    let token = issued.body["token"].as_str().unwrap().to_owned();
    assert_eq!(
        server
            .http(Some(token))
            .get("/api/memo/secret")
            .await
            .status,
        200
    );
    // What is wrong is said by the name that the request has for it, with the bound.
    for (name, role, detail) in [
        (
            "x".repeat(125),
            "a".to_owned(),
            "name must have at most 124 bytes, in lower case too",
        ),
        // In lower case, each has three bytes.
        (
            "İ".repeat(62),
            "a".to_owned(),
            "name must have at most 124 bytes, in lower case too",
        ),
        (String::new(), "a".to_owned(), "name must not be empty"),
        (
            "a\nb".to_owned(),
            "a".to_owned(),
            "name must have no control characters",
        ),
        ("a".to_owned(), String::new(), "role must not be empty"),
        (
            "a".to_owned(),
            "x".repeat(65),
            "role must have at most 64 bytes",
        ),
        (
            "a".to_owned(),
            "public".to_owned(),
            "everybody has the role \"public\": leave it out",
        ),
        (
            "a".to_owned(),
            "system".to_owned(),
            "\"system\" is not a role: it is the server itself, which needs no token",
        ),
    ] {
        let refused = http
            .post("/dev/token", json!({ "name": name, "role": role }))
            .await;
        assert_eq!(
            (refused.status, &refused.body["detail"]),
            (400, &json!(detail))
        );
    }
    for (role, near) in [
        ("edtr", "is it \"editor\"?"),
        ("Editor", "is it \"editor\"?"),
        ("editor,admin", "no schema names the role"),
    ] {
        let refused = http
            .post("/dev/token", json!({ "name": "a", "role": role }))
            .await;
        let detail = refused.body["detail"].as_str().unwrap_or_default();
        assert!(refused.status == 400 && detail.contains(near), "{detail}");
    }
    let viewer = json!({ "name": "a", "role": "viewer" });
    assert_eq!(
        http.post("/dev/token", viewer).await.status,
        200,
        "who may only read"
    );
    let longest = json!({ "name": "x".repeat(124), "role": "editor" });
    assert_eq!(http.post("/dev/token", longest).await.status, 200);
    let junk = [("authorization", "Bearer junk")];
    let answer = http
        .send("POST", "/dev/token", &junk, Some(wanted.clone()))
        .await;
    assert_eq!(answer.status, 401);
    for (name, value, status) in [
        ("origin", "https://evil.example", 404),
        ("host", "evil.example", 421),
    ] {
        let headers = [(name, value)];
        let answer = http
            .send("POST", "/dev/token", &headers, Some(wanted.clone()))
            .await;
        assert_eq!(answer.status, status, "{name}");
    }
}

#[tokio::test]
async fn pages_come_packed_as_they_were_built() {
    let server = Running::start().await;
    let client = reqwest::Client::new();
    let get = async |path: &str, codings: &'static str| {
        let request = client.get(format!("http://{}{path}", server.authority));
        let answer = request.header("accept-encoding", codings).send().await;
        let answer = answer.unwrap();
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        let told = (header("content-encoding"), header("etag"));
        (
            answer.status().as_u16(),
            told,
            answer.bytes().await.unwrap(),
        )
    };
    let (status, (coding, tag), whole) = get("/demo/admin", "identity").await;
    assert_eq!((status, coding.as_str()), (200, ""));
    let mut tags = vec![tag];
    for (codings, expected) in [
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("br;q=0.5, gzip", "gzip"),
    ] {
        let (status, (coding, tag), packed) = get("/demo/admin", codings).await;
        assert_eq!((status, coding.as_str()), (200, expected), "{codings}");
        assert!(packed.len() < whole.len(), "{codings}");
        if expected == "gzip" {
            let mut unpacked = Vec::new();
            let mut reader = flate2::read::GzDecoder::new(&packed[..]);
            reader.read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, whole);
        }
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    assert_eq!(tags.len(), 3, "one for each coding: {tags:?}");
    // A packed file has no address of its own.
    let text = String::from_utf8(whole.to_vec()).unwrap();
    let (_, rest) = text
        .split_once("/assets/")
        .expect("the page loads something");
    let name = rest.split('"').next().unwrap();
    assert_eq!(get(&format!("/assets/{name}"), "identity").await.0, 200);
    for end in [".br", ".gz"] {
        assert_eq!(
            get(&format!("/assets/{name}{end}"), "identity").await.0,
            404
        );
    }
    server.stop().await;
}
