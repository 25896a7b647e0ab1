//! Guards against changes of texts that come in another form than was asked for, or as splices
//! elsewhere than where the letters went.

use automerge::transaction::Transactable;
use indelible_engine::id::Kind;
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame, TextForm};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::harness::{Client, Running};

/// A reader who says in `hello` how texts are to come.
async fn reader(server: &Running, texts: Option<TextForm>) -> Client {
    let mut client = Client::raw(&server.authority, None).await.unwrap();
    let hello = ClientFrame::Hello {
        protocol: 1,
        token: None,
        client: "tests".into(),
        texts,
    };
    client.send(&hello).await;
    assert!(matches!(client.next().await, ServerFrame::Welcome { .. }));
    client
}

async fn patch(client: &mut Client) -> String {
    match client.next().await {
        ServerFrame::Patch { patch, .. } => patch,
        other => panic!("no patch: {other:?}"),
    }
}

fn op(index: usize, remove: usize, insert: &str) -> Value {
    json!({ "op": "splice", "path": "/motto", "index": index, "remove": remove, "insert": insert })
}

#[tokio::test]
async fn who_asks_for_splices_gets_them_where_the_letters_went() {
    let server = Running::start().await;
    let editor = server.http_as("eve", &["editor"]);
    editor
        .put("/api/site", json!({ "motto": "aaa😀aaa" }))
        .await;
    let mut plain = reader(&server, None).await;
    plain.value("site").await;
    let mut one = reader(&server, Some(TextForm::Splices)).await;
    one.value("site").await;
    let mut other = reader(&server, Some(TextForm::Splices)).await;
    other.open(&"site".parse().unwrap(), Mode::Value).await;
    other.next().await;
    let mut watcher = reader(&server, Some(TextForm::Splices)).await;
    let kind: Kind = "site".parse().unwrap();
    watcher.send(&ClientFrame::Watch { kind }).await;
    for _ in 0..2 {
        watcher.next().await;
    }

    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let motto = hers.object("motto");
    for (index, removed, typed, expected) in [
        (1, 0, "a", vec![op(1, 0, "a")]),
        (2, 1, "", vec![op(2, 1, "")]),
        (3, 2, "", vec![op(3, 2, "")]),
    ] {
        let change = hers.change(|doc| doc.splice_text(&motto, index, removed, typed).unwrap());
        ada.write(&mut hers, vec![change]).await;
        let spliced = patch(&mut one).await;
        let told: Vec<Value> = serde_json::from_str(&spliced).unwrap();
        let told: Vec<_> = told
            .into_iter()
            .filter(|op| op["path"] == "/motto")
            .collect();
        assert_eq!(told, expected);
        assert_eq!(patch(&mut other).await, spliced);
        assert_eq!(patch(&mut watcher).await, spliced);
        let whole = json!({ "op": "replace", "path": "/motto", "value": hers.text("motto") });
        let told: Vec<Value> = serde_json::from_str(&patch(&mut plain).await).unwrap();
        assert!(told.contains(&whole), "{told:?}");
    }
    // What is written in two places at once comes as two splices.
    let changes = [(0, "1"), (7, "2")]
        .map(|(at, typed)| hers.change(|doc| doc.splice_text(&motto, at, 0, typed).unwrap()));
    ada.write(&mut hers, changes.to_vec()).await;
    let told = patch(&mut one).await;
    let told: Vec<Value> = serde_json::from_str(&told).unwrap();
    assert!(
        told.contains(&op(0, 0, "1")) && told.contains(&op(7, 0, "2")),
        "{told:?}"
    );
    // A PUT over HTTP too; what is not a text is sent as before.
    let body = json!({ "motto": "1aaaaa!2", "title": "New" });
    editor.put("/api/site", body).await;
    let told: Vec<Value> = serde_json::from_str(&patch(&mut one).await).unwrap();
    assert!(told.contains(&op(6, 0, "!")), "{told:?}");
    assert!(told.contains(&json!({ "op": "replace", "path": "/title", "value": "New" })));
}

#[tokio::test]
async fn a_form_that_is_not_known_is_the_plain_one() {
    let server = Running::start().await;
    let mut client = Client::raw(&server.authority, None).await.unwrap();
    let hello = b"\xa1\x65hello\xa2\x68protocol\x01\x65texts\x65later";
    client
        .send_raw(Message::Binary(hello.to_vec().into()))
        .await;
    assert!(matches!(client.next().await, ServerFrame::Welcome { .. }));
    client.value("site").await;
    let editor = server.http_as("eve", &["editor"]);
    editor.put("/api/site", json!({ "motto": "We do." })).await;
    let told: Vec<Value> = serde_json::from_str(&patch(&mut client).await).unwrap();
    assert!(told.contains(&json!({ "op": "replace", "path": "/motto", "value": "We do." })));
}
