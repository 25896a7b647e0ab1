//! `indelible history`: who changed what on a stopped server, and when.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::history::words::{Description, Language, What};
use indelible_engine::history::{Point, Record, TimelineQuery, timeline};
use indelible_engine::id::{EntityId, LogPlace};
use indelible_engine::ledger::EntryKind;
use indelible_engine::pointer::Pointer;
use serde_json::{Value, json};

use super::tables::{self, Table};
use super::{names, points};
use crate::offline::{self, OfflineError, OfflineStore};
use crate::past::{Effects, Past};

pub(super) const POINTS: &str = "\
A point is the state after an entry: a seq (12), an epoch with a seq (2:12), a time (the last entry \
by then: 2026-03-02T09:00:00Z), heads of the document (hexadecimal, joined by commas), or now.";

const EARLIER: &str = "there are earlier entries; --limit 0 shows all";

/// Changes of one entry that are shown; JSON has all of them.
const CHANGES_SHOWN_MAX: usize = 20;

/// Show who changed what and when, the latest first
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  indelible history team/jane-doe --data /srv/site
  indelible history team/jane-doe --until 2026-03-01T00:00:00Z --limit 10
  indelible history team/jane-doe --field /bio --by bob
  indelible history settings --limit 0 --json | jq .by.id

{POINTS}"))]
pub(super) struct History {
    #[command(flatten)]
    place: EntityPlace,

    /// Show entries up to this point
    #[arg(long, value_name = "POINT", default_value = "now")]
    until: Point,

    /// Show only what was changed at, in or around this field, as /skills/01HZX/label, under this
    /// name and those that it had before, and what was written there beside others
    #[arg(long, value_name = "POINTER")]
    field: Option<Pointer>,

    /// Show only what the person with this id changed
    #[arg(long, value_name = "ID")]
    by: Option<String>,

    /// How many entries to show; 0 for all
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,

    /// One JSON object per entry instead of a table
    #[arg(long)]
    json: bool,
}

/// Which entity, and where it lies.
#[derive(Debug, Args)]
pub(super) struct EntityPlace {
    /// The entity, as team/jane-doe
    pub(super) entity: EntityId,

    /// The data directory of a server that is stopped
    #[arg(long, value_name = "DIR", default_value = "indelible-data")]
    data: PathBuf,

    /// Do not believe the store what entries changed: make that again from their changes, and fail
    /// where the store says otherwise (slower)
    #[arg(long)]
    check: bool,
}

impl EntityPlace {
    fn store(&self) -> Result<OfflineStore, OfflineError> {
        offline::open(&self.data)
    }

    pub(super) fn open(&self) -> Result<Past, Box<dyn Error>> {
        let store = self.store()?;
        let effects = match self.check {
            true => Effects::Checked,
            false => Effects::Kept,
        };
        names::or_nearest(Past::read(&*store, &self.entity, effects), &*store)
    }
}

impl History {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let past = self.place.open()?;
        if let Some(id) = &self.by {
            names::check_author(&past, &*self.place.store()?, id)?;
        }
        if let Some(field) = &self.field {
            names::check_field(&past, field)?;
        }
        let until = points::find(&past, &self.until)?;
        let bound = points::bound(&self.until, until);
        let upto = (until, bound.as_str());
        let formerly = match &self.field {
            Some(field) => past.former_names(until, field)?,
            None => Vec::new(),
        };
        let query = TimelineQuery {
            before: Some(until.next()),
            entries_max: match self.limit {
                0 => usize::MAX,
                limit => limit,
            },
            looked_max: usize::MAX,
            within: self.field,
            formerly,
            author: self.by,
        };
        let Ok(page) = timeline(&mut past.archive(), &query);
        if self.json {
            for record in &page.records {
                let text = object(&self.place.entity, record).to_string();
                super::print(&tables::json(&text))?;
            }
            if page.records.is_empty() {
                super::note(&nothing(&self.place.entity, &past, &query, upto)?);
            }
            if page.next.is_some() {
                super::note(EARLIER);
            }
            return Ok(ExitCode::SUCCESS);
        }
        if page.records.is_empty() {
            super::print(&nothing(&self.place.entity, &past, &query, upto)?)?;
        } else {
            let told = past.tell(&page.records)?;
            let mut table = Table::new(&["ENTRY", "TIME (UTC)", "BY", "MESSAGE"]).uncut(&[0, 1]);
            for record in &page.records {
                let descriptions = told.get(&record.place()).map_or(&[][..], Vec::as_slice);
                show(&mut table, record, descriptions);
            }
            table.lines().try_for_each(|line| super::print(&line))?;
        }
        if page.next.is_some() {
            super::print(&format!("({EARLIER})"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// That there is no such entry up to a place.
fn nothing(
    entity: &EntityId,
    past: &Past,
    query: &TimelineQuery,
    (at, bound): (LogPlace, &str),
) -> Result<String, Box<dyn Error>> {
    let field = query.within.as_ref();
    if let Some(field) = field
        && let Some(stamped) = past.stamped((at, &past.state(at)?), field)
    {
        return Ok(stamped.sentence(field));
    }
    let what = match field {
        Some(field) => format!(" at {}", tables::plain(&field.to_string())),
        None => format!(" in {entity}"),
    };
    Ok(match &query.author {
        Some(id) => format!("{} has changed nothing{what}{bound}", tables::plain(id)),
        None => format!("nobody has changed anything{what}{bound}"),
    })
}

fn show(table: &mut Table, record: &Record, descriptions: &[Description]) {
    let what = match record.kind {
        EntryKind::Changes if record.effects.is_empty() && record.conflicts.is_empty() => {
            "(nothing that is seen)".to_owned()
        }
        EntryKind::Changes => {
            let messages: Vec<String> = record.messages().map(|text| format!("“{text}”")).collect();
            messages.join(" ")
        }
        kind => format!("({})", Language::English.kind(kind)),
    };
    let entry = record.place().to_string();
    let indent = entry.len().max("ENTRY".len()) + 2;
    table.sentence(vec![
        entry,
        tables::time(record.header.at),
        record.header.author.id.clone(),
        what,
    ]);
    for description in descriptions.iter().take(CHANGES_SHOWN_MAX) {
        table.note(indent, &sentence(description));
    }
    if let Some(left) = descriptions.len().checked_sub(CHANGES_SHOWN_MAX + 1) {
        let left = tables::counted(left as u64 + 1, "more change", "more changes");
        table.note(indent, &format!("({left}; --json shows all)"));
    }
}

/// A change as a sentence, with what is in an item that came or went.
pub(super) fn sentence(description: &Description) -> String {
    let text = description.sentence(Language::English);
    let (What::Added { item } | What::Removed { item }) = &description.what else {
        return text;
    };
    let id = description.pointer.last();
    let parts: Vec<String> = item
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.as_str() != id)
        .map(|(name, value)| format!("{name} {}", Language::English.value(value)))
        .collect();
    match parts.is_empty() {
        true => text,
        false => format!("{text}: {}", parts.join(", ")),
    }
}

fn object(entity: &EntityId, record: &Record) -> Value {
    let header = &record.header;
    json!({
        "entity": entity.to_string(),
        "epoch": header.place.epoch.0,
        "seq": header.place.seq.0,
        "global": record.global.0,
        "kind": record.kind.name(),
        "at": header.at.to_rfc3339(),
        "by": header.author,
        "session": header.session,
        "proposal": header.proposal,
        "policy": header.policy_hash,
        "hash": record.hash,
        "heads": record.heads,
        "messages": record.messages().collect::<Vec<_>>(),
        "effects": record.effects,
        "conflicts": record.conflicts,
    })
}
