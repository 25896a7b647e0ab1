//! Guards against an id that is answered with what it once stood for, although something else is
//! asked under it now; and against a genuine repeat that is not recognised, be it after a crash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indelible_engine::id::{ProposalId, Seq};
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use serde_json::{Value, json};

use super::harness::{self, Answer, Client, Http};
use super::process::Process;

const ENTITY: &str = "member/ada";

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/claims/schema")
}

fn token(data: &Path) -> String {
    harness::token(data, "ada", &["editor"], Duration::from_secs(3600))
}

fn create(id: ProposalId, value: Value) -> ClientFrame {
    let (entity, value) = (ENTITY.parse().unwrap(), value.to_string());
    ClientFrame::Create { id, entity, value }
}

fn delete(id: ProposalId) -> ClientFrame {
    let entity = ENTITY.parse().unwrap();
    ClientFrame::Delete { id, entity }
}

fn undelete(id: ProposalId) -> ClientFrame {
    let entity = ENTITY.parse().unwrap();
    ClientFrame::Undelete { id, entity }
}

/// What is answered to a frame, entries aside.
async fn answer(client: &mut Client, frame: &ClientFrame) -> Result<Seq, String> {
    client.send(frame).await;
    told(client).await
}

async fn told(client: &mut Client) -> Result<Seq, String> {
    loop {
        match client.next().await {
            ServerFrame::Entries { .. } | ServerFrame::Gone { .. } => {}
            ServerFrame::Admitted { seq, .. } => return Ok(seq),
            ServerFrame::Refused { code, .. } => return Err(code),
            other => panic!("no answer: {other:?}"),
        }
    }
}

/// A proposal under `id`, sent and answered.
async fn propose(client: &mut Client, id: ProposalId, changes: &[Vec<u8>]) -> Result<Seq, String> {
    let entity = ENTITY.parse().unwrap();
    client.propose_as(id, &entity, changes.to_vec()).await;
    told(client).await
}

#[tokio::test]
async fn an_id_stands_for_one_request() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Process::start(data.path(), &schema());
    let mut ada = harness::connect_to(&server.authority, Some(token(data.path()))).await;
    let reused = || Err("id-reused".to_owned());
    let [made, changed, deleted] = [ada.next_id(), ada.next_id(), ada.next_id()];
    let value = json!({ "name": "Ada", "code": "E-1" });

    // Of two that come at once, with one id, the first one stands.
    ada.send(&create(made, value.clone())).await;
    ada.send(&create(made, json!({ "name": "Eve" }))).await;
    assert_eq!(told(&mut ada).await, Ok(Seq(1)));
    assert_eq!(told(&mut ada).await, reused());
    let mut replica = ada.replica(ENTITY).await;
    assert_eq!(replica.get("name").as_deref(), Some("Ada"));
    let before = replica.doc.clone();
    let changes = [replica.put("name", "Countess"), replica.put("code", "E-2")];
    replica.doc = before.with_actor(harness::fresh_actor());
    let others = [replica.put("name", "Eve")];
    assert_eq!(propose(&mut ada, changed, &changes).await, Ok(Seq(2)));

    for restarted in [false, true] {
        if restarted {
            server.kill();
            server = Process::start(data.path(), &schema());
            ada = harness::connect_to(&server.authority, Some(token(data.path()))).await;
        }
        assert_eq!(
            answer(&mut ada, &create(made, value.clone())).await,
            Ok(Seq(1))
        );
        assert_eq!(propose(&mut ada, changed, &changes).await, Ok(Seq(2)));
        let http = Http::to(&server.authority, Some(token(data.path())));
        for other in [
            create(made, json!({ "name": "Ada", "code": "E-9" })),
            create(changed, value.clone()),
            delete(made),
            delete(changed),
            undelete(changed),
        ] {
            assert_eq!(answer(&mut ada, &other).await, reused(), "{other:?}");
        }
        assert_eq!(propose(&mut ada, changed, &others).await, reused());
        assert_eq!(propose(&mut ada, changed, &changes[..1]).await, reused());
        assert_eq!(propose(&mut ada, made, &others).await, reused());
        let value = http.get("/api/member/ada").await.body;
        assert_eq!(value, json!({ "name": "Countess", "code": "E-2" }));
    }

    assert_eq!(answer(&mut ada, &delete(deleted)).await, Ok(Seq(3)));
    assert_eq!(answer(&mut ada, &undelete(deleted)).await, reused());
    assert_eq!(answer(&mut ada, &delete(deleted)).await, Ok(Seq(3)));
    let back = ada.next_id();
    assert_eq!(answer(&mut ada, &undelete(back)).await, Ok(Seq(4)));
    assert_eq!(answer(&mut ada, &delete(back)).await, reused());
    assert_eq!(answer(&mut ada, &undelete(back)).await, Ok(Seq(4)));
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_request() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Process::start(data.path(), &schema());
    let name = |name: &str| Some(json!({ "name": name }));
    let (create, path) = ("/api/member?id=ada", "/api/member/ada");
    for restarted in [false, true] {
        if restarted {
            server.kill();
            server = Process::start(data.path(), &schema());
        }
        let http = Http::to(&server.authority, Some(token(data.path())));
        let status = async |method: &str, path: &str, headers: &[(&str, &str)], body| {
            let answer = http.send(method, path, headers, body).await;
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            (answer.status, code)
        };
        let (a, b) = (("idempotency-key", "a"), ("idempotency-key", "b"));
        let reused = || (422, "id-reused".to_owned());
        assert_eq!(status("POST", create, &[a], name("A")).await.0, 201);
        assert_eq!(status("PUT", path, &[b], name("B")).await.0, 200);
        let strict = ("prefer", "handling=strict");
        let any = ("if-match", "*");
        for (method, path, headers, body) in [
            ("POST", create, &[a][..], name("Z")),
            ("POST", create, &[b], name("B")),
            ("PUT", path, &[a], name("A")),
            ("PUT", path, &[b], name("Z")),
            ("PUT", path, &[b, strict], name("B")),
            ("PUT", path, &[b, any], name("B")),
            ("PUT", "/api/member/ada?preserve=code", &[b], name("B")),
            ("DELETE", path, &[a, any], None),
            ("DELETE", path, &[b, any], None),
        ] {
            let told = status(method, path, headers, body).await;
            assert_eq!(told, reused(), "{method} {path} {headers:?}");
        }
        assert_eq!(http.get(path).await.body, json!({ "name": "B" }));
    }
}

