//! Guards against an id that is answered with what it once stood for, although something else is
//! asked under it now; and against a genuine repeat that is not recognised, be it after a crash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indelible_engine::id::{ProposalId, Seq};
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use serde_json::{Value, json};

use super::harness::{self, Client, Http};
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
