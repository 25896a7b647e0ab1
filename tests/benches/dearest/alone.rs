//! What Automerge alone takes for the change that a request made: encoding it once, applying it once
//! to the document before, and saving and loading the document after.

use std::process;
use std::time::Duration;

use automerge::{Automerge, Change, ExpandedChange, LoadOptions, TextEncoding};

use super::super::figures::cpu_time;
use super::ground::Ground;

/// What Automerge takes, by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone {
    pub(super) encoded: Duration,
    pub(super) applied: Duration,
    pub(super) saved: Duration,
    pub(super) loaded: Duration,
}

/// All changes of an entity that is there.
pub(super) async fn changes(ground: &Ground, entity: &str) -> Vec<Change> {
    let mut client = ground.connect().await;
    client.replica(entity).await.doc.get_changes(&[])
}

/// Of the changes after the first `before`.
pub(super) fn alone(changes: &[Change], before: usize) -> Alone {
    let (before, after) = changes.split_at(before);
    let mut doc = Automerge::new_with_encoding(TextEncoding::Utf16CodeUnit);
    doc.apply_changes(before.to_vec()).unwrap();
    let after = after.to_vec();
    let decoded: Vec<ExpandedChange> = after.iter().map(Change::decode).collect();
    let encoded = taken(|| drop(decoded.into_iter().map(Change::from).collect::<Vec<_>>()));
    let applied = taken(|| doc.apply_changes(after).unwrap());
    let mut bytes = Vec::new();
    let saved = taken(|| bytes = doc.save());
    let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
    let loaded = taken(|| drop(Automerge::load_with_options(&bytes, options).unwrap()));
    Alone {
        encoded,
        applied,
        saved,
        loaded,
    }
}

/// The processor time of this process, whose only thread this is.
fn taken(work: impl FnOnce()) -> Duration {
    let before = cpu_time(process::id());
    work();
    cpu_time(process::id()) - before
}
