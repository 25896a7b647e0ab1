//! `indelible blame`: who wrote each current value, on a stopped server.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::history::{
    Blamed, Contender, Credit, CreditedRun, FormerName, Loss, Point, State,
};
use indelible_engine::id::LogPlace;
use indelible_engine::ledger::{EntryKind, Presence};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Presented, Shape};
use serde_json::{Value, json};

use super::history::{EntityPlace, POINTS};
use super::tables::{self, Table};
use super::{names, points};
use crate::past::{Gone, Past};

/// Runs of one text or list that are shown; those of a field that was asked for are shown all.
const RUNS_SHOWN_MAX: usize = 12;

const INDENT: &str = "  ";

/// Show who set each field, item and run of text, and which values lost against one that was
/// written at the same time
///
/// A value that a change of the schema moved to another name is attributed to its author, under
/// the former name that is shown below it.
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  indelible blame team/jane-doe --data /srv/site
  indelible blame team/jane-doe /bio
  indelible blame team/jane-doe --at 2026-03-01T00:00:00Z
  indelible blame team/jane-doe --races --json

{POINTS}"))]
pub(super) struct Blame {
    #[command(flatten)]
    place: EntityPlace,

    /// Only this field and what lies in it, as /skills/01HZX/label
    field: Option<Pointer>,

    /// The state after which entry
    #[arg(long, value_name = "POINT", default_value = "now")]
    at: Point,

    /// Only fields that several wrote at the same time
    #[arg(long)]
    races: bool,

    /// One JSON object per field instead of a table
    #[arg(long)]
    json: bool,
}

/// A field, its value, and who wrote that.
struct Told<'a> {
    pointer: Pointer,
    /// An item of a list or an object of an open map, for its maker.
    is_item: bool,
    value: Option<&'a Value>,
    blamed: Option<Blamed<'a>>,
    /// The values that lost against it, the earliest first.
    losses: Vec<&'a Loss>,
}

impl Blame {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let past = self.place.open()?;
        if let Some(field) = &self.field {
            names::check_field(&past, field)?;
        }
        let at = points::find(&past, &self.at)?;
        let field = self.field.as_ref();
        let asked = field.map(|field| past.name_at(at, field)).transpose()?;
        let bound = points::bound(&self.at, at);
        let (state, blame) = (past.state(at)?, past.blame(at)?);
        let losses = blame.losses();
        let mut told = told(&state, blame.fields(), &losses);
        told.retain(|told| {
            let asked = asked.as_ref();
            let asked = asked.is_none_or(|field| field.contains(&told.pointer));
            asked && !(self.races && told.losses.is_empty())
        });
        let deleted = deletion(&past, at, &state);
        let root = Pointer::root();
        let gone = match told.is_empty() && !self.races {
            true => past.gone(at, asked.as_ref().unwrap_or(&root))?,
            false => None,
        };
        let stamped = asked.as_ref().filter(|_| told.is_empty() && !self.races);
        let stamped = stamped.and_then(|field| past.stamped((at, &state), field));
        if self.json {
            let mut objects: Vec<Value> = told.iter().map(object).collect();
            let field = asked.as_ref().unwrap_or(&root);
            objects.extend(stamped.iter().map(|stamped| stamped.object(field)));
            objects.extend(gone.iter().map(|gone| gone.object(field)));
            if objects.is_empty() {
                objects.extend(deleted.iter().map(|_| unset(field)));
                super::note(&self.nothing(asked.as_ref(), gone.as_ref(), &bound));
            }
            for mut object in objects {
                if let Some(by) = &deleted {
                    object["deleted"] = credit(by);
                }
                super::print(&tables::json(&object.to_string()))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(by) = &deleted {
            let (author, time) = (tables::plain(&by.author), tables::time(by.at));
            let entry = by.place;
            super::print(&format!(
                "{} is deleted: {author} deleted it in {entry} ({time})",
                self.place.entity
            ))?;
        }
        if let (Some(stamped), Some(field)) = (&stamped, &asked) {
            super::print(&stamped.sentence(field))?;
            return Ok(ExitCode::SUCCESS);
        }
        if told.is_empty() {
            return super::print(&self.nothing(asked.as_ref(), gone.as_ref(), &bound))
                .map(|()| ExitCode::SUCCESS)
                .map_err(Into::into);
        }
        let heading = ["FIELD", "VALUE", "BY", "TIME (UTC)", "ENTRY"];
        let mut table = Table::new(&heading).uncut(&[3, 4]);
        let runs_max = asked.map_or(RUNS_SHOWN_MAX, |_| usize::MAX);
        // The items that the field lies in, the outermost first: fields are shown below theirs.
        let mut items: Vec<&Told<'_>> = Vec::new();
        for told in &told {
            while items
                .last()
                .is_some_and(|item| !item.pointer.contains(&told.pointer))
            {
                items.pop();
            }
            show(&mut table, told, &items, runs_max);
            if told.is_item {
                items.push(told);
            }
        }
        table.lines().try_for_each(|line| super::print(&line))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Blame {
    /// Why there is nothing to show of a field, up to a bound.
    fn nothing(&self, field: Option<&Pointer>, gone: Option<&Gone>, bound: &str) -> String {
        match (self.races, field, gone) {
            (true, ..) => format!("no field was written by several at the same time{bound}"),
            (false, Some(field), Some(gone)) => gone.sentence(field, "that field", bound),
            (false, None, Some(gone)) => gone.sentence(&Pointer::root(), "any field", bound),
            (false, Some(_), None) => format!("nobody has set that field{bound}"),
            (false, None, None) => format!("nobody has set any field{bound}"),
        }
    }
}

/// A place that was never set, as one JSON object.
fn unset(field: &Pointer) -> Value {
    json!({ "pointer": field.to_string(), "value": null })
}

/// The entry that deleted the entity, where it is deleted.
fn deletion(past: &Past, at: LogPlace, state: &State) -> Option<Credit> {
    let upto = past.records().take_while(|record| record.place() <= at);
    let deletions = upto.filter(|record| record.kind == EntryKind::Deleted);
    let last = deletions.last()?;
    (state.presence() == Presence::Deleted).then(|| Credit::of(last))
}

/// Every field with its losses; those of an item's place or deletion, which are not fields, after it.
fn told<'a>(state: &'a State, fields: Vec<Blamed<'a>>, losses: &'a [Loss]) -> Vec<Told<'a>> {
    let mut told = Vec::with_capacity(fields.len());
    let mut value = Presented::new(state.policy(), state.value());
    let mut left: BTreeMap<&Pointer, Vec<&Loss>> = BTreeMap::new();
    for loss in losses {
        left.entry(&loss.pointer).or_default().push(loss);
    }
    for blamed in fields {
        let own = left.remove(&blamed.pointer);
        let pointer = blamed.pointer.clone();
        let node = state.policy().find(&pointer);
        let shape = node.map(|node| &state.policy().node(node).shape);
        let is_item = matches!(shape, Some(Shape::Object { .. }));
        told.push(Told {
            is_item,
            value: value.get(&pointer),
            pointer: pointer.clone(),
            blamed: Some(blamed),
            losses: own.unwrap_or_default(),
        });
        if is_item {
            let inner = ["$deleted", "$position"].map(|name| left.remove(&pointer.child(name)));
            told.extend(inner.into_iter().flatten().map(alone));
        }
    }
    told.extend(left.into_values().map(alone));
    told
}

fn alone(losses: Vec<&Loss>) -> Told<'_> {
    Told {
        pointer: losses[0].pointer.clone(),
        is_item: false,
        value: stands(&losses).and_then(|stands| stands.value.as_ref()),
        blamed: None,
        losses,
    }
}

