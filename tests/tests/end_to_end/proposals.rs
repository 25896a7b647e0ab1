//! Guards against edits that are lost, doubled, relayed before they are saved, or let through although
//! the policy refuses them.

use automerge::transaction::Transactable;
use automerge::{ObjType, ReadDoc};
use indelible_engine::id::Seq;
use indelible_engine::protocol::{ClientFrame, ServerFrame};

use super::harness::Running;

#[tokio::test]
async fn an_edit_reaches_everybody_and_is_acknowledged() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut bob = server.connect("bob", &["admin"]).await;
    let mut reader = server.connect_anonymously().await;
    let mut hers = ada.replica("site").await;
    let mut his = bob.replica("site").await;
    reader.value("site").await;

    let change = hers.put("title", "After");
    let seq = ada.write(&mut hers, vec![change]).await;
    assert_eq!(seq, Seq(2));
    bob.receive(&mut his).await;
    assert_eq!(his.get("title").as_deref(), Some("After"));
    let ServerFrame::Patch { patch, .. } = reader.next().await else {
        panic!("no patch")
    };
    let patch: serde_json::Value = serde_json::from_str(&patch).unwrap();
    let replaced = patch
        .as_array()
        .unwrap()
        .iter()
        .find(|op| op["path"] == "/title")
        .unwrap();
    assert_eq!(replaced["value"], "After");
}

