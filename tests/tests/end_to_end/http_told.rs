//! Guards against refusals that do not say what would be right: the name that was meant, or the bound.

use serde_json::json;

use super::harness::Running;
use super::http_form::{assert_problem, detail, development};
use super::raw_socket::raw;

#[tokio::test]
async fn what_is_said_of_writes_is_refused_with_a_request_for_a_token() {
    let server = development().await;
    let http = server.http_as("ada", &["editor"]);
    let wanted = json!({ "name": "Ada", "role": "editor" });
    for (name, value, status) in [
        ("idempotency-key", "k", 400),
        ("prefer", "handling=strict", 400),
        ("prefer", "handling=lenient", 400),
        ("prefer", "handlng=strict", 400),
        ("idempotency-keys", "k", 400),
        ("if-match", "*", 400),
        ("prefer", "wait=5", 200),
    ] {
        let headers = [(name, value)];
        let body = Some(wanted.clone());
        let answer = http.send("POST", "/dev/token", &headers, body).await;
        assert_eq!(answer.status, status, "{name}: {value}: {answer:?}");
        if status == 400 {
            assert_problem(&answer, 400, "bad-request");
            let told = detail(&answer).to_lowercase();
            assert!(told.contains(name.trim_end_matches('s')), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_name_that_the_schema_does_not_have_is_told_with_what_was_meant() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    for (asked, body, status, told) in [
        ("?preserve=/ttile", json!({}), 400, "is it /title?"),
        ("?remove=/ttile", json!({}), 400, "is it /title?"),
        (
            "?preserve=/links/a/lable",
            json!({}),
            400,
            "is it /links/a/label?",
        ),
        ("?preserve=/links/a/ttile", json!({}), 400, "is it /title?"),
        ("", json!({ "ttile": "x" }), 422, "(is it title?)"),
        (
            "",
            json!({ "links": [{ "lable": "x" }] }),
            422,
            "(is it label?)",
        ),
        (
            "",
            json!({ "zzzzzz": "x" }),
            422,
            "declares no such field\"",
        ),
    ] {
        let answer = http.put(&format!("/api/site{asked}"), body.clone()).await;
        assert_eq!(answer.status, status, "{asked} {body}: {answer:?}");
        let said = match status {
            400 => detail(&answer).to_owned(),
            _ => answer.body["violations"][0]["message"].to_string(),
        };
        assert!(said.contains(told), "{asked} {body}: {answer:?}");
    }
}

#[tokio::test]
async fn bounds_of_bodies_are_where_they_are_said_to_be() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let put = async |body: String| {
        let head = format!(
            "PUT /api/site HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            server.authority,
            server.token("ada", &["editor"]),
            body.len()
        );
        raw(&server.authority, &[head.as_bytes(), body.as_bytes()]).await
    };
    let padded = |bytes: usize| format!("{}{{}}", " ".repeat(bytes - 2));
    assert_eq!(put(padded(16 << 20)).await.status, 200);
    let answer = put(padded((16 << 20) + 1)).await;
    assert_problem(&answer, 413, "too-big");
    assert_eq!(detail(&answer), "at most 16777216 bytes");
    // The object and its list are values, too.
    let values = |count: usize| format!(r#"{{"none":[0{}]}}"#, ",0".repeat(count - 3));
    assert_problem(&put(values(1_100_000)).await, 422, "policy");
    let answer = put(values(1_100_001)).await;
    assert_problem(&answer, 413, "too-big");
    assert_eq!(detail(&answer), "it holds more than 1100000 values");
    assert_eq!(http.get("/api/site").await.status, 200);
}
