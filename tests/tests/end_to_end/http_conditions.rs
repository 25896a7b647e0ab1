//! Guards against conditions that one address reads otherwise than another, and against tags that a
//! proxy made weak and that then protect nothing, or everything.

use serde_json::json;

use super::harness::{Http, Running};
use super::http_form::{assert_problem, detail};
use super::raw_socket::raw;

#[tokio::test]
async fn weak_tags_of_proxies_are_taken_for_a_base_and_told_as_a_condition() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let read = http.get("/api/site").await;
    let version = read.header("etag").trim_matches('"').to_owned();
    http.put("/api/site", json!({ "phone": "1" })).await;
    for (n, base) in [
        version.clone(),
        format!("%22{version}%22"),
        format!("W/%22{version}%22"),
        format!("W%2F%22{version}%22"),
        format!("%22{version}-gzip%22"),
        format!("{version}-br"),
        format!("%22{version}--gzip%22"),
    ]
    .iter()
    .enumerate()
    {
        let body = json!({ "title": format!("T{n}"), "phone": read.body["phone"] });
        let answer = http.put(&format!("/api/site?base={base}"), body).await;
        assert_eq!(answer.status, 200, "{base}: {answer:?}");
        assert_eq!(answer.body["changed"], json!(["/title"]), "{base}");
    }
    let now = http.get("/api/site").await.header("etag").to_owned();
    let weak = format!("W/{now}");
    for (method, path) in [
        ("PUT", "/api/site"),
        ("GET", "/api/site"),
        ("DELETE", "/api/page/home"),
    ] {
        let admin = server.http_as("root", &["editor", "admin"]);
        let body = (method == "PUT").then(|| json!({ "title": "No" }));
        let answer = admin
            .send(method, path, &[("if-match", weak.as_str())], body)
            .await;
        if answer.status == 403 {
            continue;
        }
        assert_problem(&answer, 412, "precondition-failed");
        assert!(detail(&answer).contains("weak"), "{answer:?}");
    }
}

/// The length that a HEAD states is that of the answer to a GET, or is left out (RFC 9110, 8.6).
#[tokio::test]
async fn a_head_states_no_length_that_a_get_has_not() {
    let server = Running::start().await;
    let token = server.token("ada", &["editor"]);
    let ask = async |method: &str, path: &str, field: &str| {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{field}\
             Connection: close\r\n\r\n",
            server.authority
        );
        raw(&server.authority, &[head.as_bytes()]).await
    };
    let http = server.http(None);
    for path in ["/api/site", "/api/page", "/api/page/home", "/"] {
        let etag = http.get(path).await.header("etag").to_owned();
        for (field, status) in [
            (String::new(), 200),
            (format!("If-None-Match: {etag}\r\n"), 304),
            ("If-None-Match: *\r\n".to_owned(), 304),
            ("If-Match: \"none\"\r\n".to_owned(), 412),
            ("If-Match: none\r\n".to_owned(), 400),
            ("X-Method-Override: PUT\r\n".to_owned(), 400),
        ] {
            let (get, head) = (
                ask("GET", path, &field).await,
                ask("HEAD", path, &field).await,
            );
            assert_eq!(
                (get.status, head.status),
                (status, status),
                "{path} {field}"
            );
            assert_eq!(head.body, "", "{path} {field}");
            let length = (status != 304).then(|| get.header("content-length"));
            assert_eq!(
                head.header("content-length"),
                length.unwrap_or(""),
                "{path} {field}"
            );
        }
    }
}

async fn tagged(http: &Http, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    let answer = http.send("GET", path, headers, None).await;
    let (etag, vary) = (
        answer.header("etag").to_owned(),
        answer.headers.get_all("vary"),
    );
    let vary: Vec<_> = vary.iter().map(|vary| vary.to_str().unwrap()).collect();
    (answer.status, etag, vary.join(", "))
}

#[tokio::test]
async fn what_is_read_with_a_condition_is_answered_alike_everywhere() {
    let server = Running::start().await;
    let http = server.http(None);
    let mut paths = vec![
        ("/api/site", "Authorization"),
        ("/api/page", "Authorization"),
    ];
    if http.get("/demo/site").await.status == 200 {
        paths.push(("/demo/site", "Accept-Encoding"));
    }
    for (path, varies) in paths {
        let (status, etag, vary) = tagged(&http, path, &[]).await;
        assert_eq!(status, 200, "{path}");
        assert!(vary.contains(varies), "{path}: {vary}");
        let opaque = etag.trim_start_matches("W/");
        for (name, value, status) in [
            ("if-none-match", etag.clone(), 304),
            ("if-none-match", format!("W/{opaque}"), 304),
            ("if-none-match", format!("\"x\" , {etag}"), 304),
            ("if-none-match", "*".to_owned(), 304),
            ("if-none-match", "\"x\"".to_owned(), 200),
            ("if-none-match", opaque.trim_matches('"').to_owned(), 400),
            ("if-match", "*".to_owned(), 200),
            ("if-match", "\"x\"".to_owned(), 412),
            ("if-match", "x".to_owned(), 400),
            (
                "if-match",
                etag.clone(),
                if etag == opaque { 200 } else { 412 },
            ),
        ] {
            let (got, tag, varies_now) = tagged(&http, path, &[(name, &value)]).await;
            assert_eq!(got, status, "{path} {name}: {value}");
            if status < 400 {
                assert_eq!(
                    (&tag, &varies_now),
                    (&etag, &vary),
                    "{path} {name}: {value}"
                );
            }
        }
        let lines = [("if-none-match", "\"x\""), ("if-none-match", etag.as_str())];
        assert_eq!(tagged(&http, path, &lines).await.0, 304, "{path}");
        // Another coding has other bytes, and so another tag.
        let gzip = [("accept-encoding", "br, gzip;q=0.5")];
        let (status, packed, vary_packed) = tagged(&http, path, &gzip).await;
        assert_eq!((status, &vary_packed), (200, &vary), "{path}");
        assert_eq!(packed != etag, path.starts_with("/demo"), "{path}");
        let known = [gzip[0], ("if-none-match", packed.as_str())];
        assert_eq!(
            tagged(&http, path, &known).await,
            (304, packed.clone(), vary.clone())
        );
        let other = [("if-none-match", packed.as_str())];
        let expected = if packed == etag { 304 } else { 200 };
        assert_eq!(tagged(&http, path, &other).await.0, expected, "{path}");
    }
}
