//! Two who write one field at the same time. Guards against a value that is lost without a word to
//! its author, and against a lost value that reaches somebody who may not know of it.

use indelible_client::ConflictView;
use indelible_engine::conflicts::Outcome;
use indelible_engine::history::{Derived, Kept};
use indelible_engine::id::{Epoch, Seq};
use indelible_server::config::{RefusalSettings, SchemaPlace};
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Ledger, Place};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::editor::Editor;
use super::schema;
use crate::harness::{Client, Running};

const CANARY: &str = "canary-7f3a";

async fn running() -> Running {
    Running::with(|config| config.schema = SchemaPlace::Folder(schema())).await
}

fn of_title(editor: &Editor) -> Option<&ConflictView> {
    let mut conflicts = editor.conflicts().iter();
    conflicts.find(|conflict| conflict.pointer.to_string() == "/title")
}

/// Whether one of the messages up to an entry's has the canary in it.
async fn reads_canary(client: &mut Client, last: &str) -> bool {
    let holds = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    let mut found = false;
    loop {
        let Some(Message::Binary(bytes)) = client.message().await else {
            panic!("the connection has ended");
        };
        found |= holds(&bytes, CANARY);
        if holds(&bytes, last) {
            return found;
        }
    }
}

#[tokio::test]
async fn whoever_loses_learns_of_it_and_can_take_it_back() {
    let server = running().await;
    let token = |id: &str| Some(server.token(id, &["editor"]));
    let (mut ada, mut ben) = (Editor::new("page/one", 1), Editor::new("page/one", 2));
    ada.connect(&server.authority, token("ada")).await;
    ben.connect(&server.authority, token("ben")).await;
    for (editor, name) in [(&mut ada, "Ada's"), (&mut ben, "Ben's")] {
        editor.disconnect();
        editor.edit(&json!({ "title": name, "body": format!("{name}. Hello") }));
    }
    ada.connect(&server.authority, token("ada")).await;
    assert_eq!(ada.conflicts(), []);
    ben.connect(&server.authority, token("ben")).await;
    ada.settle_at(&ben.value()["title"].clone()).await;

    let stands = ada.value()["title"].clone();
    assert_eq!(stands, ben.value()["title"]);
    let (loser, winner, other) = match stands == "Ada's" {
        true => (&mut ben, &ada, "ada"),
        false => (&mut ada, &ben, "ben"),
    };
    assert_eq!(winner.conflicts(), []);
    let conflict = of_title(loser).expect("one of both lost").clone();
    assert_eq!(loser.conflicts().len(), 1, "texts merge");
    assert_eq!(conflict.stands, Some(stands));
    let mine = conflict.mine.expect("it wrote a value");
    assert_eq!(conflict.by.map(|by| by.id).as_deref(), Some(other));

    loser.keep("/title");
    loser.settle().await;
    assert_eq!(loser.conflicts(), []);
    let http = server.http_as("carol", &["editor"]);
    assert_eq!(http.get("/api/page/one").await.body["title"], mine);
    server.stop().await;
}

#[tokio::test]
async fn a_put_from_an_earlier_value_is_reported_to_the_one_whose_value_it_replaces() {
    let server = running().await;
    let bob = server.http_as("bob", &["editor"]);
    let read = bob.get("/api/page/one").await;
    let version = read.header("etag").trim_matches('"').to_owned();
    let mut ada = Editor::new("page/one", 1);
    let token = Some(server.token("ada", &["editor"]));
    ada.connect(&server.authority, token).await;
    ada.edit(&json!({ "title": "Ada's", "slogan": "hers" }));
    ada.settle().await;

    let mut body: Value = read.body.clone();
    body["title"] = "Bob's".into();
    let path = format!("/api/page/one?base={version}");
    assert_eq!(bob.put(&path, body).await.status, 200);
    ada.settle_at(&json!("Bob's")).await;
    assert_eq!(ada.value()["slogan"], "hers");
    let conflict = of_title(&ada).expect("he had not seen hers");
    assert_eq!(conflict.mine, Some(json!("Ada's")));
    assert_eq!(conflict.stands, Some(json!("Bob's")));
    assert_eq!(conflict.by.as_ref().expect("it came as an entry").id, "bob");

    // What he writes now he has seen.
    assert_eq!(
        bob.put("/api/page/one", json!({ "title": "Bob B." }))
            .await
            .status,
        200
    );
    ada.settle_at(&json!("Bob B.")).await;
    assert_eq!(ada.conflicts(), []);

    // The store has it for good.
    let data = server.stop_and_keep().await;
    let store = RedbStore::open(data.path(), RefusalSettings::default()).unwrap();
    let first = Place {
        entity: "page/one".parse().unwrap(),
        epoch: Epoch::FIRST,
        seq: Seq(0),
    };
    let kept = store.effects(&first, 100).unwrap().into_iter();
    let conflicts = kept.filter_map(|(_, bytes)| match Derived::decode(&bytes) {
        Some(Kept::All(derived)) => Some(derived.conflicts),
        _ => None,
    });
    let conflicts: Vec<_> = conflicts.flatten().collect();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].outcome, Outcome::Replaced);
    assert_eq!(conflicts[0].by.as_deref(), Some("ada"));
}

#[tokio::test]
async fn readers_of_values_never_get_a_value_that_lost() {
    let server = running().await;
    let token = || Some(server.token("ada", &["editor"]));
    let bob = server.http_as("bob", &["editor"]);
    let mut reader = server.connect_anonymously().await;
    reader.value("page/one").await;
    let mut other = server.connect("carol", &["editor"]).await;
    other.replica("page/one").await;

    let mut ada = Editor::new("page/one", 1);
    ada.connect(&server.authority, token()).await;
    ada.disconnect();
    ada.edit(&json!({ "title": CANARY }));
    // The server's actor for Bob is greater than any client's.
    assert_eq!(
        bob.put("/api/page/one", json!({ "title": "Bob's" }))
            .await
            .status,
        200
    );
    ada.connect(&server.authority, token()).await;
    let lost = of_title(&ada).expect("it lost");
    assert_eq!(lost.mine, Some(json!(CANARY)));
    assert_eq!(
        bob.put("/api/page/one", json!({ "slogan": "the end" }))
            .await
            .status,
        200
    );
    assert!(!reads_canary(&mut reader, "the end").await);
    assert!(
        reads_canary(&mut other, "the end").await,
        "replicas have the log"
    );
    for http in [server.http(None), bob] {
        let body = http.get("/api/page/one").await.body.to_string();
        assert!(!body.contains(CANARY), "{body}");
    }
    server.stop().await;
}
