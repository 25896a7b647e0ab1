//! Guards against heads that two readers take for two requests, and against connections that are held
//! by what does not come, or closed before proxies close them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::{PATIENCE, Running};
use super::http_form::assert_problem;
use super::raw_socket::{half_a_put, head_of_answer, raw};

#[tokio::test]
async fn heads_that_say_two_things_are_refused() {
    let server = Running::start().await;
    let token = server.token("ada", &["editor"]);
    let host = format!("Host: {}", server.authority);
    let bearer = format!("Authorization: Bearer {token}");
    for (line, fields, status) in [
        ("GET /api/site HTTP/1.1", vec![host.as_str()], 200),
        ("GET /api/site HTTP/1.0", vec![], 200),
        ("GET http://example.org/api/site HTTP/1.1", vec![&host], 200),
        ("OPTIONS * HTTP/1.1", vec![&host], 204),
        ("GET /api/site HTTP/1.1", vec![], 400),
        ("GET /api/site HTTP/1.1", vec![&host, &host], 400),
        ("GET /api/site HTTP/1.1", vec!["Host: a b"], 400),
        ("GET /api/site HTTP/1.1", vec!["Host:"], 400),
        (
            "GET /api/site HTTP/1.1",
            vec!["Host: user@example.org"],
            400,
        ),
        ("GET /api/site HTTP/1.1", vec!["Host: example.org:x"], 400),
        ("GET /healthz HTTP/1.1", vec![], 400),
        ("GET /demo/site HTTP/1.1", vec![], 400),
        ("GET /api/site HTTP/1.1", vec![&host, &bearer, &bearer], 400),
        (
            "GET /api/site HTTP/1.1",
            vec![&host, "Origin: http://a", "Origin: http://b"],
            400,
        ),
        (
            "GET /api/site HTTP/1.1",
            vec![&host, "Idempotency-Key: a", "Idempotency-Key: b"],
            400,
        ),
        (
            "PUT /api/site HTTP/1.1",
            vec![
                &host,
                "Content-Type: application/json",
                "Content-Type: text/plain",
            ],
            400,
        ),
        (
            "PUT /api/site HTTP/1.1",
            vec![&host, "Content-Length: 1", "Content-Length: 2"],
            400,
        ),
        (
            "PUT /api/site HTTP/1.1",
            vec![&host, "Transfer-Encoding: gzip, chunked"],
            501,
        ),
        ("GET /api/site\u{7f} HTTP/1.1", vec![&host], 400),
        ("GET /api/site HTTP/1.1", vec![&host, "no field"], 400),
    ] {
        let head = format!(
            "{line}\r\n{}\r\nConnection: close\r\n\r\n",
            fields.join("\r\n")
        );
        let head = head.replace("\r\n\r\nConnection", "\r\nConnection");
        let answer = raw(&server.authority, &[head.as_bytes()]).await;
        assert_eq!(answer.status, status, "{line} {fields:?}: {answer:?}");
        if status >= 400 {
            assert_eq!(
                answer.header("content-type"),
                "application/problem+json",
                "{fields:?}"
            );
            assert_eq!(answer.body["status"], status, "{answer:?}");
        }
    }
}

