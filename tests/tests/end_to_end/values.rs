//! Guards against readers that see something else than what was saved, or miss what is new.

use automerge::transaction::Transactable;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use serde_json::{Value, json};

use super::harness::{Client, Running};

/// Applies the next `patch` (or takes the next `value`) to a value.
async fn follow(reader: &mut Client, value: &mut Value) -> String {
    match reader.next().await {
        ServerFrame::Patch { patch, version, .. } => {
            let patch: json_patch::Patch = serde_json::from_str(&patch).unwrap();
            json_patch::patch(value, &patch).unwrap();
            version
        }
        ServerFrame::Value {
            value: whole,
            version,
            ..
        } => {
            *value = serde_json::from_str(&whole).unwrap();
            version
        }
        other => panic!("neither patch nor value: {other:?}"),
    }
}

#[tokio::test]
async fn patches_lead_to_what_http_shows() {
    let server = Running::start().await;
    let mut reader = server.connect_anonymously().await;
    let (mut value, _) = reader.value("site").await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let motto = hers.object("motto");
    let mut changes = vec![hers.change(|doc| doc.splice_text(&motto, 3, 3, "do").unwrap())];
    changes.push(hers.put("title", "Ärger & Ümlaut"));
    changes.push(hers.change(|doc| doc.delete(automerge::ROOT, "phone").unwrap()));
    for change in changes {
        ada.write(&mut hers, vec![change]).await;
        let version = follow(&mut reader, &mut value).await;
        let answer = server.http(None).get("/api/site").await;
        assert_eq!(answer.body, value);
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
    }
    assert_eq!(value.get("phone"), None);
}

#[tokio::test]
async fn watchers_see_all_and_then_the_new_ones() {
    let server = Running::start().await;
    let mut watcher = server.connect_anonymously().await;
    let kind: indelible_engine::id::Kind = "page".parse().unwrap();
    watcher
        .send(&ClientFrame::Watch { kind: kind.clone() })
        .await;
    let mut seen = Vec::new();
    loop {
        match watcher.next().await {
            ServerFrame::Value { entity, .. } => seen.push(entity.to_string()),
            ServerFrame::Watched { kind: of } if of == kind => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["page/about", "page/home"]);

    let editor = server.http_as("ada", &["editor"]);
    let body = json!({ "slug": "x", "title": "X" });
    assert_eq!(editor.post("/api/page?id=x", body).await.status, 201);
    match watcher.next().await {
        ServerFrame::Value { entity, value, .. } => {
            assert_eq!(entity.to_string(), "page/x");
            assert_eq!(serde_json::from_str::<Value>(&value).unwrap()["title"], "X");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        editor
            .put("/api/page/x", json!({ "title": "Y" }))
            .await
            .status,
        200
    );
    match watcher.next().await {
        ServerFrame::Patch { entity, patch, .. } => {
            assert_eq!(entity.to_string(), "page/x");
            assert!(patch.contains("\"Y\""), "{patch}");
        }
        other => panic!("{other:?}"),
    }
    // Somebody who both watches and opened the entity gets each patch once.
    watcher.value("page/x").await;
    assert_eq!(
        editor
            .put("/api/page/x", json!({ "title": "Z" }))
            .await
            .status,
        200
    );
    assert!(matches!(watcher.next().await, ServerFrame::Patch { .. }));
    watcher.hears_nothing().await;

    watcher
        .send(&ClientFrame::Close {
            entity: "page/x".parse().unwrap(),
        })
        .await;
    watcher.send(&ClientFrame::Unwatch { kind }).await;
    watcher.hears_nothing().await;
    assert_eq!(
        editor
            .put("/api/page/x", json!({ "title": "Unseen" }))
            .await
            .status,
        200
    );
    watcher.hears_nothing().await;
}
