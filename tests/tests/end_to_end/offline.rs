//! Editors who were away, with the core of the client, over real sockets.
//!
//! Guards against edits that are lost without a word when one of them is refused, against edits
//! that come out otherwise than as if they were made on what the server has, and against a schema
//! that was made on another day and breaks the client that comes back.

mod conflicts;
mod editor;
mod epochs;
mod restored;

use std::path::{Path, PathBuf};
use std::time::Instant;

use indelible_client::{DroppedView, SyncState};
use indelible_server::config::SchemaPlace;
use serde_json::{Value, json};

use self::editor::Editor;
use crate::harness::{Running, SHORT_LIFE};
use crate::schema_life::Site;

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/offline/schema")
}

/// Edits of every shape are made offline, one of them against a rule that only the server knows of;
/// meanwhile others edit the same places, and delete one.
#[tokio::test]
async fn one_refusal_in_the_middle_takes_nothing_else() {
    let server = Running::with(|config| config.schema = SchemaPlace::Folder(schema())).await;
    let token = || Some(server.token("ada", &["editor"]));
    let mut ada = Editor::new("page/one", 1);
    ada.connect(&server.authority, token()).await;
    ada.disconnect();
    ada.edit(&json!({ "body": "Hello, you" }));
    ada.edit(&json!({ "tags": ["a", "x", "b", "c"], "hits": 3 }));
    // The code belongs to another entity by that time; the slogan to none.
    ada.edit(&json!({ "code": "X", "slogan": "S" }));
    ada.edit(&json!({ "title": "Mine", "body": "Hello, you there" }));
    ada.edit(&json!({ "tags": ["a", "x", "y", "b", "c"], "hits": 5 }));
    ada.edit(&json!({ "address": { "street": "Low Street", "city": "Bath" } }));
    ada.edit(&json!({ "seo": { "words": "w" } }));
    let steps = json!([
        { "id": "s3", "name": "Third", "note": "" },
        { "id": "s1", "name": "Mine", "note": "abcd" },
        { "id": "s2", "name": "Mine too" },
        { "name": "New", "note": "n" },
    ]);
    ada.edit(&json!({ "steps": steps }));
    assert_eq!(ada.status().state, SyncState::Offline);

    let bob = server.http_as("bob", &["editor"]);
    for (path, body) in [
        ("/api/page/two", json!({ "code": "X" })),
        (
            "/api/page/one",
            json!({ "title": "His", "body": "Oh. Hello", "hits": 2 }),
        ),
        ("/api/page/one", json!({ "tags": ["a", "c", "d"] })),
        (
            "/api/page/one",
            json!({ "address": { "street": "His", "city": "His" } }),
        ),
        (
            "/api/page/one",
            json!({ "steps": [{ "id": "s1", "note": "zabc" }, { "id": "s3", "name": "His" }] }),
        ),
    ] {
        let answer = bob.put(path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    ada.connect(&server.authority, token()).await;
    assert_eq!(ada.status().state, SyncState::Refused);
    let lost = DroppedView {
        pointer: "/code".parse().unwrap(),
        reason: "refused",
        rule: Some("unique".to_owned()),
        attempted: Some(json!("X")),
        text: None,
        by: None,
        operations: 1,
    };
    let gone = DroppedView {
        pointer: "/steps/s2/name".parse().unwrap(),
        reason: "gone",
        rule: None,
        attempted: Some(json!("Mine too")),
        text: None,
        by: Some(indelible_engine::protocol::AuthorReport {
            id: "bob".to_owned(),
            name: None,
        }),
        operations: 1,
    };
    assert_eq!(ada.status().dropped, [lost, gone]);
    assert_eq!(
        ada.status().violations[0].holder,
        Some("page/two".parse().unwrap())
    );
    assert_eq!(
        ada.settled(),
        8,
        "every edit is on disk but for what is told"
    );
    // What is left of hers, in order, on what the server had; what she wrote into the item that bob
    // took away is in the log, and reported.
    let mut value = ada.value().clone();
    let made = value["steps"][2].as_object_mut().unwrap().remove("id");
    assert!(made.is_some());
    let expected = json!({
        "title": "Mine",
        "slogan": "S",
        "body": "Oh. Hello, you there",
        "tags": ["a", "x", "y", "c", "d"],
        "hits": 7,
        "address": { "street": "Low Street", "city": "Bath" },
        "seo": { "words": "w" },
        "steps": [
            { "id": "s3", "name": "His" },
            { "id": "s1", "name": "Mine", "note": "zabcd" },
            { "name": "New", "note": "n" }
        ]
    });
    assert_eq!(value, expected);
    assert_eq!(*ada.value(), bob.get("/api/page/one").await.body);
    server.stop().await;
}

/// Several tokens end while an editor is there, who has a fresh one each time.
#[tokio::test]
async fn a_connection_outlives_its_tokens() {
    let server = Running::with(|config| config.schema = SchemaPlace::Folder(schema())).await;
    let token = || server.short_token("ada", &["editor"], SHORT_LIFE);
    let mut ada = Editor::new("page/one", 2);
    ada.connect(&server.authority, Some(token())).await;
    let began = Instant::now();
    while began.elapsed() < SHORT_LIFE * 2 {
        // It would panic if the connection ended.
        ada.refresh(token).await;
    }
    ada.edit(&json!({ "title": "Still here" }));
    ada.settle().await;
    assert_eq!(ada.status().state, SyncState::Synced);
    server.stop().await;
}

fn before() -> Value {
    json!({
        "title": { "type": "string" },
        "body": { "type": "string", "x-indelible": { "merge": "text" } },
        "gone": { "type": "string" },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "name": { "type": "string" } } } }
    })
}

