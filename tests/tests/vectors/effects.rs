//! Effects: what was changed, as values, so exactly that they lead from the value before to the one
//! after and back.

use std::sync::Arc;

use automerge::ActorId;
use indelible_engine::admission::{Origin, Proposal, admit};
use indelible_engine::change::server_actor;
use indelible_engine::effects::{Effect, effects};
use indelible_engine::entity::Entity;
use indelible_engine::history::{Derived, Kept, apply, undo};
use indelible_engine::id::{Epoch, ProposalId};
use indelible_engine::ledger::Presence;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{Base, MergeOptions, merge};
use indelible_engine::policy::{Policy, Rules};
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use serde_json::{Map, Value, json};

use super::{golden, list};

fn schema() -> Value {
    json!({
        "type": "object",
        "x-indelible": { "kind": "page", "create": ["editor"], "edit": ["editor"] },
        "properties": {
            "title": { "type": ["string", "null"] },
            "price": { "type": "number" },
            "hits": { "type": "integer", "x-indelible": { "merge": "counter" } },
            "size": { "type": "array", "x-indelible": { "merge": "atomic" } },
            "body": { "type": "string", "x-indelible": { "merge": "text" } },
            "tags": { "type": "array", "items": { "type": "string" } },
            "rates": { "type": "object", "additionalProperties": { "type": "number" } },
            "place": { "type": "object", "properties": {
                "city": { "type": "string" },
                "way": { "type": "object", "properties": {
                    "text": { "type": "string", "x-indelible": { "merge": "text" } } } }
            } },
            "items": { "type": "array", "items": { "type": "object", "properties": {
                "label": { "type": "string" },
                "note": { "type": "string", "x-indelible": { "merge": "text" } },
                "parts": {
                    "type": "array", "x-indelible": { "key": "code" },
                    "items": { "type": "object", "properties": { "n": { "type": "integer" } } }
                }
            } } }
        }
    })
}

/// Name, the value before, the value after.
type Step = (&'static str, Value, Value);

fn steps_of_values() -> Vec<Step> {
    vec![
        ("nothing", json!({ "title": "A" }), json!({ "title": "A" })),
        (
            "single values come, change and go",
            json!({ "title": "A", "price": 1.5 }),
            json!({ "title": "B", "hits": 3 }),
        ),
        (
            "null is a value",
            json!({ "title": null, "price": 0 }),
            json!({ "price": 0.5 }),
        ),
        (
            "an atomic value changes as one",
            json!({ "size": [1, { "w": 2 }] }),
            json!({ "size": [1, { "w": 3 }] }),
        ),
        (
            "a text is spliced, by UTF-16 code units",
            json!({ "body": "𝄞 the quick fox 🦊 jumps" }),
            json!({ "body": "𝄞 the slow fox 🐢 jumps" }),
        ),
        ("a text begins", json!({}), json!({ "body": "Now" })),
        ("a text ends", json!({ "body": "Now" }), json!({})),
        (
            "elements of a list",
            json!({ "tags": ["a", "b", "c", "c"] }),
            json!({ "tags": ["x", "b", "c"] }),
        ),
        (
            "keys of an open map, one that a pointer escapes",
            json!({ "rates": { "a/b~c": 1, "old": 2 } }),
            json!({ "rates": { "a/b~c": 2, "": 3 } }),
        ),
        (
            "an open map empties",
            json!({ "rates": { "a": 1 } }),
            json!({}),
        ),
        (
            "objects come with what is in them",
            json!({}),
            json!({ "place": { "city": "Bern", "way": { "text": "uphill" } } }),
        ),
        (
            "objects go with what was in them",
            json!({ "place": { "way": { "text": "uphill" } } }),
            json!({}),
        ),
        (
            "everything from nothing",
            json!({}),
            json!({ "title": "A", "hits": 1, "body": "b", "tags": ["t"], "rates": { "r": 1 },
                    "place": { "city": "Bern" }, "items": [{ "id": "i", "parts": [{ "code": "p" }] }] }),
        ),
    ]
}

fn steps_of_items() -> Vec<Step> {
    let item = |id: &str, label: &str| json!({ "id": id, "label": label });
    let items = |items: &[Value]| json!({ "items": items });
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|id| item(id, id));
    vec![
        (
            "an item comes between",
            items(&[a.clone(), c.clone()]),
            items(&[a.clone(), b.clone(), c.clone()]),
        ),
        (
            "items go",
            items(&[a.clone(), b.clone(), c.clone(), d.clone()]),
            items(std::slice::from_ref(&b)),
        ),
        (
            "items move",
            items(&[a.clone(), b.clone(), c.clone(), d.clone()]),
            items(&[d.clone(), a.clone(), c.clone(), b.clone()]),
        ),
        (
            "come, go, move and change at once",
            items(&[a.clone(), b.clone(), c.clone()]),
            items(&[item("c", "C"), d, item("a", "A")]),
        ),
        (
            "items in items",
            items(&[
                json!({ "id": "a", "note": "one two", "parts": [
                { "code": "x", "n": 1 }, { "code": "y", "n": 2 } ] }),
                b,
            ]),
            items(&[json!({ "id": "a", "note": "one 2", "parts": [
                { "code": "y", "n": 3 }, { "code": "z" } ] })]),
        ),
        (
            "the inner list of an item begins",
            items(&[a]),
            items(&[json!({ "id": "a", "label": "a", "parts": [{ "code": "x" }] })]),
        ),
    ]
}

