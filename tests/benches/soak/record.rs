//! What the server has acknowledged, and whether its store holds that.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use indelible_engine::ledger::{EntryKind, decode};
use indelible_server::config::RefusalSettings;
use indelible_server::keys::Keys;
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Ledger, Place, Stored};
use indelible_server::versions::Versions;

use super::dearest::ground::Said;
use super::harness::Http;
use super::people::{board, editor, note};
use super::town::Town;

/// What versions of entities are bound to.
const PROJECTION: &str = "whole";

/// All that was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) said: Vec<Said>,
    /// The last mark of each editor, and what each writer wrote last, by their turns.
    pub(crate) marks: BTreeMap<usize, usize>,
    pub(crate) notes: BTreeMap<usize, usize>,
}

/// Starts the server again, asks for what everybody wrote last, then opens the store and looks for
/// everything, and lets the ledger be verified. Returns how many acknowledgements were compared with it.
pub(crate) async fn check(town: &Town) -> usize {
    let record = town.record.take();
    let mut again = town.restarted();
    let http = Http::to(&again.authority, None);
    for (&number, &turn) in &record.marks {
        let board = http.get(&format!("/api/{}", board(number))).await.body;
        let mark = board["marks"][editor(number)].as_str();
        let found = mark.and_then(|mark| mark.split_once(':')?.0.parse().ok());
        if !is_there(turn, found) {
            town.fault("an edit that was acknowledged does not stand");
        }
    }
    for (&number, &turn) in &record.notes {
        let note = http.get(&note(number)).await.body;
        let found = note["text"].as_str().and_then(|text| text.parse().ok());
        if !is_there(turn, found) {
            town.fault("a value that was put does not stand");
        }
    }
    again.kill();
    look_up(town, &record);
    verify(town);
    record.said.len()
}

/// Whether somebody's last write is there; the one after it may have been on its way.
fn is_there(turn: usize, found: Option<usize>) -> bool {
    found.is_some_and(|found| found == turn || found == turn + 1)
}

fn look_up(town: &Town, record: &Record) {
    let store = RedbStore::open(town.data(), RefusalSettings::default()).unwrap();
    let versions = Versions::new(&Keys::open_or_create(town.data()).unwrap());
    for said in &record.said {
        if !is_held(&store, &versions, said) {
            town.fault("an acknowledged write is not in the store");
        }
    }
}

/// Whether the store has what the server has said.
fn is_held(store: &RedbStore, versions: &Versions, said: &Said) -> bool {
    let entry = |entity: &_, epoch, seq| {
        let entity = Clone::clone(entity);
        let place = Place { entity, epoch, seq };
        store.entry(&place).unwrap()
    };
    let decoded = |stored: Stored| decode(&stored.bytes).unwrap();
    match said {
        Said::Admitted {
            entity,
            epoch,
            seq,
            id,
        } => entry(entity, *epoch, *seq)
            .is_some_and(|stored| decoded(stored).header.proposal == Some(*id)),
        Said::Version { entity, version } => {
            let opened = versions.open(entity, PROJECTION, version).unwrap();
            let found = entry(entity, opened.epoch, opened.seq);
            found.is_some_and(|stored| opened.is_of(&stored.hash))
        }
        Said::Deleted(entity) => store
            .head(entity)
            .unwrap()
            .and_then(|head| entry(entity, head.epoch, head.seq))
            .is_some_and(|stored| decoded(stored).kind == EntryKind::Deleted),
    }
}

fn verify(town: &Town) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.ndjson");
    let began = Instant::now();
    let data: &Path = town.data();
    let mut export = command("export");
    export.arg("--data").arg(data).arg("--out").arg(&file);
    let mut verify = command("verify");
    verify.arg(&file);
    for (mut command, fault) in [
        (export, "the store cannot be exported"),
        (verify, "the ledger is not verified"),
    ] {
        if !command.status().unwrap().success() {
            town.fault(fault);
        }
    }
    println!("exported and verified in {} s", began.elapsed().as_secs());
}

fn command(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"));
    command.arg(name);
    command
}
