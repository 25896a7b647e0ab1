//! Values that only one entity of a kind may have, and entities that come and go.
//!
//! Guards against two entities with one such value, a value that stays taken when nobody has it, a
//! refusal that takes more with it than what it is about or says more than its reader may know,
//! and followers of a deleted entity who are not informed.

mod random;

use std::path::{Path, PathBuf};
use std::time::Duration;

use automerge::ReadDoc;
use automerge::transaction::Transactable;
use indelible_engine::id::ProposalId;
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};
use indelible_engine::violation::ViolationReport;
use indelible_server::config::SchemaPlace;
use serde_json::{Value, json};

use super::harness::{self, Client, Http, Running};
use super::process::Process;

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/claims/schema")
}

async fn start() -> Running {
    Running::with(|config| config.schema = SchemaPlace::Folder(schema())).await
}

async fn create(client: &mut Client, name: &str, value: Value) -> ProposalId {
    let id = client.next_id();
    let (entity, value) = (name.parse().unwrap(), value.to_string());
    client
        .send(&ClientFrame::Create { id, entity, value })
        .await;
    id
}

async fn delete(client: &mut Client, name: &str) -> ProposalId {
    let (id, entity) = (client.next_id(), name.parse().unwrap());
    client.send(&ClientFrame::Delete { id, entity }).await;
    id
}

async fn undelete(client: &mut Client, name: &str) -> ProposalId {
    let (id, entity) = (client.next_id(), name.parse().unwrap());
    client.send(&ClientFrame::Undelete { id, entity }).await;
    id
}

