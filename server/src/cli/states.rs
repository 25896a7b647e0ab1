//! `indelible at` and `diff`: what an entity was on a stopped server, and what became of it.

use std::error::Error;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::effects::json_patch;
use indelible_engine::history::words::differences_between;
use indelible_engine::history::{Point, State};
use indelible_engine::id::LogPlace;
use indelible_engine::ledger::Presence;
use serde_json::{Value, json};

use super::history::{EntityPlace, POINTS, sentence};
use super::points;
use super::tables::{self, Table};
use crate::past::Past;

/// Show an entity as it was at some point, as JSON
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  indelible at team/jane-doe 12 --data /srv/site
  indelible at settings 2026-03-01T00:00:00Z
  indelible at settings now --json | jq .by.id

{POINTS}"))]
pub(super) struct At {
    #[command(flatten)]
    place: EntityPlace,

    /// When
    point: Point,

    /// One JSON object on one line, with the entry after which it was so, instead of the value
    #[arg(long)]
    json: bool,
}

/// Show what differs between two points of an entity's past
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  indelible diff team/jane-doe 3 12 --data /srv/site
  indelible diff team/jane-doe 3 now
  indelible diff settings 2026-03-01T00:00:00Z 2026-03-02T00:00:00Z --json

{POINTS}"))]
pub(super) struct Diff {
    #[command(flatten)]
    place: EntityPlace,

    /// From which point
    from: Point,

    /// To which
    to: Point,

    /// A JSON Patch (RFC 6902) instead of words
    #[arg(long)]
    json: bool,
}

impl At {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let past = self.place.open()?;
        let found = points::find(&past, &self.point)?;
        let state = past.state(found)?;
        if let Some(was) = was(state.presence()) {
            return Err(format!("{} was {was} at that point", self.place.entity).into());
        }
        let value = state.presented();
        let Some(record) = past.record(found).filter(|_| self.json) else {
            return print_value(&value);
        };
        let told = json!({
            "entity": self.place.entity,
            "epoch": record.header.place.epoch.0,
            "seq": record.header.place.seq.0,
            "at": record.header.at.to_rfc3339(),
            "by": record.header.author,
            "heads": record.heads,
            "value": value,
        });
        super::print(&tables::json(&told.to_string()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Why there is no value.
fn was(presence: Presence) -> Option<&'static str> {
    match presence {
        Presence::Present => None,
        Presence::Deleted => Some("deleted"),
        Presence::Unborn => Some("not created yet"),
    }
}

fn print_value(value: &Value) -> Result<ExitCode, Box<dyn Error>> {
    super::print(&tables::json(&serde_json::to_string_pretty(value)?))?;
    Ok(ExitCode::SUCCESS)
}

impl Diff {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let past = self.place.open()?;
        let places = (
            points::find(&past, &self.from)?,
            points::find(&past, &self.to)?,
        );
        let (before, after) = (past.state(places.0)?, past.state(places.1)?);
        if self.json {
            return print_value(&patch(&before, &after)?);
        }
        let mut table = Table::new(&["", "ENTRY", "TIME (UTC)", "BY"]).uncut(&[0, 1, 2]);
        for (word, state, at) in [("from", &before, places.0), ("to", &after, places.1)] {
            table.row(end(&past, word, at));
            if let Some(was) = was(state.presence()) {
                table.note(6, &format!("(it was {was})"));
            }
        }
        table.lines().try_for_each(|line| super::print(&line))?;
        super::print("")?;
        let mut told = Table::untitled();
        for description in differences_between(
            (before.policy(), before.value()),
            (after.policy(), after.value()),
        ) {
            told.note(0, &sentence(&description));
        }
        match (before.presence(), after.presence()) {
            (Presence::Deleted, Presence::Deleted) => {}
            (_, Presence::Deleted) => {
                told.note(0, &format!("{} was deleted", self.place.entity));
            }
            (Presence::Deleted, _) => {
                told.note(0, &format!("{} was brought back", self.place.entity));
            }
            _ => {}
        }
        if told.is_empty() {
            told.note(0, "nothing differs");
        }
        told.lines().try_for_each(|line| super::print(&line))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// From one state to another; an entity that is deleted is null.
fn patch(before: &State, after: &State) -> Result<Value, serde_json::Error> {
    let is_deleted = |state: &State| state.presence() == Presence::Deleted;
    let value = match (is_deleted(before), is_deleted(after)) {
        (true, true) => return Ok(json!([])),
        (false, true) => Value::Null,
        (true, false) => after.presented(),
        (false, false) => {
            let patch = json_patch(after.policy(), &before.presented(), &after.presented());
            return serde_json::to_value(patch);
        }
    };
    Ok(json!([{ "op": "replace", "path": "", "value": value }]))
}

fn end(past: &Past, word: &str, at: LogPlace) -> Vec<String> {
    let record = past.record(at);
    vec![
        word.to_owned(),
        at.to_string(),
        record.map_or_else(String::new, |record| tables::time(record.header.at)),
        record.map_or_else(String::new, |record| record.header.author.id.clone()),
    ]
}
