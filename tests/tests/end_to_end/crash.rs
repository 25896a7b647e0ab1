//! Guards against an acknowledged edit that a killed server has forgotten, and against an edit in
//! flight that is in the log twice when it is sent again.

use std::time::Duration;

use indelible_engine::protocol::ServerFrame;

use super::harness::{self, Http, Replica};
use super::process::Process;

#[tokio::test]
async fn saved_edits_survive_and_those_in_flight_arrive_once() {
    let data = tempfile::tempdir().unwrap();
    let token = || harness::token(data.path(), "ada", &["editor"], Duration::from_secs(3600));
    let mut server = Process::start(data.path(), &harness::schema());
    let mut ada = harness::connect_to(&server.authority, Some(token())).await;
    let mut hers = ada.replica("site").await;
    let change = hers.put("title", "Saved");
    let saved = ada.write(&mut hers, vec![change]).await;
    // In flight: sent, and nobody knows how far they came.
    let mut flying = Vec::new();
    for n in 0..20 {
        let change = hers.put("phone", &n.to_string());
        let id = ada.propose(&hers.entity, vec![change.clone()]).await;
        flying.push((id, change));
    }
    server.kill();

    let server = Process::start(data.path(), &harness::schema());
    let mut ada = harness::connect_to(&server.authority, Some(token())).await;
    let after: Replica = ada.replica("site").await;
    assert!(after.seq >= saved);
    assert_eq!(after.get("title").as_deref(), Some("Saved"));
    let mut last = saved;
    for (id, change) in flying {
        ada.propose_as(id, &hers.entity, vec![change]).await;
        loop {
            match ada.next().await {
                ServerFrame::Entries { .. } => {}
                ServerFrame::Admitted { id: of, seq, .. } => {
                    assert_eq!((of, seq), (id, last.next()), "each once, in order");
                    last = seq;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let value = Http::to(&server.authority, None)
        .get("/api/site")
        .await
        .body;
    assert_eq!(
        (&value["title"], &value["phone"]),
        (&"Saved".into(), &"19".into())
    );
}
