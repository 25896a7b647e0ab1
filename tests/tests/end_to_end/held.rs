//! Guards against memory and connections that are held for what does not come and is not taken:
//! announced bodies, messages without an end, answers that nobody reads.

use std::time::Duration;

use indelible_engine::protocol::{ClientFrame, ServerFrame};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::harness::{Client, PATIENCE, Running};
use super::raw_socket::{frame, open};

const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;

const NOT_LAST: u8 = 0x02;
const MORE: u8 = 0x00;
const LAST: u8 = 0x80;
const BINARY: u8 = 0x82;

fn hello() -> Vec<u8> {
    let hello = ClientFrame::Hello {
        protocol: 1,
        token: None,
        client: "tests".into(),
        texts: None,
    };
    hello.encode()
}

/// The next frame of a server: its first byte and its payload.
async fn next(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let first = stream.read_u8().await.unwrap();
    let length = match stream.read_u8().await.unwrap() {
        126 => usize::from(stream.read_u16().await.unwrap()),
        127 => stream.read_u64().await.unwrap().try_into().unwrap(),
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

/// The code and the reason with which the server closes.
async fn closed(stream: &mut TcpStream) -> (u16, String) {
    loop {
        let next = timeout(PATIENCE, next(stream)).await;
        let (first, payload) = next.expect("the server closes");
        if first & 0x0f == 8 {
            let (code, reason) = payload.split_first_chunk().unwrap();
            let reason = String::from_utf8(reason.to_vec()).unwrap();
            return (u16::from_be_bytes(*code), reason);
        }
    }
}

#[tokio::test]
async fn a_message_that_does_not_end_is_not_waited_for() {
    let server = Running::with(|config| {
        config.connections.message_timeout = Duration::from_secs(1);
    })
    .await;
    let ping = ClientFrame::Ping {}.encode();
    for unfinished in [
        // In the middle of a frame, between frames, and in the middle of a head.
        frame(BINARY, &[0; 1_000])[..500].to_vec(),
        frame(NOT_LAST, &ping),
        frame(BINARY, &[0; 1_000])[..3].to_vec(),
    ] {
        let mut stream = open(&server.authority).await;
        let bytes = [frame(BINARY, &hello()), unfinished].concat();
        stream.write_all(&bytes).await.unwrap();
        let expected = (POLICY, "a message did not end".to_owned());
        assert_eq!(closed(&mut stream).await, expected);
    }
    // One that has ended may rest.
    let mut stream = open(&server.authority).await;
    let parts = [frame(NOT_LAST, &hello()), frame(LAST, &[])].concat();
    stream.write_all(&parts).await.unwrap();
    let (_, welcome) = timeout(PATIENCE, next(&mut stream)).await.unwrap();
    assert!(matches!(
        ServerFrame::decode(&welcome),
        Ok(ServerFrame::Welcome { .. })
    ));
    let rests = timeout(Duration::from_secs(3), next(&mut stream)).await;
    assert!(rests.is_err(), "{rests:?}");
}

#[tokio::test]
async fn whoever_may_write_nothing_sends_nothing_long() {
    let server = Running::start().await;
    // {"teleport": h'00…'}
    let unknown = [
        &b"\xa1\x68teleport\x5a\x00\x02\x00\x00"[..],
        &[0; 128 << 10],
    ]
    .concat();
    let mut ada = server.connect("ada", &["editor"]).await;
    ada.send_raw(Message::Binary(unknown.clone().into())).await;
    match ada.next().await {
        ServerFrame::Error { code, .. } => assert_eq!(code, "unknown-frame"),
        other => panic!("{other:?}"),
    }
    for parts in [1, 4] {
        let mut reader = server.connect_anonymously().await;
        reader
            .try_send_raw(Message::Binary(unknown.clone().into()))
            .await;
        assert_eq!(reader.closed().await, Some(TOO_BIG), "{parts}");
    }
    // Before anybody knows who it is, and in parts.
    let mut stream = open(&server.authority).await;
    let part = vec![0; 32 << 10];
    let parts = [
        frame(NOT_LAST, &part),
        frame(MORE, &part),
        frame(MORE, &part),
    ]
    .concat();
    stream.write_all(&parts).await.unwrap();
    assert_eq!(closed(&mut stream).await.0, TOO_BIG);
}

#[tokio::test]
async fn empty_frames_count() {
    let server = Running::with(|config| config.connections.frames_per_second_max = 1).await;
    let mut stream = open(&server.authority).await;
    let empty = frame(MORE, &[]).repeat(2_000);
    let bytes = [frame(NOT_LAST, &hello()), empty, frame(LAST, &[])].concat();
    stream.write_all(&bytes).await.unwrap();
    // Two thousand frames take half an hour at this rate; others are welcome meanwhile.
    let mut other = server.connect_anonymously().await;
    other.hears_nothing().await;
    let welcomed = timeout(Duration::from_secs(2), next(&mut stream)).await;
    assert!(welcomed.is_err(), "{welcomed:?}");
}

/// Announces a body and waits until the server asks for it.
async fn announce(server: &Running, token: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(&server.authority).await.unwrap();
    let head = format!(
        "PUT /api/page/home HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n",
        server.authority,
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    let asked = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    asked.expect("the server asks for the body").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 100 "), "{answer:?}");
    stream
}

#[tokio::test]
async fn announced_bodies_take_no_room() {
    const LONGEST: usize = 16 << 20;
    let server = Running::start().await;
    let mallory = server.token("mallory", &["editor"]);
    let mut announced = Vec::new();
    for _ in 0..2 {
        announced.push(announce(&server, &mallory, LONGEST).await);
    }
    for (who, title) in [("bob", "Others go on"), ("mallory", "So does she")] {
        let put = server.http_as(who, &["editor"]);
        let put = put.put("/api/page/home", json!({ "title": title }));
        let put = timeout(PATIENCE, put).await.expect("there is room");
        assert_eq!(put.status, 200, "{put:?}");
    }
    drop(announced);
}

#[tokio::test]
async fn bodies_that_have_come_leave_room_for_others() {
    const LONGEST: usize = 16 << 20;
    let server = Running::start().await;
    let mallory = server.token("mallory", &["editor"]);
    // All but their ends: three times what all together may hold.
    let coming = (0..12).map(async |_| {
        let mut stream = announce(&server, &mallory, LONGEST).await;
        let _ = stream.write_all(&vec![b' '; LONGEST - 1]).await;
        stream
    });
    let coming = futures_util::future::join_all(coming);
    let puts = async {
        for title in ["One", "Two", "Three"] {
            let put = server.http_as("bob", &["editor"]);
            let put = put.put("/api/page/home", json!({ "title": title })).await;
            assert_eq!(put.status, 200, "{put:?}");
        }
    };
    tokio::select! {
        _ = coming => panic!("the server takes all that comes"),
        () = puts => {}
    }
}

/// Pages whose values are longer than the buffers of sockets, together.
async fn long_pages(server: &Running, count: usize) {
    let http = server.http_as("ada", &["editor"]);
    for n in 0..count {
        let name = format!("long-{n}");
        let body = json!({ "slug": name, "title": "Long", "notes": "x".repeat(1_000_000) });
        let post = http.post(&format!("/api/page?id={name}"), body).await;
        assert_eq!(post.status, 201, "{post:?}");
    }
}

#[tokio::test]
async fn a_page_ends_where_it_is_long_enough() {
    let server = Running::start().await;
    long_pages(&server, 7).await;
    let http = server.http(None);
    let (mut after, mut ids, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = http.get(&format!("/api/page?limit=1000{after}")).await;
        assert_eq!(page.status, 200);
        let length: usize = page.header("content-length").parse().unwrap();
        assert!(length < 6_000_000, "{length}");
        let items = page.body["items"].as_array().unwrap();
        for item in items {
            ids.push(item["id"].as_str().unwrap().to_owned());
            assert!(item["value"]["title"].is_string());
        }
        pages += 1;
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(pages, 2);
    assert_eq!(ids.len(), 9, "{ids:?}");
    assert!(ids.is_sorted());
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_not_held() {
    let server = Running::with(|config| {
        config.connections.connections_max = 1;
        config.connections.answer_timeout = Duration::from_secs(1);
        config.connections.idle_timeout = Duration::from_millis(50);
    })
    .await;
    long_pages(&server, 6).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = socket
        .connect(server.authority.parse().unwrap())
        .await
        .unwrap();
    let host = &server.authority;
    let ask = format!("GET /api/page HTTP/1.1\r\nHost: {host}\r\n\r\n");
    slow.write_all(ask.as_bytes()).await.unwrap();
    // It has the only connection, until it is cut off.
    let mut other: Client = server.connect_anonymously().await;
    other.hears_nothing().await;
    let mut taken = Vec::new();
    let _ = timeout(PATIENCE, slow.read_to_end(&mut taken))
        .await
        .unwrap();
    assert!(taken.starts_with(b"HTTP/1.1 200 "));
    assert!(taken.len() < 4_000_000, "{}", taken.len());
}
