//! Guards against handshakes that RFC 6455 does not allow and that are taken, against refusals that nobody
//! learns of, and against peers that are given up too late or too early. Bytes go out by hand, since no
//! library sends them.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::captured_log::Log;
use super::harness::{PATIENCE, Running, SHORT_LIFE};
use super::raw_socket::{ask, frame, handshake, open};

async fn status(authority: &str, without: &[&str], more: &[&str]) -> String {
    let (_, head) = ask(authority, &handshake(authority, without, more)).await;
    head.split(' ').nth(1).unwrap().to_owned()
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
