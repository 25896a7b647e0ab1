//! Guards against answers that reveal what their reader may not read: a caller who may not see a field
//! gets the same answer whether an attempt equals what is there, differs from it, or hits nothing.

use automerge::transaction::Transactable;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use indelible_tests::hostile;
use serde_json::{Value, json};

use super::harness::{Http, Running};

/// A field for auditors hides the whole dossier from editors.
const HIDDEN: &str = "the lift was never checked";

async fn running() -> Running {
    let server = Running::with(|config| {
        config.schema = indelible_server::config::SchemaPlace::Folder(hostile::schema_folder());
    })
    .await;
    let auditor = server.http_as("audrey", &["auditor"]);
    for id in ["one", "two"] {
        let body = json!({ "title": "Lift", "finding": HIDDEN });
        let made = auditor.post(&format!("/api/dossier?id={id}"), body).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    server
}

/// An answer without what differs between any two answers.
fn told(status: u16, body: &Value) -> String {
    let text = format!("{status} {body}");
    for secret in [HIDDEN, "Lift"] {
        assert!(!text.contains(secret), "{text}");
    }
    text.replace("/one", "/ID").replace("/none", "/ID")
}

#[tokio::test]
async fn the_test_would_see_the_value() {
    let server = running().await;
    let read = server
        .http_as("audrey", &["auditor"])
        .get("/api/dossier/one")
        .await;
    assert_eq!(read.body["finding"], HIDDEN);
}

#[tokio::test]
async fn http_answers_equal_and_unequal_attempts_alike() {
    let server = running().await;
    let mallory = server.http_as("mallory", &["editor"]);
    let strict = [("prefer", "handling=strict")];
    for headers in [&[][..], &strict[..]] {
        let mut answers = Vec::new();
        for (path, body) in attempts() {
            let answer = mallory.send("PUT", &path, headers, Some(body)).await;
            answers.push(told(answer.status, &answer.body));
        }
        let read = mallory.get("/api/dossier/one").await;
        let missing = mallory.get("/api/dossier/none").await;
        assert_eq!(
            told(read.status, &read.body),
            told(missing.status, &missing.body)
        );
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:#?}");
    }
    // Nor does a creation reveal which ids are taken.
    let taken = post(&mallory, "one", HIDDEN).await;
    let free = post(&mallory, "none", HIDDEN).await;
    assert_eq!(taken, free);
}

fn attempts() -> Vec<(String, Value)> {
    let bodies = [
        json!({ "title": "Lift", "finding": HIDDEN }),
        json!({ "title": "Lift", "finding": "something else" }),
        json!({ "finding": HIDDEN }),
        json!({ "finding": null }),
        json!({ "title": "Other" }),
        json!({ "title": "Lift" }),
    ];
    let at = |id: &str| format!("/api/dossier/{id}");
    let mut attempts: Vec<_> = bodies
        .iter()
        .map(|body| (at("one"), body.clone()))
        .collect();
    attempts.extend(bodies.map(|body| (at("none"), body)));
    attempts
}

async fn post(http: &Http, id: &str, finding: &str) -> String {
    let body = json!({ "title": "Lift", "finding": finding });
    let answer = http.post(&format!("/api/dossier?id={id}"), body).await;
    told(answer.status, &answer.body)
}

#[tokio::test]
async fn the_socket_answers_equal_and_unequal_attempts_alike() {
    let server = running().await;
    // Audrey's changes are good ones; mallory sends them as her own.
    let mut audrey = server.connect("audrey", &["auditor"]).await;
    let mut replica = audrey.replica("dossier/one").await;
    let equal = replica.change(|doc| {
        // Automerge makes no change of a value that is there.
        doc.put(automerge::ROOT, "finding", "").unwrap();
        doc.put(automerge::ROOT, "finding", HIDDEN).unwrap();
    });
    let unequal = replica.put("finding", "something else");
    let mut mallory = server.connect("mallory", &["editor"]).await;
    let mut answers = Vec::new();
    for name in ["dossier/one", "dossier/none"] {
        for changes in [
            vec![equal.clone()],
            vec![equal.clone(), unequal.clone()],
            vec![vec![1, 2, 3]],
        ] {
            let entity = name.parse().unwrap();
            let id = mallory.propose(&entity, changes).await;
            let ServerFrame::Refused {
                id: of,
                code,
                violations,
                admitted,
                ..
            } = mallory.next().await
            else {
                panic!("it is not refused")
            };
            assert_eq!(of, id);
            let reasons: Vec<_> = violations
                .into_iter()
                .map(|v| (v.rule, v.message))
                .collect();
            answers.push(format!("{code} {admitted} {reasons:?}").replace("/one", "/none"));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    let mut made = Vec::new();
    for (name, finding) in [
        ("dossier/one", HIDDEN),
        ("dossier/none", HIDDEN),
        ("dossier/one", "x"),
    ] {
        let id = mallory.next_id();
        let create = ClientFrame::Create {
            id,
            entity: name.parse().unwrap(),
            value: json!({ "title": "Lift", "finding": finding }).to_string(),
        };
        mallory.send(&create).await;
        made.push(mallory.refused(id).await);
    }
    made.dedup();
    assert_eq!(made.len(), 1, "{made:#?}");
}