/// The one violation of a refusal by policy, and how many changes were admitted before it.
async fn refused(client: &mut Client, id: ProposalId) -> (ViolationReport, u32) {
    match client.next().await {
        ServerFrame::Refused {
            id: of,
            code,
            mut violations,
            admitted,
            ..
        } if of == id => {
            assert_eq!((&*code, violations.len()), ("policy", 1), "{violations:?}");
            (violations.remove(0), admitted)
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn of_two_creators_the_second_is_told_who_was_first() {
    let server = start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut bob = server.connect("bob", &["editor"]).await;
    let id = create(&mut ada, "member/ada", json!({ "code": "E-1" })).await;
    ada.admitted(id).await;
    let id = create(
        &mut bob,
        "member/bob",
        json!({ "code": "E-1", "name": "Bob" }),
    )
    .await;
    let (violation, _) = refused(&mut bob, id).await;
    assert_eq!(violation.pointer.to_string(), "/code");
    assert_eq!(violation.rule, "unique");
    assert_eq!(violation.attempted.as_deref(), Some("\"E-1\""));
    assert!(violation.message.contains("member/ada"), "{violation:?}");
    assert_eq!(violation.holder, Some("member/ada".parse().unwrap()));
    // Nothing of what was refused is there, and nothing is claimed by null or by absence.
    let http = server.http_as("bob", &["editor"]);
    assert_eq!(http.get("/api/member/bob").await.status, 404);
    for (id, value) in [
        ("c", json!({ "code": null })),
        ("d", json!({ "code": null })),
    ] {
        let answer = http.post(&format!("/api/member?id={id}"), value).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let taken = http.put("/api/member/c", json!({ "code": "E-1" })).await;
    assert_eq!((taken.status, &taken.body["code"]), (422, &"policy".into()));
    assert_eq!(taken.body["violations"][0]["rule"], "unique");
    assert_eq!(taken.body["violations"][0]["holder"], "member/ada");
    // Equal numbers are one value, however they are written.
    let desk = |number: Value| json!({ "desk": { "number": number } });
    assert_eq!(http.put("/api/member/c", desk(json!(7))).await.status, 200);
    assert_eq!(
        http.put("/api/member/d", desk(json!(7.0))).await.status,
        422
    );
    assert_eq!(
        http.put("/api/member/d", desk(json!(7.5))).await.status,
        200
    );
    server.stop().await;
}

/// They are judged before any of them is on disk, so the commit decides; the loser is judged
/// again, together with what else waits for the same entity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_has_it() {
    const MANY: usize = 20;
    let server = start().await;
    let http = server.http_as("ada", &["editor"]);
    let mut all = Vec::new();
    for n in 0..MANY {
        let answer = http.post(&format!("/api/member?id=m{n}"), json!({})).await;
        assert_eq!(answer.status, 201);
        let mut client = server.connect(&format!("p{n}"), &["editor"]).await;
        let replica = client.replica(&format!("member/m{n}")).await;
        all.push((client, replica));
    }
    for round in 0..5 {
        let code = format!("E-{round}");
        let tried = all.into_iter().map(async |(mut client, mut replica)| {
            let before = replica.doc.clone();
            let wanted = replica.change(|doc| doc.put(automerge::ROOT, "code", &*code).unwrap());
            replica.doc = before.with_actor(harness::fresh_actor());
            let named = replica.put("name", &code);
            let wants = client.propose(&replica.entity, vec![wanted.clone()]).await;
            let names = client.propose(&replica.entity, vec![named]).await;
            let (mut has, mut is_named) = (None, false);
            while has.is_none() || !is_named {
                match client.next().await {
                    ServerFrame::Entries { entries, .. } => {
                        let last = entries.last().unwrap();
                        (replica.seq, replica.hash) = (last.seq, last.hash);
                    }
                    ServerFrame::Admitted { id, .. } if id == wants => has = Some(true),
                    ServerFrame::Admitted { id, .. } if id == names => is_named = true,
                    ServerFrame::Refused { id, violations, .. } if id == wants => {
                        assert_eq!(violations[0].rule, "unique");
                        let holder = violations[0].holder.as_ref();
                        assert!(holder.is_some_and(|holder| *holder != replica.entity));
                        has = Some(false);
                    }
                    other => panic!("{other:?}"),
                }
            }
            if has == Some(true) {
                let change = automerge::Change::try_from(&wanted[..]).unwrap();
                replica.doc.apply_changes([change]).unwrap();
            }
            (client, replica, has == Some(true))
        });
        let tried = futures_util::future::join_all(tried).await;
        assert_eq!(tried.iter().filter(|(.., has)| *has).count(), 1, "{code}");
        all = tried
            .into_iter()
            .map(|(client, replica, _)| (client, replica))
            .collect();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_refused_value_leaves_what_came_before_it() {
    let server = start().await;
    let http = server.http_as("ada", &["editor"]);
    http.post("/api/member?id=ada", json!({ "code": "E-1" }))
        .await;
    http.post("/api/member?id=bob", json!({ "desk": { "number": 1 } }))
        .await;
    let mut bob = server.connect("bob", &["editor"]).await;
    let mut his = bob.replica("member/bob").await;
    let before = his.doc.clone();
    let changes = vec![
        his.put("name", "Bob"),
        his.change(|doc| {
            let (_, desk) = doc.get(automerge::ROOT, "desk").unwrap().unwrap();
            doc.put(&desk, "number", 2).unwrap();
            doc.put(automerge::ROOT, "code", "E-1").unwrap();
        }),
        his.put("name", "Robert"),
    ];
    let id = bob.propose(&his.entity, changes).await;
    his.doc = before;
    bob.receive(&mut his).await;
    let (violation, admitted) = refused(&mut bob, id).await;
    assert_eq!((admitted, violation.change), (1, 1));
    assert_eq!(violation.ops, [1], "the operation that wrote the value");
    assert_eq!(his.get("name").as_deref(), Some("Bob"));
    // A value that is only passed through on the way to another is never there.
    let changes = vec![
        his.put("code", "E-1"),
        his.put("code", "E-2"),
        his.put("name", "Robert"),
    ];
    bob.write(&mut his, changes).await;
    let value = http.get("/api/member/bob").await.body;
    assert_eq!(
        (&value["code"], &value["name"]),
        (&"E-2".into(), &"Robert".into())
    );
    assert_eq!(value["desk"]["number"], 1);
    server.stop().await;
}

#[tokio::test]
async fn what_is_changed_or_deleted_is_free_and_may_be_lost() {
    let server = start().await;
    let http = server.http_as("ada", &["editor"]);
    let post = async |id: &str, value| {
        let answer = http.post(&format!("/api/member?id={id}"), value).await;
        answer.status
    };
    assert_eq!(post("ada", json!({ "code": "E-1" })).await, 201);
    assert_eq!(post("bob", json!({ "code": "E-1" })).await, 422);
    let moved = http.put("/api/member/ada", json!({ "code": "E-2" })).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    assert_eq!(post("bob", json!({ "code": "E-1" })).await, 201);
    let mut ada = server.connect("ada", &["editor"]).await;
    let id = delete(&mut ada, "member/bob").await;
    ada.admitted(id).await;
    assert_eq!(
        http.put("/api/member/ada", json!({ "code": "E-1" }))
            .await
            .status,
        200
    );
    // A different entity holds Bob's value now: he stays deleted until it is free again.
    let id = undelete(&mut ada, "member/bob").await;
    let (violation, _) = refused(&mut ada, id).await;
    assert_eq!(
        (violation.pointer.to_string(), &*violation.rule),
        ("/code".into(), "unique")
    );
    assert!(violation.message.contains("member/ada"), "{violation:?}");
    assert_eq!(http.get("/api/member/bob").await.status, 404);
    assert_eq!(
        http.put("/api/member/ada", json!({ "code": "E-3" }))
            .await
            .status,
        200
    );
    let id = undelete(&mut ada, "member/bob").await;
    ada.admitted(id).await;
    assert_eq!(http.get("/api/member/bob").await.body["code"], "E-1");
    assert_eq!(
        http.put("/api/member/ada", json!({ "code": "E-1" }))
            .await
            .status,
        422
    );
    server.stop().await;
}

#[tokio::test]
async fn a_deletion_is_undone_over_http() {
    let server = start().await;
    let http = server.http_as("ada", &["editor"]);
    let made = http
        .post("/api/member?id=bob", json!({ "code": "E-1" }))
        .await;
    assert_eq!(made.status, 201);
    let path = "/api/member/bob/undelete";
    let undelete = async |headers: &[(&str, &str)]| http.send("POST", path, headers, None).await;
    let there = undelete(&[]).await;
    assert_eq!((there.status, &there.body["code"]), (409, &"exists".into()));
    let any = [("if-match", "*")];
    assert_eq!(
        http.send("DELETE", "/api/member/bob", &any, None)
            .await
            .status,
        204
    );
    // Its value has gone to another one: it stays deleted, and the answer names its holder.
    http.post("/api/member?id=ada", json!({ "code": "E-1" }))
        .await;
    let taken = undelete(&[]).await;
    assert_eq!((taken.status, &taken.body["code"]), (422, &"policy".into()));
    let violation = &taken.body["violations"][0];
    assert_eq!(
        (&violation["rule"], &violation["holder"]),
        (&"unique".into(), &"member/ada".into())
    );
    assert_eq!(http.get("/api/member/bob").await.status, 404);
    http.put("/api/member/ada", json!({ "code": "E-2" })).await;
    let once = [("idempotency-key", "once")];
    for _repeat in 0..2 {
        let back = undelete(&once).await;
        assert_eq!(
            (back.status, &back.body["value"]),
            (200, &json!({ "code": "E-1" }))
        );
        assert_eq!(back.body["id"], "bob");
        let now = http.get("/api/member/bob").await;
        assert_eq!(back.header("etag"), now.header("etag"));
    }
    // Who may not delete learns nothing, and what never was is not there.
    let never = http
        .send("POST", "/api/member/eve/undelete", &[], None)
        .await;
    assert_eq!(never.status, 404);
    for (who, status) in [
        (server.http_as("gil", &["guest"]), 403),
        (server.http(None), 401),
    ] {
        assert_eq!(who.send("POST", path, &[], None).await.status, status);
    }
    server.stop().await;
}

#[tokio::test]
async fn deleting_takes_a_version_and_tells_everybody() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Process::start(data.path(), &schema());
    let hour = Duration::from_secs(3600);
    let token = |id: &str, role: &str| harness::token(data.path(), id, &[role], hour);
    let authority = server.authority.clone();
    let connect = async |id: &str| harness::connect_to(&authority, Some(token(id, "editor"))).await;
    let http = Http::to(&authority, Some(token("ada", "editor")));
    let made = http
        .post("/api/member?id=ada", json!({ "name": "Ada" }))
        .await;
    let first = made.header("etag").to_owned();
    let mut replica = connect("eve").await;
    replica.replica("member/ada").await;
    let mut reader = connect("rob").await;
    reader.value("member/ada").await;
    let mut watcher = connect("wes").await;
    let kind = "member".parse().unwrap();
    watcher.send(&ClientFrame::Watch { kind }).await;
    assert!(matches!(watcher.next().await, ServerFrame::Value { .. }));
    assert!(matches!(watcher.next().await, ServerFrame::Watched { .. }));
    http.put("/api/member/ada", json!({ "name": "Countess" }))
        .await;
    for client in [&mut replica, &mut reader, &mut watcher] {
        client.next().await;
    }
    let try_delete = async |path: &str, headers: &[(&str, &str)]| {
        let answer = http.send("DELETE", path, headers, None).await;
        let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
        (answer.status, code)
    };
    let path = "/api/member/ada";
    assert_eq!(
        try_delete(path, &[]).await,
        (428, "precondition-required".into())
    );
    let stale = [("if-match", &*first)];
    assert_eq!(
        try_delete(path, &stale).await,
        (412, "precondition-failed".into())
    );
    let guest = Http::to(&authority, Some(token("gil", "guest")));
    let answer = guest.send("DELETE", path, &[("if-match", "*")], None).await;
    assert_eq!(answer.status, 403);
    let version = http.get(path).await.header("etag").to_owned();
    let headers = [("if-match", &*version), ("idempotency-key", "once")];
    for _repeat in 0..2 {
        assert_eq!(try_delete(path, &headers).await, (204, String::new()));
    }
    assert_eq!(
        try_delete(path, &[("if-match", "*")]).await,
        (404, "not-found".into())
    );
    for client in [&mut replica, &mut reader, &mut watcher] {
        match client.next().await {
            ServerFrame::Gone { entity, code } => {
                assert_eq!(
                    (entity.to_string(), &*code),
                    ("member/ada".into(), "deleted")
                );
            }
            other => panic!("not gone: {other:?}"),
        }
        client.hears_nothing().await;
    }
    // The name is not free, and nothing can be written to it.
    let again = http.post("/api/member?id=ada", json!({})).await;
    assert_eq!((again.status, &again.body["code"]), (409, &"exists".into()));
    assert_eq!(http.put(path, json!({ "name": "Ada" })).await.status, 404);
    assert_eq!(http.get("/api/member").await.body["items"], json!([]));

    // A restart changes none of this; the value comes back as it was, for watchers as a new one.
    server.kill();
    let server = Process::start(data.path(), &schema());
    let http = Http::to(&server.authority, Some(token("ada", "editor")));
    assert_eq!(http.get(path).await.status, 404);
    let mut ada = harness::connect_to(&server.authority, Some(token("ada", "editor"))).await;
    ada.open(&"member/ada".parse().unwrap(), Mode::Replica)
        .await;
    assert!(matches!(ada.next().await, ServerFrame::Schema { .. }));
    assert!(matches!(ada.next().await, ServerFrame::Gone { .. }));
    let kind = "member".parse().unwrap();
    ada.send(&ClientFrame::Watch { kind }).await;
    assert!(matches!(ada.next().await, ServerFrame::Watched { .. }));
    let id = undelete(&mut ada, "member/ada").await;
    match ada.next().await {
        ServerFrame::Value { value, .. } => assert!(value.contains("Countess"), "{value}"),
        other => panic!("no value: {other:?}"),
    }
    // She opened it when it was deleted, and follows it since.
    assert!(matches!(ada.next().await, ServerFrame::Snapshot { .. }));
    ada.admitted(id).await;
    assert_eq!(http.get(path).await.body, json!({ "name": "Countess" }));
}
