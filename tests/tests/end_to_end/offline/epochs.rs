//! Editors who were away while epochs began. Guards against edits that bring back what others deleted,
//! against losses without a name, and against values that are overwritten unseen and nowhere on record.

use std::time::Duration;

use indelible_engine::protocol::ServerFrame;
use indelible_server::config::{Config, SchemaPlace};
use serde_json::{Value, json};

use super::editor::Editor;
use super::schema;
use crate::harness::{Http, Running};
use crate::schema_life::run_command;

const LETTERS: usize = 400;

fn small(config: &mut Config) {
    config.schema = SchemaPlace::Folder(schema());
    let budgets = &mut config.budgets;
    (
        budgets.epoch_operations_min,
        budgets.epoch_operations_per_element,
    ) = (1_000, 1);
    budgets.epoch_quiet = Duration::from_millis(50);
}

/// Writes until the next epoch begins.
async fn outgrow(server: &Running, writer: &Http) {
    let mut follower = server.connect("eve", &["editor"]).await;
    let mut replica = follower.replica("page/one").await;
    let body = writer.get("/api/page/one").await.body["body"].clone();
    for letter in ["a", "b", "c", "d"] {
        let long = json!({ "body": letter.repeat(LETTERS) });
        assert_eq!(writer.put("/api/page/one", long).await.status, 200);
    }
    let answer = writer.put("/api/page/one", json!({ "body": body })).await;
    assert_eq!(answer.status, 200);
    loop {
        match follower.next().await {
            ServerFrame::Snapshot { .. } => return,
            entries => replica.apply(&entries),
        }
    }
}

async fn put(http: &Http, body: Value) {
    let answer = http.put("/api/page/one", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_come_over_several_epochs_and_what_is_gone_is_reported_with_who_deleted_it() {
    let server = Running::with(small).await;
    let token = |id: &str| Some(server.token(id, &["editor"]));
    let bob = server.http_as("bob", &["editor"]);
    put(
        &bob,
        json!({ "title": "First", "labels": { "x": { "text": "ex" }, "y": { "text": "why" } } }),
    )
    .await;
    let mut ada = Editor::new("page/one", 1);
    ada.connect(&server.authority, token("ada")).await;
    ada.disconnect();
    ada.edit(&json!({ "labels": { "x": { "text": "mine" }, "y": { "text": "mine" } } }));
    let mut steps = ada.value()["steps"].clone();
    let gone = steps[1]["id"].as_str().unwrap().to_owned();
    steps[1]["name"] = json!("Mine");
    ada.edit(&json!({ "steps": steps, "title": "Mine" }));

    let mut rest = ada.value()["steps"].as_array().unwrap().clone();
    rest.remove(1);
    let rest: Vec<Value> = rest
        .iter()
        .map(|step| json!({ "id": step["id"] }))
        .collect();
    put(
        &bob,
        json!({ "title": "His", "steps": rest, "labels": { "x": null } }),
    )
    .await;
    outgrow(&server, &bob).await;
    put(&bob, json!({ "slogan": "between" })).await;
    outgrow(&server, &bob).await;

    ada.connect(&server.authority, token("ada")).await;
    let by_bob = |at: &str| (at.to_owned(), "gone", Some("bob".to_owned()));
    let dropped = ada.status().dropped.iter().map(|one| {
        let by = one.by.as_ref().map(|by| by.id.clone());
        (one.pointer.to_string(), one.reason, by)
    });
    let dropped: Vec<_> = dropped.collect();
    assert_eq!(
        dropped,
        [by_bob("/labels/x"), by_bob(&format!("/steps/{gone}"))]
    );
    let shown = bob.get("/api/page/one").await.body;
    assert_eq!(shown["title"], "Mine");
    assert_eq!(shown["slogan"], "between");
    assert_eq!(shown["labels"], json!({ "y": { "text": "mine" } }));
    let left = shown["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["id"]);
    assert_eq!(
        left.collect::<Vec<_>>(),
        rest.iter().map(|step| &step["id"]).collect::<Vec<_>>()
    );
    assert_eq!(*ada.value(), shown);

    // That bob's title was overwritten unseen is on record.
    let data = server.stop_and_keep().await;
    let data = data.path().to_str().unwrap();
    let history = run_command(&["history", "page/one", "--field", "/title", "--data", data]);
    assert!(
        history.contains("which it replaced") && history.contains("His"),
        "{history}"
    );
    // So is whose it was, though the document of the present epoch does not know.
    let whole = run_command(&["history", "page/one", "--json", "--data", data]);
    let records = serde_json::Deserializer::from_str(&whole).into_iter::<Value>();
    let conflicts = records.flat_map(|record| {
        let conflicts = record.unwrap()["conflicts"].as_array().unwrap().clone();
        conflicts.into_iter()
    });
    let title = conflicts.into_iter().find(|one| one["pointer"] == "/title");
    assert_eq!(title.unwrap()["by"], "bob", "{whole}");
}

/// Many edits go up one after the other, and epochs begin in between: each counts once.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_through_epochs_that_begin_meanwhile() {
    const EDITS: usize = 200;
    let server = Running::with(|config| {
        small(config);
        // At once, and not when it is quiet.
        config.budgets.epoch_overdue = 1;
    })
    .await;
    let token = Some(server.token("ada", &["editor"]));
    let bob = server.http_as("bob", &["editor"]);
    let before = bob.get("/api/page/one").await.body;
    let (hits, tags) = (before["hits"].as_u64().unwrap_or(0), before["tags"].clone());
    let mut ada = Editor::new("page/one", 1);
    ada.connect(&server.authority, token.clone()).await;
    ada.disconnect();
    for edit in 1..=EDITS {
        let tag = json!(format!("t{edit}"));
        let mut tags = ada.value()["tags"].as_array().unwrap().clone();
        tags.push(tag.clone());
        ada.edit(&json!({ "hits": hits + edit as u64, "tags": tags, "title": tag }));
    }
    let writing = async {
        for letter in ["a", "b", "c", "d"].iter().cycle().take(16) {
            put(&bob, json!({ "body": letter.repeat(LETTERS) })).await;
        }
        put(&bob, json!({ "body": "Hello" })).await;
    };
    tokio::join!(ada.connect(&server.authority, token), writing);
    ada.settle().await;
    assert_eq!(ada.status().dropped, []);
    let shown = bob.get("/api/page/one").await.body;
    assert_eq!(shown["hits"], hits + EDITS as u64);
    assert_eq!(shown["title"], format!("t{EDITS}"));
    let mut expected = tags.as_array().unwrap().clone();
    expected.extend((1..=EDITS).map(|edit| json!(format!("t{edit}"))));
    assert_eq!(shown["tags"], json!(expected));
    let data = server.stop_and_keep().await;
    let data = data.path().to_str().unwrap();
    let history = run_command(&["history", "page/one", "--limit", "0", "--data", data]);
    assert!(history.contains("3:1"), "{history}");
}
