//! `indelible refusals`: what policy refused, to whom, and why.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::id::EntityId;
use indelible_engine::ledger::{RefusalRecord, decode_refusal};
use indelible_engine::violation::RefusalCode;
use serde_json::{Value, json};

use super::names;
use super::tables::{self, Table};
use crate::offline;
use crate::storage::redb::RedbStore;
use crate::storage::{Ledger, Refusals as _, StoreResult, Stored};

const NOTHING: &str = "nothing was refused";

const RECORDS_AT_ONCE: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  indelible refusals --data /srv/site
  indelible refusals team/jane-doe --data /srv/site
  indelible refusals --json --data /srv/site | jq 'select(.by.id == \"bob\")'

A refusal is about one change; the table has a line for each of its violations. RULE ends in
\"kept\" where a PUT had a value for a protected field that the field never had: the field stayed as
it was, and the rest was judged by itself. Where somebody was refused very often, one record stands
for several: FIELD says so.";

/// Show what policy refused on a stopped server: who tried what, when, and which rule kept it out
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Refusals {
    /// One entity, as team/jane-doe; left out, all of them
    entity: Option<EntityId>,

    /// The data directory of a server that is stopped
    #[arg(long, value_name = "DIR", default_value = "indelible-data")]
    data: PathBuf,

    /// One JSON object per refusal instead of a table
    #[arg(long)]
    json: bool,
}

impl Refusals {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let store = offline::open(&self.data)?;
        let mut table = Table::new(&[
            "TIME (UTC)",
            "ENTITY",
            "BY",
            "FIELD",
            "RULE",
            "TRIED",
            "STANDS",
        ])
        .uncut(&[0]);
        let mut found = 0_u64;
        each(&store, self.entity.as_ref(), |record| {
            found += 1;
            if self.json {
                return super::print(&tables::json(&object(record).to_string()));
            }
            for row in rows(record) {
                table.row(row);
            }
            Ok(())
        })?;
        if let Some(entity) = &self.entity
            && found == 0
            && store.head(entity)?.is_none()
        {
            return Err(names::unknown_entity(&*store, entity).into());
        }
        match (found, self.json) {
            (0, true) => super::note(NOTHING),
            (0, false) => super::print(NOTHING)?,
            (_, true) => {}
            (_, false) => table.lines().try_for_each(|line| super::print(&line))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Goes through the refusals of one entity or of all.
fn each(
    store: &RedbStore,
    entity: Option<&EntityId>,
    mut take: impl FnMut(&RefusalRecord) -> std::io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let mut number = 0;
    let mut last = None;
    loop {
        let page: Vec<Stored> = match entity {
            Some(entity) => store.refusals(entity, number, RECORDS_AT_ONCE)?,
            None => {
                let page = all(store, &mut last);
                page?
            }
        };
        if page.is_empty() {
            return Ok(());
        }
        for stored in &page {
            let record = decode_refusal(&stored.bytes)?;
            number = record.number + 1;
            take(&record)?;
        }
    }
}

fn all(store: &RedbStore, last: &mut Option<crate::storage::Place>) -> StoreResult<Vec<Stored>> {
    let page = store.all_refusals(last.as_ref(), RECORDS_AT_ONCE)?;
    if let Some((place, _)) = page.last() {
        *last = Some(place.clone());
    }
    Ok(page.into_iter().map(|(_, stored)| stored).collect())
}

fn rows(record: &RefusalRecord) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut who = vec![
        tables::time(record.header.at),
        record.header.entity.to_string(),
        record.header.author.id.clone(),
    ];
    for violation in &record.violations {
        let pointer = violation.pointer.to_string();
        let field = if pointer.is_empty() {
            "(the whole)".to_owned()
        } else {
            pointer
        };
        let mut row = std::mem::replace(&mut who, vec![String::new(); 3]);
        row.extend([
            field,
            match RefusalCode::Preserved == record.code.as_str() {
                true => format!("{}, kept", violation.rule),
                false => violation.rule.clone(),
            },
            violation.attempted.clone().unwrap_or_default(),
            violation.kept.clone().unwrap_or_default(),
        ]);
        rows.push(row);
    }
    let left_out = record.violations_total - record.violations.len() as u64;
    let more = [
        (left_out, "more on this change"),
        (record.further, "more like it"),
    ];
    for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
        let mut row = std::mem::replace(&mut who, vec![String::new(); 3]);
        row.push(format!("({count} {what})"));
        rows.push(row);
    }
    rows
}

/// A value that is kept as JSON text; a text that was cut is not JSON any more and stays a text.
fn value(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| {
        serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.clone()))
    })
}

fn object(record: &RefusalRecord) -> Value {
    let header = &record.header;
    let violations: Vec<Value> = record
        .violations
        .iter()
        .map(|violation| {
            json!({
                "change": violation.change,
                "ops": violation.ops,
                "pointer": violation.pointer.to_string(),
                "rule": violation.rule,
                "attempted": value(violation.attempted.as_ref()),
                "kept": value(violation.kept.as_ref()),
                "message": violation.message,
            })
        })
        .collect();
    json!({
        "entity": header.entity.to_string(),
        "number": record.number,
        "epoch": header.place.epoch.0,
        "seq": header.place.seq.0,
        "at": header.at.to_rfc3339(),
        "by": header.author,
        "session": header.session,
        "proposal": header.proposal,
        "policy": header.policy_hash,
        "code": record.code,
        "admitted": record.admitted,
        "change": record.change,
        "violations": violations,
        "violations_total": record.violations_total,
        "further": record.further,
    })
}
