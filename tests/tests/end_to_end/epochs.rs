//! Guards against a history that grows without bound for what it shows, and against readers,
//! writers and auditors who lose anything when a new one begins.

mod worlds;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use indelible_engine::id::Epoch;
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};
use indelible_server::config::Config;
use serde_json::json;

use super::harness::{Client, Http, Replica, Running};
use super::schema_life::run_command;

const LETTERS: usize = 400;

/// An epoch holds few operations, as many as come before the last write of [`outgrow`], and ends as soon
/// as nobody writes for a moment.
fn small(config: &mut Config) {
    let budgets = &mut config.budgets;
    (
        budgets.epoch_operations_min,
        budgets.epoch_operations_per_element,
    ) = (3_000, 1);
    budgets.epoch_quiet = Duration::from_millis(50);
    budgets.epoch_overdue = 1_000;
}

/// Writes the text again and again until its history is out of proportion; gives the last version.
async fn outgrow(editor: &Http, path: &str, last: &str) -> String {
    for letter in ["a", "b", "c", "d"] {
        let body = json!({ "body": letter.repeat(LETTERS) });
        assert_eq!(editor.put(path, body).await.status, 200);
    }
    let answer = editor.put(path, json!({ "body": last })).await;
    assert_eq!(answer.status, 200);
    answer.header("etag").to_owned()
}

