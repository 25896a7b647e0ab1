//! A server whose data directory was put back to a backup, and those who knew it before. Guards
//! against an acknowledged edit that is gone without a word to its author, against a cache that
//! takes the new value for the one it has, and against a write that takes the wrong value for the
//! one it was made from.

use std::path::Path;
use std::time::Duration;

use indelible_client::SyncState;
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};
use indelible_server::config::SchemaPlace;
use indelible_server::storage::redb::STORE_FILE;
use serde_json::json;

use super::editor::Editor;
use super::schema;
use crate::harness::{self, Client, Http, Running};

const PAGE: &str = "/api/page/one";

/// A server on a directory that outlives it.
async fn start(data: &Path) -> Running {
    Running::with(|config| {
        config.schema = SchemaPlace::Folder(schema());
        config.data = data.to_owned();
    })
    .await
}

fn version(answer: &harness::Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.header("etag").trim_matches('"').to_owned()
}

/// What somebody is sent who has the value at a version.
async fn opened_at(client: &mut Client, version: &str) -> ServerFrame {
    let (epoch, seq, hash) = (None, None, None);
    let frame = ClientFrame::Open {
        entity: "page/one".parse().unwrap(),
        mode: Mode::Value,
        epoch,
        seq,
        hash,
        version: Some(version.to_owned()),
    };
    client.send(&frame).await;
    client.next().await
}

#[tokio::test]
async fn what_a_restored_backup_lacks_is_reported_and_its_versions_are_unknown() {
    let (data, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let day = Duration::from_secs(24 * 3600);
    let token = |id: &str| Some(harness::token(data.path(), id, &["editor"], day));
    let server = start(data.path()).await;
    let first = Http::to(&server.authority, token("bob")).get(PAGE).await;
    let in_backup = version(&first);
    server.stop().await;
    let (file, copy) = (data.path().join(STORE_FILE), backup.path().join(STORE_FILE));
    std::fs::copy(&file, &copy).unwrap();

    // What the backup will lack.
    let server = start(data.path()).await;
    let mut ada = Editor::new("page/one", 1);
    ada.connect(&server.authority, token("ada")).await;
    ada.edit(&json!({ "title": "Lost", "slogan": "hers" }));
    ada.settle().await;
    assert_eq!(ada.status().state, SyncState::Synced);
    let lost = version(&Http::to(&server.authority, token("bob")).get(PAGE).await);
    ada.disconnect();
    server.stop().await;
    std::fs::copy(&copy, &file).unwrap();

    // The log goes on from there, and is as long again as it was.
    let server = start(data.path()).await;
    let bob = Http::to(&server.authority, token("bob"));
    let other = bob.put(PAGE, json!({ "title": "Other" })).await;
    let other = version(&other);
    assert_ne!(other, lost);
    let known = [("if-none-match", &*format!("\"{lost}\""))];
    let answer = bob.send("GET", PAGE, &known, None).await;
    assert_eq!(
        (answer.status, &answer.body["title"]),
        (200, &json!("Other"))
    );
    let known = [("if-none-match", &*format!("\"{other}\""))];
    assert_eq!(bob.send("GET", PAGE, &known, None).await.status, 304);

    let body = || Some(json!({ "title": "Overwritten" }));
    let expected = [("if-match", &*format!("\"{lost}\""))];
    for method in ["PUT", "DELETE"] {
        let body = body().filter(|_| method == "PUT");
        let answer = bob.send(method, PAGE, &expected, body).await;
        let code = json!("precondition-failed");
        assert_eq!((answer.status, &answer.body["code"]), (412, &code));
    }
    let answer = bob
        .put(&format!("{PAGE}?base={lost}"), body().unwrap())
        .await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (412, &json!("unknown-base"))
    );
    // One place further on, it is still no version of this log.
    let answer = bob.put(PAGE, json!({ "slogan": "his" })).await;
    let newest = version(&answer);
    let answer = bob
        .put(&format!("{PAGE}?base={lost}"), body().unwrap())
        .await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (412, &json!("unknown-base"))
    );
    // What the backup has is known as ever: nothing that the body leaves as it was is an edit.
    let answer = bob
        .put(&format!("{PAGE}?base={in_backup}"), first.body)
        .await;
    assert_eq!((answer.status, &answer.body["changed"]), (200, &json!([])));

    let mut reader = harness::connect_to(&server.authority, token("carol")).await;
    match opened_at(&mut reader, &lost).await {
        ServerFrame::Value { version, .. } => assert_eq!(version, newest),
        frame => panic!("{frame:?}"),
    }
    match opened_at(&mut reader, &newest).await {
        ServerFrame::Patch { patch, .. } => assert_eq!(patch, "[]"),
        frame => panic!("{frame:?}"),
    }

    // Her page comes back, with an edit that she made meanwhile.
    ada.edit(&json!({ "body": "Hello, you" }));
    ada.connect(&server.authority, token("ada")).await;
    let status = ada.status();
    assert_eq!((status.state, status.pending), (SyncState::Refused, 0));
    assert_eq!(status.error.as_ref().unwrap().code, "forgotten");
    let dropped = status.dropped.iter();
    let mut dropped: Vec<_> = dropped
        .map(|one| {
            (
                one.pointer.to_string(),
                one.reason,
                one.attempted.clone().unwrap(),
            )
        })
        .collect();
    dropped.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        dropped,
        [
            ("/slogan".to_owned(), "forgotten", json!("hers")),
            ("/title".to_owned(), "forgotten", json!("Lost")),
        ]
    );
    let value = ada.value();
    assert_eq!(
        (&value["title"], &value["slogan"], &value["body"]),
        (&json!("Other"), &json!("his"), &json!("Hello, you"))
    );
    // It is said once.
    ada.edit(&json!({ "title": "Found" }));
    ada.settle().await;
    assert_eq!(
        (ada.status().state, ada.status().dropped.len()),
        (SyncState::Synced, 0)
    );
    assert_eq!(bob.get(PAGE).await.body["title"], "Found");
    server.stop().await;
}