fn after() -> Value {
    json!({
        "title": { "type": "string", "maxLength": 5 },
        "story": { "type": "string", "x-indelible": { "merge": "text", "was": "body" } },
        "level": { "type": "integer", "default": 2 },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "label": { "type": "string", "x-indelible": { "was": "name" } },
            "notes": { "type": "array", "items": { "type": "string" } } } } }
    })
}

/// Fields have other names, one has none, one has become narrower; others have edited since.
#[tokio::test]
async fn whoever_comes_back_to_another_schema_goes_on() {
    let site = Site::new();
    site.write(&before());
    let server = site.start().await;
    let mut ada = Editor::new("note/one", 2);
    ada.connect(&server.authority, site.token("ada")).await;
    ada.disconnect();
    ada.edit(&json!({ "body": "Once more" }));
    ada.edit(&json!({ "title": "Too long", "gone": "typed" }));
    ada.edit(&json!({ "body": "Once more." }));
    let steps = json!([
        { "id": "b", "name": "BB" }, { "id": "a", "name": "A" }, { "name": "New" }
    ]);
    ada.edit(&json!({ "steps": steps }));
    server.stop().await;

    site.write(&after());
    let server = site.start().await;
    let bob = site.http(&server);
    let body = json!({
        "title": "Short", "story": "He: Once", "level": 3,
        "steps": [{ "id": "a", "label": "Alpha", "notes": ["n"] }, { "id": "b", "label": "B" }]
    });
    let answer = bob.put("/api/note/one", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    ada.connect(&server.authority, site.token("ada")).await;
    let lost: Vec<_> = ada
        .status()
        .dropped
        .iter()
        .map(|one| {
            (
                one.pointer.to_string(),
                one.rule.as_deref(),
                one.attempted.as_ref(),
            )
        })
        .collect();
    assert_eq!(
        lost,
        [
            (
                "/gone".to_owned(),
                Some("unknown-field"),
                Some(&json!("typed"))
            ),
            (
                "/title".to_owned(),
                Some("maxLength"),
                Some(&json!("Too long"))
            ),
        ]
    );
    assert_eq!(ada.settled(), 4);
    let steps = ada.value()["steps"].as_array().unwrap();
    let labels: Vec<_> = steps.iter().map(|step| &step["label"]).collect();
    assert_eq!(labels, ["BB", "Alpha", "New"]);
    assert_eq!(ada.value()["story"], "He: Once more.");
    assert_eq!(
        (&ada.value()["title"], &ada.value()["level"]),
        (&json!("Short"), &json!(3))
    );
    assert_eq!(*ada.value(), bob.get("/api/note/one").await.body);

    // And goes on editing, also what the old schema did not have.
    let new = steps[2]["id"].clone();
    ada.edit(&json!({ "level": 4, "steps": [{ "id": new, "notes": ["mine"] }] }));
    ada.settle().await;
    assert_eq!((ada.status().state, ada.settled()), (SyncState::Synced, 5));
    assert_eq!(*ada.value(), bob.get("/api/note/one").await.body);
    server.stop().await;
}

/// Both made it without knowing of each other; the second one learns whose it is, and goes on.
#[tokio::test]
async fn of_two_who_made_one_value_offline_the_second_is_told_who_has_it() {
    let server = Running::with(|config| config.schema = SchemaPlace::Folder(schema())).await;
    let token = |id: &str| Some(server.token(id, &["editor"]));
    let (mut ada, mut bob) = (Editor::new("page/one", 3), Editor::new("page/two", 4));
    let hers = ada.create("page/ada", &json!({ "title": "Ada's", "code": "X" }));
    let his = bob.create("page/bob", &json!({ "title": "Bob's", "code": "X" }));
    let other = bob.create("page/other", &json!({ "title": "Other", "code": "Y" }));
    ada.connect(&server.authority, token("ada")).await;
    assert_eq!(ada.answers(1).await, [(hers, None)]);
    bob.connect(&server.authority, token("bob")).await;
    let mut answers = bob.answers(2).await;
    answers.sort_by_key(|(request, _)| *request);
    assert_eq!(answers[1], (other, None));
    let (request, violations) = answers.remove(0);
    let violations = violations.expect("it is refused");
    assert_eq!((request, violations.len()), (his, 1));
    assert_eq!(violations[0].pointer.to_string(), "/code");
    assert_eq!(violations[0].rule, "unique");
    assert_eq!(violations[0].attempted, Some(json!("X")));
    assert_eq!(violations[0].holder, Some("page/ada".parse().unwrap()));
    let again = bob.create("page/bob", &json!({ "title": "Bob's", "code": "Z" }));
    assert_eq!(bob.answers(1).await, [(again, None)]);
    let http = server.http_as("ada", &["editor"]);
    assert_eq!(http.get("/api/page/bob").await.body["code"], "Z");

    // What was deleted offline comes back, unless another entity holds its value by that time.
    bob.disconnect();
    let deleted = bob.delete("page/bob");
    bob.connect(&server.authority, token("bob")).await;
    assert_eq!(bob.answers(1).await, [(deleted, None)]);
    assert_eq!(http.get("/api/page/bob").await.status, 404);
    let taken = http.put("/api/page/one", json!({ "code": "Z" })).await;
    assert_eq!(taken.status, 200, "{}", taken.body);
    let undeleted = bob.undelete("page/bob");
    let (number, violations) = bob.answers(1).await.remove(0);
    let violations = violations.expect("it is refused");
    assert_eq!((number, violations.len()), (undeleted, 1));
    assert_eq!(violations[0].holder, Some("page/one".parse().unwrap()));
    let freed = http.put("/api/page/one", json!({ "code": "W" })).await;
    assert_eq!(freed.status, 200, "{}", freed.body);
    let undeleted = bob.undelete("page/bob");
    assert_eq!(bob.answers(1).await, [(undeleted, None)]);
    assert_eq!(http.get("/api/page/bob").await.body["code"], "Z");
    server.stop().await;
}
