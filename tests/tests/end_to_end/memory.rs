//! Guards against entities that change when they leave the memory and come back: from snapshots,
//! from the log after them, or from the whole log when a snapshot is unusable.

use std::time::Duration;

use automerge::transaction::Transactable;
use indelible_engine::id::Seq;
use serde_json::json;

use super::harness::Running;

/// A server that forgets at once, and makes a snapshot of every third entry.
async fn forgetful() -> Running {
    Running::with(|config| {
        config.relay.idle = Duration::from_millis(1);
        config.relay.snapshot_changes = 3;
    })
    .await
}

#[tokio::test]
async fn entities_come_back_as_they_were() {
    let server = forgetful().await;
    let http = server.http_as("harry", &["editor"]);
    let mut last = Seq(1);
    for round in 0..6 {
        // Each round is a new connection, so that nobody follows the entity in between.
        let mut ada = server.connect("ada", &["editor"]).await;
        let mut hers = ada.replica("page/home").await;
        assert_eq!(hers.seq, last, "round {round}");
        assert_eq!(hers.text("body"), format!("{}Welcome.", "x".repeat(round)));
        let body = hers.object("body");
        let change = hers.change(|doc| doc.splice_text(&body, 0, 0, "x").unwrap());
        last = ada.write(&mut hers, vec![change]).await;
        drop(ada);
        let put = http
            .put("/api/page/home", json!({ "title": format!("{round}") }))
            .await;
        assert_eq!(put.status, 200, "{put:?}");
        last = last.next();
    }
    let value = http.get("/api/page/home").await.body;
    assert_eq!(
        (&value["title"], &value["body"]),
        (&json!("5"), &json!("xxxxxxWelcome."))
    );
}

#[tokio::test]
async fn many_at_once_meet_an_entity_that_is_leaving() {
    let server = forgetful().await;
    let http = server.http_as("harry", &["editor"]);
    for round in 0..20 {
        let puts = (0..4).map(|n| {
            let body = json!({ "title": format!("{round} {n}") });
            http.put("/api/page/home", body)
        });
        for put in futures_util::future::join_all(puts).await {
            assert_eq!(put.status, 200, "{put:?}");
        }
    }
    let mut ada = server.connect("ada", &["editor"]).await;
    assert_eq!(ada.replica("page/home").await.seq, Seq(81));
}

#[tokio::test]
async fn values_leave_and_come_back_to_all_who_ask() {
    let server = forgetful().await;
    let http = server.http_as("harry", &["editor"]);
    for n in 0..20 {
        let body = json!({ "slug": "s", "title": format!("Page {n}") });
        let post = http.post(&format!("/api/page?id=p-{n:02}"), body).await;
        assert_eq!(post.status, 201, "{post:?}");
    }
    for round in 0..10 {
        // Each comes when values are just leaving.
        let (mut after, mut ids) = (String::new(), Vec::new());
        loop {
            let page = http.get(&format!("/api/page?limit=7{after}")).await.body;
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["id"].clone()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(ids.len(), 22, "{round}: {ids:?}");
        let mut reader = server.connect_anonymously().await;
        for n in 0..20 {
            let (value, _) = reader.value(&format!("page/p-{n:02}")).await;
            assert_eq!(value["title"], format!("Page {n}"));
        }
        // What is followed stays followed, though its entity leaves.
        let title = format!("Round {round}");
        let put = http.put("/api/page/p-03", json!({ "title": title })).await;
        assert_eq!(put.status, 200, "{put:?}");
        match reader.next().await {
            indelible_engine::protocol::ServerFrame::Patch { patch, .. } => {
                assert!(patch.contains(&title), "{patch}");
            }
            other => panic!("{other:?}"),
        }
        let put = http
            .put("/api/page/p-03", json!({ "title": "Page 3" }))
            .await;
        assert_eq!(put.status, 200, "{put:?}");
    }
}
