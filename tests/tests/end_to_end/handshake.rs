//! Guards against connections that are let in, or kept, without saying who they are.

use std::time::Duration;

use indelible_engine::id::{Epoch, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{ClientFrame, KindReport, ServerFrame, Token};
use indelible_engine::time::Timestamp;
use indelible_server::auth::{Auth, TokenError};
use indelible_server::config::RefusalSettings;
use indelible_server::keys::Keys;
use indelible_server::storage::redb::RedbStore;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message};

use super::harness::{Client, PATIENCE, Running, SHORT_LIFE, connect_to, now};

/// How a principal may read each kind, and whether it may create entities of it.
fn rights(kinds: &[KindReport]) -> Vec<String> {
    kinds
        .iter()
        .map(|kind| format!("{} {:?} {}", kind.kind, kind.mode, kind.create))
        .collect()
}

#[tokio::test]
async fn the_welcome_says_what_the_principal_may_do() {
    let server = Running::start().await;
    let mut client = Client::raw(&server.authority, None).await.unwrap();
    client.hello(Some(server.token("ada", &["editor"]))).await;
    let ServerFrame::Welcome {
        principal, kinds, ..
    } = client.next().await
    else {
        panic!("no welcome")
    };
    assert_eq!(principal.id, "ada");
    assert_eq!(
        rights(&kinds),
        [
            "memo Replica true",
            "page Replica true",
            "site Replica false"
        ]
    );

    let mut stranger = Client::raw(&server.authority, None).await.unwrap();
    stranger.hello(None).await;
    let ServerFrame::Welcome {
        principal, kinds, ..
    } = stranger.next().await
    else {
        panic!("no welcome")
    };
    assert_eq!(principal.id, "anonymous");
    assert_eq!(
        rights(&kinds),
        ["memo None false", "page Value false", "site Value false"]
    );
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let adjust = |config: &mut indelible_server::config::Config| {
        config.connections.handshake_timeout = Duration::from_millis(50);
    };
    let server = Running::with(adjust).await;
    let mut client = Client::raw(&server.authority, None).await.unwrap();
    assert_eq!(client.closed().await, Some(1008));
}

/// Half a request, none at all, and none after a first one.
#[tokio::test]
async fn requests_that_do_not_come_are_not_waited_for() {
    let adjust = |config: &mut indelible_server::config::Config| {
        // Longer than a busy machine makes an honest client wait.
        config.connections.head_timeout = SHORT_LIFE;
        config.connections.idle_timeout = SHORT_LIFE;
    };
    let server = Running::with(adjust).await;
    let mut client = server.connect_anonymously().await;
    let whole = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let said = [("", 0), (&whole[..20], 0), (whole, 1)];
    let ends = said.map(async |(said, answers)| {
        let mut stream = TcpStream::connect(&server.authority).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let ended = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
        ended.expect("the connection is closed").unwrap();
        assert_eq!(answer.matches("HTTP/1.1 200").count(), answers, "{answer}");
    });
    futures_util::future::join_all(ends).await;
    // A WebSocket has its own ways to find out whether the other end is there.
    client.hears_nothing().await;
    server.stop().await;
}

#[tokio::test]
async fn whoever_finds_no_seat_waits_for_one() {
    let adjust = |config: &mut indelible_server::config::Config| {
        config.connections.connections_max = 2;
    };
    let server = Running::with(adjust).await;
    let mut first = server.connect_anonymously().await;
    let second = server.connect_anonymously().await;
    let mut third = Box::pin(server.connect_anonymously());
    for _ in 0..10 {
        tokio::select! {
            _ = &mut third => panic!("there were seats for two"),
            () = first.hears_nothing() => {}
        }
    }
    drop(second);
    let mut third = third.await;
    third.hears_nothing().await;
    first.hears_nothing().await;
    drop((first, third));
    server.stop().await;
}