/// What protects a write is not passed over because it comes behind the body.
#[tokio::test]
async fn trailers_that_say_something_of_the_request_are_refused() {
    let server = Running::start().await;
    let token = server.token("ada", &["editor"]);
    let head = format!(
        "PUT /api/site HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        server.authority
    );
    let before = server.http(None).get("/api/site").await.body;
    for trailer in [
        "If-Match: \"nope\"",
        "Prefer: handling=strict",
        "Content-Digest: sha-256=:AAAA:",
        "Idempotency-Key: one",
        "Content-Encoding: gzip",
        "Content-Range: bytes 0-1/2",
        "Unencoded-Digest: sha-256=:AAAA:",
        "Etag-Match: \"nope\"",
        "Preference: handling=strict",
        "Idempotency: one",
        "Authorisation: Bearer x",
        "Content-Transfer-Encoding: base64",
        "Upload-Complete: ?0",
        "Range: bytes=0-1",
        "X-Http-Method-Override: DELETE",
        "Content-Type: text/plain",
        "Host: example.org",
        "If: (<urn:x>)",
        "X-Dry-Run: true",
        "Base: x",
    ] {
        let body = format!("11\r\n{{\"title\": \"Lost\"}}\r\n0\r\n{trailer}\r\n\r\n");
        let answer = raw(&server.authority, &[head.as_bytes(), body.as_bytes()]).await;
        assert_problem(&answer, 400, "bad-request");
        let detail = answer.body["detail"].as_str().unwrap();
        let name = trailer.split(':').next().unwrap();
        assert!(
            detail.contains(name) && detail.contains("trailer"),
            "{detail}"
        );
        assert_eq!(server.http(None).get("/api/site").await.body, before);
    }
    let body = "11\r\n{\"title\": \"Kept\"}\r\n0\r\nServer-Timing: x\r\n\r\n";
    let answer = raw(&server.authority, &[head.as_bytes(), body.as_bytes()]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// What stands behind a `#` is dropped before the address is read, and protects nothing.
#[tokio::test]
async fn addresses_with_a_fragment_are_refused() {
    let server = super::http_form::development().await;
    let token = server.token("ada", &["editor"]);
    let before = server.http(None).get("/api/site").await.body;
    let fields = format!(
        "Host: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 17\r\n",
        server.authority
    );
    let (body, close) = ("{\"title\": \"Lost\"}", "Connection: close\r\n\r\n");
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE", "PATCH"] {
        for path in [
            "/api/site?preserve=/title#x&base=V",
            "/api/site#?preserve=/title",
            "/api/page/home#",
            "http://localhost/api/site#x",
            "http://localhost#/api/site",
            "/sync#x",
            "/dev/token#x",
            "/healthz#",
        ] {
            let bytes = format!("{method} {path} HTTP/1.1\r\n{fields}{close}{body}");
            let answer = raw(&server.authority, &[bytes.as_bytes()]).await;
            assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
            if method != "HEAD" {
                assert_problem(&answer, 400, "bad-request");
                let detail = answer.body["detail"].as_str().unwrap();
                assert!(detail.contains("%23"), "{method} {path}: {detail}");
            }
        }
    }
    assert_eq!(server.http(None).get("/api/site").await.body, before);
    // One that follows another request on its connection is seen, and no text in a body is taken for one.
    let put = |address: &str, end: &str| {
        let body = r#"{"title": "GET /a#b HTTP/1.1"}"#;
        let head = format!("PUT {address} HTTP/1.1\r\n{fields}");
        let head = head.replace("Length: 17", &format!("Length: {}", body.len()));
        format!("{head}{end}{body}")
    };
    let both = put("/api/site", "\r\n") + &put("/api/site?base=x#", close);
    let answer = raw(&server.authority, &[both.as_bytes()]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let second = answer.body.as_str().expect("two answers are no JSON");
    assert!(second.contains("HTTP/1.1 400 Bad Request"), "{second}");
    let once = put("/api/site?preserve=%23", close);
    let answer = raw(&server.authority, &[once.as_bytes()]).await;
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("preserve names \"#\""), "{detail}");
}

#[tokio::test]
async fn heads_that_are_too_big_are_told_so() {
    let server = Running::start().await;
    let host = format!("Host: {}\r\n", server.authority);
    let line = "GET /api/site HTTP/1.1\r\n";
    let many = "X-Field: x\r\n".repeat(101);
    let long = format!(
        "GET /api/site?{} HTTP/1.1\r\n{host}\r\n",
        "x".repeat(70_000)
    );
    let big = format!("{line}{host}X-Field: {}\r\n\r\n", "x".repeat(1_000_000));
    for (head, status) in [
        (format!("{line}{host}{many}\r\n"), 431),
        (big, 431),
        (long, 414),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        let answer = raw(&server.authority, &[head.as_bytes()]).await;
        let code = if status == 400 {
            "bad-request"
        } else {
            "too-big"
        };
        assert_problem(&answer, status, code);
    }
}

#[tokio::test]
async fn the_bound_of_addresses_is_where_it_is_said_to_be() {
    let server = Running::start().await;
    let get = async |bytes: usize| {
        let path = "/nothing?";
        let address = format!("{path}{}", "x".repeat(bytes - path.len()));
        let head = format!("GET {address} HTTP/1.1\r\nHost: {}\r\n", server.authority);
        raw(
            &server.authority,
            &[head.as_bytes(), b"Connection: close\r\n\r\n"],
        )
        .await
    };
    assert_problem(&get(65_534).await, 404, "not-found");
    let answer = get(65_535).await;
    assert_problem(&answer, 414, "too-big");
    assert_eq!(answer.body["detail"], "at most 65534 bytes");
}

/// Whether a connection on which nothing more is asked is closed in time; it waits for that.
async fn is_closed(socket: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await;
    read.is_ok_and(|read| read.is_ok_and(|length| length == 0))
}

async fn ask(socket: &mut TcpStream, authority: &str) {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        let mut part = [0; 1024];
        let read = tokio::time::timeout(PATIENCE, socket.read(&mut part)).await;
        match read.expect("it is answered").unwrap() {
            0 => panic!("closed after {:?}", String::from_utf8_lossy(&answer)),
            length => answer.extend_from_slice(&part[..length]),
        }
    }
}