/// What is asked with a key, before and after the server was killed.
struct Keyed {
    data: tempfile::TempDir,
    server: Process,
}

impl Keyed {
    fn start(schema: &Path) -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = Process::start(data.path(), schema);
        Self { data, server }
    }

    fn restart(&mut self) {
        self.server.kill();
        self.server = Process::start(self.data.path(), &harness::schema());
    }

    fn http(&self, who: &str) -> Http {
        let hour = Duration::from_secs(3600);
        let token = harness::token(self.data.path(), who, &["editor"], hour);
        Http::to(&self.server.authority, Some(token))
    }

    async fn ask(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let any = ("if-match", "*");
        let headers = match method {
            "DELETE" => vec![("idempotency-key", key), any],
            _ => vec![("idempotency-key", key)],
        };
        self.http("ada").send(method, path, &headers, body).await
    }

    async fn put(&self, key: &str, body: &Value) -> Answer {
        self.ask(key, "PUT", "/api/site", Some(body.clone())).await
    }
}

fn code(answer: &Answer) -> (u16, &str) {
    let code = answer.body["code"].as_str().unwrap_or_default();
    (answer.status, code)
}

#[tokio::test]
async fn a_key_whose_put_changed_nothing_is_used_all_the_same() {
    let mut keyed = Keyed::start(&harness::schema());
    let title = keyed.http("ada").get("/api/site").await.body["title"].clone();
    let same = json!({ "title": title });
    let kept = json!({ "title": title, "license": "forged" });
    for (key, body, preserved) in [
        ("same", &same, json!([])),
        ("kept", &kept, json!(["/license"])),
    ] {
        let first = keyed.put(key, body).await;
        assert_eq!(first.status, 200, "{first:?}");
        assert_eq!(first.body["changed"], json!([]));
        assert_eq!(first.body["preserved"], preserved);
    }
    let bob = keyed.http("bob");
    let theirs = json!({ "title": "B" });
    assert_eq!(bob.put("/api/site", theirs.clone()).await.status, 200);
    for restarted in [false, true] {
        if restarted {
            keyed.restart();
        }
        for (key, body, preserved) in [
            ("same", &same, json!([])),
            ("kept", &kept, json!(["/license"])),
        ] {
            let repeat = keyed.put(key, body).await;
            assert_eq!(repeat.status, 200, "{repeat:?}");
            assert_eq!(repeat.body["changed"], json!([]), "{key}");
            assert_eq!(repeat.body["preserved"], preserved, "{key}");
            assert_eq!(repeat.body["value"]["title"], "B", "{key}");
            // Neither another body nor another place is the same request.
            let other = keyed.put(key, &json!({ "title": "C" })).await;
            assert_eq!(code(&other), (422, "id-reused"), "{key}");
            let elsewhere = ("PUT", "/api/page/home");
            for (method, path) in [elsewhere, ("POST", "/api/page?id=new")] {
                let other = keyed.ask(key, method, path, Some(body.clone())).await;
                assert_eq!(code(&other), (422, "id-reused"), "{key}: {method} {path}");
            }
        }
        let now = keyed.http("bob").get("/api/site").await;
        assert_eq!(now.body["title"], theirs["title"]);
    }
}

