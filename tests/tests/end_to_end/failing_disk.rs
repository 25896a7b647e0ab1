//! Guards against answers that rest on what a failing disk did not take: while no write to a file
//! succeeds, nothing is said to be saved, to be there already or to be refused for good.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use indelible_engine::id::Epoch;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_bytes::ByteBuf;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::harness::{self, Http};
use super::process::{self, Process};

const ROUNDS: usize = 10;
const AT_ONCE: usize = 8;

/// Whether files take what the process writes from now on, or every write to one fails.
fn take(server: &Process, takes: bool) {
    let process = Pid::from_raw(server.id().try_into().unwrap());
    let limit = Rlimit {
        current: (!takes).then_some(0),
        maximum: None,
    };
    prlimit(process, Resource::Fsize, limit).unwrap();
}

/// A server that a write beyond that limit does not end.
fn start(data: &Path) -> Process {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    shell.arg(env!("CARGO_BIN_EXE_indelible-under-test"));
    Process::ready(process::start(shell, data, &harness::schema()))
}

#[tokio::test]
async fn a_disk_that_takes_nothing_makes_every_write_unavailable() {
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path());
    let token = || harness::token(data.path(), "ada", &["editor"], Duration::from_secs(3600));
    let mut ada = harness::connect_to(&server.authority, Some(token())).await;
    let http = Http::to(&server.authority, Some(token()));
    let mut hers = ada.replica("site").await;
    for round in 0..ROUNDS {
        let before = http.get("/api/site").await.body;
        take(&server, false);
        let changes: Vec<_> = (0..AT_ONCE)
            .map(|n| (ada.next_id(), hers.put("phone", &format!("{round} {n}"))))
            .collect();
        let frames = changes.iter().map(|(id, change)| {
            let frame = ClientFrame::Propose {
                id: *id,
                entity: hers.entity.clone(),
                epoch: Epoch::FIRST,
                changes: vec![ByteBuf::from(change.clone())],
                whole: false,
            };
            Message::Binary(frame.encode().into())
        });
        assert!(ada.try_send_all(frames).await);
        // All want the same: what comes second would find it there.
        let body = || json!({ "title": format!("Title {round}") });
        let puts = (0..AT_ONCE).map(|_| http.put("/api/site", body()));
        for answer in join_all(puts).await {
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (503, &json!("unavailable"))
            );
        }
        for (id, _) in &changes {
            match ada.next().await {
                ServerFrame::Error {
                    code,
                    id: of,
                    retry,
                    ..
                } => {
                    let told = (code.as_str(), of, retry);
                    assert_eq!(told, ("unavailable", Some(*id), Some(1_000)));
                }
                other => panic!("{other:?}"),
            }
        }
        take(&server, true);
        while http.get("/readyz").await.status != 200 {}
        assert_eq!(http.get("/api/site").await.body, before);
        // The same again, under the same ids.
        for (id, change) in changes {
            ada.propose_as(id, &hers.entity, vec![change]).await;
            ada.receive(&mut hers).await;
            ada.admitted(id).await;
        }
        let answer = http.put("/api/site", body()).await;
        assert_eq!(answer.body["changed"], json!(["/title"]));
        ada.receive(&mut hers).await;
    }
}
