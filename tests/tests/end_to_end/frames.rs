//! Guards against clients of other protocols that are let in, frames of later versions that are not,
//! and frames without bound. Bytes that are no frame are in `wall/frames.rs`.

use indelible_engine::limits::Limits;
use indelible_engine::protocol::ServerFrame;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use super::harness::{Client, Running};

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
    let most = Limits::default().frame_bytes_max;
    for length in [most + 1, 2 * most] {
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
    let sent = silent
        .try_send_raw(Message::Binary(vec![0; most].into()))
        .await;
    let code = silent.closed().await;
    assert!(matches!(code, Some(4400 | 1009)) || !sent, "{code:?}");
}
