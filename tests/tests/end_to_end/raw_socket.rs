//! Sockets whose bytes go out by hand, since no library sends them.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::harness::{Answer, PATIENCE, Running};

/// What is answered to bytes on a connection of their own.
pub(super) async fn raw(authority: &str, parts: &[&[u8]]) -> Answer {
    let mut socket = TcpStream::connect(authority).await.unwrap();
    for part in parts {
        socket.write_all(part).await.unwrap();
    }
    answer(&mut socket).await
}

/// A PUT whose body ends after its first byte.
pub(super) fn half_a_put(server: &Running) -> String {
    format!(
        "PUT /api/site HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 9\r\n\r\n{{",
        server.authority,
        server.token("ada", &["editor"])
    )
}

/// The one answer on a connection that is closed after it.
async fn answer(socket: &mut TcpStream) -> Answer {
    let mut text = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut text));
    read.await
        .expect("the server closes the connection")
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers = reqwest::header::HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name: reqwest::header::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    Answer {
        status: status.parse().unwrap(),
        headers,
        body: serde_json::from_str(body).unwrap_or(Value::from(body)),
    }
}

/// Reads up to the end of one answer's head; what of its body came along is left out.
pub(super) async fn head_of_answer(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut part = [0; 1];
        let read = timeout(PATIENCE, socket.read(&mut part)).await;
        assert_eq!(read.expect("it is answered").unwrap(), 1, "closed");
        answer.extend_from_slice(&part);
    }
    String::from_utf8(answer).unwrap().to_lowercase()
}

/// Sends a request and gives the connection with the head of the answer, in lower case.
pub(super) async fn ask(authority: &str, request: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(authority).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let head = head_of_answer(&mut socket).await;
    (socket, head)
}

/// What a handshake needs beside its first line, without `without`.
pub(super) fn handshake(authority: &str, without: &[&str], more: &[&str]) -> String {
    let host = format!("Host: {authority}");
    let lines = [
        host.as_str(),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: indelible.v1",
    ];
    let kept = lines
        .into_iter()
        .filter(|line| !without.iter().any(|name| line.starts_with(name)));
    let lines: Vec<&str> = kept.chain(more.iter().copied()).collect();
    format!("GET /sync HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"))
}

pub(super) async fn open(authority: &str) -> TcpStream {
    let (stream, head) = ask(authority, &handshake(authority, &[], &[])).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    stream
}

/// A frame as a client sends it, masked with zeros.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => bytes.push(0x80 | length as u8),
        Ok(length) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The code and the reason of the close that comes, after whatever else does; and that the connection
/// ends behind it.
pub(super) async fn close_of(stream: &mut TcpStream) -> Option<(u16, String)> {
    let mut received = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut received))
        .await
        .expect("the server ends the connection")
        .ok();
    let mut rest = &received[..];
    while let [first, length, body @ ..] = rest {
        let length = usize::from(*length);
        assert!(length < 126, "answers to rubbish are short");
        let (payload, behind) = body.split_at(length);
        if first & 0x0f == 8 {
            let (code, reason) = payload.split_first_chunk()?;
            let reason = String::from_utf8(reason.to_vec()).unwrap();
            return Some((u16::from_be_bytes(*code), reason));
        }
        rest = behind;
    }
    None
}