/// What won against the last of these, unless it was written again since.
fn stands<'a>(losses: &[&'a Loss]) -> Option<&'a Contender> {
    let last = losses.last().filter(|loss| !loss.settled);
    last.map(|loss| &loss.stood)
}

/// A pointer as seen from the innermost of the items that it lies in, and further to the right.
fn below(items: &[&Told<'_>], pointer: &Pointer) -> String {
    let known = items.last().map_or(0, |item| item.pointer.tokens().len());
    format!("{}{}", INDENT.repeat(items.len()), rest(pointer, known))
}

/// The end of a pointer.
fn rest(pointer: &Pointer, known: usize) -> Pointer {
    pointer.tokens()[known..].iter().cloned().collect()
}

/// The former names of a field that do not follow from those of the item that it lies in.
fn formerly<'a>(told: &'a Told<'_>, items: &[&Told<'_>]) -> Vec<&'a FormerName<'a>> {
    let item = items.last();
    let known = item.map_or(0, |item| item.pointer.tokens().len());
    let of_item = item.and_then(|item| item.blamed.as_ref());
    let of_item: &[FormerName<'_>] = of_item.map_or(&[], |blamed| &blamed.formerly);
    let follows = |former: &FormerName<'_>| {
        let same = of_item.iter().find(|item| item.until == former.until);
        let inner = rest(&told.pointer, known);
        same.is_some_and(|item| {
            let tokens = item.pointer.tokens().iter().chain(inner.tokens());
            tokens.eq(former.pointer.tokens())
        })
    };
    let own = told.blamed.iter().flat_map(|blamed| &blamed.formerly);
    own.filter(|former| !follows(former)).collect()
}

