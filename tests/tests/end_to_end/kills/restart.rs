//! How long a killed server's successor takes to answer, on a store that has grown.
//!
//! Guards against a start that goes through the whole store. The store is made of real documents
//! and real entries, by the engine and group commits; the process is killed while twenty writers
//! write to it. `INDELIBLE_LONG=1` makes them 2 GB. The times are printed, not judged.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indelible_engine::admission::{Admitted, Origin, Proposal, admit};
use indelible_engine::change;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, ProposalId};
use indelible_engine::ledger::EntryKind;
use indelible_engine::lifecycle;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use indelible_server::config::RefusalSettings;
use indelible_server::storage::redb::{RedbStore, STORE_FILE};
use indelible_server::storage::{Append, Ledger, NewEntry};
use serde_json::json;

use super::super::harness::{self, Http};
use super::super::process::Process;
use super::writer::Writer;
use super::{Chance, WRITERS, round, schema};

const QUICK_BYTES: u64 = 8 << 20;
const LONG_BYTES: u64 = 2 << 30;
const RESTARTS: usize = 5;
/// How many edits are acknowledged before each kill.
const LIFE_EDITS: u64 = 200;
/// How often the notes of one board are written.
const EDITS: u128 = 4;
const NOTES_BYTES: usize = 64 << 10;
const BOARDS_AT_ONCE: usize = 32;

/// A board whose notes were written again and again, as one request.
fn board(id: &EntityId, policy: &Arc<Policy>, chance: &mut Chance) -> Append {
    let author = Principal::new("filler", ["editor"]);
    let now = Timestamp(1_700_000_000_000);
    let actor = change::server_actor(id, Epoch::FIRST, &author.id);
    let mut entity = Entity::genesis(id, Epoch::FIRST, policy);
    let mut request = Append::new(id.clone());
    request.entries.push(NewEntry {
        draft: lifecycle::genesis(&entity, now),
        effects: None,
    });
    for edit in 0..EDITS {
        let creation = edit == 0;
        let letters = (0..NOTES_BYTES).map(|_| char::from(b'a' + (chance.below(26) as u8)));
        let notes: String = letters.collect();
        let options = MergeOptions {
            creation,
            ..MergeOptions::default()
        };
        let merged = merge(
            &entity,
            &author,
            &actor,
            &json!({ "notes": notes }),
            &options,
        )
        .unwrap();
        let origin = if creation {
            Origin::Creation
        } else {
            Origin::Server
        };
        let proposal = Proposal::new(
            ProposalId(((chance.below(u64::MAX) as u128) << 64 | edit).to_be_bytes()),
            author.clone(),
            origin,
            merged.changes,
        );
        let verdict = admit(&entity, &proposal, now, &Limits::default());
        let admitted: Admitted = verdict.admitted.expect("notes may be anything");
        let (next, draft, effects) = admitted.into_parts();
        assert_eq!(draft.kind, EntryKind::Changes);
        request.entries.push(NewEntry {
            draft,
            effects: Some(serde_json::to_vec(&effects).unwrap()),
        });
        entity = next;
    }
    request
}

/// Fills the store with so many bytes of entries and effects; gives the number of boards.
fn fill(data: &Path, bytes: u64, chance: &mut Chance) -> usize {
    let text = std::fs::read_to_string(schema().join("board.json")).unwrap();
    let policy = Arc::new(schema::compile("board.json", &text).unwrap());
    let store = RedbStore::open(data, RefusalSettings::default()).unwrap();
    let (mut boards, mut written) = (0, 0);
    while written < bytes {
        let requests: Vec<Append> = (boards..boards + BOARDS_AT_ONCE)
            .map(|number| {
                board(
                    &format!("board/f{number}").parse().unwrap(),
                    &policy,
                    chance,
                )
            })
            .collect();
        for (outcome, request) in store.append(&requests).unwrap().into_iter().zip(&requests) {
            let entries = outcome.unwrap().entries;
            let effects = request.entries.iter().flat_map(|new| &new.effects);
            let bytes = entries.iter().map(|sealed| sealed.bytes.len());
            written += bytes.chain(effects.map(Vec::len)).sum::<usize>() as u64;
        }
        boards += BOARDS_AT_ONCE;
    }
    boards
}

fn size(data: &Path) -> u64 {
    std::fs::metadata(data.join(STORE_FILE)).unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_big_store_is_served_again_after_a_kill() {
    let long = std::env::var_os("INDELIBLE_LONG").is_some_and(|long| !long.is_empty());
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // The first start puts the initial content and the policy in place.
    Process::start(data.path(), &schema()).kill();
    let bytes = if long { LONG_BYTES } else { QUICK_BYTES };
    let boards = fill(data.path(), bytes, &mut Chance::new(7));
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    println!(
        "{} MiB in {boards} boards of {EDITS} edits",
        size(data.path()) >> 20
    );
    for _ in 0..RESTARTS {
        let before: usize = writers.iter().map(|w| w.acknowledged.len()).sum();
        (writers, _) = round(data.path(), writers, LIFE_EDITS).await;
        let after: usize = writers.iter().map(|w| w.acknowledged.len()).sum();
        assert!(after > before, "it was killed while it wrote");
        let began = Instant::now();
        let server = Process::start(data.path(), &schema());
        let http = Http::to(&server.authority, None);
        let ready = http.get("/readyz").await;
        let took = began.elapsed();
        assert_eq!(ready.status, 200, "{}", ready.body);
        println!(
            "ready {} ms after the start that follows a kill at {} acknowledged edits",
            took.as_millis(),
            after - before
        );
        let notes = http.get("/api/board/f0").await.body["notes"].clone();
        assert_eq!(notes.as_str().map(str::len), Some(NOTES_BYTES));
        for writer in &mut writers {
            let token = harness::token(
                data.path(),
                &writer.name,
                &["editor"],
                Duration::from_secs(600),
            );
            writer.settle(&server.authority, token).await;
        }
    }
}
