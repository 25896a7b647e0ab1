//! Guards against handshakes and frames that RFC 6455 does not allow and that are taken, or ended as
//! if nothing were wrong; and against refusals that nobody learns of. Bytes go out by hand, since no
//! library sends them.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indelible_engine::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing_subscriber::util::SubscriberInitExt;

use super::harness::{PATIENCE, Running, SHORT_LIFE};

/// What a handshake needs beside its first line, without `without`.
fn handshake(authority: &str, without: &[&str], more: &[&str]) -> String {
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

/// Sends a request and gives the connection with the head of the answer, in lower case.
async fn ask(authority: &str, request: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(PATIENCE, stream.read_u8()).await.unwrap();
        head.push(byte.expect("an answer"));
    }
    (stream, String::from_utf8(head).unwrap().to_lowercase())
}

async fn status(authority: &str, without: &[&str], more: &[&str]) -> String {
    let (_, head) = ask(authority, &handshake(authority, without, more)).await;
    head.split(' ').nth(1).unwrap().to_owned()
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

/// The close code that comes, after whatever else does; and that the connection ends behind it.
async fn close_code(stream: &mut TcpStream) -> Option<u16> {
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
            return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
        rest = behind;
    }
    None
}

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes what this thread logs from here on.
    fn start(&self) -> impl Drop + use<> {
        let log = self.clone();
        tracing_subscriber::fmt()
            .with_writer(move || log.clone())
            .with_ansi(false)
            .finish()
            .set_default()
    }

    /// What was logged since the last call.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