#[tokio::test]
async fn hello_comes_first_and_speaks_version_1() {
    let server = Running::start().await;
    let most = Limits::default().changes_per_proposal_max;
    let close = ClientFrame::Close {
        entity: "site".parse().unwrap(),
    };
    // That it holds too much is not what is wrong with it.
    let propose = ClientFrame::Propose {
        id: ProposalId([1; 16]),
        entity: "site".parse().unwrap(),
        epoch: Epoch(1),
        changes: vec![ByteBuf::new(); most + 1],
        whole: false,
    };
    for frame in [close, propose] {
        let mut client = Client::raw(&server.authority, None).await.unwrap();
        client.send(&frame).await;
        assert_eq!(error_code(client.next().await), "hello-expected");
        assert_eq!(client.closed().await, Some(1008));
    }

    let mut client = Client::raw(&server.authority, None).await.unwrap();
    client
        .send(&ClientFrame::Hello {
            protocol: 2,
            token: None,
            client: String::new(),
            texts: None,
        })
        .await;
    assert_eq!(error_code(client.next().await), "protocol");
    assert_eq!(client.closed().await, Some(1008));
}

#[tokio::test]
async fn bad_tokens_close_the_connection() {
    let (server, other) = (Running::start().await, Running::start().await);
    for token in ["nonsense".to_owned(), other.token("ada", &["admin"])] {
        let mut client = Client::raw(&server.authority, None).await.unwrap();
        client.hello(Some(token)).await;
        assert_eq!(error_code(client.next().await), "bad-token");
        assert_eq!(client.closed().await, Some(4401));
    }
}

/// A client with a wrong token must not have to guess, nor get a different reason elsewhere.
#[tokio::test]
async fn why_a_token_is_refused_is_the_same_sentence_everywhere() {
    let (server, other) = (Running::start().await, Running::start().await);
    let hours_ago = Timestamp(now().0 - 2 * 3_600_000);
    let auth = Auth::new(&Keys::open_or_create(server.data()).unwrap());
    let ada = Principal::new("ada", ["editor"]);
    let hour = Duration::from_secs(3_600);
    for (token, why) in [
        ("nonsense".to_owned(), TokenError::Malformed),
        (other.token("ada", &["editor"]), TokenError::Signature),
        (
            auth.issue(&ada, hours_ago, hour).unwrap(),
            TokenError::Expired,
        ),
    ] {
        let answer = server.http(Some(token.clone())).get("/api/site").await;
        assert_eq!(
            (answer.status, &answer.body["detail"]),
            (401, &why.text().as_ref().into())
        );
        let mut client = Client::raw(&server.authority, None).await.unwrap();
        client.hello(Some(token)).await;
        match client.next().await {
            ServerFrame::Error { code, reason, .. } => {
                assert_eq!(
                    (code.as_str(), reason.as_str()),
                    ("bad-token", &*why.text())
                );
            }
            other => panic!("no error: {other:?}"),
        }
        match client.message().await {
            Some(Message::Close(Some(frame))) => {
                assert_eq!(
                    (u16::from(frame.code), &*frame.reason),
                    (4401, &*why.text())
                );
            }
            other => panic!("it is not closed: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_token_unless_a_fresh_one_comes() {
    let server = Running::start().await;
    let short = || server.short_token("ada", &["editor"], SHORT_LIFE);
    let mut kept = connect_to(&server.authority, Some(short())).await;
    let mut lost = connect_to(&server.authority, Some(short())).await;
    assert_eq!(error_code(kept.next().await), "token-expiring");
    assert_eq!(error_code(lost.next().await), "token-expiring");
    let fresh = server.token("ada", &["editor"]);
    kept.send(&ClientFrame::Auth {
        token: Token(fresh),
    })
    .await;
    assert_eq!(lost.closed().await, Some(4401));
    kept.hears_nothing().await;
}

/// With no places at all, a write waits for one for ever.
async fn waiting_for_a_place(server: &Running, token: String) -> Client {
    let mut client = connect_to(&server.authority, Some(token)).await;
    client
        .propose(&"site".parse().unwrap(), vec![vec![1, 2, 3]])
        .await;
    client
}

#[tokio::test]
async fn what_waits_for_a_place_outlives_neither_token_nor_server() {
    let server = Running::with(|config| config.connections.proposals_in_flight_max = 0).await;
    let token = server.short_token("ada", &["editor"], SHORT_LIFE);
    let mut client = waiting_for_a_place(&server, token).await;
    assert_eq!(error_code(client.next().await), "token-expiring");
    assert_eq!(client.closed().await, Some(4401));
    let token = server.token("ada", &["editor"]);
    let mut client = waiting_for_a_place(&server, token).await;
    server.stop().await;
    assert_eq!(client.closed().await, Some(1001));
}

/// A client that answers each notice at once must not be asked without end.
#[tokio::test]
async fn a_token_that_lasts_no_longer_brings_no_further_notice() {
    let server = Running::start().await;
    let token = server.short_token("ada", &["editor"], SHORT_LIFE);
    let mut client = connect_to(&server.authority, Some(token.clone())).await;
    client.hears_nothing().await;
    assert_eq!(error_code(client.next().await), "token-expiring");
    let token = Token(token);
    client.send(&ClientFrame::Auth { token }).await;
    match client.message().await {
        Some(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), 4401),
        other => panic!("it is not closed: {other:?}"),
    }
}

#[tokio::test]
async fn a_fresh_token_cannot_change_who_one_is_or_what_one_may() {
    let server = Running::start().await;
    for (id, roles, code) in [("bob", ["editor"], 4401), ("ada", ["admin"], 4409)] {
        let mut client = server.connect("ada", &["editor"]).await;
        let token = Token(server.token(id, &roles));
        client.send(&ClientFrame::Auth { token }).await;
        assert_eq!(client.closed().await, Some(code));
    }
}

/// Entities that nobody uses stay loaded for a while; they must not keep the store.
#[tokio::test]
async fn a_server_that_has_stopped_holds_nothing() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    assert_eq!(http.get("/api/site").await.status, 200);
    let body = serde_json::json!({ "title": "Later" });
    assert_eq!(http.put("/api/site", body).await.status, 200);
    drop(http);
    let data = server.stop_and_keep().await;
    let again = RedbStore::open(data.path(), RefusalSettings::default());
    assert!(again.is_ok(), "{:?}", again.err());
}

#[tokio::test]
async fn foreign_pages_are_turned_away() {
    let listed = |config: &mut indelible_server::config::Config| {
        config.allow_origins = vec!["https://example.org".parse().unwrap()];
    };
    let server = Running::with(listed).await;
    let own = format!("http://{}", server.authority);
    for origin in [own.as_str(), "https://example.org"] {
        assert!(
            Client::raw(&server.authority, Some(origin)).await.is_ok(),
            "{origin}"
        );
    }
    for origin in [
        "https://evil.example",
        "null",
        "https://example.org.evil.example",
    ] {
        match Client::raw(&server.authority, Some(origin)).await {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403),
            other => panic!("{origin}: {:?}", other.err()),
        }
    }
}

