//! The same bodies, made from the same earlier values, with and without epochs that begin in between:
//! values, conflicts, refusals and what is kept come out alike.

use std::collections::BTreeSet;

use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::conflicts::{Conflict, Outcome};
use indelible_engine::entity::Entity;
use indelible_engine::merge::{Attempts, MergeError, MergeOptions, Protected, merge_watched};
use indelible_engine::rebase::Read;
use serde_json::{Value, json};

use super::{conflicts_of, renewed};
use crate::fixture::{editor, judge, thing};
use crate::history::Dice;

const STEPS: usize = 30;
const SEEDS: u64 = 120;

/// One course of events.
struct World {
    entity: Entity,
    /// After each step.
    read: Vec<Entity>,
}

/// What a step came to, without ids that differ between the worlds.
#[derive(Debug, PartialEq)]
struct Told {
    value: Value,
    /// Places that stayed though the body differed.
    preserved: BTreeSet<String>,
    /// Place and value of what was tried at protected fields.
    attempts: BTreeSet<String>,
    /// Place and rule of what was refused.
    refused: BTreeSet<String>,
    /// Place, and both values.
    conflicts: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let entity = thing();
        let read = vec![entity.clone()];
        Self { entity, read }
    }

    fn put(&mut self, author: &str, base: usize, body: &Value, protected: Protected) -> Told {
        let base = &self.read[base];
        let read = Read {
            policy: base.policy().clone(),
            heads: base.heads(),
            stamps: serde_json::Map::new(),
            value: (base.epoch() != self.entity.epoch()).then(|| plain(base)),
        };
        let followed = read.follow(&self.entity, body, (&[], &[])).unwrap();
        assert_eq!(followed.lost, []);
        let options = MergeOptions {
            base: Some(followed.base),
            protected,
            ..MergeOptions::default()
        };
        let author = editor(author);
        let actor = server_actor(self.entity.id(), self.entity.epoch(), &author.id);
        let mut attempts = Attempts::new();
        let asked = (&followed.body, &options);
        let merged = merge_watched(&self.entity, &author, &actor, asked, &mut attempts);
        let name = |at: &indelible_engine::pointer::Pointer| at.to_string();
        let mut told = Told {
            value: Value::Null,
            preserved: BTreeSet::new(),
            attempts: attempts
                .iter()
                .map(|one| format!("{} {:?}", one.pointer, one.attempted))
                .collect(),
            refused: BTreeSet::new(),
            conflicts: BTreeSet::new(),
        };
        match merged {
            Err(MergeError::Refused(violations)) => {
                let named = violations
                    .iter()
                    .map(|one| format!("{} {}", one.pointer, one.rule));
                told.refused = named.collect();
            }
            Err(error) => panic!("{error}"),
            Ok(merged) => {
                told.preserved = merged.preserved.iter().map(name).collect();
                if !merged.changes.is_empty() {
                    let verdict = judge(&self.entity, &author, merged.changes, Origin::Server);
                    assert_eq!(verdict.refused, None);
                    let (after, found) = conflicts_of(&self.entity, verdict);
                    told.conflicts = found.iter().filter_map(|one| self.told(one)).collect();
                    self.entity = after;
                }
            }
        }
        self.read.push(self.entity.clone());
        told.value = alike(&self.entity);
        told
    }

    /// A conflict in words. What comes back from a deletion has no values before it, places are not
    /// values, and of texts in deleted items only one world knows what others typed.
    fn told(&self, one: &Conflict) -> Option<String> {
        assert_eq!(one.outcome, Outcome::Replaced);
        let before = self.entity.presented();
        let is_value = !one.pointer.last().unwrap_or_default().starts_with('$');
        let is_there = self
            .entity
            .policy()
            .value_at(&before, &one.pointer)
            .is_some();
        let other = one.other.as_ref().filter(|_| one.removed.is_none());
        let told = format!("{} {:?} {other:?}", one.pointer, one.wrote);
        (is_value && (is_there || one.other.is_none())).then_some(told)
    }
}

/// What is presented, without stamps.
fn plain(entity: &Entity) -> serde_json::Map<String, Value> {
    let mut value = entity.presented().as_object().unwrap().clone();
    value.retain(|name, _| !["createdAt", "updatedBy"].contains(&name.as_str()));
    value
}

/// What is the same in both worlds: items by their names, and of texts and lists, in which two who
/// write at one place have no order of their own, what is in them.
fn alike(entity: &Entity) -> Value {
    let mut value = Value::Object(plain(entity));
    for list in ["items", "guarded"] {
        if let Some(items) = value[list].as_array_mut() {
            for item in items.iter_mut() {
                item.as_object_mut().unwrap().remove("id");
            }
            items.sort_by_key(Value::to_string);
        }
    }
    if let Some(tags) = value["tags"].as_array_mut() {
        tags.sort_by_key(Value::to_string);
    }
    if let Some(text) = value["body"].as_str() {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        value["body"] = json!(letters.into_iter().collect::<String>());
    }
    value
}

