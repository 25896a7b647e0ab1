//! Guards against addresses that say in two ways what can be done there.

use serde_json::json;

use super::http_form::{assert_problem, development};

#[tokio::test]
async fn what_an_address_allows_is_told() {
    let server = development().await;
    let http = server.http_as("ada", &["editor"]);
    for (path, allowed) in [
        ("/api/site", "GET, HEAD, PUT, OPTIONS"),
        ("/api/%73ite", "GET, HEAD, PUT, OPTIONS"),
        ("/api/page", "GET, HEAD, POST, OPTIONS"),
        ("/api/page/home", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("/api/page/home/undelete", "POST, OPTIONS"),
        ("/dev/token", "POST, OPTIONS"),
        ("/sync", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/demo/site", "GET, HEAD, OPTIONS"),
        ("/assets/x", "GET, HEAD, OPTIONS"),
    ] {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE", "TRACE"] {
            if allowed.contains(method) {
                continue;
            }
            let answer = http.send(method, path, &[], None).await;
            assert_problem(&answer, 405, "method-not-allowed");
            assert_eq!(answer.header("allow"), allowed, "{method} {path}");
        }
        let answer = http.send("OPTIONS", path, &[], None).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (204, allowed),
            "{path}"
        );
        // What is refused has the same list, or none.
        for (name, value, body, allowed) in [
            ("if-match", "*", None, allowed),
            ("prefer", "x", Some(json!({})), allowed),
            ("x-http-method-override", "PUT", None, ""),
            ("authorise", "x", None, ""),
        ] {
            let answer = http.send("OPTIONS", path, &[(name, value)], body).await;
            assert_problem(&answer, 400, "bad-request");
            assert_eq!(answer.header("allow"), allowed, "{path} {name}");
        }
        // What is the same for all callers is answered without a look at the token.
        let nonsense = server.http(Some("nonsense".to_owned()));
        let answer = nonsense.send("OPTIONS", path, &[], None).await;
        assert_eq!((answer.status, answer.header("allow")), (204, allowed));
        let answer = nonsense.send("PATCH", path, &[], None).await;
        assert_problem(&answer, 405, "method-not-allowed");
    }
    let nonsense = server.http(Some("nonsense".to_owned()));
    assert_problem(&nonsense.get("/api/nokind/x/y").await, 404, "not-found");
    assert_problem(&nonsense.get("/api/site").await, 401, "bad-token");
    // Also of no kind, and with an id of what there is one of.
    for path in [
        "/api",
        "/api/",
        "/api/page/home/x",
        "/dev",
        "/nothing",
        "/api/nokind",
        "/api/nokind/x",
        "/api/nokind/x/undelete",
        "/api/site/x",
        "/api/site/x/undelete",
    ] {
        for method in ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"] {
            let headers = [("if-match", "*")];
            let body = ["PUT", "POST"].contains(&method).then(|| json!({}));
            let conditions = match method {
                "DELETE" => &headers[..],
                _ => &[],
            };
            let body = body.filter(|_| !path.ends_with("undelete"));
            let answer = http.send(method, path, conditions, body).await;
            // Rights come first, where a method asks for some.
            let is_refused = matches!(
                (method, path),
                ("DELETE", "/api/site/x") | ("POST", "/api/site/x/undelete")
            );
            let status = if is_refused { 403 } else { 404 };
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("allow"), "", "{method} {path}");
        }
    }
    for path in ["/api/page/%ff", "/api/%ff", "/api/page/a%zz", "/assets/%ff"] {
        assert_problem(&http.get(path).await, 400, "bad-request");
    }
}
