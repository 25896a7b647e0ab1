//! Guards against writes that are answered as if the store had failed because the entity is deleted,
//! brought back, left memory or began an epoch at the same time, and against followers who miss that.

use std::path::Path;
use std::time::Duration;

use indelible_engine::protocol::{Mode, ServerFrame};
use indelible_server::config::{Config, SchemaPlace};
use serde_json::json;

use super::harness::{Client, Http, Running};

const STEPS: usize = 80;
const LETTERS: usize = 300;

/// Entities leave memory, and outgrow their history, all the time.
fn restless(config: &mut Config) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end");
    config.schema = SchemaPlace::Folder(tests.join("offline/schema"));
    config.relay.idle = Duration::from_millis(2);
    let budgets = &mut config.budgets;
    (
        budgets.epoch_operations_min,
        budgets.epoch_operations_per_element,
    ) = (1_000, 1);
    budgets.epoch_quiet = Duration::from_millis(1);
}

/// What one person does, again and again, with the answers that it may get.
type Part = (&'static str, &'static str, &'static [u16]);

const PARTS: [Part; 7] = [
    ("PUT", "/api/page/a", &[200, 404]),
    ("PUT", "/api/page/a", &[200, 404]),
    ("PUT", "/api/page/a", &[200, 404]),
    ("DELETE", "/api/page/a", &[204, 404]),
    ("POST", "/api/page/a/undelete", &[200, 409]),
    ("GET", "/api/page/a", &[200, 404]),
    ("POST", "/api/page?id=", &[201]),
];

async fn play(http: Http, (person, (method, path, expected)): (usize, Part)) {
    for step in 0..STEPS {
        let letter = char::from(b'a' + u8::try_from((person + step) % 26).unwrap());
        let body = json!({
            "title": format!("{person} {step}"),
            "body": String::from(letter).repeat(LETTERS),
        });
        let creates = path.ends_with('=');
        let path = if creates {
            format!("{path}b{step}")
        } else {
            path.to_owned()
        };
        let conditions: &[(&str, &str)] = match method {
            "DELETE" => &[("if-match", "*")],
            _ => &[],
        };
        let body = (method == "PUT" || creates).then_some(body);
        let answer = http.send(method, &path, conditions, body).await;
        assert!(
            expected.contains(&answer.status),
            "{method} {path}: {answer:?}"
        );
        if method == "PUT" && answer.status == 200 {
            assert!(answer.body["value"]["title"].is_string(), "{answer:?}");
            assert_eq!(
                answer.header("etag"),
                format!("\"{}\"", answer.body["version"].as_str().unwrap())
            );
        }
        if creates {
            // Deleted with it: its answer has the value that it was created with.
            assert_eq!(answer.body["value"]["title"], format!("{person} {step}"));
            let path = path.replace("?id=", "/");
            let deleted = http.send("DELETE", &path, &[("if-match", "*")], None);
            assert_eq!(deleted.await.status, 204);
        }
    }
}

/// What a follower shows at the end, when everything that it was sent is applied: the version of the
/// entity, if it is there.
async fn shown(client: &mut Client) -> Option<String> {
    let mut version = None;
    client
        .open(&"nothing/here".parse().unwrap(), Mode::Value)
        .await;
    loop {
        match client.next().await {
            ServerFrame::Gone { entity, .. } if entity.to_string() == "nothing/here" => {
                return version;
            }
            ServerFrame::Value {
                entity,
                version: of,
                ..
            }
            | ServerFrame::Patch {
                entity,
                version: of,
                ..
            } if entity.to_string() == "page/a" => {
                version = Some(of);
            }
            ServerFrame::Gone { entity, .. } if entity.to_string() == "page/a" => version = None,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_beside_deletions_and_returns_are_judged_and_followers_see_both() {
    let server = Running::with(restless).await;
    let ada = server.http_as("ada", &["editor"]);
    let created = ada.post("/api/page?id=a", json!({ "title": "A" })).await;
    assert_eq!(created.status, 201, "{created:?}");
    let mut reader = server.connect("eve", &["editor"]).await;
    reader.open(&"page/a".parse().unwrap(), Mode::Value).await;
    let mut watcher = server.connect("bob", &["editor"]).await;
    watcher
        .send(&indelible_engine::protocol::ClientFrame::Watch {
            kind: "page".parse().unwrap(),
        })
        .await;
    let players = PARTS.into_iter().enumerate().map(|(person, part)| {
        let http = server.http_as(&format!("person{person}"), &["editor"]);
        tokio::spawn(play(http, (person, part)))
    });
    for player in players.collect::<Vec<_>>() {
        player.await.unwrap();
    }
    let present = ada.get("/api/page/a").await;
    let version = match present.status {
        200 => Some(present.header("etag").trim_matches('"').to_owned()),
        _ => None,
    };
    assert_eq!(shown(&mut reader).await, version, "a reader of the value");
    assert_eq!(shown(&mut watcher).await, version, "a watcher of the kind");
    server.stop().await;
}
