//! What is the same in both worlds, of values and of reports.

use std::collections::BTreeSet;

use indelible_engine::entity::Entity;
use serde_json::{Value, json};

use super::{Told, plain};

/// What is the same in both worlds: items by their names, and of texts and lists, in which two who
/// write at one place have no order of their own, what is in them.
pub(super) fn alike(entity: &Entity) -> Value {
    let mut value = Value::Object(plain(entity));
    for list in ["items", "guarded"] {
        if let Some(items) = value[list].as_array_mut() {
            for item in items.iter_mut() {
                item.as_object_mut().unwrap().remove("id");
                if let Some(note) = item.get_mut("note") {
                    *note = sorted(note);
                }
            }
            items.sort_by_key(Value::to_string);
        }
    }
    if let Some(tags) = value["tags"].as_array_mut() {
        tags.sort_by_key(Value::to_string);
    }
    if value["body"].is_string() {
        value["body"] = sorted(&value["body"]);
    }
    value
}

fn sorted(text: &Value) -> Value {
    let mut letters: Vec<char> = text.as_str().unwrap().chars().collect();
    letters.sort_unstable();
    json!(letters.into_iter().collect::<String>())
}

/// Item ids out of pointers: the worlds have their own.
pub(super) fn nameless(told: Told, read: &[Entity]) -> Told {
    let mut ids = Vec::new();
    for entity in read {
        let value = entity.presented();
        for list in ["items", "guarded"] {
            for item in value[list].as_array().into_iter().flatten() {
                let name = item["name"].as_str().unwrap_or("?").to_owned();
                ids.push((item["id"].as_str().unwrap().to_owned(), name));
            }
        }
    }
    let rename = |texts: BTreeSet<String>| -> BTreeSet<String> {
        let named = texts.into_iter().map(|text| {
            ids.iter().fold(text, |text, (id, name)| {
                text.replace(&format!("/{id}"), &format!("/{name}"))
            })
        });
        named.collect()
    };
    Told {
        value: told.value,
        preserved: rename(told.preserved),
        attempts: rename(told.attempts),
        refused: rename(told.refused),
        conflicts: rename(told.conflicts),
        gone: rename(told.gone),
    }
}
