//! `indelible history`, `at` and `diff`: the past of one entity on a stopped server.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::effects::{Effect, EffectChange, json_patch};
use indelible_engine::id::{EntityId, Epoch, Seq};
use indelible_engine::ledger::EntryKind;
use indelible_engine::lifecycle::Presence;
use indelible_engine::time::Timestamp;
use serde_json::{Value, json};

use super::tables::{self, Table};
use crate::past::{self, Event, Past, Point};
use crate::stopped;

const POINTS: &str = "\
A point is a seq (12), an epoch with a seq (2:12), or a time (2026-03-02T09:00:00Z): the state after \
that entry, or after the last one that was committed by then.";

/// Show who changed what and when, the latest first
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  indelible history team/jane-doe --data /srv/site
  indelible history team/jane-doe --until 2026-03-01T00:00:00Z --limit 10
  indelible history settings --limit 0 --json | jq .by.id

{POINTS}"))]
pub(super) struct History {
    #[command(flatten)]
    place: EntityPlace,

    /// Show entries up to this point
    #[arg(long, value_name = "POINT", value_parser = point)]
    until: Option<Point>,

    /// How many entries to show; 0 for all
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,

    /// One JSON object per entry instead of a table
    #[arg(long)]
    json: bool,
}

/// Show an entity as it was at some point, as JSON
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  indelible at team/jane-doe 12 --data /srv/site
  indelible at settings 2026-03-01T00:00:00Z

{POINTS}"))]
pub(super) struct At {
    #[command(flatten)]
    place: EntityPlace,

    /// When
    #[arg(value_parser = point)]
    point: Point,
}

/// Show what differs between two points of an entity's past
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  indelible diff team/jane-doe 3 12 --data /srv/site
  indelible diff settings 2026-03-01T00:00:00Z 2026-03-02T00:00:00Z --json

{POINTS}"))]
pub(super) struct Diff {
    #[command(flatten)]
    place: EntityPlace,

    /// The earlier point
    #[arg(value_parser = point)]
    from: Point,

    /// The later point
    #[arg(value_parser = point)]
    to: Point,

    /// A JSON Patch (RFC 6902) instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct EntityPlace {
    /// The entity, as team/jane-doe
    entity: EntityId,

    /// The data directory of a server that is stopped
    #[arg(long, value_name = "DIR", default_value = "indelible-data")]
    data: PathBuf,
}

fn point(text: &str) -> Result<Point, String> {
    let number = |text: &str| text.parse::<u64>().ok();
    if let Some(seq) = number(text) {
        return Ok(Point::Entry(None, Seq(seq)));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Point::Time(at));
    }
    let parts = text.split_once(':');
    match parts.map(|(epoch, seq)| (number(epoch), number(seq))) {
        Some((Some(epoch), Some(seq))) => Ok(Point::Entry(Some(Epoch(epoch)), Seq(seq))),
        _ => Err("a point is a seq, EPOCH:SEQ, or a time such as 2026-03-02T09:00:00Z".to_owned()),
    }
}

impl History {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let store = stopped::open(&self.place.data)?;
        let past = Past::read(&store, &self.place.entity)?;
        let until = self.until.unwrap_or(Point::Time(Timestamp(i64::MAX)));
        let count = past.count_at(until)?;
        let limit = if self.limit == 0 { count } else { self.limit };
        let events = past.events(&store, count, limit)?;
        if self.json {
            for event in &events {
                super::print(&tables::json(&object(event).to_string()))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new(&["ENTRY", "TIME (UTC)", "BY", "WHAT", "FROM", "TO"]);
        for event in &events {
            for row in rows(event) {
                table.row(row);
            }
        }
        table.lines().try_for_each(|line| super::print(&line))?;
        if events.len() < count {
            let left = tables::counted((count - events.len()) as u64, "entry", "entries");
            super::print(&format!("({left} before; --limit 0 shows all)"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl At {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let store = stopped::open(&self.place.data)?;
        let past = Past::read(&store, &self.place.entity)?;
        let entity = past.state(past.count_at(self.point)?)?;
        let there = match entity.presence() {
            Presence::Present => return print_value(&entity.presented()),
            Presence::Deleted => "deleted",
            Presence::Unborn => "not created yet",
        };
        Err(format!("{} was {there} at that point", self.place.entity).into())
    }
}

fn print_value(value: &Value) -> Result<ExitCode, Box<dyn Error>> {
    super::print(&tables::json(&serde_json::to_string_pretty(value)?))?;
    Ok(ExitCode::SUCCESS)
}

impl Diff {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let store = stopped::open(&self.place.data)?;
        let past = Past::read(&store, &self.place.entity)?;
        let before = past.state(past.count_at(self.from)?)?;
        let after = past.state(past.count_at(self.to)?)?;
        if self.json {
            let patch = json_patch(after.policy(), &before.presented(), &after.presented());
            return print_value(&serde_json::to_value(patch)?);
        }
        let effects = past::differences(&before, &after);
        if effects.is_empty() {
            super::print("nothing differs")?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new(&["FIELD", "FROM", "TO"]);
        for effect in &effects {
            table.row(effect_cells(effect).into());
        }
        table.lines().try_for_each(|line| super::print(&line))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Field, from, to.
fn effect_cells(effect: &Effect) -> [String; 3] {
    let text = |value: Option<&Value>| value.map(Value::to_string).unwrap_or_default();
    let field = effect.pointer.to_string();
    match &effect.change {
        EffectChange::Put { from, to, .. } => [field, text(from.as_ref()), text(to.as_ref())],
        EffectChange::Splice {
            at,
            removed,
            inserted,
        } => [
            format!("{field} at {at}"),
            removed.to_string(),
            inserted.to_string(),
        ],
        EffectChange::Move { from, to } => [
            format!("{field} moved"),
            format!("place {from}"),
            format!("place {to}"),
        ],
    }
}

fn rows(event: &Event) -> Vec<Vec<String>> {
    let entry = &event.entry;
    let mut whats: Vec<[String; 3]> = event.effects.iter().map(effect_cells).collect();
    let alone = |text: String| [text, String::new(), String::new()];
    if entry.kind == EntryKind::Changes {
        whats.extend(
            event
                .messages()
                .map(|text| alone(Value::from(text).to_string())),
        );
    }
    if whats.is_empty() || entry.kind != EntryKind::Changes {
        whats.insert(0, alone(format!("({})", entry.kind.name())));
    }
    let mut head = vec![
        format!("{}:{}", entry.epoch, entry.seq),
        tables::time(entry.at),
        entry.author.id.clone(),
    ];
    let mut rows = Vec::with_capacity(whats.len());
    for what in whats {
        let mut row = std::mem::replace(&mut head, vec![String::new(); 3]);
        row.extend(what);
        rows.push(row);
    }
    rows
}

fn object(event: &Event) -> Value {
    let entry = &event.entry;
    json!({
        "entity": entry.entity.to_string(),
        "epoch": entry.epoch.0,
        "seq": entry.seq.0,
        "global": entry.global.0,
        "kind": entry.kind.name(),
        "at": entry.at.to_rfc3339(),
        "by": entry.author,
        "session": entry.session,
        "proposal": entry.proposal,
        "policy": entry.policy_hash,
        "hash": event.hash,
        "messages": event.messages().collect::<Vec<_>>(),
        "effects": event.effects,
    })
}