/// An edit of what somebody had read, the same in both worlds.
#[derive(Debug, Clone)]
struct Edit {
    what: usize,
    which: usize,
    token: String,
}

impl Edit {
    fn random(dice: &mut Dice, step: usize) -> Self {
        Self {
            what: dice.below(17),
            which: dice.below(4),
            token: format!("t{step}"),
        }
    }

    fn make(&self, read: &Entity) -> Value {
        let mut body = Value::Object(plain(read));
        let (which, token) = (self.which, json!(self.token));
        let number = json!(self.token.len() + 10 * which);
        match self.what {
            0 => body["title"] = token,
            1 => body["number"] = number,
            2 => body["place"]["city"] = token,
            3 => body["prices"][["tea", "milk"][which % 2]] = number,
            4 => body["prices"][["tea", "milk"][which % 2]] = Value::Null,
            5 => body["labels"][["x", "y"][which % 2]]["text"] = token,
            6 => body["labels"][["x", "y"][which % 2]] = Value::Null,
            7 => self.item(&mut body, |items, at| items[at]["name"] = token),
            8 => self.item(&mut body, |items, at| drop(items.remove(at))),
            9 => {
                let name = json!({ "name": token, "note": "new" });
                body.as_object_mut()
                    .unwrap()
                    .entry("items")
                    .or_insert(json!([]));
                body["items"].as_array_mut().unwrap().push(name);
            }
            10 => body["hits"] = json!(body["hits"].as_i64().unwrap_or(0) + 1 + which as i64),
            11 => {
                body.as_object_mut()
                    .unwrap()
                    .entry("tags")
                    .or_insert(json!([]));
                body["tags"].as_array_mut().unwrap().push(token);
            }
            12 => {
                body["body"] = json!(format!(
                    "{} {}",
                    body["body"].as_str().unwrap_or(""),
                    self.token
                ))
            }
            13 => body["shape"] = json!({ "w": number }),
            14 => body["secret"] = token,
            15 => body["tagline"] = if which == 0 { Value::Null } else { token },
            _ => self.item(&mut body, |items, at| {
                let note = items[at]["note"].as_str().unwrap_or("").to_owned();
                items[at]["note"] = json!(format!("{note}{}", token.as_str().unwrap()));
            }),
        }
        body
    }

    /// Does something to an item, chosen by its content.
    fn item(&self, body: &mut Value, edit: impl FnOnce(&mut Vec<Value>, usize)) {
        let Some(items) = body["items"]
            .as_array_mut()
            .filter(|items| !items.is_empty())
        else {
            return;
        };
        let content = |at: &usize| {
            let mut item = items[*at].clone();
            item.as_object_mut().unwrap().remove("id");
            item.to_string()
        };
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(content);
        edit(items, order[self.which % order.len()]);
    }
}

/// Item ids out of pointers: the worlds have their own.
fn nameless(told: Told, entity: &Entity) -> Told {
    let mut ids = Vec::new();
    for list in ["items", "guarded"] {
        let value = entity.presented();
        for item in value[list].as_array().into_iter().flatten() {
            let name = item["name"].as_str().unwrap_or("?").to_owned();
            ids.push((item["id"].as_str().unwrap().to_owned(), name));
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
    }
}

#[test]
fn epochs_make_no_difference_to_bodies_with_a_base() {
    let (mut compared, mut conflicts, mut across) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let (mut without, mut with) = (World::new(), World::new());
        for step in 0..STEPS {
            if dice.below(4) == 0 {
                with.entity = renewed(&with.entity);
            }
            let edit = Edit::random(&mut dice, step);
            let base = without.read.len() - 1 - dice.below(without.read.len().min(8));
            let protected = [Protected::Keep, Protected::Refuse][dice.below(2)];
            // Everybody writes once: what one has written oneself is another matter.
            let author = format!("p{step}");
            let told = |world: &mut World| {
                let body = edit.make(&world.read[base]);
                let told = world.put(&author, base, &body, protected);
                nameless(told, &world.entity)
            };
            let (plain, renewed) = (told(&mut without), told(&mut with));
            assert_eq!(
                plain, renewed,
                "seed {seed}, step {step}, {edit:?} of {base}"
            );
            compared += 1;
            conflicts += plain.conflicts.len();
            across += usize::from(with.read[base].epoch() != with.entity.epoch());
        }
    }
    assert!(
        compared > 1_000 && conflicts > 100 && across > 500,
        "{compared} {conflicts} {across}"
    );
}