#[tokio::test]
async fn what_is_no_frame_ends_the_connection_and_unknown_frames_do_not() {
    let server = Running::start().await;
    let mut client = server.connect_anonymously().await;
    // {"teleport": {}}
    client
        .send_raw(Message::Binary(b"\xa1\x68teleport\xa0".to_vec().into()))
        .await;
    assert_eq!(error_code(client.next().await), "unknown-frame");
    client
        .send_raw(Message::Binary(b"\xff\xff".to_vec().into()))
        .await;
    assert_eq!(error_code(client.next().await), "malformed");
    assert_eq!(client.closed().await, Some(4400));

    let mut client = server.connect_anonymously().await;
    client.send_raw(Message::Text("{}".into())).await;
    assert_eq!(client.closed().await, Some(4400));

    // Of those who may write nothing, less is read than such a frame has.
    let mut client = server.connect("ada", &["editor"]).await;
    client
        .send_raw(Message::Binary(
            vec![0; Limits::default().frame_bytes_max + 1].into(),
        ))
        .await;
    assert_eq!(client.closed().await, Some(1009));
}

#[tokio::test]
async fn a_stopping_server_says_goodbye() {
    let server = Running::start().await;
    let mut client = server.connect("ada", &["editor"]).await;
    server.stop().await;
    assert_eq!(client.closed().await, Some(1001));
}

fn error_code(frame: ServerFrame) -> String {
    match frame {
        ServerFrame::Error { code, .. } => code,
        other => panic!("no error: {other:?}"),
    }
}
