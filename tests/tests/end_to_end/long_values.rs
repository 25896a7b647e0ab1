//! Guards against values that the schema allows and a server refuses, keeps in part, or cannot hand
//! on, since one change, one frame or one body would not hold them.

use std::path::Path;

use automerge::transaction::Transactable;
use automerge::{Change, ObjType, ScalarValue};
use indelible_engine::change::divide;
use indelible_engine::id::ProposalId;
use indelible_engine::limits::Limits;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use indelible_server::config::SchemaPlace;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use super::harness::{Client, Replica, Running};

fn schema() -> Value {
    let text = |write: &str| {
        json!({ "type": "string", "maxLength": 270_000,
                "x-indelible": { "merge": "text", "write": write } })
    };
    json!({
        "type": "object",
        "x-indelible": { "kind": "case", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "history": ["editor"] },
        "properties": {
            "title": { "type": "string", "maxLength": 20 },
            "before": text("edit"), "after": text("edit"), "origin": text("create"),
            "tags": { "type": "array", "items": { "type": "string" } },
            "ranks": { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
            "open": { "type": "object", "additionalProperties": {
                "type": "object", "properties": { "note": text("edit") } } },
            "parts": { "type": "array", "items": { "type": "object", "properties": {
                "story": text("create"), "note": text("edit") } } }
        }
    })
}

/// A server with one entity, `case/seeded`, whose content takes several changes.
async fn start(folder: &Path) -> Running {
    let content =
        json!({ "seeded": { "before": "s".repeat(25_000), "origin": "o".repeat(12_000) } });
    std::fs::create_dir_all(folder.join("content")).unwrap();
    std::fs::write(folder.join("case.json"), schema().to_string()).unwrap();
    std::fs::write(folder.join("content/case.json"), content.to_string()).unwrap();
    let place = SchemaPlace::Folder(folder.to_owned());
    Running::with(|config| config.schema = place).await
}

/// Asks, and gives the code of the answer.
async fn answer(client: &mut Client, frame: &ClientFrame) -> String {
    client.send(frame).await;
    loop {
        match client.next().await {
            ServerFrame::Entries { .. } | ServerFrame::Patch { .. } => {}
            ServerFrame::Admitted { .. } => return "admitted".to_owned(),
            ServerFrame::Refused {
                code,
                admitted,
                violations,
                ..
            } => {
                assert_eq!(admitted, 0);
                let rules = violations.iter().map(|violation| violation.rule.as_str());
                return format!("{code} {}", rules.collect::<Vec<_>>().join(" "));
            }
            other => panic!("no answer: {other:?}"),
        }
    }
}

/// A proposal of one edit.
fn edit(id: u8, replica: &Replica, changes: &[Vec<u8>]) -> ClientFrame {
    ClientFrame::Propose {
        id: ProposalId([id; 16]),
        entity: replica.entity.clone(),
        epoch: indelible_engine::id::Epoch::FIRST,
        changes: changes.iter().cloned().map(ByteBuf::from).collect(),
        whole: true,
    }
}

fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    divide(&Change::try_from(bytes).unwrap(), &Limits::default())
}

