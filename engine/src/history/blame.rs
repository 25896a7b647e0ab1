//! Who wrote each current value: a tree of credits, folded from effects entry by entry.
//!
//! The credit of a field goes to the entry that last changed its value, whatever the field was
//! called then. A text or list is covered by runs without gaps. The values themselves are not kept.

mod losses;
mod runs;
mod schema_change;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub use self::losses::Loss;
use self::losses::Losses;
use self::runs::Runs;
pub use self::schema_change::{Later, former_names, later_name};
pub(super) use self::schema_change::{Renamed, SchemaChange};
use super::apply::Misfit;
use super::record::Record;
use crate::effects::{Effect, EffectChange};
use crate::id::LogPlace;
use crate::ledger::EntryKind;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape};
use crate::time::Timestamp;

/// The entry that set something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// Its place in the log.
    pub place: LogPlace,
    /// When it was committed.
    pub at: Timestamp,
    /// The id of the principal who wrote it.
    pub author: String,
}

impl Credit {
    /// The entry of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self {
            place: record.place(),
            at: record.header.at,
            author: record.header.author.id.clone(),
        }
    }
}

/// A stretch of a text or list that one entry wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditedRun<'a> {
    /// Where it begins: UTF-16 code units in a text, elements in a list.
    pub start: usize,
    /// How long it is, in the same units.
    pub length: usize,
    /// The entry that wrote it.
    pub by: &'a Credit,
}

/// A field and the entry that set its present value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blamed<'a> {
    /// The field; items of keyed lists by id, and an item itself for the entry that made it.
    pub pointer: Pointer,
    /// The entry that set it; for a text or list, the last that changed it.
    pub by: &'a Credit,
    /// For a text or list: the runs that it consists of.
    pub runs: Vec<CreditedRun<'a>>,
    /// Its former names since the first of these entries, the last one first.
    pub formerly: Vec<FormerName<'a>>,
}

/// A place that a field had before a change of the schema renamed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerName<'a> {
    /// The former pointer.
    pub pointer: Pointer,
    /// The entry that migrated the value to its next name.
    pub until: &'a Credit,
}

impl Blamed<'_> {
    /// What the field was called when one of its entries set it.
    #[must_use]
    pub fn name_at(&self, by: &Credit) -> &Pointer {
        let later = |former: &&FormerName<'_>| former.until.place > by.place;
        let first = self.formerly.iter().rfind(later);
        first.map_or(&self.pointer, |former| &former.pointer)
    }
}

/// An index into the credits.
type By = u32;

#[derive(Debug, Clone)]
enum Node {
    Leaf(By),
    Sequence(By, Runs),
    Object(BTreeMap<String, Self>),
    /// A keyed list's item, or an entry of an open map.
    Made(By, BTreeMap<String, Self>),
}

/// The credits of an entity at one place of its log. A caller may keep it and continue from there.
#[derive(Debug, Clone)]
pub struct Blame {
    credits: Vec<Credit>,
    fields: BTreeMap<String, Node>,
    /// The policy of the last record.
    policy: Option<Arc<Policy>>,
    /// The changes of the schema that renamed something, in their order.
    schema_changes: Vec<Arc<SchemaChange>>,
    losses: Losses,
}

impl Default for Blame {
    fn default() -> Self {
        Self::new()
    }
}

impl Blame {
    /// Before the first entry of a log.
    #[must_use]
    pub fn new() -> Self {
        Self {
            credits: Vec::new(),
            fields: BTreeMap::new(),
            policy: None,
            schema_changes: Vec::new(),
            losses: Losses::default(),
        }
    }

    /// Goes on by the next record of the log, from the genesis on, under the record's policy.
    ///
    /// # Errors
    /// [`Misfit`] when the record does not follow what was taken before.
    pub fn take(&mut self, record: &Record, policy: &Arc<Policy>) -> Result<(), Misfit> {
        let former = self.policy.replace(Arc::clone(policy));
        if record.effects.is_empty() && record.conflicts.is_empty() {
            return Ok(());
        }
        let by = By::try_from(self.credits.len()).map_err(|_| Misfit {
            pointer: Pointer::root(),
        })?;
        self.credits.push(Credit::of(record));
        self.losses.take(record, by);
        let former = former.filter(|_| record.kind == EntryKind::Policy);
        let turned =
            former.map(|former| (SchemaChange::new(by, &former, policy), self.fields.clone()));
        for effect in &record.effects {
            fold(&mut self.fields, policy, effect, by).ok_or_else(|| Misfit {
                pointer: effect.pointer.clone(),
            })?;
        }
        if let Some((schema_change, before)) = turned {
            schema_change.carry(&before, &mut self.fields);
            if schema_change.renames() {
                self.losses.schema_change(&schema_change);
                self.schema_changes.push(Arc::new(schema_change));
            }
        }
        Ok(())
    }

