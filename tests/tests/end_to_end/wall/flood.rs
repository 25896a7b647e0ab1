//! Guards against one client that fills the server's disk or memory by what is refused to it.

use std::collections::VecDeque;
use std::fs;
use std::time::Duration;

use automerge::ROOT;
use automerge::transaction::Transactable;
use futures_util::future::join;
use indelible_engine::id::{EntityId, Epoch};
use indelible_engine::ledger::{REFUSAL_BYTES_MAX, verify_refusal_chain};
use indelible_server::config::RefusalSettings;
use indelible_server::storage::Refusals;
use indelible_server::storage::redb::{RedbStore, STORE_FILE};
use indelible_tests::hostile::{ADMITTED, CREATOR};
use tokio_tungstenite::tungstenite::Message;

use super::super::fortress::{Fortress, answer, create};
use super::super::harness::{self, Client, fresh_actor};

/// Refusals of one principal on one entity that are kept, as the server is by default.
const KEPT: usize = 1_000;
/// Refusals above that.
const MORE: usize = 300;
/// Proposals on their way at a time.
const WINDOW: usize = 20;
/// What a server holds that was sent millions of frames by clients that take no answer. It holds
/// some 25,000 KiB without them.
const UNTAKEN_KIB_MAX: u64 = 64 << 10;
/// Frames of an unknown name in one write.
const UNKNOWN_AT_ONCE: usize = 1_000;

/// Makes the same refused proposal again and again.
async fn flood(client: &mut Client, entity: &EntityId, change: &[u8], times: usize) {
    let mut waiting = VecDeque::new();
    for sent in 0..times + WINDOW {
        if sent < times {
            waiting.push_back(client.propose(entity, vec![change.to_vec()]).await);
        }
        if sent >= WINDOW {
            let id = waiting.pop_front().expect("as many as are on their way");
            assert_eq!(answer(client, id, None).await.code, "policy");
        }
    }
}

#[tokio::test]
async fn refusals_leave_no_more_than_their_bound_on_disk() {
    let mut fortress = Fortress::start();
    let entity: EntityId = "thing/flooded".parse().unwrap();
    let mut alice = fortress.connect(CREATOR).await;
    create(&mut alice, &entity).await;
    let mut forger = alice.replica("thing/flooded").await;
    forger.doc.set_actor(fresh_actor());
    // Each attempt breaks a hundred rules at once, for records as long as they come.
    let attempt = forger.change(|doc| {
        for n in 0..100 {
            doc.put(ROOT, format!("unheard-of-{n}"), "x".repeat(100))
                .unwrap();
        }
    });
    let mut mallory = fortress.connect("mallory").await;
    let mut bob = fortress.connect("bob").await;
    let mut his = bob.replica("thing/flooded").await;
    let edits = async {
        for n in 0..50 {
            let change = his.put("tagline", &n.to_string());
            let id = bob.propose(&entity, vec![change]).await;
            assert_eq!(answer(&mut bob, id, Some(&mut his)).await.code, ADMITTED);
        }
    };
    join(flood(&mut mallory, &entity, &attempt, KEPT), edits).await;
    let store = fortress.data.path().join(STORE_FILE);
    let size = || fs::metadata(&store).unwrap().len();
    let full = size();
    // A second connection is the same principal.
    let mut mallory = fortress.connect("mallory").await;
    flood(&mut mallory, &entity, &attempt, MORE).await;
    let then = size();
    assert!(then <= full + (1 << 20), "{full} bytes grew to {then}");
    fortress.assert_memory_is_bounded();

    fortress.process.kill();
    let store = RedbStore::open(fortress.data.path(), RefusalSettings::default()).unwrap();
    let records = store.refusals(&entity, 0, usize::MAX).unwrap();
    // Then the 1st, 2nd, 4th, … 256th of what comes above them.
    assert_eq!(records.len(), KEPT + 9);
    let count = store
        .refusal_count(&entity, Epoch::FIRST, "mallory")
        .unwrap();
    assert_eq!(count.total, (KEPT + MORE) as u64);
    for record in &records {
        let bytes = record.bytes.len();
        assert!(bytes <= REFUSAL_BYTES_MAX, "a record of {bytes} bytes");
    }
    verify_refusal_chain(
        records
            .into_iter()
            .map(|record| (record.bytes, record.hash)),
    )
    .unwrap();
}

/// Sends frames of a name that nobody knows, taking no answer, for as long as the server takes
/// them: a client that reads no answers must come to a halt.
async fn send_unknown_frames(mut client: Client) {
    let halted = Duration::from_secs(2);
    for _ in 0..1_000 {
        let frame = [b"\xa1\x61?\x58\x60".as_slice(), &[0; 0x60]].concat();
        let burst = (0..UNKNOWN_AT_ONCE).map(|_| Message::Binary(frame.clone().into()));
        match tokio::time::timeout(halted, client.try_send_all(burst)).await {
            Ok(true) => {}
            // Nobody reads any more, or the time for saying hello is over.
            Err(_) | Ok(false) => return,
        }
    }
    panic!("a million frames were taken, and no answer was");
}

#[tokio::test]
async fn answers_that_nobody_takes_are_not_piled_up() {
    let fortress = Fortress::start();
    let stranger = Client::raw(&fortress.process.authority, None)
        .await
        .unwrap();
    let mallory = fortress.connect("mallory").await;
    join(send_unknown_frames(mallory), send_unknown_frames(stranger)).await;
    let held = fortress.memory_kib();
    assert!(held < UNTAKEN_KIB_MAX, "the server held {held} KiB");
    let mut other = harness::connect_to(&fortress.process.authority, None).await;
    other.hears_nothing().await;
}
