//! Comparing and counting as if presented items had no generated ids.
//!
//! The schemas that are judged are marked: beside a keyword that compares or counts, `x-ids` says
//! where ids are. `schema/ids.rs` makes the marks.

use serde_json::{Map, Value};

use crate::value;

/// The mark: `{"key": …, "properties": {…}, "others": …, "items": …}`, each part where there is one.
pub(crate) const IDS: &str = "x-ids";

/// Keywords that count what is in a value, and what they are called where they do not see ids. (The
/// validator's own are quicker where there are none.)
pub(crate) const COUNTING: [(&str, &str); 3] = [
    ("maxProperties", "x-maxProperties"),
    ("minProperties", "x-minProperties"),
    ("uniqueItems", "x-uniqueItems"),
];

/// Keywords whose schemas are shown to people, and what they are called as their author wrote them,
/// beside the marked ones.
pub(crate) const SHOWN: [(&str, &str); 3] =
    [("contains", "x-contains"), ("if", "x-if"), ("not", "x-not")];

/// The schema that `keywords` state with one of the keywords whose schemas are shown, as its author
/// wrote it.
pub(super) fn as_written<'s>(keywords: &'s Value, keyword: &str) -> Option<&'s Value> {
    let kept = SHOWN.iter().find(|(known, _)| *known == keyword);
    let kept = kept.and_then(|(_, kept)| keywords.get(kept));
    kept.or_else(|| keywords.get(keyword))
}

/// A value without the ids that what it is compared with does not have either.
pub(super) fn without(value: &Value, beside: Option<&Value>, ids: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let key = ids["key"].as_str();
            let beside = beside.and_then(Value::as_object);
            let is_seen = |name: &str| {
                key != Some(name) || beside.is_some_and(|beside| beside.contains_key(name))
            };
            let entries = entries.iter().filter(|(name, _)| is_seen(name));
            let entries = entries.map(|(name, value)| {
                let ids = ids["properties"].get(name).unwrap_or(&ids["others"]);
                let beside = beside.and_then(|beside| beside.get(name));
                (name.clone(), without(value, beside, ids))
            });
            Value::Object(entries.collect())
        }
        Value::Array(items) => {
            let items = items.iter().enumerate().map(|(index, item)| {
                let beside = beside.and_then(|beside| beside.get(index));
                without(item, beside, &ids["items"])
            });
            items.collect()
        }
        scalar => scalar.clone(),
    }
}

/// Whether a value is the same as another one, ids aside that only it has.
pub(super) fn same(value: &Value, option: &Value, ids: &Value) -> bool {
    value::same(option, &without(value, Some(option), ids))
}

/// How many properties an object has, its id aside.
pub(super) fn count(entries: &Map<String, Value>, ids: &Value) -> usize {
    let key = ids["key"].as_str();
    entries.len() - usize::from(key.is_some_and(|key| entries.contains_key(key)))
}