/// Waits until a follower is sent the next epoch.
async fn next_epoch(follower: &mut Client, epoch: Epoch) -> Replica {
    loop {
        match follower.next().await {
            ServerFrame::Entries { .. } => {}
            ServerFrame::Snapshot {
                entity,
                epoch: of,
                seq,
                hash,
                document,
                ..
            } => {
                assert_eq!(of, epoch);
                return Replica::new(entity, &document, seq, hash);
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn page(editor: &Http) -> String {
    let value = json!({ "slug": "a", "title": "A", "body": "Hello world" });
    let created = editor.post("/api/page?id=a", value).await;
    assert_eq!(created.status, 201, "{created:?}");
    created.header("etag").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_outgrown_its_value_begins_anew_and_versions_from_before_stay_good() {
    let server = Running::with(small).await;
    let editor = server.http_as("ada", &["editor"]);
    let first = page(&editor).await;
    let mut follower = server.connect("bob", &["editor"]).await;
    let before = follower.replica("page/a").await;
    let last = outgrow(&editor, "/api/page/a", "Hello big world").await;
    let mut replica = next_epoch(&mut follower, Epoch(2)).await;
    assert_eq!(replica.text("body"), "Hello big world");
    // Three texts of 400 letters have gone.
    let size = |replica: &mut Replica| replica.doc.get_changes(&[]).len();
    assert!(size(&mut replica) <= 2, "{}", size(&mut replica));
    drop(before);

    // The version of before is that of the present: nothing has changed.
    for (condition, status) in [("if-none-match", 304), ("if-match", 200)] {
        let answer = editor
            .send("GET", "/api/page/a", &[(condition, &last)], None)
            .await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_ne!(answer.header("etag"), last);
        let answer = editor
            .send("GET", "/api/page/a", &[(condition, &first)], None)
            .await;
        assert_eq!(
            answer.status,
            if status == 304 { 200 } else { 412 },
            "{answer:?}"
        );
    }
    let mut reader = server.connect("eve", &["editor"]).await;
    let open = |version: &str| ClientFrame::Open {
        entity: "page/a".parse().unwrap(),
        mode: Mode::Value,
        epoch: None,
        seq: None,
        hash: None,
        version: Some(version.trim_matches('"').to_owned()),
    };
    reader.send(&open(&last)).await;
    match reader.next().await {
        ServerFrame::Patch { patch, .. } => assert_eq!(patch, "[]"),
        other => panic!("{other:?}"),
    }
    reader.send(&open(&first)).await;
    assert!(matches!(reader.next().await, ServerFrame::Value { .. }));
    let conditional = [("if-match", last.as_str())];
    let body = Some(json!({ "title": "B" }));
    let answer = editor.send("PUT", "/api/page/a", &conditional, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // Now it is not any more.
    let body = Some(json!({ "title": "C" }));
    let answer = editor.send("PUT", "/api/page/a", &conditional, body).await;
    assert_eq!(answer.status, 412, "{answer:?}");

    // A body that was made from a version of the epoch before is brought in relative to it.
    let base = first.trim_matches('"');
    let path = format!("/api/page/a?base={base}");
    let body = json!({ "title": "A", "body": "Hello world!" });
    let answer = editor.put(&path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["value"]["body"], "Hello big world!");
    assert_eq!(answer.body["value"]["title"], "B");

    let data = server.stop_and_keep().await;
    let dir = data.path().to_str().unwrap();
    let bundle = data.path().parent().unwrap().join(format!(
        "{}.ndjson",
        data.path().file_name().unwrap().to_str().unwrap()
    ));
    let out = bundle.to_str().unwrap();
    run_command(&["export", "--data", dir, "--out", out]);
    let verdict = run_command(&["verify", out]);
    std::fs::remove_file(&bundle).unwrap();
    assert!(verdict.starts_with("good: "), "{verdict}");
    let past = run_command(&["at", "page/a", "1:1", "--data", dir]);
    assert!(past.contains("Hello world"), "{past}");
    let blame = run_command(&["blame", "page/a", "/title", "--data", dir]);
    assert!(blame.contains("ada"), "{blame}");
    let history = run_command(&["history", "page/a", "--data", dir]);
    assert!(
        history.contains("1:6") && history.contains("2:1"),
        "{history}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_the_epoch_before_learns_what_of_its_edits_is_in_the_log() {
    let server = Running::with(small).await;
    let editor = server.http_as("ada", &["editor"]);
    page(&editor).await;
    let mut bob = server.connect("bob", &["editor"]).await;
    let mut his = bob.replica("page/a").await;
    let entity = his.entity.clone();
    let (seq, hash) = (his.seq, his.hash);
    // His edit is taken, and he never hears of it.
    let change = his.put("title", "From bob");
    let id = bob.propose(&entity, vec![change.clone()]).await;
    loop {
        if editor.get("/api/page/a").await.body["title"] == "From bob" {
            break;
        }
    }
    drop(bob);
    let mut follower = server.connect("eve", &["editor"]).await;
    follower.replica("page/a").await;
    outgrow(&editor, "/api/page/a", "Hello").await;
    next_epoch(&mut follower, Epoch(2)).await;

    let mut bob = server.connect("bob", &["editor"]).await;
    bob.send(&ClientFrame::Open {
        entity: entity.clone(),
        mode: Mode::Replica,
        epoch: Some(Epoch::FIRST),
        seq: Some(seq),
        hash: Some(hash),
        version: None,
    })
    .await;
    assert!(matches!(bob.next().await, ServerFrame::Schema { .. }));
    let missed = bob.next().await;
    let ServerFrame::Entries { epoch, entries, .. } = &missed else {
        panic!("{missed:?}")
    };
    assert_eq!((*epoch, entries.len()), (Epoch::FIRST, 6));
    assert_eq!(entries[0].proposal, Some(id));
    let present = bob.next().await;
    assert!(
        matches!(&present, ServerFrame::Snapshot { epoch, .. } if *epoch == Epoch(2)),
        "{present:?}"
    );
    // Sent again, it is answered from the log.
    bob.propose_as(id, &entity, vec![change]).await;
    bob.admitted(id).await;
    // What is not in the log belongs to an epoch that is over.
    let late = his.put("title", "Too late");
    let id = bob.propose(&entity, vec![late]).await;
    assert_eq!(bob.refused(id).await.0, "epoch");
    assert_eq!(editor.get("/api/page/a").await.body["title"], "From bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_count_too_and_what_is_loaded_shrinks_with_them() {
    let server = Running::with(|config| {
        small(config);
        config.budgets.epoch_operations_min = 1_000_000;
        (
            config.budgets.epoch_bytes_min,
            config.budgets.epoch_bytes_per_byte,
        ) = (300_000, 2);
    })
    .await;
    let editor = server.http_as("ada", &["editor"]);
    page(&editor).await;
    let mut follower = server.connect("bob", &["editor"]).await;
    follower.replica("page/a").await;
    for letter in ["a", "b", "c", "d"] {
        let body = json!({ "notes": letter.repeat(100_000) });
        assert_eq!(editor.put("/api/page/a", body).await.status, 200);
    }
    next_epoch(&mut follower, Epoch(2)).await;
    // What the value takes itself is in proportion, and stays.
    let body = json!({ "notes": "e".repeat(100_000) });
    assert_eq!(editor.put("/api/page/a", body).await.status, 200);
    assert!(matches!(follower.next().await, ServerFrame::Entries { .. }));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_outgrow_their_values_at_once_all_begin_anew() {
    let server = Running::with(small).await;
    let editor = server.http_as("ada", &["editor"]);
    let ids: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
    let mut follower = server.connect("bob", &["editor"]).await;
    let mut reader = server.connect_anonymously().await;
    for id in &ids {
        let value = json!({ "slug": id, "title": "A", "body": "Hello world" });
        let created = editor.post(&format!("/api/page?id={id}"), value).await;
        assert_eq!(created.status, 201, "{created:?}");
        follower.replica(&format!("page/{id}")).await;
        reader.value(&format!("page/{id}")).await;
    }
    let outgrown = ids.iter().map(|id| {
        let editor = &editor;
        async move { outgrow(editor, &format!("/api/page/{id}"), id).await }
    });
    let last = futures_util::future::join_all(outgrown).await;
    let mut begun = HashSet::new();
    while begun.len() < ids.len() {
        if let ServerFrame::Snapshot { entity, epoch, .. } = follower.next().await {
            assert_eq!(epoch, Epoch(2));
            begun.insert(entity);
        }
    }
    // Readers of values notice nothing but other versions.
    let nowhere = "nothing/here".parse().unwrap();
    reader.open(&nowhere, Mode::Value).await;
    let mut versions = HashMap::new();
    loop {
        match reader.next().await {
            ServerFrame::Patch {
                entity, version, ..
            } => drop(versions.insert(entity.to_string(), version)),
            ServerFrame::Gone { entity, .. } if entity == nowhere => break,
            other => panic!("{other:?}"),
        }
    }
    for (id, last) in ids.iter().zip(last) {
        let path = format!("/api/page/{id}");
        let now = editor.get(&path).await;
        assert_eq!(now.body["body"], **id);
        let told = versions[&format!("page/{id}")].as_str();
        assert_eq!(now.header("etag").trim_matches('"'), told);
        let conditional = [("if-none-match", last.as_str())];
        let same = editor.send("GET", &path, &conditional, None).await;
        assert_eq!(same.status, 304, "{same:?}");
        let conditional = [("if-match", last.as_str())];
        let body = Some(json!({ "title": "B" }));
        let written = editor.send("PUT", &path, &conditional, body).await;
        assert_eq!(written.status, 200, "{written:?}");
    }
    server.stop().await;
}
