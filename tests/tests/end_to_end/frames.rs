//! Guards against bytes that are no frame and yet keep a connection, cost others theirs, or make the
//! server do what they say their length is.

use indelible_engine::protocol::ServerFrame;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use super::harness::{Client, Running};

/// What is not a frame: the connection ends with 4400, whatever it is.
fn not_frames() -> Vec<(&'static str, Vec<u8>)> {
    let nested = |head: u8, depth: usize| {
        let mut bytes = b"\xa1\x64open\xa1\x66entity".to_vec();
        bytes.extend(vec![head; depth]);
        bytes
    };
    let with = |head: &[u8], rest: &[u8]| [head, rest].concat();
    vec![
        ("nothing", vec![]),
        ("a break", vec![0xff]),
        ("a number", vec![0x00]),
        ("null", vec![0xf6]),
        ("text", b"\x64open".to_vec()),
        ("a list", b"\x81\x64open".to_vec()),
        ("an empty map", vec![0xa0]),
        ("a map of two", b"\xa2\x64open\xa0\x65close\xa0".to_vec()),
        ("a number as a name", vec![0xa1, 0x00, 0xa0]),
        ("a frame without its map", b"\xa1\x64open".to_vec()),
        ("a frame with a number", b"\xa1\x64open\x01".to_vec()),
        ("no entity", b"\xa1\x64open\xa1\x64mode\x65value".to_vec()),
        (
            "an entity that is a number",
            b"\xa1\x64open\xa2\x66entity\x01\x64mode\x65value".to_vec(),
        ),
        (
            "an entity that is no name",
            b"\xa1\x64open\xa2\x66entity\x63A/B\x64mode\x65value".to_vec(),
        ),
        (
            "an unknown mode",
            b"\xa1\x64open\xa2\x66entity\x64site\x64mode\x65magic".to_vec(),
        ),
        (
            "a text that is not UTF-8",
            b"\xa1\x64open\xa2\x66entity\x64\xff\xfe\xfd\xfc\x64mode\x65value".to_vec(),
        ),
        (
            "a frame and something after it",
            b"\xa1\x65close\xa1\x66entity\x64site\x00".to_vec(),
        ),
        (
            "a text of 2^63 bytes",
            with(b"\xa1\x7b", &[0x80, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "bytes of 2^64 - 1 bytes",
            with(b"\xa1\x64open\xa1\x66entity\x5b", &[0xff; 8]),
        ),
        (
            "a map of 2^32 - 1 fields",
            b"\xa1\x64open\xba\xff\xff\xff\xff".to_vec(),
        ),
        ("100,000 lists in each other", nested(0x81, 100_000)),
        ("100,000 maps in each other", nested(0xa1, 100_000)),
        ("100,000 tags on each other", nested(0xc6, 100_000)),
        ("an endless list", nested(0x9f, 100_000)),
        (
            "a proposal id of 15 bytes",
            b"\xa1\x67propose\xa1\x62id\x4f000000000000000".to_vec(),
        ),
    ]
}

#[tokio::test]
async fn what_is_no_frame_ends_its_connection_and_nobody_elses() {
    let server = Running::start().await;
    let mut other = server.connect("ada", &["editor"]).await;
    let mut replica = other.replica("site").await;
    for (name, bytes) in not_frames() {
        let mut client = server.connect("mallory", &["editor"]).await;
        client.send_raw(Message::Binary(bytes.into())).await;
        match client.next().await {
            ServerFrame::Error { code, .. } => assert_eq!(code, "malformed", "{name}"),
            answer => panic!("{name}: {answer:?}"),
        }
        assert_eq!(client.closed().await, Some(4400), "{name}");
        let change = replica.put("phone", name);
        other.write(&mut replica, vec![change]).await;
    }
}

#[tokio::test]
async fn a_list_is_not_made_as_long_as_it_says() {
    let server = Running::start().await;
    let mut client = server.connect("mallory", &["editor"]).await;
    let frame = b"\xa1\x67propose\xa1\x67changes\x9a\xff\xff\xff\xff";
    client
        .send_raw(Message::Binary(frame.to_vec().into()))
        .await;
    match client.next().await {
        ServerFrame::Error { code, .. } => assert_eq!(code, "too-many"),
        answer => panic!("{answer:?}"),
    }
    client.hears_nothing().await;
}

#[tokio::test]
async fn unknown_fields_are_not_in_the_way() {
    let server = Running::start().await;
    let mut client = server.connect_anonymously().await;
    // A field of a later version, holding lists in lists.
    let frame =
        b"\xa1\x64open\xa3\x66entity\x64site\x64mode\x65value\x65later\x81\x81\xa1\x61x\xf6";
    client
        .send_raw(Message::Binary(frame.to_vec().into()))
        .await;
    assert!(matches!(client.next().await, ServerFrame::Value { .. }));
}

#[tokio::test]
async fn the_subprotocol_is_asked_for() {
    let server = Running::start().await;
    for subprotocol in [None, Some("indelible.v2"), Some("graphql-ws")] {
        let url = format!("ws://{}/sync", server.authority);
        let mut request = url.into_client_request().unwrap();
        if let Some(subprotocol) = subprotocol {
            let headers = request.headers_mut();
            headers.insert("sec-websocket-protocol", subprotocol.parse().unwrap());
        }
        match connect_async(request).await {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 400),
            other => panic!("{subprotocol:?}: {:?}", other.map(|_| "let in")),
        }
    }
}

#[tokio::test]
async fn a_frame_is_at_most_as_large_as_the_welcome_says() {
    let server = Running::start().await;
    for length in [(1 << 20) + 1, 8 << 20] {
        let mut client = server.connect("mallory", &["editor"]).await;
        // The server may hang up before it has seen all of it.
        let sent = client
            .try_send_raw(Message::Binary(vec![0xa1; length].into()))
            .await;
        let code = client.closed().await;
        assert!(code == Some(1009) || !sent, "{length}: {code:?}");
    }
    let mut client = server.connect_anonymously().await;
    client.hears_nothing().await;
    let mut silent = Client::raw(&server.authority, None).await.unwrap();
    silent
        .send_raw(Message::Binary(vec![0; 1 << 20].into()))
        .await;
    assert!(matches!(silent.closed().await, Some(4400 | 1009)));
}
