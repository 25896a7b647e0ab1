//! Guards against one caller who writes without bound, and against bounds that hold for others or
//! lose a write.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use automerge::ScalarValue;
use automerge::transaction::Transactable;
use indelible_engine::protocol::ServerFrame;
use indelible_server::config::{Config, RateSettings, SchemaPlace};
use serde_json::json;

use super::harness::{Http, Replica, Running, token};
use super::process::{Process, arguments};

const NOTE: &str = r#"{
  "type": "object",
  "x-indelible": {
    "kind": "note", "read": ["editor"], "create": ["public"], "edit": ["editor", "importer"],
    "history": ["editor"]
  },
  "properties": {
    "text": { "type": "string" },
    "flags": { "type": "array", "items": { "type": "boolean" } }
  }
}"#;

fn limited(config: &mut Config, settings: &[&str]) {
    let settings = settings.iter().map(|text| text.parse().unwrap());
    config.rates = RateSettings::new(settings).unwrap();
}

#[tokio::test]
async fn over_http_what_is_too_much_is_429_and_others_are_not_held() {
    let server = Running::with(|config| limited(config, &["writes=3", "admin:writes=none"])).await;
    let bob = server.http_as("bob", &["editor"]);
    for number in 0..3 {
        let body = json!({ "phone": number.to_string() });
        assert_eq!(bob.put("/api/site", body).await.status, 200);
    }
    let refused = bob.put("/api/site", json!({ "phone": "4" })).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.body["code"], "rate-limited");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&after), "{after}");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("3 writes in a minute"), "{detail}");
    // Reading is not writing, and others have their own.
    assert_eq!(bob.get("/api/site").await.body["phone"], "2");
    let eve = server.http_as("eve", &["editor"]);
    assert_eq!(
        eve.put("/api/site", json!({ "phone": "5" })).await.status,
        200
    );
    let admin = server.http_as("ada", &["admin", "editor"]);
    for number in 0..10 {
        let body = json!({ "phone": number.to_string() });
        assert_eq!(admin.put("/api/site", body).await.status, 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn bytes_are_charged_afterwards_so_that_no_value_is_too_big() {
    let server = Running::with(|config| limited(config, &["bytes=100000"])).await;
    let bob = server.http_as("bob", &["editor"]);
    let page = json!({ "slug": "a", "title": "A", "notes": "x".repeat(1_000_000) });
    assert_eq!(bob.post("/api/page", page.clone()).await.status, 201);
    let refused = bob.post("/api/page", page).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    let after: u64 = refused.header("retry-after").parse().unwrap();
    // A million bytes at a hundred thousand a minute.
    assert!(after > 500, "{after}");
    server.stop().await;
}

#[tokio::test]
async fn over_a_socket_it_is_an_error_with_a_time_and_the_same_id_is_taken_then() {
    let server = Running::with(|config| limited(config, &["writes=60"])).await;
    let mut bob = server.connect("bob", &["editor"]).await;
    let mut replica = bob.replica("site").await;
    let entity = replica.entity.clone();
    let mut number = 0;
    let (id, change, retry) = loop {
        number += 1;
        let change = replica.put("phone", &format!("+{number}"));
        let id = bob.propose(&entity, vec![change.clone()]).await;
        match answer(&mut bob).await {
            ServerFrame::Admitted { .. } => {}
            ServerFrame::Error {
                code,
                id: of,
                retry,
                ..
            } => {
                assert_eq!((code.as_str(), of), ("rate-limited", Some(id)));
                break (id, change, retry.unwrap());
            }
            other => panic!("{other:?}"),
        }
    };
    assert!((1..=1_000).contains(&retry), "{retry}");
    tokio::time::sleep(Duration::from_millis(retry)).await;
    bob.propose_as(id, &entity, vec![change]).await;
    match answer(&mut bob).await {
        ServerFrame::Admitted { id: of, .. } => assert_eq!(of, id),
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

/// The next frame that is an answer.
async fn answer(client: &mut super::harness::Client) -> ServerFrame {
    loop {
        match client.next().await {
            ServerFrame::Entries { .. } => {}
            frame => return frame,
        }
    }
}

/// The real binary with options.
fn process(data: &Path, schema: &Path, options: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"));
    arguments(&mut command, data, schema);
    command
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Process::ready(command.spawn().unwrap())
}

#[tokio::test]
async fn strangers_are_counted_by_the_address_that_a_trusted_proxy_names() {
    let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(schema.path().join("note.json"), NOTE).unwrap();
    let options = [
        "--trusted-proxy",
        "127.0.0.1",
        "--limit",
        "public:address-creations=2",
        "--limit",
        "importer:creations=none",
        "--limit",
        "creations=1",
    ];
    let process = process(data.path(), schema.path(), &options);
    let stranger = Http::to(&process.authority, None);
    let create = async |from: &str| {
        let headers = [("x-forwarded-for", from)];
        let body = Some(json!({ "text": "hello" }));
        stranger.send("POST", "/api/note", &headers, body).await
    };
    assert_eq!(create("192.0.2.1").await.status, 201);
    // What the stranger writes before the proxy's word is not believed.
    assert_eq!(create("203.0.113.5, 192.0.2.1").await.status, 201);
    let refused = create("203.0.113.6, 192.0.2.1").await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(create("192.0.2.2").await.status, 201);
    // An import has what its role has.
    let life = Duration::from_secs(600);
    let importer = token(data.path(), "importer", &["importer"], life);
    let importer = Http::to(&process.authority, Some(importer));
    for _ in 0..5 {
        let created = importer.post("/api/note", json!({ "text": "x" })).await;
        assert_eq!(created.status, 201, "{created:?}");
    }
    let editor = token(data.path(), "ada", &["editor"], life);
    let editor = Http::to(&process.authority, Some(editor));
    let post = || editor.post("/api/note", json!({ "text": "x" }));
    assert_eq!(post().await.status, 201);
    assert_eq!(post().await.status, 429);
}

#[tokio::test]
async fn a_peer_on_this_machine_that_is_no_proxy_has_no_bound_by_address() {
    let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(schema.path().join("note.json"), NOTE).unwrap();
    let options = ["--limit", "public:address-creations=1"];
    let process = process(data.path(), schema.path(), &options);
    let stranger = Http::to(&process.authority, None);
    for _ in 0..5 {
        let headers = [("x-forwarded-for", "192.0.2.1")];
        let body = Some(json!({ "text": "hello" }));
        let created = stranger.send("POST", "/api/note", &headers, body).await;
        assert_eq!(created.status, 201, "{created:?}");
    }
}

#[test]
fn settings_that_cannot_be_meant_stop_the_start_with_a_sentence() {
    let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(schema.path().join("note.json"), NOTE).unwrap();
    for (options, sentence) in [
        (["--limit", "imprter:writes=5"], "is it \"importer\"?"),
        (["--limit", "importer:write=5"], "did you mean writes?"),
        (["--limit", "writes=0"], "from 1 on"),
        (["--trusted-proxy", "localhost"], "10.0.0.0/8"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"));
        arguments(&mut command, data.path(), schema.path());
        let output = command.args(options).output().unwrap();
        assert!(!output.status.success(), "{options:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(sentence), "{options:?}: {said}");
    }
}

/// Changes of so many operations each that insert `true` into a list, and as many that delete them.
fn flags(replica: &mut Replica, changes: usize, deletes: bool) -> Vec<Vec<u8>> {
    const EACH: usize = 10_000;
    let list = replica.object("flags");
    let mut made: Vec<Vec<u8>> = Vec::new();
    for number in 0..changes {
        made.push(replica.change(|doc| {
            let values = std::iter::repeat_n(ScalarValue::Boolean(true), EACH);
            doc.splice(&list, number * EACH, 0, values).unwrap();
        }));
    }
    for _ in (0..changes).filter(|_| deletes) {
        made.push(replica.change(|doc| {
            doc.splice(&list, 0, EACH.cast_signed(), [ScalarValue::Null; 0])
                .unwrap();
        }));
    }
    made
}

#[tokio::test]
async fn a_proposal_holds_what_it_brings_and_no_more() {
    let schema = tempfile::tempdir().unwrap();
    std::fs::write(schema.path().join("note.json"), NOTE).unwrap();
    let server = Running::with(|config| {
        config.schema = SchemaPlace::Folder(schema.path().to_owned());
    })
    .await;
    let editor = server.http_as("ada", &["editor"]);
    assert_eq!(editor.post("/api/note?id=a", json!({})).await.status, 201);
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut replica = ada.replica("note/a").await;
    let entity = replica.entity.clone();
    let before = replica.doc.save();
    let bomb = flags(&mut replica, 4, true);
    let bytes: usize = bomb.iter().map(Vec::len).sum();
    assert!(bytes < 2_000, "{bytes}");
    let id = ada.propose(&entity, bomb).await;
    let (code, _) = ada.refused(id).await;
    assert_eq!(code, "operations-limit");

    // A list of as many values is as few bytes, and valid: what it brings is there afterwards.
    let mut replica = Replica::new(entity.clone(), &before, replica.seq, replica.hash);
    let honest = flags(&mut replica, 4, false);
    let id = ada.next_id();
    ada.propose_parts(id, &entity, honest, true).await;
    match answer(&mut ada).await {
        ServerFrame::Admitted { id: of, .. } => assert_eq!(of, id),
        other => panic!("{other:?}"),
    }
    let note = editor.get("/api/note/a").await.body;
    assert_eq!(note["flags"].as_array().unwrap().len(), 40_000);
    // What is there can be deleted, at once and by few bytes.
    let list = replica.object("flags");
    let deletions: Vec<_> = (0..4)
        .map(|_| {
            replica.change(|doc| {
                doc.splice(&list, 0, 10_000, [ScalarValue::Null; 0])
                    .unwrap()
            })
        })
        .collect();
    let id = ada.propose(&entity, deletions).await;
    match answer(&mut ada).await {
        ServerFrame::Admitted { id: of, .. } => assert_eq!(of, id),
        other => panic!("{other:?}"),
    }
    server.stop().await;
}
