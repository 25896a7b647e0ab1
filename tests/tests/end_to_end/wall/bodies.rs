//! Guards against bodies over HTTP that cost the server more memory than it may hold: many from
//! strangers, and short ones that stand for a great deal.

use indelible_engine::id::EntityId;
use indelible_server::config::BODY_BYTES_MAX;
use indelible_tests::hostile::CREATOR;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::fortress::{Fortress, create};
use super::super::harness::PATIENCE;

/// As many bodies at once would take twice the memory that the server may hold.
const STRANGERS: usize = 64;
const BODY_BYTES: usize = 8 << 20;

/// Begins a PUT without a token, sends all of the body but its end, and gives what is answered.
async fn stranger(authority: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(authority).await.unwrap();
    let head = format!(
        "PUT /api/thing/bodies HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
         Content-Length: {BODY_BYTES}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let body = vec![b' '; BODY_BYTES - 1];
    let mut answer = vec![0; 512];
    let length = {
        let (mut from, mut to) = socket.split();
        let sent = async {
            // The server need not take any of it.
            let _ = to.write_all(&body).await;
            std::future::pending::<()>().await;
        };
        let answered = tokio::time::timeout(PATIENCE, from.read(&mut answer));
        tokio::select! {
            read = answered => read.expect("strangers are answered").unwrap_or(0),
            () = sent => 0,
        }
    };
    answer.truncate(length);
    (socket, String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn bodies_of_strangers_are_not_held() {
    let fortress = Fortress::start();
    let entity: EntityId = "thing/bodies".parse().unwrap();
    create(&mut fortress.connect(CREATOR).await, &entity).await;
    let mut sockets = Vec::new();
    for _ in 0..STRANGERS {
        let (socket, answer) = stranger(&fortress.process.authority).await;
        // Who is still writing when the server hangs up may not get to read why.
        let told = answer.is_empty() || answer.starts_with("HTTP/1.1 401");
        assert!(told, "{answer}");
        sockets.push(socket);
    }
    fortress.assert_memory_is_bounded();
    let got = fortress.http("bob").get("/api/thing/bodies").await;
    assert_eq!(got.status, 200);
}

/// Bodies of some million bytes, and the status and code of the answer.
fn bodies() -> Vec<(&'static str, String, u16, &'static str)> {
    let many = |head: &str, one: &str, times: usize, tail: &str| {
        format!(
            "{head}{}{one}{tail}",
            format!("{one},").repeat(times.saturating_sub(1))
        )
    };
    let (million, bad) = (1_000_000, 20_000);
    vec![
        (
            "numbers",
            many(r#"{"tags":["#, "0", 4 * million - 8, "]}"),
            413,
            "too-big",
        ),
        (
            "maps",
            many(r#"{"items":["#, "{}", 2 * million, "]}"),
            413,
            "too-big",
        ),
        (
            "lists in an atomic",
            many(r#"{"shape":{"deep":["#, "[]", 2 * million, "]}}"),
            413,
            "too-big",
        ),
        (
            "one key again and again",
            many("{", r#""a":0"#, million, "}"),
            400,
            "bad-request",
        ),
        (
            "one key more often than there may be values",
            many("{", r#""a":0"#, million + million / 5, "}"),
            413,
            "too-big",
        ),
        (
            "a map in maps",
            format!("{}0{}", r#"{"a":"#.repeat(1_000), "}".repeat(1_000)),
            400,
            "bad-request",
        ),
        ("lists in lists", "[".repeat(4 * million), 413, "too-big"),
        (
            "faults in a list",
            many(r#"{"tags":["#, "0", bad, "]}"),
            422,
            "policy",
        ),
        (
            "faults in items",
            many(r#"{"items":["#, r#"{"x":0}"#, bad / 2, "]}"),
            422,
            "policy",
        ),
        (
            "a text of megabytes",
            format!(r#"{{"title":"{}"}}"#, "x".repeat(7 * million)),
            422,
            "policy",
        ),
        (
            "no end",
            format!(r#"{{"title":"{}"#, "x".repeat(7 * million)),
            400,
            "bad-request",
        ),
        ("too long", " ".repeat(BODY_BYTES_MAX + 1), 413, "too-big"),
    ]
}

#[tokio::test]
async fn short_bodies_do_not_stand_for_much() {
    let fortress = Fortress::start();
    let entity: EntityId = "thing/bodies".parse().unwrap();
    create(&mut fortress.connect(CREATOR).await, &entity).await;
    let (mallory, bob) = (fortress.http("mallory"), fortress.http("bob"));
    for (name, body, status, code) in bodies() {
        let answer = mallory
            .send_text("PUT", "/api/thing/bodies", &[], Some(body))
            .await;
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (status, Some(code)),
            "{name}"
        );
        let violations = answer.body["violations"].as_array().map_or(0, Vec::len);
        assert!(violations <= 100, "{name}: {violations} violations");
        fortress.assert_memory_is_bounded();
        let put = bob
            .put("/api/thing/bodies", json!({ "tagline": name }))
            .await;
        assert_eq!(put.status, 200, "{name}");
    }
}
