//! What changed, described for people: first as data (which field, by its title and the names of the
//! items on the way; what became of it), then as a sentence in a language.
//!
//! Every effect is described once, in its order. The data hold whole values; only sentences shorten
//! them.

mod beside;
mod language;
mod place;
mod renamed;

use serde::Serialize;
use serde_json::{Map, Value};

pub use beside::{Beside, Subject, describe_conflicts};
pub use language::Language;
pub use place::Part;
pub use renamed::{describe_migration, differences_between};

use super::apply::{Applying, Units, groups};
use crate::effects::{Effect, EffectChange, effects};
use crate::pointer::Pointer;
use crate::policy::Policy;

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// The field, items of keyed lists by id.
    pub pointer: Pointer,
    /// The path to it in words, from the outermost field inward.
    pub path: Vec<Part>,
    /// What became of it.
    #[serde(flatten)]
    pub what: What,
}

/// What became of a field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// It had no value and got one.
    Set {
        /// Its value now.
        to: Value,
    },
    /// It lost its value.
    Cleared {
        /// Its value before.
        from: Value,
    },
    /// Its value is a different one.
    Changed {
        /// Its value before.
        from: Value,
        /// Its value now.
        to: Value,
    },
    /// An item was added to a list; the last part of the path is the item, by its place now.
    Added {
        /// The item.
        item: Value,
    },
    /// An item was removed from a list; the last part of the path is the item, by its place before.
    Removed {
        /// The item.
        item: Value,
    },
    /// An item of a list was moved.
    Moved {
        /// Its place before, from 1.
        from: usize,
        /// Its place now, from 1.
        to: usize,
    },
    /// A change of the schema gave it another name.
    Renamed {
        /// Where it was.
        from: Pointer,
        /// The same in words.
        was: Vec<Part>,
    },
    /// A part of a text was replaced.
    Rewritten {
        /// The removed text; empty where text was only added.
        removed: String,
        /// The inserted text; empty where text was only removed.
        inserted: String,
        /// A few characters before it, if the text is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Two authors wrote something at the same time.
    Beside(Beside),
    /// A part of a list of single values was replaced.
    Replaced {
        /// The removed values.
        removed: Vec<Value>,
        /// The inserted values.
        inserted: Vec<Value>,
    },
}

impl Description {
    /// Renders this as a sentence, without a final full stop.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        language.sentence(self)
    }
}