#[tokio::test]
async fn concurrent_edits_merge() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut bob = server.connect("bob", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let mut his = bob.replica("site").await;
    let text = hers.object("motto");
    let change = hers.change(|doc| doc.splice_text(&text, 0, 0, "Yes: ").unwrap());
    let first = ada.propose(&hers.entity, vec![change]).await;
    let end = his.doc.length(&text);
    let change = his.change(|doc| doc.splice_text(&text, end, 0, " Really.").unwrap());
    let second = bob.propose(&his.entity, vec![change]).await;
    // Both entries come to both; the acknowledgement stands behind the own one.
    for (client, replica, id) in [(&mut ada, &mut hers, first), (&mut bob, &mut his, second)] {
        let mut acknowledged = false;
        while replica.seq < Seq(3) || !acknowledged {
            match client.next().await {
                frame @ ServerFrame::Entries { .. } => replica.apply(&frame),
                ServerFrame::Admitted { id: of, seq, .. } if of == id => {
                    assert!(replica.seq >= seq, "acknowledged before it was relayed");
                    acknowledged = true;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(hers.text("motto"), "Yes: We try. Really.");
    assert_eq!(his.text("motto"), hers.text("motto"));
}

#[tokio::test]
async fn what_policy_refuses_is_told_to_its_author_only() {
    let server = Running::start().await;
    let mut admin = server.connect("root", &["admin"]).await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut reader = server.connect_anonymously().await;
    admin.replica("site").await;
    reader.value("site").await;
    let forged: [(&str, &str, &str); 4] = [
        ("license", "/license", "write"),
        ("createdAt", "/createdAt", "stamp"),
        ("links", "/links", "container"),
        ("unheard", "/unheard", "unknown-field"),
    ];
    for (name, pointer, rule) in forged {
        let mut replica = ada.replica("site").await;
        let change = match rule {
            "container" => replica.change(|doc| {
                doc.put_object(automerge::ROOT, "links", ObjType::Map)
                    .unwrap();
            }),
            _ => replica.put(name, "forged"),
        };
        let id = ada.propose(&replica.entity, vec![change]).await;
        let (code, violations) = ada.refused(id).await;
        assert_eq!(code, "policy", "{name}");
        assert_eq!(violations, [(pointer.to_owned(), rule.to_owned())]);
    }
    admin.hears_nothing().await;
    reader.hears_nothing().await;
    let answer = server.http(None).get("/api/site").await;
    assert_eq!(answer.body["license"], "AB-1");
}

#[tokio::test]
async fn the_allowed_part_before_a_refused_change_goes_through() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let changes = vec![hers.put("title", "Good"), hers.put("license", "forged")];
    let id = ada.propose(&hers.entity, changes.clone()).await;
    let ServerFrame::Entries { entries, .. } = ada.next().await else {
        panic!("no entries")
    };
    assert_eq!(entries[0].changes.len(), 1);
    let ServerFrame::Refused {
        id: of,
        admitted,
        violations,
        ..
    } = ada.next().await
    else {
        panic!("not refused")
    };
    assert_eq!((of, admitted, violations[0].change), (id, 1, 1));
    // What depends on the refused change is refused with it; the same again is judged the same.
    let more = hers.put("phone", "2");
    let id = ada.propose(&hers.entity, vec![more]).await;
    assert_eq!(ada.refused(id).await.0, "depends-on-refused");
    let mut fresh = ada.replica("site").await;
    assert_eq!(fresh.get("title").as_deref(), Some("Good"));
    let change = fresh.put("phone", "3");
    ada.write(&mut fresh, vec![change]).await;
}

#[tokio::test]
async fn a_repeat_is_answered_from_the_log() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let changes = vec![hers.put("title", "Once")];
    let id = ada.propose(&hers.entity, changes.clone()).await;
    ada.receive(&mut hers).await;
    let first = ada.admitted(id).await;
    let change = hers.put("title", "Later");
    ada.write(&mut hers, vec![change]).await;

    ada.propose_as(id, &hers.entity, changes.clone()).await;
    assert_eq!(ada.admitted(id).await, first);
    let mut again = server.connect("ada", &["editor"]).await;
    again.propose_as(id, &hers.entity, changes.clone()).await;
    assert_eq!(again.admitted(id).await, first);
    // The same changes under another name are known, too.
    let renamed = again.propose(&hers.entity, changes).await;
    assert_eq!(again.admitted(renamed).await, first);
    ada.hears_nothing().await;
    assert_eq!(
        server.http(None).get("/api/site").await.body["title"],
        "Later"
    );
}

#[tokio::test]
async fn rubbish_is_refused_and_harms_nobody() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut bob = server.connect("bob", &["editor"]).await;
    let mut his = bob.replica("site").await;
    let entity = his.entity.clone();
    let mut broken = his.put("title", "x");
    broken[10] ^= 1;
    for rubbish in [vec![], vec![vec![]], vec![vec![0; 100]], vec![broken]] {
        let id = ada.propose(&entity, rubbish).await;
        let (code, _) = ada.refused(id).await;
        assert_ne!(code, "policy");
    }
    let mut replica = ada.replica("site").await;
    let change = replica.put("title", "Fine");
    ada.write(&mut replica, vec![change]).await;
    let ServerFrame::Entries { .. } = bob.next().await else {
        panic!("no entries")
    };
}

#[tokio::test]
async fn creations_are_whole_and_happen_once() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let value = r#"{"slug":"new","title":"New","body":"Text."}"#;
    let create = |id, name: &str, value: &str| ClientFrame::Create {
        id,
        entity: name.parse().unwrap(),
        value: value.to_owned(),
    };
    let id = ada.next_id();
    ada.send(&create(id, "page/new", value)).await;
    assert_eq!(ada.admitted(id).await, Seq(1));
    ada.send(&create(id, "page/new", value)).await;
    assert_eq!(ada.admitted(id).await, Seq(1));
    let id = ada.next_id();
    ada.send(&create(id, "page/new", value)).await;
    assert_eq!(ada.refused(id).await.0, "exists");
    let id = ada.next_id();
    ada.send(&create(id, "page/half", r#"{"slug":"half"}"#))
        .await;
    assert_eq!(ada.refused(id).await.0, "policy");
    let id = ada.next_id();
    ada.send(&create(id, "page/broken", "{")).await;
    assert_eq!(ada.refused(id).await.0, "malformed");

    // Without an id the server picks one, the same for a repeat.
    let id = ada.next_id();
    let mut names = Vec::new();
    for _ in 0..2 {
        ada.send(&create(id, "page", value)).await;
        match ada.next().await {
            ServerFrame::Admitted { entity, .. } => names.push(entity),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names[0], names[1]);
    assert_eq!(
        ada.replica(&names[0].to_string()).await.text("body"),
        "Text."
    );
}