#[tokio::test]
async fn a_connection_may_rest_longer_than_a_head_may_take() {
    // A head has no time at all once a connection has begun to rest, if the two are mixed up.
    let short = std::time::Duration::from_secs(1);
    let server = Running::with(|config| config.connections.idle_timeout = short).await;
    let mut socket = TcpStream::connect(&server.authority).await.unwrap();
    ask(&mut socket, &server.authority).await;
    ask(&mut socket, &server.authority).await;
    assert!(
        is_closed(&mut socket).await,
        "a connection that rests is closed in the end"
    );

    let server = Running::with(|config| config.connections.head_timeout = short).await;
    let mut resting = TcpStream::connect(&server.authority).await.unwrap();
    ask(&mut resting, &server.authority).await;
    let mut stuck = TcpStream::connect(&server.authority).await.unwrap();
    ask(&mut stuck, &server.authority).await;
    stuck.write_all(b"GET /healthz HT").await.unwrap();
    assert!(
        is_closed(&mut stuck).await,
        "a head that does not end is not waited for"
    );
    // By now a second has gone since the resting one was answered.
    ask(&mut resting, &server.authority).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_told_so() {
    let short = std::time::Duration::from_secs(1);
    let server = Running::with(|config| config.connections.body_timeout = short).await;
    let answer = raw(&server.authority, &[half_a_put(&server).as_bytes()]).await;
    assert_problem(&answer, 408, "timeout");
}

#[tokio::test]
async fn the_end_of_a_connection_is_announced() {
    let server = Running::start().await;
    let host = &server.authority;
    for (line, length) in [
        ("PUT /api/site?bsae=x", 2),
        ("PUT /api/site", 2),
        ("POST /api/nothing", 2),
        ("DELETE /healthz", 2),
        ("POST /nowhere", 40_000),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
        let mut socket = TcpStream::connect(host).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![b' '; length]).await.unwrap();
        let told = head_of_answer(&mut socket).await;
        // On a machine that stands still in between, the body may come too late.
        if !told.contains("connection: close") {
            ask(&mut socket, host).await;
        }
    }
    for (rest, expect) in [("{", ""), ("", "Expect: 100-continue\r\n")] {
        let head = format!(
            "POST /nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n{expect}\r\n{rest}"
        );
        let mut socket = TcpStream::connect(host).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let told = head_of_answer(&mut socket).await;
        assert!(told.starts_with("http/1.1 404"), "{told}");
        assert!(told.contains("connection: close"), "{told}");
    }
}