#[tokio::test]
async fn frames_against_the_rules_are_ended_as_such() {
    let log = Log::default();
    let _guard = log.start();
    let server = Running::start().await;
    let text = |bytes: &[u8]| frame(0x81, bytes);
    let close = |payload: &[u8]| frame(0x88, payload);
    let cases: &[(&str, Vec<u8>, u16)] = &[
        ("an unmasked frame", vec![0x82, 0], 1002),
        (
            "a length in more bytes than it takes",
            vec![0x89, 0xfe, 0, 4, 0, 0, 0, 0, 1, 2, 3, 4],
            1002,
        ),
        ("the first reserved bit", frame(0xc2, b""), 1002),
        ("the second reserved bit", frame(0xa2, b""), 1002),
        ("the third reserved bit", frame(0x92, b""), 1002),
        ("a reserved bit in a ping", frame(0xc9, b""), 1002),
        ("a reserved data opcode", frame(0x83, b""), 1002),
        ("the last reserved data opcode", frame(0x87, b""), 1002),
        ("a reserved control opcode", frame(0x8b, b""), 1002),
        ("the last reserved control opcode", frame(0x8f, b""), 1002),
        ("a ping in parts", frame(0x09, b""), 1002),
        ("a close in parts", frame(0x08, b""), 1002),
        ("a ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("a close of 126 bytes", close(&[3; 126]), 1002),
        ("a continuation of nothing", frame(0x80, b""), 1002),
        (
            "a message within another",
            [frame(0x02, b""), frame(0x82, b"")].concat(),
            1002,
        ),
        ("a close code of one byte", close(b"\x03"), 1002),
        ("close code 0", close(&0_u16.to_be_bytes()), 1002),
        ("close code 999", close(&999_u16.to_be_bytes()), 1002),
        ("close code 1004", close(&1004_u16.to_be_bytes()), 1002),
        ("close code 1005", close(&1005_u16.to_be_bytes()), 1002),
        ("close code 1006", close(&1006_u16.to_be_bytes()), 1002),
        ("close code 1015", close(&1015_u16.to_be_bytes()), 1002),
        ("close code 1016", close(&1016_u16.to_be_bytes()), 1002),
        ("close code 2999", close(&2999_u16.to_be_bytes()), 1002),
        ("close code 5000", close(&5000_u16.to_be_bytes()), 1002),
        (
            "a reason that is not UTF-8",
            close(b"\x03\xe8\xc3\x28"),
            1007,
        ),
        ("a text that is not UTF-8", text(b"\xc3\x28"), 1007),
        (
            "a text in parts that is not UTF-8",
            [frame(0x01, b"a\xed"), frame(0x80, b"\xa0\x80")].concat(),
            1007,
        ),
        ("a text", text(b"{}"), 4400),
        (
            "a frame longer than any may be",
            frame(
                0x82,
                &vec![0; Limits::default().frame_bytes_max + (64 << 10) + 1],
            )[..14]
                .to_vec(),
            1009,
        ),
    ];
    for (name, bytes, code) in cases {
        log.take();
        let mut stream = open(&server.authority).await;
        stream.write_all(bytes).await.unwrap();
        assert_eq!(close_code(&mut stream).await, Some(*code), "{name}");
        let logged = log.take();
        assert!(logged.contains(&format!("code={code}")), "{name}: {logged}");
        assert!(!logged.contains("goodbye"), "{name}: {logged}");
    }
}

#[tokio::test]
async fn an_end_in_order_is_answered_as_such() {
    let log = Log::default();
    let _guard = log.start();
    let server = Running::start().await;
    for code in [1000_u16, 1001, 3000, 4999] {
        let mut stream = open(&server.authority).await;
        let bytes = frame(0x88, &code.to_be_bytes());
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(close_code(&mut stream).await, Some(code));
        let logged = log.take();
        assert!(logged.contains("goodbye"), "{code}: {logged}");
        assert!(logged.contains(&format!("code={code}")), "{logged}");
    }
    let mut stream = open(&server.authority).await;
    stream.write_all(&frame(0x88, b"")).await.unwrap();
    assert_eq!(close_code(&mut stream).await, None);
    assert!(log.take().contains("code=1005"));
    // Gone without a word is no goodbye, whether the line was ended or reset.
    for reset in [false, true] {
        let stream = open(&server.authority).await;
        if reset {
            stream.set_zero_linger().unwrap();
        }
        drop(stream);
        let mut logged = String::new();
        while !logged.contains("the connection was lost") {
            logged.push_str(&log.take());
            tokio::task::yield_now().await;
        }
        assert!(logged.contains("code=1006"), "{logged}");
    }
}

#[tokio::test]
async fn header_lists_are_read_as_lists() {
    let server = Running::start().await;
    let to = &server.authority;
    for (without, more) in [
        ("Connection", &["Connection: keep-alive, Upgrade"][..]),
        (
            "Connection",
            &["Connection: keep-alive", "Connection: uPGRADE"],
        ),
        ("Connection", &["connection:,upgrade ,"]),
        ("Upgrade", &["Upgrade: h2c, WebSocket"]),
        ("Upgrade", &["Upgrade: h2c", "Upgrade: websocket"]),
        (
            "Sec-WebSocket-Protocol",
            &["Sec-WebSocket-Protocol: chat, indelible.v1"],
        ),
        (
            "Sec-WebSocket-Protocol",
            &[
                "Sec-WebSocket-Protocol: chat",
                "Sec-WebSocket-Protocol: a ,indelible.v1",
            ],
        ),
    ] {
        assert_eq!(status(to, &[without], more).await, "101", "{more:?}");
    }
    for (without, more, expected) in [
        // Words that merely have the word in them.
        ("Connection", &["Connection: no-upgrade"][..], "426"),
        ("Connection", &["Connection: upgraded"], "426"),
        ("Upgrade", &["Upgrade: websocket2"], "426"),
        ("Upgrade", &["Upgrade: web socket"], "426"),
        (
            "Sec-WebSocket-Protocol",
            &["Sec-WebSocket-Protocol: indelible.v2"],
            "400",
        ),
        ("Sec-WebSocket-Protocol", &[], "400"),
    ] {
        assert_eq!(status(to, &[without], more).await, expected, "{more:?}");
    }
}

#[tokio::test]
async fn what_is_no_handshake_learns_what_is_spoken_here() {
    let server = Running::start().await;
    let to = &server.authority;
    let plain = format!("GET /sync HTTP/1.1\r\nHost: {to}\r\n\r\n");
    let older = handshake(
        to,
        &["Sec-WebSocket-Version"],
        &["Sec-WebSocket-Version: 8"],
    );
    let none = handshake(to, &["Sec-WebSocket-Version"], &[]);
    let two = handshake(to, &[], &["Sec-WebSocket-Version: 13"]);
    for request in [plain, older, none, two] {
        let (_, head) = ask(to, &request).await;
        assert!(head.starts_with("http/1.1 426 "), "{head}");
        for line in [
            "\r\nupgrade: websocket\r\n",
            "\r\nconnection: upgrade\r\n",
            "\r\nsec-websocket-version: 13\r\n",
            "\r\ncontent-type: application/problem+json\r\n",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
    }
}

#[tokio::test]
async fn keys_and_hosts_are_checked() {
    let server = Running::start().await;
    let to = &server.authority;
    let host = format!("Host: {to}");
    for (without, more) in [
        ("Sec-WebSocket-Key", &[][..]),
        ("", &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]),
        // What would change what is asked, and is not followed.
        ("", &["Authorization: Bearer junk"]),
        ("", &["If-Match: \"x\""]),
        ("", &["If-None-Match: *"]),
        ("", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]),
        ("Sec-WebSocket-Key", &["Sec-WebSocket-Key:"]),
        ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: key"]),
        (
            "Sec-WebSocket-Key",
            &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"],
        ),
        (
            "Sec-WebSocket-Key",
            &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="],
        ),
        (
            "Sec-WebSocket-Key",
            &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"],
        ),
        (
            "Sec-WebSocket-Key",
            &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="],
        ),
        ("Host", &[]),
        ("", &[host.as_str()]),
        ("Host", &["Host:"]),
        ("Host", &["Host: a b"]),
        ("Host", &["Host: me@site.example"]),
        ("Host", &["Host: site.example/path"]),
        ("Host", &["Host: site.example:port"]),
        ("Host", &["Host: site.example:+80"]),
        ("Host", &["Host: []"]),
        ("Host", &["Host: [zz]"]),
        ("Host", &["Host: [1:2]:80"]),
        ("Host", &["Host: [1.2.3.4]"]),
        ("Host", &["Host: [fe80::1%25eth0]"]),
        ("Host", &["Host: a[b]"]),
    ] {
        let without: &[&str] = if without.is_empty() { &[] } else { &[without] };
        assert_eq!(
            status(to, without, more).await,
            "400",
            "{without:?} {more:?}"
        );
    }
}