/// Name, a value, and effects that do not fit it.
fn misfits() -> Vec<(&'static str, Value, Value)> {
    let at = |pointer: &str, mut effect: Value| {
        effect["pointer"] = pointer.into();
        effect
    };
    vec![
        (
            "another value stood there",
            json!({ "title": "B" }),
            at("/title", json!({ "effect": "put", "from": "A", "to": "C" })),
        ),
        (
            "another text stood there",
            json!({ "body": "one two" }),
            at(
                "/body",
                json!({ "effect": "splice", "at": 4, "removed": "three", "inserted": "" }),
            ),
        ),
        (
            "half a character",
            json!({ "body": "𝄞" }),
            at(
                "/body",
                json!({ "effect": "splice", "at": 1, "removed": "", "inserted": "x" }),
            ),
        ),
        (
            "there is no such item",
            json!({ "items": [{ "id": "a" }] }),
            at("/items/b/label", json!({ "effect": "put", "to": "C" })),
        ),
        (
            "another item is there",
            json!({ "items": [{ "id": "a" }, { "id": "b" }] }),
            at("/items/a", json!({ "effect": "move", "from": 1, "to": 0 })),
        ),
        (
            "too few items",
            json!({ "items": [{ "id": "a" }] }),
            at(
                "/items/b",
                json!({ "effect": "put", "to": { "id": "b" }, "index": 2 }),
            ),
        ),
        (
            "the container is there already",
            json!({ "rates": { "a": 1 } }),
            at("/rates/b", json!({ "made": 1, "effect": "put", "to": 1 })),
        ),
    ]
}

