//! Guards against an acknowledged edit that a killed server has forgotten, and against an edit in
//! flight that is in the log twice when it is sent again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use indelible_engine::protocol::ServerFrame;

use super::harness::{self, Http, Replica};

struct Process {
    child: Child,
    authority: String,
}

impl Process {
    /// Starts the real binary on a data directory and waits until it says where it listens.
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .arg("--schema")
            .arg(harness::schema())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let authority = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let rest = line.split("http://").nth(1)?;
                Some(
                    rest.split(|c: char| c == '/' || c.is_whitespace())
                        .next()?
                        .to_owned(),
                )
            })
            .expect("the server says where it listens");
        Self { child, authority }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test]
async fn saved_edits_survive_and_those_in_flight_arrive_once() {
    let data = tempfile::tempdir().unwrap();
    let token = || harness::token(data.path(), "ada", &["editor"], Duration::from_secs(3600));
    let mut server = Process::start(data.path());
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

    let server = Process::start(data.path());
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
