//! Guards against handles that are dead for good: to what is deleted and comes back, to what is made
//! after it was opened; against edits that are lost in silence with what they belonged to; and
//! against learning by waiting what one may not read.

use std::path::Path;

use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};
use indelible_server::config::SchemaPlace;
use serde_json::{Value, json};

use super::harness::{Client, Running};

fn folder(of: &str) -> SchemaPlace {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end");
    SchemaPlace::Folder(tests.join(of).join("schema"))
}

async fn opened(client: &mut Client, name: &str, mode: Mode) {
    client.open(&name.parse().unwrap(), mode).await;
    loop {
        match client.next().await {
            ServerFrame::Schema { .. } => {}
            ServerFrame::Gone { code, .. } => return assert_eq!(code, "not-found"),
            other => panic!("{other:?}"),
        }
    }
}

async fn is_value(client: &mut Client, name: &str) {
    match client.next().await {
        ServerFrame::Value { value, .. } => {
            let value: Value = serde_json::from_str(&value).unwrap();
            assert_eq!(value["name"], name);
        }
        other => panic!("no value: {other:?}"),
    }
}

#[tokio::test]
async fn what_was_opened_is_followed_through_creation_deletion_and_return() {
    let server = Running::with(|config| config.schema = folder("claims")).await;
    let mut reader = server.connect("eve", &["editor"]).await;
    let mut ada = server.connect("ada", &["editor"]).await;
    opened(&mut reader, "member/x", Mode::Value).await;
    opened(&mut ada, "member/x", Mode::Replica).await;
    reader.hears_nothing().await;

    let bob = server.http_as("bob", &["editor"]);
    let made = bob.post("/api/member?id=x", json!({ "name": "X" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    is_value(&mut reader, "X").await;
    assert!(matches!(ada.next().await, ServerFrame::Snapshot { .. }));
    bob.put("/api/member/x", json!({ "name": "Y" })).await;
    assert!(matches!(reader.next().await, ServerFrame::Patch { .. }));
    assert!(matches!(ada.next().await, ServerFrame::Entries { .. }));

    for _ in 0..2 {
        let deleted = bob
            .send("DELETE", "/api/member/x", &[("if-match", "*")], None)
            .await;
        assert_eq!(deleted.status, 204, "{}", deleted.body);
        for client in [&mut reader, &mut ada] {
            match client.next().await {
                ServerFrame::Gone { code, .. } => assert_eq!(code, "deleted"),
                other => panic!("not gone: {other:?}"),
            }
            client.hears_nothing().await;
        }
        let back = bob.send("POST", "/api/member/x/undelete", &[], None).await;
        assert_eq!(back.status, 200, "{}", back.body);
        is_value(&mut reader, "Y").await;
        assert!(matches!(ada.next().await, ServerFrame::Snapshot { .. }));
    }
    // Who may undelete learns that it is deleted also when opening it then.
    let deleted = bob
        .send("DELETE", "/api/member/x", &[("if-match", "*")], None)
        .await;
    assert_eq!(deleted.status, 204, "{}", deleted.body);
    for (client, mode) in [(&mut reader, Mode::Value), (&mut ada, Mode::Replica)] {
        assert!(matches!(client.next().await, ServerFrame::Gone { .. }));
        client.open(&"member/x".parse().unwrap(), mode).await;
        match client.next().await {
            ServerFrame::Gone { code, .. } => assert_eq!(code, "deleted"),
            other => panic!("not gone: {other:?}"),
        }
    }
    let back = bob.send("POST", "/api/member/x/undelete", &[], None).await;
    assert_eq!(back.status, 200, "{}", back.body);
    is_value(&mut reader, "Y").await;
    assert!(matches!(ada.next().await, ServerFrame::Snapshot { .. }));

    // A client that closes it hears no more of it.
    for client in [&mut reader, &mut ada] {
        let entity = "member/x".parse().unwrap();
        client.send(&ClientFrame::Close { entity }).await;
        client.hears_nothing().await;
    }
    bob.put("/api/member/x", json!({ "name": "Z" })).await;
    for client in [&mut reader, &mut ada] {
        client.hears_nothing().await;
    }
}

/// Callers who may read the past of a kind, or delete, learn that something was deleted; to others it
/// is not there.
#[tokio::test]
async fn that_something_was_deleted_is_for_those_who_may_read_the_past() {
    let server = Running::with(|config| config.schema = folder("returns")).await;
    let admin = server.http_as("root", &["admin"]);
    let made = admin.post("/api/note?id=x", json!({ "name": "X" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let deleted = admin
        .send("DELETE", "/api/note/x", &[("if-match", "*")], None)
        .await;
    assert_eq!(deleted.status, 204, "{}", deleted.body);
    for (roles, mode, code) in [
        (&["admin"][..], Mode::Value, "deleted"),
        (&["editor"], Mode::Replica, "deleted"),
        (&["editor"], Mode::Value, "deleted"),
        (&["reader"], Mode::Value, "not-found"),
        (&[], Mode::Value, "not-found"),
    ] {
        let mut client = match roles {
            [] => server.connect_anonymously().await,
            roles => server.connect("someone", roles).await,
        };
        client.open(&"note/x".parse().unwrap(), mode).await;
        loop {
            match client.next().await {
                ServerFrame::Schema { .. } => {}
                ServerFrame::Gone { code: said, .. } => break assert_eq!(said, code, "{roles:?}"),
                other => panic!("{other:?}"),
            }
        }
        // What never was is the same to all.
        client.open(&"note/never".parse().unwrap(), mode).await;
        match client.next().await {
            ServerFrame::Gone { code, .. } => assert_eq!(code, "not-found"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn waiting_is_bounded_and_tells_nothing_to_those_who_may_not_read() {
    let server = Running::with(|config| config.connections.open_entities_max = 3).await;
    let mut stranger = server.connect_anonymously().await;
    opened(&mut stranger, "memo/x", Mode::Value).await;
    opened(&mut stranger, "memo/x", Mode::Replica).await;
    let bob = server.http_as("bob", &["editor"]);
    let made = bob.post("/api/memo?id=x", json!({ "text": "x" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    stranger.hears_nothing().await;

    let mut reader = server.connect_anonymously().await;
    for id in ["a", "b", "c"] {
        opened(&mut reader, &format!("page/{id}"), Mode::Value).await;
    }
    reader.open(&"page/d".parse().unwrap(), Mode::Value).await;
    match reader.next().await {
        ServerFrame::Error { code, entity, .. } => {
            assert_eq!(code, "too-many");
            assert_eq!(entity, Some("page/d".parse().unwrap()));
        }
        other => panic!("no error: {other:?}"),
    }
    let entity = "page/a".parse().unwrap();
    reader.send(&ClientFrame::Close { entity }).await;
    opened(&mut reader, "page/d", Mode::Value).await;
}

#[tokio::test]
async fn an_item_that_is_written_back_is_there_again_and_an_old_list_undoes_no_deletion() {
    let server = Running::with(|config| config.schema = folder("offline")).await;
    let http = server.http_as("ada", &["editor"]);
    let path = "/api/page/one";
    let before = http.get(path).await;
    let steps = before.body["steps"].clone();
    let fewer = json!({ "steps": [steps[0], steps[2]] });
    assert_eq!(http.put(path, fewer.clone()).await.status, 200);
    let version = before.header("etag").trim_matches('"').to_owned();
    let based = format!("{path}?base={version}");

    // Who has not seen the deletion, and changes something else, leaves it.
    let old = json!({ "slogan": "S", "steps": steps });
    let answer = http.put(&based, old.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["changed"], json!(["/slogan"]));
    assert_eq!(answer.body["preserved"], json!([]));
    assert_eq!(answer.body["value"]["steps"], fewer["steps"]);

    // Who changes the item itself, or writes it back knowingly, brings it back.
    let mut edited = steps.clone();
    edited[1]["name"] = json!("Mine");
    let answer = http.put(&based, json!({ "steps": edited })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["value"]["steps"], edited);
    assert_eq!(http.put(path, fewer).await.status, 200);
    let answer = http.put(path, json!({ "steps": edited })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["preserved"], json!([]));
    assert_eq!(answer.body["value"]["steps"], edited);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_pass_over_what_was_deleted() {
    let server = Running::with(|config| config.schema = folder("returns")).await;
    let http = server.http_as("alice", &["admin"]);
    for id in ["b", "c", "d", "e", "f"] {
        let made = http
            .post(&format!("/api/note?id={id}"), json!({ "name": id }))
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    for id in ["c", "d", "e"] {
        let path = format!("/api/note/{id}");
        let gone = http.send("DELETE", &path, &[("if-match", "*")], None).await;
        assert!(gone.status < 300, "{}", gone.body);
    }
    for limit in [1, 2, 3, 10] {
        let (mut found, mut path) = (Vec::new(), format!("/api/note?limit={limit}"));
        loop {
            let page = http.get(&path).await;
            let items = page.body["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{}", page.body);
            let ids = items.iter().map(|item| item["id"].as_str().unwrap());
            found.extend(ids.map(str::to_owned));
            let Some(next) = page.body["next"].as_str() else {
                break;
            };
            path = format!("/api/note?limit={limit}&after={next}");
        }
        assert_eq!(found, ["b", "f"], "{limit}");
    }
}
