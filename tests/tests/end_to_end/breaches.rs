//! Guards against frames that RFC 6455 does not allow and that are taken, or ended as if nothing were
//! wrong, or in words that are not in `docs/protocol.md`.

use indelible_engine::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::captured_log::Log;
use super::harness::{PATIENCE, Running};
use super::raw_socket::{close_of, frame, open};

/// What is sent, and the code and the reason that it is answered with.
type Breach = (&'static str, Vec<u8>, u16, &'static str);

fn close(payload: &[u8]) -> Vec<u8> {
    frame(0x88, payload)
}

/// Frames whose first two bytes or length no frame may have.
fn bad_heads() -> Vec<Breach> {
    let mut cases = vec![
        (
            "a text without a mask",
            vec![0x81, 0],
            1002,
            "a frame without a mask",
        ),
        (
            "a ping without a mask",
            vec![0x89, 0],
            1002,
            "a frame without a mask",
        ),
        (
            "a ping of 126 bytes",
            frame(0x89, &[0; 126]),
            1002,
            "a control frame of more than 125 bytes",
        ),
        (
            "a pong of 126 bytes",
            frame(0x8a, &[0; 126]),
            1002,
            "a control frame of more than 125 bytes",
        ),
        (
            "a close of 126 bytes",
            close(&[3; 126]),
            1002,
            "a control frame of more than 125 bytes",
        ),
        (
            "a close of 65,536 bytes",
            close(&[3; 65_536])[..14].to_vec(),
            1002,
            "a control frame of more than 125 bytes",
        ),
        (
            "4 in two bytes",
            vec![0x82, 0xfe, 0, 4, 0, 0, 0, 0, 1, 2, 3, 4],
            1002,
            "a length in more bytes than it takes",
        ),
        (
            "125 in two bytes",
            vec![0x82, 0xfe, 0, 125],
            1002,
            "a length in more bytes than it takes",
        ),
        (
            "65,535 in eight bytes",
            vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            1002,
            "a length in more bytes than it takes",
        ),
        (
            "a length of 2^63",
            vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            1002,
            "a length whose first bit is set",
        ),
        (
            "a length of 2^64 - 1",
            vec![0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            1002,
            "a length whose first bit is set",
        ),
        (
            "a next part of nothing",
            frame(0x00, b""),
            1002,
            "the next part of a message that has not begun",
        ),
        (
            "a last part of nothing",
            frame(0x80, b""),
            1002,
            "the next part of a message that has not begun",
        ),
        (
            "a message within another",
            [frame(0x02, b""), frame(0x82, b"")].concat(),
            1002,
            "a message within another",
        ),
        (
            "a text within bytes",
            [frame(0x02, b""), frame(0x01, b"")].concat(),
            1002,
            "a message within another",
        ),
    ];
    for bits in [0x40, 0x20, 0x10, 0x70] {
        cases.push((
            "a reserved bit",
            frame(0x82 | bits, b""),
            1002,
            "a reserved bit is set",
        ));
        cases.push((
            "a reserved bit in a ping",
            frame(0x89 | bits, b""),
            1002,
            "a reserved bit is set",
        ));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push((
            "a reserved opcode",
            frame(0x80 | opcode, b""),
            1002,
            "a reserved opcode",
        ));
    }
    for opcode in [8, 9, 10] {
        cases.push((
            "a control frame in parts",
            frame(opcode, b""),
            1002,
            "a control frame in parts",
        ));
    }
    cases
}

fn bad_payloads() -> Vec<Breach> {
    let too_long = Limits::default().frame_bytes_max + (64 << 10) + 1;
    let mut cases = vec![
        (
            "a close code of one byte",
            close(b"\x03"),
            1002,
            "a close code of one byte",
        ),
        (
            "a reason that is not UTF-8",
            close(b"\x03\xe8\xc3\x28"),
            1007,
            "text is not UTF-8",
        ),
        (
            "a reason that ends within a letter",
            close(b"\x03\xe8\xc3"),
            1007,
            "text is not UTF-8",
        ),
        (
            "a text that is not UTF-8",
            frame(0x81, b"\xc3\x28"),
            1007,
            "text is not UTF-8",
        ),
        (
            "a text in parts that is not UTF-8",
            [frame(0x01, b"a\xed"), frame(0x80, b"\xa0\x80")].concat(),
            1007,
            "text is not UTF-8",
        ),
        ("a text", frame(0x81, b"{}"), 4400, "frames are binary"),
        (
            "a frame longer than any may be",
            frame(0x82, &vec![0; too_long])[..14].to_vec(),
            1009,
            "a hello has at most 65536 bytes: is its token too long?",
        ),
    ];
    for code in [
        0_u16, 1, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 5000, 65_535,
    ] {
        for reason in [&b""[..], b"bye"] {
            let payload = [&code.to_be_bytes(), reason].concat();
            cases.push((
                "a close code",
                close(&payload),
                1002,
                "a close code that may not be sent",
            ));
        }
    }
    cases
}

#[tokio::test]
async fn frames_against_the_rules_are_ended_as_such() {
    let log = Log::default();
    let _guard = log.start();
    let server = Running::start().await;
    // Behind what is allowed, too, in the same packet.
    let ping = frame(0x89, b"still there?");
    for (name, bytes, code, why) in [bad_heads(), bad_payloads()].concat() {
        for before in [&b""[..], &ping] {
            log.take();
            let mut stream = open(&server.authority).await;
            stream.write_all(&[before, &bytes].concat()).await.unwrap();
            let name = format!("{name}: {bytes:02x?}")
                .chars()
                .take(80)
                .collect::<String>();
            let reason = match code {
                1002 => format!("protocol error: {why}"),
                _ => why.to_owned(),
            };
            let found = close_of(&mut stream).await;
            assert_eq!(found, Some((code, reason.clone())), "{name}");
            let logged = log.take();
            assert!(
                logged.contains(&format!("code={code} reason={reason}")),
                "{name}: {logged}"
            );
            assert!(!logged.contains("goodbye"), "{name}: {logged}");
        }
    }
}

/// The transport has the frames before the one that is against the rules.
#[tokio::test]
async fn what_came_before_a_breach_is_answered() {
    let server = Running::start().await;
    let mut stream = open(&server.authority).await;
    let hello = frame(0x82, b"\xa1\x65hello\xa1\x68protocol\x01");
    let bytes = [&hello[..], &frame(0x88, b"\x03")].concat();
    stream.write_all(&bytes).await.unwrap();
    let mut received = Vec::new();
    let read = stream.read_to_end(&mut received);
    timeout(PATIENCE, read).await.expect("it ends").ok();
    let has = |text: &[u8]| received.windows(text.len()).any(|part| part == text);
    assert!(has(b"welcome") && has(b"a close code of one byte"));
}

/// Frames and the close behind them may come in one packet.
#[tokio::test]
async fn what_came_before_a_close_is_answered() {
    let server = Running::start().await;
    let hello = frame(0x82, b"\xa1\x65hello\xa1\x68protocol\x01");
    let ping = frame(0x82, b"\xa1\x64ping\xa0");
    let unknown = frame(0x82, b"\xa1\x64none\xa0");
    for (frames, says) in [
        (hello.clone(), &b"welcome"[..]),
        ([&hello[..], &ping].concat(), b"pong"),
        ([&hello[..], &unknown].concat(), b"unknown-frame"),
    ] {
        let mut stream = open(&server.authority).await;
        let bytes = [&frames[..], &close(&1000_u16.to_be_bytes())].concat();
        stream.write_all(&bytes).await.unwrap();
        let mut received = Vec::new();
        let read = stream.read_to_end(&mut received);
        timeout(PATIENCE, read).await.expect("it ends").unwrap();
        let has = |text: &[u8]| received.windows(text.len()).any(|part| part == text);
        assert!(has(says), "{received:02x?}");
        let end = [&b"\x88\x09\x03\xe8"[..], b"goodbye"].concat();
        assert!(received.ends_with(&end), "{received:02x?}");
    }
}

#[tokio::test]
async fn an_end_in_order_is_answered_as_such() {
    let log = Log::default();
    let _guard = log.start();
    let server = Running::start().await;
    let sendable = [
        1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
    ];
    for code in sendable.into_iter().chain([3000, 3999, 4000, 4999]) {
        let mut stream = open(&server.authority).await;
        let payload = [&code.to_be_bytes(), "à bientôt".as_bytes()].concat();
        // Nothing counts behind a close.
        let bytes = [close(&payload), vec![0xff; 30]].concat();
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(
            close_of(&mut stream).await.map(|(code, _)| code),
            Some(code)
        );
        let logged = log.take();
        assert!(logged.contains("goodbye"), "{code}: {logged}");
        assert!(logged.contains(&format!("code={code}")), "{logged}");
    }
    let mut stream = open(&server.authority).await;
    stream.write_all(&frame(0x88, b"")).await.unwrap();
    assert_eq!(close_of(&mut stream).await, None);
    assert!(log.take().contains("code=1005"));
    // A connection that ends without a close frame was not closed properly, whether it was ended or reset.
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
