//! Guards against one client whose refused changes fill the disk or keep everybody else waiting.

use std::path::Path;

use indelible_engine::id::{EntityId, Epoch, GlobalSeq, ProposalId};
use indelible_engine::ledger::{decode_refusal, verify_refusal_chain};
use indelible_engine::protocol::ServerFrame;
use indelible_server::config::RefusalSettings;
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Ledger, Refusals};

use super::harness::{Client, Running, fresh_actor};

const KEPT: u64 = 50;
const FLOOD: u64 = 1_000;
/// How many are on their way at a time.
const WINDOW: u64 = 20;

/// Sends the same forbidden or broken change under a new name each time, and reads every answer.
async fn flood(client: &mut Client, entity: &EntityId, change: &[u8], code: &str) {
    let mut waiting = std::collections::VecDeque::new();
    for _ in 0..FLOOD {
        waiting.push_back(client.propose(entity, vec![change.to_vec()]).await);
        if waiting.len() as u64 == WINDOW {
            answer(client, waiting.pop_front(), code).await;
        }
    }
    while !waiting.is_empty() {
        answer(client, waiting.pop_front(), code).await;
    }
}

/// Every refusal reaches its author, in order, however many there are.
async fn answer(client: &mut Client, id: Option<ProposalId>, code: &str) {
    loop {
        match client.next().await {
            ServerFrame::Entries { .. } => {}
            ServerFrame::Refused {
                id: of, code: said, ..
            } => {
                assert_eq!((Some(of), said.as_str()), (id, code));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn size(data: &Path) -> u64 {
    let files = std::fs::read_dir(data).unwrap().flatten();
    files.map(|file| file.metadata().unwrap().len()).sum()
}

/// What the flood left on disk, and how bob fared meanwhile.
struct After {
    data: tempfile::TempDir,
    saved: usize,
    grown: u64,
}

#[test]
fn a_flood_of_refusals_leaves_little_and_stops_nobody() {
    // A runtime of its own: when it goes, so does every task that holds the store.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let After { data, saved, grown } = runtime.block_on(attack());
    drop(runtime);
    assert!(saved > 10, "bob came to {saved} edits");
    let entity: EntityId = "site".parse().unwrap();
    let store = RedbStore::open(data.path(), RefusalSettings::default()).unwrap();
    let records = store.refusals(&entity, 0, usize::MAX).unwrap();
    let further: u64 = records
        .iter()
        .map(|record| decode_refusal(&record.bytes).unwrap().further)
        .sum();
    // 50 in full, then the 1st, 2nd, 4th, … 1,024th of the 1,950 that follow.
    assert_eq!(records.len() as u64, KEPT + 11);
    assert_eq!(records.len() as u64 + further, KEPT + 1_024);
    verify_refusal_chain(records.iter().map(|r| (r.bytes.clone(), r.hash))).unwrap();
    let count = store
        .refusal_count(&entity, Epoch::FIRST, "mallory")
        .unwrap();
    assert_eq!((count.total, count.kept), (2 * FLOOD, KEPT + 11));
    let entries = store.feed(GlobalSeq(0), usize::MAX).unwrap().len();
    assert!(entries >= saved);
    // A thousand refusals more are a few records, not a thousand: less than a page each.
    assert!(grown < FLOOD * 512, "{grown} bytes");
}

async fn attack() -> After {
    let server = Running::with(|config| {
        config.refusals = RefusalSettings {
            kept_per_principal_max: KEPT,
        };
    })
    .await;
    let mut mallory = server.connect("mallory", &["editor"]).await;
    let mut forger = mallory.replica("site").await;
    let entity = forger.entity.clone();
    forger.doc.set_actor(fresh_actor());
    let forbidden = forger.put("license", "forged");
    let mut broken = forbidden.clone();
    broken[5] ^= 1;

    let attack = tokio::spawn({
        let (entity, forbidden, broken) = (entity.clone(), forbidden.clone(), broken.clone());
        async move {
            flood(&mut mallory, &entity, &broken, "checksum").await;
            flood(&mut mallory, &entity, &forbidden, "policy").await;
            mallory
        }
    });
    // Bob writes all the while, to the same entity, and every edit of his is saved.
    let mut bob = server.connect("bob", &["editor"]).await;
    let mut his = bob.replica("site").await;
    let mut saved = 0;
    while !attack.is_finished() {
        let change = his.put("phone", &saved.to_string());
        bob.write(&mut his, vec![change]).await;
        saved += 1;
    }
    let mut mallory = attack.await.unwrap();
    let before = size(server.data());
    flood(&mut mallory, &entity, &forbidden, "policy").await;
    let grown = size(server.data()).saturating_sub(before);
    After {
        data: server.stop_and_keep().await,
        saved,
        grown,
    }
}