#[tokio::test]
async fn a_key_whose_request_failed_is_free() {
    let keyed = Keyed::start(&harness::schema());
    let headers = [("idempotency-key", "k"), ("if-match", "\"another\"")];
    let body = Some(json!({ "title": "A" }));
    let http = keyed.http("ada");
    let failed = http.send("PUT", "/api/site", &headers, body).await;
    assert_eq!(code(&failed), (412, "precondition-failed"));
    let refused = keyed.put("k", &json!({ "title": 7 })).await;
    assert_eq!(code(&refused), (422, "policy"));
    let taken = keyed.put("k", &json!({ "title": "B" })).await;
    assert_eq!(taken.body["changed"], json!(["/title"]), "{taken:?}");
}

#[tokio::test]
async fn a_repeat_says_what_was_not_taken() {
    let mut keyed = Keyed::start(&harness::schema());
    let body = json!({ "title": "A", "createdAt": "1999-01-01T00:00:00.000Z", "license": "x" });
    let preserved = json!(["/createdAt", "/license"]);
    let first = keyed.put("k", &body).await;
    assert_eq!(first.body["changed"], json!(["/title"]), "{first:?}");
    assert_eq!(first.body["preserved"], preserved);
    for restarted in [false, true] {
        if restarted {
            keyed.restart();
        }
        let repeat = keyed.put("k", &body).await;
        assert_eq!(repeat.body["changed"], json!([]), "{repeat:?}");
        assert_eq!(repeat.body["preserved"], preserved);
    }
}

#[tokio::test]
async fn repeats_at_once_say_what_one_after_the_other_says() {
    let keyed = Keyed::start(&harness::schema());
    let body = json!({ "title": "A", "license": "x" });
    let answers = (0..8).map(|_| keyed.put("k", &body));
    let answers = futures_util::future::join_all(answers).await;
    let changed = |answer: &&Answer| answer.body["changed"] == json!(["/title"]);
    assert_eq!(answers.iter().filter(changed).count(), 1, "{answers:?}");
    for answer in &answers {
        assert_eq!(answer.body["preserved"], json!(["/license"]));
    }
}

#[tokio::test]
async fn a_repeat_does_not_say_that_what_was_deleted_is_there() {
    let keyed = Keyed::start(&schema());
    let path = "/api/member/ada";
    let create = async || {
        let body = json!({ "name": "A" });
        keyed
            .ask("c", "POST", "/api/member?id=ada", Some(body))
            .await
    };
    let delete = async |key| keyed.ask(key, "DELETE", path, None).await.status;
    let undelete = async || {
        keyed
            .ask("u", "POST", "/api/member/ada/undelete", None)
            .await
    };
    assert_eq!(create().await.status, 201);
    assert_eq!(delete("d").await, 204);
    assert_eq!(code(&create().await), (404, "not-found"));
    assert_eq!(undelete().await.status, 200);
    let repeat = create().await;
    assert_eq!((repeat.status, &repeat.body["id"]), (201, &json!("ada")));
    assert_eq!(repeat.body["value"]["name"], "A");
    assert_eq!(delete("e").await, 204);
    assert_eq!(code(&undelete().await), (404, "not-found"));
    assert_eq!(code(&create().await), (404, "not-found"));
}