#[tokio::test]
async fn over_http_and_in_content_files() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let http = server.http_as("ada", &["editor"]);
    let seeded = http.get("/api/case/seeded").await;
    assert_eq!(seeded.body["before"], "s".repeat(25_000));
    assert_eq!(seeded.body["origin"], "o".repeat(12_000));

    let words: Vec<String> = (0..20_000).map(|index| format!("w{index}")).collect();
    let body = json!({
        "before": "a".repeat(6_000), "after": "b".repeat(6_000), "origin": "ö".repeat(30_000),
        "tags": words, "parts": [ { "id": "p", "story": "s".repeat(12_000) } ],
    });
    let key = [("idempotency-key", "once")];
    let path = "/api/case/one";
    for _ in 0..2 {
        let made = http
            .send("POST", "/api/case?id=one", &key, Some(body.clone()))
            .await;
        assert!(matches!(made.status, 200 | 201), "{}", made.body["code"]);
    }
    let read = http.get(path).await;
    for field in ["before", "after", "origin", "tags"] {
        assert_eq!(read.body[field], body[field], "{field}");
    }

    let mut reader = server.connect("bob", &["editor"]).await;
    let mut replica = reader.replica("case/one").await;
    let put = http
        .put(
            path,
            json!({ "before": "c".repeat(100_000), "title": "Two" }),
        )
        .await;
    assert_eq!(put.status, 200, "{}", put.body["code"]);
    reader.receive(&mut replica).await;
    assert_eq!(replica.text("before"), "c".repeat(100_000));
    assert_eq!(replica.seq.0, 2, "one edit is one entry");

    // Refused, it leaves nothing behind.
    let long = json!({ "before": "d".repeat(270_001), "title": "Three" });
    let refused = http.put(path, long).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (422, &json!("policy"))
    );
    let read = http.get(path).await;
    assert_eq!(
        (read.body["title"].as_str(), replica.seq.0),
        (Some("Two"), 2)
    );

    let folder = folder.path().to_owned();
    let data = server.stop_and_keep().await;
    let again = Running::with(|config| {
        config.data = data.path().to_owned();
        config.schema = SchemaPlace::Folder(folder);
    })
    .await;
    assert_eq!(again.http(None).get(path).await.body, read.body);
}

#[tokio::test]
async fn texts_beyond_a_mebibyte_come_in_and_go_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let http = server.http_as("ada", &["editor"]);
    let mut reader = server.connect("bob", &["editor"]).await;
    let (_, _) = reader.value("case/seeded").await;
    for (spelt, letter) in [("\\ud83d\\ude00", '😀'), ("\\u0001", '\u{1}')] {
        let body = format!(r#"{{"before":"{}"}}"#, spelt.repeat(270_000));
        let put = http
            .send_text("PUT", "/api/case/seeded", &[], Some(body))
            .await;
        assert_eq!(put.status, 200, "{}", put.body["code"]);
        let text = letter.to_string().repeat(270_000);
        let read = http.get("/api/case/seeded").await;
        assert!(read.body["before"] == text.as_str());
        let mut fresh = server.connect("carol", &["editor"]).await;
        let replica = fresh.replica("case/seeded").await;
        assert!(replica.text("before") == text);
        let (value, _) = server
            .connect("dave", &["editor"])
            .await
            .value("case/seeded")
            .await;
        assert!(value["before"] == text.as_str());
    }
}

#[tokio::test]
async fn over_the_socket_one_edit_is_taken_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let value = json!({ "before": "a".repeat(30_000), "origin": "b".repeat(12_000) });
    let create = ClientFrame::Create {
        id: ProposalId([1; 16]),
        entity: "case/one".parse().unwrap(),
        value: value.to_string(),
    };
    assert_eq!(answer(&mut ada, &create).await, "admitted");

    let mut replica = ada.replica("case/one").await;
    let list = replica.object("parts");
    let whole = replica.change(|doc| {
        let item = doc.put_object(&list, "p", ObjType::Map).unwrap();
        doc.put(&item, "$position", "V").unwrap();
        let story = doc.put_object(&item, "story", ObjType::Text).unwrap();
        doc.put_object(&item, "note", ObjType::Text).unwrap();
        doc.splice_text(&story, 0, 0, &"s".repeat(25_000)).unwrap();
        doc.put(&item, "$deleted", ScalarValue::Boolean(false))
            .unwrap();
    });
    let changes = parts(&whole);
    assert_eq!(changes.len(), 3);
    assert_eq!(
        answer(&mut ada, &edit(2, &replica, &changes)).await,
        "admitted"
    );
    // A repeat is answered, not judged.
    assert_eq!(
        answer(&mut ada, &edit(2, &replica, &changes)).await,
        "admitted"
    );
    let http = server.http(None);
    let read = http.get("/api/case/one").await;
    assert_eq!(read.body["parts"][0]["story"], "s".repeat(25_000));

    // Later, nobody writes on, neither the author nor anybody else.
    for (id, who) in [(3, "ada"), (4, "bob")] {
        let mut client = server.connect(who, &["editor"]).await;
        let mut replica = client.replica("case/one").await;
        let before = replica.object("before");
        let origin = replica.object("origin");
        let more = replica.change(|doc| {
            doc.splice_text(&before, 0, 0, &"x".repeat(12_000)).unwrap();
            doc.splice_text(&origin, 0, 0, "more").unwrap();
        });
        let frame = edit(id, &replica, &parts(&more));
        assert_eq!(answer(&mut client, &frame).await, "policy create");
    }
    assert_eq!(http.get("/api/case/one").await.body, read.body);
}

