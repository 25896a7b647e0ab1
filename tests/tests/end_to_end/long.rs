//! Guards against long texts and lists that two callers edit at once and that are doubled then, or
//! that take longer than their length allows: over HTTP, from the request to what is read again.

use serde_json::{Value, json};

use super::harness::{Answer, Http, Running};
use indelible_server::config::SchemaPlace;

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "x-indelible": { "kind": "story", "read": ["public"], "create": ["editor"], "edit": ["editor"],
                   "history": ["editor"] },
  "properties": {
    "body": { "type": "string", "maxLength": 100000, "x-indelible": { "merge": "text" } },
    "tags": { "type": "array", "items": { "type": "string" } },
    "parts": { "type": "array", "items": {
      "type": "object", "properties": { "name": { "type": "string" } } } }
  }
}"#;

async fn story(value: Value) -> (Running, Http, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("story.json"), SCHEMA).unwrap();
    let place = SchemaPlace::Folder(folder.path().to_owned());
    let server = Running::with(|config| config.schema = place).await;
    let http = server.http_as("ada", &["editor"]);
    let made = http.post("/api/story?id=one", value).await;
    assert_eq!(made.status, 201, "{made:?}");
    (server, http, folder)
}

/// Two callers put what they made of the same version; gives what is read then.
async fn both(server: &Running, bodies: [Value; 2]) -> Value {
    let names = ["bob", "carol"];
    let read = server.http(None).get("/api/story/one").await;
    let base = read.header("etag").trim_matches('"').to_owned();
    for (name, body) in names.into_iter().zip(bodies) {
        let http = server.http_as(name, &["editor"]);
        let answer: Answer = http.put(&format!("/api/story/one?base={base}"), body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    server.http(None).get("/api/story/one").await.body
}

#[tokio::test]
async fn two_edits_of_a_long_text_are_both_there_once() {
    let text: String = (0..300)
        .map(|n| format!("word {} ", n * n % 1_009))
        .collect();
    let text = &text[..2_050];
    let (server, _http, _folder) = story(json!({ "body": text })).await;
    let rest = text.strip_prefix("word").unwrap();
    let edit = |who: &str| json!({ "body": format!("{who}{rest}({who})") });
    let value = both(&server, [edit("BOB"), edit("CAROL")]).await;
    let body = value["body"].as_str().unwrap();
    assert_eq!(body, format!("CAROLBOB{rest}(CAROL)(BOB)"));
    server.stop().await;
}

#[tokio::test]
async fn two_edits_of_a_long_list_are_both_there_once() {
    let tags: Vec<String> = (0..3_000).map(|n| format!("tag {n}")).collect();
    let (server, _http, _folder) = story(json!({ "tags": tags })).await;
    let edit = |who: &str| {
        let mut tags = tags[1..].to_vec();
        tags.push(who.to_owned());
        json!({ "tags": tags })
    };
    let value = both(&server, [edit("bob"), edit("carol")]).await;
    let mut expected = tags[1..].to_vec();
    expected.extend(["carol".to_owned(), "bob".to_owned()]);
    assert_eq!(value["tags"], json!(expected));
    server.stop().await;
}

#[tokio::test]
async fn a_long_keyed_list_is_put_back_in_another_order() {
    let part = |n: usize| json!({ "name": format!("part {n}") });
    let (server, http, _folder) = story(json!({ "parts": [] })).await;
    let parts: Vec<Value> = (0..2_000).map(part).collect();
    let put = http.put("/api/story/one", json!({ "parts": parts })).await;
    assert_eq!(put.status, 200);
    let mut turned = put.body["value"]["parts"].as_array().unwrap().clone();
    turned.reverse();
    let again = http.put("/api/story/one", json!({ "parts": turned })).await;
    assert_eq!(again.status, 200);
    let read = http.get("/api/story/one").await;
    assert_eq!(read.body["parts"], json!(turned));
    server.stop().await;
}