/// Describes the differences between two values (without stamps), by the policy of the later one.
///
/// ```
/// use indelible_engine::history::words::{Language, differences};
/// use indelible_engine::schema;
/// use serde_json::json;
///
/// let schema = json!({
///     "type": "object",
///     "x-indelible": { "kind": "page", "edit": ["editor"] },
///     "properties": {
///         "heading": { "title": "Title", "type": "string" },
///         "body": { "type": "string", "x-indelible": { "merge": "text" } },
///         "links": { "title": "Links", "type": "array", "items": {
///             "type": "object",
///             "properties": { "label": { "type": "string" }, "to": { "type": "string" } } } }
///     }
/// });
/// let policy = schema::compile("page.json", &schema.to_string()).expect("it has no mistakes");
/// let before = json!({
///     "heading": "A", "body": "The quick fox.", "links": [{ "id": "l1", "label": "Home", "to": "/" }]
/// });
/// let after = json!({
///     "heading": "B", "body": "The slow fox.", "links": [{ "id": "l1", "label": "Home", "to": "/en" }]
/// });
/// let maps = [&before, &after].map(|value| value.as_object().expect("it is one"));
///
/// let found = differences(&policy, maps[0], maps[1]);
/// let said = |language| found.iter().map(|one| one.sentence(language)).collect::<Vec<_>>();
/// assert_eq!(said(Language::English), [
///     "Body: “quick” replaced by “slow”",
///     "Title changed from “A” to “B”",
///     "Links › item 1 (“Home”) › To changed from “/” to “/en”",
/// ]);
/// assert_eq!(said(Language::French)[1].replace('\u{a0}', " "), "Title : « A » devient « B »");
/// ```
#[must_use]
pub fn differences(
    policy: &Policy,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Description> {
    describe(
        policy,
        &effects(policy, before, after),
        Some(before.clone()),
    )
}

/// Describes effects. Given the value before them (without stamps), items are named by what they are
/// called and texts quote what precedes the change; without it, items are named by their ids.
#[must_use]
pub fn describe(
    policy: &Policy,
    effects: &[Effect],
    before: Option<Map<String, Value>>,
) -> Vec<Description> {
    let mut value = before.map(|before| Applying::new(policy, before));
    let mut descriptions = Vec::with_capacity(effects.len());
    for group in groups(effects) {
        let Some(effect) = group.first() else {
            continue;
        };
        let known = value.as_mut().map(|value| value as &mut dyn place::Known);
        let path = place::path(policy, &effect.pointer, known, comes(effect));
        value = value.and_then(|mut value| value.forward(group).ok().map(|()| value));
        // The text left of a splice is final when the splice is reached.
        let tokens = effect.pointer.tokens();
        let mut context = match (&effect.change, &mut value) {
            (EffectChange::Splice { .. }, Some(value)) => {
                Some(Context::of(value.text(tokens).unwrap_or_default()))
            }
            _ => None,
        };
        descriptions.extend(group.iter().map(|effect| Description {
            path: path.clone(),
            what: what(effect, context.as_mut()),
            pointer: effect.pointer.clone(),
        }));
    }
    descriptions
}

/// An item that enters or leaves a list, and its index.
fn comes(effect: &Effect) -> Option<(usize, &Value)> {
    match &effect.change {
        EffectChange::Put {
            to: Some(item),
            index: Some(index),
            ..
        }
        | EffectChange::Put {
            from: Some(item),
            index: Some(index),
            ..
        } => Some((*index, item)),
        _ => None,
    }
}

fn what(effect: &Effect, context: Option<&mut Context<'_>>) -> What {
    match &effect.change {
        EffectChange::Put {
            from: None,
            to: Some(item),
            index: Some(_),
        } => What::Added { item: item.clone() },
        EffectChange::Put {
            from: Some(item),
            to: None,
            index: Some(_),
        } => What::Removed { item: item.clone() },
        EffectChange::Put { from, to, .. } => match (from.clone(), to.clone()) {
            (None, Some(to)) => What::Set { to },
            (from, None) => What::Cleared {
                from: from.unwrap_or(Value::Null),
            },
            (Some(from), Some(to)) => What::Changed { from, to },
        },
        EffectChange::Move { from, to } => What::Moved {
            from: from + 1,
            to: to + 1,
        },
        EffectChange::Splice {
            at,
            removed,
            inserted,
        } => match (removed, inserted) {
            (Value::Array(removed), Value::Array(inserted)) => What::Replaced {
                removed: removed.clone(),
                inserted: inserted.clone(),
            },
            (removed, inserted) => What::Rewritten {
                removed: removed.as_str().unwrap_or_default().to_owned(),
                inserted: inserted.as_str().unwrap_or_default().to_owned(),
                after: context.map(|context| context.before(*at)),
            },
        },
    }
}

/// Characters of a text that are quoted before a change.
const CONTEXT_CHARS: usize = 24;

/// A text, to be quoted before its splices, in ascending order.
struct Context<'t> {
    text: &'t str,
    units: Units<'t>,
}

impl<'t> Context<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            units: Units::of(text),
        }
    }

    /// The characters right before a UTF-16 position; empty if the text is unknown.
    fn before(&mut self, unit: usize) -> String {
        let end = self.units.byte_at(unit).unwrap_or_default();
        let text = &self.text[..end];
        let mut starts = text.char_indices().rev();
        let start = starts.nth(CONTEXT_CHARS - 1).map_or(0, |(start, _)| start);
        text[start..].to_owned()
    }
}
