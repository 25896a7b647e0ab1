//! A process that commits is killed, again and again.
//!
//! Guards against acknowledged entries that are gone after a crash, half-written batches, indexes
//! out of step with the entries, and a file that cannot be opened again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, LogPlace, ProposalId, Seq};
use indelible_engine::ledger::{EntryDraft, EntryKind, Header, decode, verify_chain};
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use indelible_server::commit::CommitThread;
use indelible_server::config::{CommitSettings, RefusalSettings};
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Append, NewEntry, Store, Upkeep};

const ENTITIES: [&str; 3] = ["settings", "team/jane", "team/joe"];
const CHILD_DIR: &str = "INDELIBLE_CRASH_DIR";

fn open(dir: &Path) -> RedbStore {
    RedbStore::open(dir, RefusalSettings::default()).unwrap()
}

fn entry(entity: &EntityId, seq: Seq) -> Append {
    let id = u128::from(seq.0).to_be_bytes();
    let draft = EntryDraft {
        kind: if seq.0 == 0 {
            EntryKind::Genesis
        } else {
            EntryKind::Changes
        },
        header: Header {
            entity: entity.clone(),
            place: LogPlace::new(Epoch::FIRST, seq),
            proposal: Some(ProposalId(id)),
            author: Principal::new(entity.to_string(), ["editor"]),
            session: None,
            at: Timestamp(0),
            policy_hash: Hash::ZERO,
        },
        changes: vec![[&[0; 8][..], &id].concat().repeat(20)],
        heads: Vec::new(),
        claimed: None,
    };
    let entries = vec![NewEntry {
        draft,
        effects: Some(vec![1; 100]),
    }];
    Append {
        entries,
        ..Append::new(entity.clone())
    }
}

/// The process that the other test starts and kills: commits to all entities at once, and prints
/// what was acknowledged. Does nothing unless it is told where.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR).map(PathBuf::from) else {
        return;
    };
    let store: Arc<dyn Store> = Arc::new(open(&dir));
    let thread = CommitThread::start(Arc::clone(&store), &CommitSettings::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let writers = ENTITIES.map(|name| {
            let (handle, store) = (thread.handle(), Arc::clone(&store));
            tokio::spawn(async move {
                let entity: EntityId = name.parse().unwrap();
                let head = store.head(&entity).unwrap();
                let mut seq = head.map_or(Seq(0), |head| head.seq.next());
                while handle.commit(entry(&entity, seq)).await.is_ok() {
                    writeln!(std::io::stdout(), "acknowledged {entity} {seq}").unwrap();
                    seq = seq.next();
                }
            })
        });
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

/// Lets a child commit until it has acknowledged so much, kills it, and gives all that it has
/// acknowledged by then.
fn run_and_kill(dir: &Path, after: usize) -> Vec<(EntityId, Seq)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    for line in stdout.lines() {
        let line = line.unwrap();
        let Some((_, rest)) = line.split_once("acknowledged ") else {
            continue;
        };
        let (entity, seq) = rest.split_once(' ').unwrap();
        acknowledged.push((entity.parse().unwrap(), seq.parse().unwrap()));
        if acknowledged.len() == after {
            // What it still writes meanwhile is read on.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(
        acknowledged.len() >= after,
        "the child went on until it was killed"
    );
    acknowledged
}

fn check(store: &dyn Store, acknowledged: &[(EntityId, Seq)]) {
    for (entity, seq) in acknowledged {
        let proposal = ProposalId(u128::from(seq.0).to_be_bytes());
        let place = store.proposal(&entity.to_string(), proposal).unwrap();
        assert_eq!(
            place.map(|place| place.seq),
            Some(*seq),
            "{entity} was acknowledged"
        );
    }
    let feed = store.feed(GlobalSeq(0), usize::MAX).unwrap();
    let global: Vec<u64> = feed
        .iter()
        .map(|e| decode(&e.bytes).unwrap().global.0)
        .collect();
    assert!(
        global.iter().copied().eq(1..=global.len() as u64),
        "the global order has gaps"
    );
    assert_eq!(store.tail().unwrap().global.0, global.len() as u64);
    for name in ENTITIES {
        let entity: EntityId = name.parse().unwrap();
        let log = feed
            .iter()
            .filter(|e| decode(&e.bytes).unwrap().header.entity == entity);
        let last = verify_chain(log.map(|e| (e.bytes.clone(), e.hash))).unwrap();
        assert_eq!(
            store.head(&entity).unwrap().map(|head| head.hash),
            last,
            "{entity}"
        );
    }
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for after in [1, 3, 11, 40, 150] {
        acknowledged.extend(run_and_kill(dir.path(), after));
        check(&open(dir.path()), &acknowledged);
    }
    open(dir.path()).rebuild_caches().unwrap();
    check(&open(dir.path()), &acknowledged);
}