#[tokio::test]
async fn nobody_is_refused_for_a_double_that_a_merge_made() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let http = server.http_as("ada", &["editor"]);
    let path = "/api/case/seeded";
    let put = http
        .put(path, json!({ "ranks": ["a", "b", "c", "d"] }))
        .await;
    assert_eq!(put.status, 200);
    let base = put.header("etag").trim_matches('"').to_owned();
    // Two over HTTP on one base, and two replicas that do not see each other.
    for ranks in [["d", "a", "b", "c"], ["a", "d", "b", "c"]] {
        let put = http
            .put(&format!("{path}?base={base}"), json!({ "ranks": ranks }))
            .await;
        assert_eq!(
            (put.status, &put.body["value"]["ranks"]),
            (200, &json!(ranks))
        );
    }
    let (mut ada, mut bob) = (
        server.connect("ada", &["editor"]).await,
        server.connect("bob", &["editor"]).await,
    );
    let mut hers = ada.replica("case/seeded").await;
    let mut his = bob.replica("case/seeded").await;
    let moves = |replica: &mut Replica, to: usize| {
        let list = replica.object("ranks");
        replica.change(|doc| {
            doc.delete(&list, 3).unwrap();
            doc.insert(&list, to, "c").unwrap();
        })
    };
    let (first, second) = (moves(&mut hers, 0), moves(&mut his, 2));
    ada.write(&mut hers, vec![first]).await;
    bob.receive(&mut his).await;
    bob.write(&mut his, vec![second]).await;
    let read = http.get(path).await;
    assert_eq!(read.body["ranks"], json!(["c", "a", "d", "b"]));
    let (value, _) = server
        .connect("carol", &["editor"])
        .await
        .value("case/seeded")
        .await;
    assert_eq!(value["ranks"], read.body["ranks"]);
    // The next edit of the list may build on what is shown; one's own double is refused.
    let put = http
        .put(path, json!({ "ranks": ["c", "a", "d", "b", "e"] }))
        .await;
    assert_eq!(put.body["value"]["ranks"], json!(["c", "a", "d", "b", "e"]));
    let twice = http.put(path, json!({ "ranks": ["a", "b", "a"] })).await;
    assert_eq!(twice.status, 422);
    assert_eq!(twice.body["violations"][0]["rule"], "uniqueItems");
    assert_eq!(twice.body["violations"][0]["pointer"], "/ranks/2");
}

#[tokio::test]
async fn an_id_that_is_no_id_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let http = server.http_as("ada", &["editor"]);
    let path = "/api/case/seeded";
    let parts = json!([{ "note": "one" }, { "note": "two" }]);
    let put = http.put(path, json!({ "parts": parts })).await;
    let kept = put.body["value"]["parts"].clone();
    for id in [
        json!(null),
        json!(7),
        json!({}),
        json!(""),
        kept[0]["id"].clone(),
    ] {
        let body = json!({ "parts": [kept[0], { "id": id, "note": "x" }] });
        let refused = http.put(path, body).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (422, &json!("policy")),
            "{id}"
        );
        let at = refused.body["violations"][0]["pointer"].as_str().unwrap();
        assert!(at.starts_with("/parts/1"), "{at}");
        assert_eq!(http.get(path).await.body["parts"], kept);
    }
    let mut ada = server.connect("ada", &["editor"]).await;
    let create = ClientFrame::Create {
        id: ProposalId([5; 16]),
        entity: "case/null".parse().unwrap(),
        value: json!({ "parts": [{ "id": null }] }).to_string(),
    };
    assert_eq!(answer(&mut ada, &create).await, "policy name");
}