#[tokio::test]
async fn origins_are_compared_as_origins() {
    let adjust = |config: &mut indelible_server::config::Config| {
        config.allow_origins = vec!["https://München.example:443".parse().unwrap()];
    };
    let server = Running::with(adjust).await;
    let to = &server.authority;
    for (host, origin, expected) in [
        ("site.example", "https://site.example", "101"),
        ("site.example:443", "https://site.example", "101"),
        ("site.example", "https://site.example:443", "101"),
        ("Site.Example", "https://site.example", "101"),
        ("site.example:80", "http://site.example", "101"),
        ("site.example:8443", "https://site.example:8443", "101"),
        ("[::1]:4000", "http://[::1]:4000", "101"),
        ("[0:0:0:0:0:0:0:1]:4000", "http://[::1]:4000", "101"),
        ("other.example", "https://xn--mnchen-3ya.example", "101"),
        ("site.example:443", "http://site.example", "403"),
        ("site.example:80", "https://site.example", "403"),
        ("site.example:8443", "https://site.example", "403"),
        ("site.example", "https://site.example.evil.example", "403"),
        ("site.example", "https://evil.example/site.example", "403"),
        ("other.example", "http://xn--mnchen-3ya.example", "403"),
        ("null", "null", "403"),
        ("site.example", "file://site.example", "403"),
        ("site.example", "", "403"),
    ] {
        let (host, line) = (format!("Host: {host}"), format!("Origin: {origin}"));
        let found = status(to, &["Host"], &[&host, &line]).await;
        assert_eq!(found, expected, "{host} {line}");
    }
    let both = [
        "Origin: https://xn--mnchen-3ya.example",
        "Origin: https://evil.example",
    ];
    assert_eq!(status(to, &[], &both).await, "400");
}

