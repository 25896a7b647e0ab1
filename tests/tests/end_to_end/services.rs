//! Guards against services that cannot write what only the system writes, that write more than
//! that, or that read by writing.

use indelible_engine::protocol::{KindMode, ServerFrame};
use indelible_server::config::SchemaPlace;
use serde_json::{Value, json};

use super::harness::{Answer, Client, Running, schema};

const SERVICE: &str = "/api/services/energy-monitoring";

async fn demo() -> Running {
    Running::with(|config| config.schema = SchemaPlace::Demo).await
}

fn rules(answer: &Answer) -> Vec<(String, String)> {
    let all = answer.body["violations"].as_array();
    let all = all.unwrap_or_else(|| panic!("{answer:?}")).iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|v| (text(&v["pointer"]), text(&v["rule"])))
        .collect()
}

#[tokio::test]
async fn a_review_service_writes_ratings_and_nothing_else() {
    let server = demo().await;
    let service = server.http_as("review-service", &["reviews"]);
    let before = service.get(SERVICE).await;
    let rated = service.put(SERVICE, json!({ "rating": 4.5 })).await;
    assert_eq!(rated.status, 200, "{rated:?}");
    assert_eq!(rated.body["changed"], json!(["/rating"]));
    assert_eq!(rated.body["value"]["rating"], 4.5);
    assert_eq!(rated.body["value"]["title"], before.body["title"]);

    // Others are refused, and the service is with everything else.
    let editor = server.http_as("ada", &["editor"]);
    let strict = [("prefer", "handling=strict")];
    let forged = editor
        .send("PUT", SERVICE, &strict, Some(json!({ "rating": 1 })))
        .await;
    assert_eq!(
        rules(&forged),
        [("/rating".to_owned(), "system".to_owned())]
    );
    let both = json!({ "rating": 3, "title": "Cheap" });
    let mixed = service
        .send("PUT", SERVICE, &strict, Some(both.clone()))
        .await;
    assert_eq!(rules(&mixed), [("/title".to_owned(), "write".to_owned())]);
    let mixed = service.put(SERVICE, both).await;
    assert_eq!(
        (&mixed.body["changed"], &mixed.body["preserved"]),
        (&json!(["/rating"]), &json!(["/title"]))
    );
    let wrong = service.put(SERVICE, json!({ "rating": 7 })).await;
    assert_eq!(
        rules(&wrong),
        [("/rating".to_owned(), "maximum".to_owned())]
    );

    let made = service
        .post("/api/services", json!({ "title": "Mine" }))
        .await;
    assert_eq!(made.status, 403);
    let headers = [("if-match", "*")];
    let gone = service.send("DELETE", SERVICE, &headers, None).await;
    assert_eq!(gone.status, 403);
    let other = service
        .put("/api/solutions/nothing", json!({ "title": "x" }))
        .await;
    assert_eq!(other.status, 403, "no other kind names it");
    server.stop().await;
}

/// Over the WebSocket, where a service that sees history proposes like others, under its own name.
#[tokio::test]
async fn proposals_of_services_are_judged_alike() {
    let server = Running::with(|config| config.schema = SchemaPlace::Folder(schema())).await;
    let mut service: Client = server.connect("rater", &["rater"]).await;
    let mut replica = service.replica("page/home").await;
    let good = replica.change(|doc| {
        use automerge::transaction::Transactable;
        doc.put(automerge::ROOT, "score", 4).unwrap();
    });
    service.write(&mut replica, vec![good]).await;
    let bad = replica.put("title", "Mine");
    let id = service.propose(&replica.entity.clone(), vec![bad]).await;
    let (code, all) = service.refused(id).await;
    assert_eq!(
        (code.as_str(), all.as_slice()),
        ("policy", &[("/title".to_owned(), "write".to_owned())][..])
    );
    server.stop().await;
}

/// Where the schema gives no right to read, the answer to a write holds none of the entity.
#[tokio::test]
async fn a_service_that_may_not_read_learns_nothing() {
    let server = Running::with(|config| config.schema = SchemaPlace::Folder(schema())).await;
    let service = server.http_as("rater", &["rater"]);
    assert_eq!(service.get("/api/memo/secret").await.status, 403);
    let written = service.put("/api/memo/secret", json!({ "score": 4 })).await;
    assert_eq!(written.status, 200, "{written:?}");
    assert_eq!(
        written.body,
        json!({ "changed": ["/score"], "preserved": [] })
    );
    assert_eq!(written.header("etag"), "");
    let editor = server.http_as("ada", &["editor"]);
    let before = editor.get("/api/memo/secret").await;
    assert_eq!(before.body["score"], 4);
    let text = before.body["text"].clone();
    assert!(text.is_string(), "{before:?}");
    for guess in [text, json!("wrong")] {
        let tried = service
            .put("/api/memo/secret", json!({ "text": guess, "score": 4 }))
            .await;
        assert_eq!(rules(&tried), [("/text".to_owned(), "write".to_owned())]);
        let told = &tried.body["violations"][0];
        assert!(
            told.get("kept").is_none() && told.get("attempted").is_none(),
            "{told}"
        );
    }
    let wrong = service.put("/api/memo/secret", json!({ "score": 9 })).await;
    let told = &wrong.body["violations"][0];
    assert_eq!((&told["rule"], told.get("kept")), (&json!("maximum"), None));

    let mut client = Client::raw(&server.authority, None).await.unwrap();
    client.hello(Some(server.token("rater", &["rater"]))).await;
    let ServerFrame::Welcome { kinds, .. } = client.next().await else {
        panic!("no welcome");
    };
    let memo = kinds
        .iter()
        .find(|report| report.kind.as_str() == "memo")
        .unwrap();
    assert_eq!((memo.mode, memo.create), (KindMode::None, false));
    server.stop().await;
}