/// Entries with what a store keeps of each: writes beside others that lost or replaced them, one
/// that nobody was beside, and one as an earlier version kept it.
fn kept(policy: &Arc<Policy>) -> Vec<Value> {
    let id = "page/home".parse().expect("a name");
    let mut page = Entity::genesis(&id, Epoch::FIRST, policy);
    let mut found = Vec::new();
    let mut write = |name: &str,
                     (author, actor): (&str, ActorId),
                     body: Value,
                     seen: Option<&Entity>,
                     base: Option<Base>| {
        let creation = page.presence() == Presence::Unborn;
        let author = Principal::new(author, ["editor"]);
        let options = MergeOptions {
            creation,
            base,
            ..MergeOptions::default()
        };
        let merged = merge(seen.unwrap_or(&page), &author, &actor, &body, &options);
        let origin = match (creation, seen) {
            (true, _) => Origin::Creation,
            (false, Some(_)) => Origin::Client,
            (false, None) => Origin::Server,
        };
        let proposal = Proposal::new(
            ProposalId([1; 16]),
            author,
            origin,
            merged.expect("it can be merged").changes,
        );
        let verdict = admit(&page, &proposal, Timestamp(0), &Limits::default());
        let admitted = verdict.admitted.expect("it is allowed");
        let text = Derived::encode(admitted.effects(), admitted.conflicts());
        found.push(json!({
            "name": name,
            "text": String::from_utf8(text).expect("it is JSON"),
            "effects": admitted.effects(),
            "conflicts": admitted.conflicts(),
        }));
        page = admitted.into_parts().0;
        page.clone()
    };
    let server = |name: &str| (name.to_owned(), server_actor(&id, Epoch::FIRST, name));
    let client = |name: &str, byte: u8| (name.to_owned(), ActorId::from([byte; 16]));
    let mut by = |name, (author, actor): (String, ActorId), body, seen: Option<&Entity>, base| {
        write(name, (author.as_str(), actor), body, seen, base)
    };
    let body = json!({ "title": "A", "price": 1, "items": [{ "label": "a" }] });
    let first = by("nothing beside it", server("alice"), body, None, None);
    let base = Base {
        value: first.presented(),
        heads: first.heads(),
        earlier: None,
    };
    let item = first.presented()["items"][0]["id"].clone();
    by(
        "written first",
        client("bob", 9),
        json!({ "title": "B", "price": null }),
        Some(&first),
        None,
    );
    by(
        "lost against a greater actor, and against one who removed",
        client("carol", 8),
        json!({ "title": "C", "price": 3 }),
        Some(&first),
        None,
    );
    by(
        "from an earlier value",
        server("alice"),
        json!({ "title": "D", "price": 1 }),
        None,
        Some(base),
    );
    let seen = by(
        "an item is deleted",
        server("alice"),
        json!({ "items": [] }),
        None,
        None,
    );
    drop(seen);
    by(
        "written into an item that was deleted",
        client("dave", 7),
        json!({ "items": [{ "id": item, "label": "new" }] }),
        Some(&first),
        None,
    );
    let effects = json!([{ "pointer": "/title", "effect": "put", "from": "A", "to": "B" }]);
    found.push(json!({
        "name": "of an earlier version, without conflicts",
        "text": effects.to_string(),
        "effects": effects,
        "conflicts": null,
    }));
    found
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

#[test]
fn effects_of_values() {
    let policy = schema::compile_under(Rules::V1, "page.json", &schema().to_string())
        .expect("the schema of the vectors is good");
    let policy = Arc::new(policy);
    let made = json!({
        "schema": schema(),
        "steps": steps_of_values().into_iter().chain(steps_of_items()).map(|(name, before, after)| {
            let effects = effects(&policy, &map(&before), &map(&after));
            json!({ "name": name, "before": before, "effects": effects, "after": after })
        }).collect::<Vec<_>>(),
        "misfits": misfits().into_iter().map(|(name, value, effect)| {
            json!({ "name": name, "value": value, "effect": effect })
        }).collect::<Vec<_>>(),
        "kept": kept(&policy),
    });
    let file = golden("effects.json", &made);
    for vector in list(&file["steps"]) {
        let read: Vec<Effect> = list(&vector["effects"])
            .iter()
            .map(|effect| serde_json::from_value(effect.clone()).expect("an effect"))
            .collect();
        assert_eq!(json!(read), vector["effects"], "{}", vector["name"]);
        let (before, after) = (map(&vector["before"]), map(&vector["after"]));
        let mut value = before.clone();
        apply(&policy, &mut value, &read).expect("they fit");
        assert_eq!(value, after, "{}", vector["name"]);
        undo(&policy, &mut value, &read).expect("they fit");
        assert_eq!(value, before, "{}", vector["name"]);
        for effect in read.chunks(1) {
            apply(&policy, &mut value, effect).expect("it fits");
        }
        assert_eq!(value, after, "{}", vector["name"]);
        for effect in read.chunks(1).rev() {
            undo(&policy, &mut value, effect).expect("it fits");
        }
        assert_eq!(value, before, "{}", vector["name"]);
    }
    for vector in list(&file["kept"]) {
        let text = vector["text"].as_str().expect("a text");
        let (effects, conflicts) = match Derived::decode(text.as_bytes()).expect("it was kept") {
            Kept::All(Derived { effects, conflicts }) => (effects, json!(conflicts)),
            Kept::Effects(effects) => (effects, Value::Null),
        };
        assert_eq!(json!(effects), vector["effects"], "{}", vector["name"]);
        assert_eq!(conflicts, vector["conflicts"], "{}", vector["name"]);
    }
    for vector in list(&file["misfits"]) {
        let effect: Effect = serde_json::from_value(vector["effect"].clone()).expect("an effect");
        let mut value = map(&vector["value"]);
        let done = apply(&policy, &mut value, &[effect]);
        assert!(done.is_err(), "{}: {value:?}", vector["name"]);
    }
}
