//! Names that a caller gives, held against those that there are: a misspelt one is refused, with
//! the nearest, where an answer about it would be calm and false.

use std::collections::BTreeSet;
use std::error::Error;

use indelible_engine::excerpt::{PLACE_CHARS_MAX, cut};
use indelible_engine::id::{EntityId, GlobalSeq};
use indelible_engine::ledger;
use indelible_engine::near;
use indelible_engine::pointer::Pointer;

use super::tables;
use crate::past::{HistoryError, Known, Past};
use crate::policy_archive;
use crate::storage::{Head, Scope, Store};

/// How many near names a message gives.
const NAMED_MAX: usize = 3;
/// Up to so many names are all listed.
const FEW: usize = 5;
/// Entries that are read at a time.
const RECORDS_AT_ONCE: usize = 256;
/// Entities of a kind that are looked through.
const ENTITIES_MAX: usize = 10_000;

/// A name in a sentence: safe to print, and not too long.
fn shown(name: &str) -> String {
    tables::plain(&cut(name, PLACE_CHARS_MAX))
}

/// A name that matches nothing.
#[derive(Debug, thiserror::Error)]
#[error("{what}{}", suggestion(.near))]
pub(super) struct UnknownName {
    what: String,
    near: Vec<String>,
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; there is {}", near.join(", ")),
    }
}

impl UnknownName {
    fn new(what: String, wanted: &str, known: &BTreeSet<String>) -> Self {
        let mut near: Vec<(usize, &String)> = known
            .iter()
            .filter_map(|name| Some((distance(wanted, name)?, name)))
            .collect();
        near.sort();
        let mut near: Vec<&String> = near.into_iter().map(|(_, name)| name).collect();
        if near.is_empty() && known.len() <= FEW {
            near = known.iter().collect();
        }
        let near = near.into_iter().take(NAMED_MAX.max(FEW.min(known.len())));
        Self {
            what,
            near: near.map(|name| shown(name)).collect(),
        }
    }
}

/// How far a name is from the wanted one; `None` where it is not near.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let (low, name) = (wanted.to_lowercase(), name.to_lowercase());
    if name.contains(&low) || (low.contains(&name) && !name.is_empty()) {
        return Some(0);
    }
    let distance = strsim::osa_distance(&low, &name);
    let far = (distance <= 2 || distance * 4 <= name.chars().count()).then_some(distance);
    near::distance(&low, &name).or(far)
}

/// Refuses an author who wrote nothing in the whole ledger. Whoever wrote, though not in this log,
/// is a right name: that there is nothing to show is an answer.
pub(super) fn check_author(past: &Past, store: &dyn Store, id: &str) -> Result<(), Box<dyn Error>> {
    if past.records().any(|record| record.header.author.id == id) {
        return Ok(());
    }
    if id.is_empty() {
        return Err("--by is empty: name the id of a person, as the history shows it".into());
    }
    let (mut known, mut after) = (BTreeSet::new(), GlobalSeq(0));
    loop {
        let page = store.feed(after, RECORDS_AT_ONCE)?;
        if page.is_empty() {
            break;
        }
        for stored in &page {
            let entry = ledger::decode(&stored.bytes)?;
            after = entry.global;
            known.insert(entry.header.author.id);
        }
    }
    if known.contains(id) {
        return Ok(());
    }
    let what = format!("no entry of the ledger is by {}", shown(id));
    Err(UnknownName::new(what, id, &known).into())
}

/// Refuses a field that no schema of this log declares, what lies in an item that there never was,
/// and what lies in a value that has no fields in it.
pub(super) fn check_field(past: &Past, field: &Pointer) -> Result<(), UnknownName> {
    let text = field.to_string();
    if text == "/" {
        return Err(UnknownName {
            what: "/ is the field whose name is empty, which there never was; leave the field out \
                   for all of the entity, or name one as /name"
                .to_owned(),
            near: Vec::new(),
        });
    }
    let plain = shown(&text);
    match past.knows(field) {
        Known::Field => Ok(()),
        Known::Within(whole, why) => {
            let whole = whole.to_string();
            let whole = shown(&whole);
            Err(UnknownName {
                what: format!("{plain} is not a field of its own: {whole} {why}; ask for {whole}"),
                near: Vec::new(),
            })
        }
        Known::Never => {
            let what = format!("there never was a field {plain}");
            let near = past.nearest_fields(field);
            if near.is_empty() {
                return Err(UnknownName::new(what, &text, &past.fields()));
            }
            let near = near.iter().take(NAMED_MAX);
            let near = near.map(|near| shown(&near.to_string())).collect();
            Err(UnknownName { what, near })
        }
    }
}

/// The error for an entity that the store does not have.
pub(super) fn unknown_entity(store: &dyn Store, id: &EntityId) -> UnknownName {
    let heads = store.heads(Scope::Kind(id.kind()), None, ENTITIES_MAX);
    let of_kind = names(heads);
    if !of_kind.is_empty() {
        return UnknownName::new(format!("{id} was never there"), &id.to_string(), &of_kind);
    }
    let policies = policy_archive::compile(&store.policies().unwrap_or_default());
    let kinds: BTreeSet<String> = policies.iter().map(|p| p.kind().to_string()).collect();
    if kinds.contains(id.kind().as_str()) {
        let what = format!("{id} was never there: the kind has no entity");
        return UnknownName::new(what, "", &BTreeSet::new());
    }
    let all = names(store.heads(Scope::All, None, ENTITIES_MAX));
    let same: BTreeSet<String> = all
        .into_iter()
        .filter(|name| name.split_once('/').map(|(_, id)| id) == id.id())
        .filter(|name| distance(&id.to_string(), name).is_some())
        .collect();
    if !same.is_empty() {
        return UnknownName::new(format!("{id} was never there"), &id.to_string(), &same);
    }
    let what = format!(
        "{id} was never there: no schema describes the kind {}",
        id.kind()
    );
    UnknownName::new(what, id.kind().as_str(), &kinds)
}

fn names<E>(heads: Result<Vec<(EntityId, Head)>, E>) -> BTreeSet<String> {
    let heads = heads.into_iter().flatten();
    heads.map(|(entity, _)| entity.to_string()).collect()
}

/// Reads the log of an entity; one that was never there is reported with the nearest.
pub(super) fn or_nearest(
    read: Result<Past, HistoryError>,
    store: &dyn Store,
) -> Result<Past, Box<dyn Error>> {
    match read {
        Err(HistoryError::Unknown(id)) => Err(unknown_entity(store, &id).into()),
        read => Ok(read?),
    }
}