    /// Every field with its credit, in the order of their pointers' names.
    #[must_use]
    pub fn fields(&self) -> Vec<Blamed<'_>> {
        let mut found = Vec::new();
        self.gather(&self.fields, &Pointer::root(), &mut found);
        found
    }

    fn gather<'a>(
        &'a self,
        fields: &'a BTreeMap<String, Node>,
        at: &Pointer,
        found: &mut Vec<Blamed<'a>>,
    ) {
        for (name, node) in fields {
            let pointer = at.child(name);
            let (by, runs) = match node {
                Node::Object(fields) => {
                    self.gather(fields, &pointer, found);
                    continue;
                }
                Node::Made(by, _) | Node::Leaf(by) => (*by, Vec::new()),
                Node::Sequence(by, runs) => (*by, runs.joined()),
            };
            let first = runs.iter().map(|(_, by)| *by).fold(by, By::min);
            let inner = match node {
                Node::Made(_, fields) => Some((fields, pointer.clone())),
                _ => None,
            };
            found.push(Blamed {
                formerly: self.formerly(&pointer, first),
                pointer,
                by: self.credit(by),
                runs: self.told(runs),
            });
            if let Some((fields, at)) = inner {
                self.gather(fields, &at, found);
            }
        }
    }

    /// The names that a place had since an entry.
    fn formerly(&self, pointer: &Pointer, since: By) -> Vec<FormerName<'_>> {
        let mut formerly: Vec<FormerName<'_>> = Vec::new();
        let schema_changes = self.schema_changes.iter().rev();
        for schema_change in schema_changes.take_while(|schema_change| schema_change.by > since) {
            let later = formerly.last().map_or(pointer, |former| &former.pointer);
            let Some(before) = schema_change.before(later) else {
                break;
            };
            if before != *later {
                formerly.push(FormerName {
                    pointer: before,
                    until: self.credit(schema_change.by),
                });
            }
        }
        formerly
    }

    fn told(&self, runs: Vec<(usize, By)>) -> Vec<CreditedRun<'_>> {
        let mut start = 0;
        runs.into_iter()
            .map(|(length, by)| {
                start += length;
                CreditedRun {
                    start: start - length,
                    length,
                    by: self.credit(by),
                }
            })
            .collect()
    }

    fn credit(&self, by: By) -> &Credit {
        &self.credits[by as usize]
    }
}

fn fold(
    mut fields: &mut BTreeMap<String, Node>,
    policy: &Policy,
    effect: &Effect,
    by: By,
) -> Option<()> {
    let (last, way) = effect.pointer.tokens().split_last()?;
    let mut node = Some(NodeId::ROOT);
    for token in way {
        node = node.and_then(|node| policy.child(node, token));
        let inner = fields
            .entry(token.clone())
            .or_insert_with(|| Node::Object(BTreeMap::new()));
        fields = match inner {
            Node::Object(fields) | Node::Made(_, fields) => fields,
            Node::Leaf(_) | Node::Sequence(..) => return None,
        };
    }
    let node = node.and_then(|node| policy.child(node, last));
    match &effect.change {
        EffectChange::Put { to: Some(to), .. } => {
            fields.insert(last.clone(), made(policy, node, to, by));
        }
        EffectChange::Put { to: None, .. } => drop(fields.remove(last)),
        EffectChange::Splice {
            at,
            removed,
            inserted,
        } => {
            let field = fields
                .entry(last.clone())
                .or_insert_with(|| Node::Sequence(by, Runs::default()));
            let Node::Sequence(latest, runs) = field else {
                return None;
            };
            *latest = by;
            runs.splice(*at, length(removed), length(inserted), by)?;
        }
        EffectChange::Move { .. } => {}
    }
    Some(())
}

/// The credits of a value that came whole.
fn made(policy: &Policy, node: Option<NodeId>, value: &Value, by: By) -> Node {
    let Some(node) = node else {
        return Node::Leaf(by);
    };
    let each = |map: &serde_json::Map<String, Value>| {
        let key = policy.presented_key(node);
        map.iter()
            .filter(|(name, _)| Some(name.as_str()) != key)
            .map(|(name, value)| {
                let inner = made(policy, policy.child(node, name), value, by);
                (name.clone(), inner)
            })
            .collect()
    };
    match (&policy.node(node).shape, value) {
        (Shape::Object { .. }, Value::Object(map)) if policy.is_dynamic(node) => {
            Node::Made(by, each(map))
        }
        (Shape::Object { .. }, Value::Object(map)) => Node::Object(each(map)),
        (Shape::Keyed { item, key }, Value::Array(items)) => {
            let named = items.iter().filter_map(|value| {
                let id = value.get(key)?.as_str()?;
                Some((id.to_owned(), made(policy, Some(*item), value, by)))
            });
            Node::Object(named.collect())
        }
        (Shape::List { .. } | Shape::Text { .. }, value) => {
            Node::Sequence(by, Runs::of(length(value), by))
        }
        _ => Node::Leaf(by),
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.encode_utf16().count(),
        Value::Array(list) => list.len(),
        _ => 0,
    }
}