fn show(table: &mut Table, told: &Told<'_>, items: &[&Told<'_>], runs_max: usize) {
    let indent = INDENT.repeat(items.len() + 1);
    let by = match &told.blamed {
        Some(blamed) => Some(blamed.by),
        None => stands(&told.losses).and_then(|stands| stands.by.as_ref()),
    };
    let runs = told.blamed.as_ref().map_or(&[][..], |blamed| &blamed.runs);
    let value = match told.is_item {
        true => "(made)".to_owned(),
        false => text(told.value),
    };
    table.row(row(below(items, &told.pointer), value, by));
    for former in formerly(told, items) {
        let until = former.until;
        let entry = until.place;
        let was = format!("was {} until {entry} ({})", former.pointer, until.author);
        table.note(indent.len(), &was);
    }
    if let (Some(value), true) = (told.value, runs.len() > 1) {
        let units: Vec<u16> = value
            .as_str()
            .into_iter()
            .flat_map(str::encode_utf16)
            .collect();
        for run in runs.iter().take(runs_max) {
            let from_to = format!("{indent}{}–{}", run.start, run.start + run.length);
            table.row(row(
                from_to,
                text(part(value, &units, run).as_ref()),
                Some(run.by),
            ));
        }
        if let Some(more) = runs.len().checked_sub(runs_max).filter(|more| *more > 0) {
            let more = format!("({more} more runs; name the field to see all)");
            table.note(indent.len(), &more);
        }
    }
    let earlier = told.losses.len().saturating_sub(runs_max);
    if earlier > 0 {
        let more = format!("({earlier} more values lost before; name the field to see all)");
        table.note(indent.len(), &more);
    }
    for loss in &told.losses[earlier..] {
        let lost = &loss.lost;
        let value = match &lost.value {
            Some(value) => value.to_string(),
            None => "(removed)".to_owned(),
        };
        table.row(row(format!("{indent}lost"), value, lost.by.as_ref()));
        if let Some(beside) = beside(loss) {
            table.note(indent.len() + INDENT.len(), &beside);
        }
    }
}

/// What a value was lost beside, where that is not what is shown as the value.
fn beside(loss: &Loss) -> Option<String> {
    if !loss.settled && loss.removed.is_none() {
        return None;
    }
    let by = loss
        .stood
        .by
        .as_ref()
        .map_or_else(String::new, |by| format!(" ({}, {})", by.author, by.place));
    let stood = match (&loss.removed, &loss.stood.value) {
        (Some(item), _) => format!("the deletion of {item}"),
        (None, Some(value)) => value.to_string(),
        (None, None) => "a removal".to_owned(),
    };
    let since = if loss.settled {
        ", written again since"
    } else {
        ""
    };
    Some(format!("beside {stood}{by}{since}"))
}

fn row(field: String, value: String, by: Option<&Credit>) -> Vec<String> {
    let mut row = vec![field, value];
    row.extend(by.map_or([const { String::new() }; 3], |by| {
        [by.author.clone(), tables::time(by.at), by.place.to_string()]
    }));
    row
}

fn text(value: Option<&Value>) -> String {
    value.map(Value::to_string).unwrap_or_default()
}

/// What a run of a text, given in UTF-16 code units too, or of a list consists of.
fn part(value: &Value, units: &[u16], run: &CreditedRun<'_>) -> Option<Value> {
    let end = run.start + run.length;
    match value {
        Value::String(_) => Some(String::from_utf16_lossy(units.get(run.start..end)?).into()),
        Value::Array(list) => Some(list.get(run.start..end)?.into()),
        _ => None,
    }
}

fn object(told: &Told<'_>) -> Value {
    let runs = told.blamed.as_ref().map_or(&[][..], |blamed| &blamed.runs);
    let runs: Vec<Value> = runs
        .iter()
        .map(|run| json!({ "start": run.start, "length": run.length, "set": credit(run.by) }))
        .collect();
    let mut object = json!({ "pointer": told.pointer.to_string(), "value": told.value });
    if let Some(blamed) = &told.blamed {
        object["set"] = credit(blamed.by);
    }
    if !runs.is_empty() {
        object["runs"] = runs.into();
    }
    let formerly = told.blamed.iter().flat_map(|blamed| &blamed.formerly);
    let formerly: Vec<Value> = formerly
        .map(|former| json!({ "pointer": former.pointer.to_string(), "until": credit(former.until) }))
        .collect();
    if !formerly.is_empty() {
        object["formerly"] = formerly.into();
    }
    if let Some(stands) = stands(&told.losses) {
        object["stands"] = contender(stands);
    }
    if !told.losses.is_empty() {
        let lost = told.losses.iter().map(|loss| {
            let mut lost = contender(&loss.lost);
            lost["beside"] = contender(&loss.stood);
            lost["settled"] = loss.settled.into();
            if let Some(removed) = &loss.removed {
                lost["removed"] = removed.to_string().into();
            }
            lost
        });
        object["lost"] = lost.collect();
    }
    object
}

pub(super) fn credit(by: &Credit) -> Value {
    json!({ "by": by.author, "at": by.at.to_rfc3339(), "epoch": by.place.epoch.0, "seq": by.place.seq.0 })
}

fn contender(contender: &Contender) -> Value {
    json!({
        "value": contender.value,
        "change": contender.change,
        "set": contender.by.as_ref().map(credit),
    })
}