/// Once a minute for each, with the option that lets it in; and what proxies do.
#[tokio::test]
async fn the_log_says_who_gets_no_connection_and_why() {
    let log = Log::default();
    let _guard = log.start();
    let server = Running::start().await;
    let to = &server.authority;
    for _ in 0..3 {
        let origin = "Origin: https://Admin.example:443";
        assert_eq!(status(to, &[], &[origin]).await, "403");
        assert_eq!(status(to, &["Upgrade"], &[]).await, "426");
    }
    assert_eq!(status(to, &[], &["Origin: null"]).await, "403");
    for (path, code) in [("/nope", "404"), ("/nope", "404"), ("/sync?t=1", "400")] {
        let request = handshake(to, &[], &[]).replace("/sync", path);
        let (_, head) = ask(to, &request).await;
        assert!(head.starts_with(&format!("http/1.1 {code} ")), "{head}");
    }
    let logged = log.take();
    let warnings: Vec<&str> = logged
        .lines()
        .filter(|line| line.contains("WARN"))
        .collect();
    assert_eq!(warnings.len(), 5, "{logged}");
    assert!(warnings[0].contains("--allow-origin https://admin.example"));
    assert!(warnings[1].contains("a proxy"), "{logged}");
    assert!(warnings[2].contains("null"), "{logged}");
    assert!(warnings[3].contains("its address is /sync"), "{logged}");
    assert!(warnings[3].contains("/nope"), "{logged}");
    assert!(warnings[4].contains("without parameters"), "{logged}");
}

#[tokio::test]
async fn pages_of_all_origins_may_ask_whether_theirs_is_let_in() {
    let server = Running::start().await;
    let own = format!("http://{}", server.authority);
    let http = server.http(None);
    for (path, origin, expected) in [
        ("/healthz", None, "welcome"),
        ("/healthz", Some(own.as_str()), "welcome"),
        ("/healthz", Some("https://evil.example"), "refused"),
        (
            "/healthz?origin=https%3A%2F%2Fevil.example",
            None,
            "refused",
        ),
        ("/healthz?origin=null", None, "refused"),
    ] {
        let headers: Vec<(&str, &str)> = origin.map(|one| ("origin", one)).into_iter().collect();
        let answer = http.send("GET", path, &headers, None).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, Some("ok\n")));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(
            answer.header("access-control-expose-headers"),
            "Indelible-Origin"
        );
        assert_eq!(
            answer.header("indelible-origin"),
            expected,
            "{path} {origin:?}"
        );
    }
}

/// A peer that is gone without a word, behind a line that swallows everything, keeps no seat.
#[tokio::test]
async fn a_peer_that_gives_no_sign_of_life_is_given_up() {
    let adjust = |config: &mut indelible_server::config::Config| {
        config.connections.connections_max = 1;
        config.connections.ping_interval = Duration::from_millis(100);
    };
    let server = Running::with(adjust).await;
    // It reads nothing and answers no ping.
    let _dead = open(&server.authority).await;
    let (_, head) = ask(&server.authority, &handshake(&server.authority, &[], &[])).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
}

/// Somebody on a thin line takes long for one message, and can answer no ping meanwhile.
#[tokio::test]
async fn a_peer_that_is_slow_is_not_given_up() {
    let silence = SHORT_LIFE;
    let adjust = |config: &mut indelible_server::config::Config| {
        config.connections.ping_interval = silence / 3;
    };
    let server = Running::with(adjust).await;
    let mut stream = open(&server.authority).await;
    // {"teleport": h'00…'}, where a hello belongs.
    let unknown = [&b"\xa1\x68teleport\x59\x04\x00"[..], &[0; 1024]].concat();
    let bytes = frame(0x82, &unknown);
    let since = Instant::now();
    let (last, rest) = bytes.split_last().unwrap();
    let mut rest = rest.iter();
    while since.elapsed() < silence * 5 / 4 {
        if let Some(byte) = rest.next() {
            stream.write_u8(*byte).await.unwrap();
        }
        tokio::time::sleep(silence / 100).await;
    }
    stream
        .write_all(&rest.copied().collect::<Vec<u8>>())
        .await
        .unwrap();
    stream.write_u8(*last).await.unwrap();
    // A ping of the server may come first.
    let mut received = Vec::new();
    while !received.windows(13).any(|part| part == b"unknown-frame") {
        let byte = timeout(PATIENCE, stream.read_u8()).await.unwrap();
        received.push(byte.expect("the server goes on"));
    }
}
