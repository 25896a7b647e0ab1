//! Edits of what somebody had read, and places in it: the same in both worlds, whose items have ids of
//! their own.

use indelible_engine::entity::Entity;
use indelible_engine::pointer::Pointer;
use serde_json::{Value, json};

use super::plain;
use crate::history::Dice;

/// One of some places of what was read, the same in both worlds.
pub(super) fn place(read: &Entity, which: usize) -> Pointer {
    let value = plain(read);
    let items = value.get("items").and_then(Value::as_array);
    let items = items.map_or(&[][..], Vec::as_slice);
    let item = by_content(items)
        .get(which / 10)
        .map(|at| &items[*at]["id"]);
    let place = match (which % 10, item) {
        (0, _) => "/tagline".to_owned(),
        (1, _) => "/labels/x".to_owned(),
        (2, _) => "/labels/x/color".to_owned(),
        (3, _) => "/labels/y".to_owned(),
        (4, _) => "/place/city".to_owned(),
        (5, _) => "/prices/tea".to_owned(),
        (6, Some(id)) => format!("/items/{}/note", id.as_str().unwrap()),
        (_, Some(id)) => format!("/items/{}", id.as_str().unwrap()),
        (_, None) => "/labels".to_owned(),
    };
    place.parse().unwrap()
}

/// Items in an order that is the same in both worlds.
fn by_content(items: &[Value]) -> Vec<usize> {
    let content = |at: &usize| {
        let mut item = items[*at].clone();
        item.as_object_mut().unwrap().remove("id");
        item.to_string()
    };
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(content);
    order
}

/// An edit of what somebody had read, the same in both worlds.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) what: usize,
    which: usize,
    token: String,
}

impl Edit {
    pub(super) fn random(dice: &mut Dice, step: usize) -> Self {
        Self {
            what: dice.below(20),
            which: dice.below(4),
            token: format!("t{step}"),
        }
    }

    pub(super) fn make(&self, read: &Entity) -> Value {
        let mut body = Value::Object(plain(read));
        let (which, token) = (self.which, json!(self.token));
        let number = json!(self.token.len() + 10 * which);
        let label = ["x", "y"][which % 2];
        match self.what {
            0 => body["title"] = token,
            1 => body["number"] = number,
            2 => body["place"]["city"] = token,
            3 => body["prices"][["tea", "milk"][which % 2]] = number,
            4 => body["prices"][["tea", "milk"][which % 2]] = Value::Null,
            5 => body["labels"][label]["text"] = token,
            6 => body["labels"][label] = Value::Null,
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
            16 => body["labels"][label]["color"] = token,
            17 => body["labels"] = Value::Null,
            18 => body["items"] = Value::Null,
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
        let order = by_content(items);
        edit(items, order[self.which % order.len()]);
    }
}
