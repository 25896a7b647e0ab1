//! Guards against a body that does something else than a replica does with the same edit, where a
//! field is stored in another form since the base: an object that is one value now, and every other
//! change of form, at the root, in an object and in an item.

use std::sync::Arc;

use automerge::ActorId;
use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::lifecycle::next_epoch;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{Absent, MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::rebase::{Read, RebaseError, RebaseTarget, Rebased, rebase, rebase_values};
use serde_json::{Value, json};

use super::schemas::under;
use crate::fixture::{NOW, compiled, created, editor, judge, made_of, next};

/// A field before and after, and what is made of its value.
struct Form {
    old: Value,
    new: Value,
    value: Value,
    /// Bodies that say only what the value says.
    same: Vec<Value>,
    edits: Vec<Value>,
    /// What somebody else writes there meanwhile, under the new schema.
    theirs: Value,
}

fn string() -> Value {
    json!({ "type": "string" })
}

fn object() -> Value {
    json!({ "type": "object", "properties": {
        "town": string(), "zip": string(),
        "deep": { "type": "object", "properties": { "x": string(), "y": string() } },
        "tags": { "type": "array", "items": string() },
        "note": { "type": "string", "x-indelible": { "merge": "text" } } } })
}

fn open() -> Value {
    json!({ "type": "object", "additionalProperties": string() })
}

fn map() -> Value {
    json!({ "type": "object", "additionalProperties": {
        "type": "object", "properties": { "p": string(), "q": string() } } })
}

fn rows() -> Value {
    json!({ "type": "array", "items": {
        "type": "object", "properties": { "p": string(), "q": string() } } })
}

fn atomic(form: &Value) -> Value {
    let mut form = form.clone();
    form["x-indelible"] = json!({ "merge": "atomic" });
    if form["type"] == "array" && form["items"]["type"] == "object" {
        form["items"]["properties"]["id"] = string();
    }
    if form["properties"]["note"].is_object() {
        form["properties"]["note"] = string();
    }
    form
}

#[allow(clippy::too_many_lines, reason = "it is a table")]
fn forms() -> Vec<Form> {
    let address = json!({ "town": "Bern", "zip": "3000", "deep": { "x": "1", "y": "2" },
                          "tags": ["a", "b"], "note": "hello" });
    let entries = json!({ "a": { "p": "1", "q": "2" }, "b": { "p": "3" } });
    let named = json!([{ "id": "i1", "p": "1", "q": "2" }, { "id": "i2", "p": "3" }]);
    let nameless = json!([{ "p": "A" }, { "p": "B", "q": "C" }]);
    let text = json!({ "type": "string", "x-indelible": { "merge": "text" } });
    let counter = json!({ "type": "integer", "x-indelible": { "merge": "counter" } });
    let tags = json!({ "type": "array", "items": string() });
    let form = |old: Value, new: Value, value: &Value| Form {
        old,
        new,
        same: vec![value.clone()],
        value: value.clone(),
        edits: Vec::new(),
        theirs: Value::Null,
    };
    vec![
        Form {
            same: vec![
                address.clone(),
                json!({}),
                json!({ "town": "Bern" }),
                json!({ "deep": { "y": "2" } }),
                json!({ "deep": {}, "tags": ["a", "b"] }),
            ],
            edits: vec![
                json!({ "town": "Thun" }),
                json!({ "town": null }),
                json!({ "deep": { "x": "9" } }),
                json!({ "deep": { "x": null } }),
                json!({ "deep": null }),
                json!({ "tags": [], "note": null }),
                json!({ "note": "hello you" }),
            ],
            theirs: json!({ "town": "Biel" }),
            ..form(object(), atomic(&object()), &address)
        },
        Form {
            edits: vec![
                json!({ "town": "Bern", "deep": { "x": "1" }, "tags": ["b"] }),
                json!({ "town": "Thun", "zip": "3000" }),
                json!({ "deep": { "y": "3" }, "note": "hello you" }),
                json!({}),
            ],
            theirs: json!({ "town": "Biel", "tags": ["a", "b", "c"] }),
            ..form(atomic(&object()), object(), &address)
        },
        Form {
            same: vec![
                json!({ "k": "v", "l": "w" }),
                json!({ "l": "w" }),
                json!({}),
            ],
            edits: vec![
                json!({ "l": null }),
                json!({ "l": "x" }),
                json!({ "m": "new" }),
            ],
            theirs: json!({ "n": "theirs" }),
            ..form(open(), atomic(&open()), &json!({ "k": "v", "l": "w" }))
        },
        Form {
            edits: vec![
                json!({ "k": "v" }),
                json!({ "k": "x", "m": "y" }),
                json!({}),
            ],
            theirs: json!({ "n": "theirs", "l": "ww" }),
            ..form(atomic(&open()), open(), &json!({ "k": "v", "l": "w" }))
        },
        Form {
            same: vec![entries.clone(), json!({ "a": { "q": "2" } })],
            edits: vec![
                json!({ "a": { "p": "9" } }),
                json!({ "a": null }),
                json!({ "c": { "p": "new" } }),
            ],
            theirs: json!({ "d": { "p": "theirs" } }),
            ..form(map(), atomic(&map()), &entries)
        },
        Form {
            edits: vec![
                json!({ "a": { "p": "1" } }),
                json!({ "a": { "p": "9", "q": "2" }, "c": { "q": "new" } }),
                json!({}),
            ],
            theirs: json!({ "a": { "q": "theirs" }, "d": { "p": "theirs" } }),
            ..form(atomic(&map()), map(), &entries)
        },
        Form {
            same: vec![
                named.clone(),
                json!([{ "id": "i1" }, { "id": "i2", "p": "3" }]),
            ],
            edits: vec![
                json!([{ "id": "i1", "p": "mine" }, { "id": "i2" }]),
                json!([{ "id": "i2" }, { "id": "i1" }]),
                json!([{ "id": "i2", "q": "9" }]),
                json!([{ "id": "i1", "q": null }, { "p": "new" }, { "id": "i2" }]),
                json!([]),
            ],
            theirs: json!([{ "id": "i1", "p": "theirs" }]),
            ..form(rows(), atomic(&rows()), &named)
        },
        Form {
            edits: vec![
                json!([{ "id": "i1", "p": "mine" }, { "id": "i2", "p": "3" }]),
                json!([{ "id": "i2", "p": "3" }, { "id": "i1", "q": "2" }]),
                json!([{ "id": "i9", "p": "new" }, { "id": "i2", "p": "3" }]),
                json!([]),
            ],
            theirs: json!([{ "id": "i1", "p": "theirs" }, { "id": "i2" }]),
            ..form(atomic(&rows()), rows(), &named)
        },
        Form {
            edits: vec![
                json!([{ "p": "Ax" }, { "p": "B", "q": "C" }]),
                json!([{ "p": "B", "q": "C" }]),
                json!([{ "p": "A" }, { "p": "B", "q": "C" }, { "p": "D" }]),
                json!([]),
            ],
            theirs: json!([]),
            ..form(atomic(&rows()), rows(), &nameless)
        },
        Form {
            edits: vec![json!(["b"]), json!(["a", "c", "b"]), json!([])],
            theirs: json!(["z"]),
            ..form(tags.clone(), atomic(&tags), &json!(["a", "b"]))
        },
        Form {
            edits: vec![json!(["b"]), json!(["a", "c", "b"]), json!([])],
            theirs: json!(["a", "b", "z"]),
            ..form(atomic(&tags), tags, &json!(["a", "b"]))
        },
        Form {
            edits: vec![json!("hello you"), json!("")],
            theirs: json!("oh"),
            ..form(text.clone(), string(), &json!("hello"))
        },
        Form {
            edits: vec![json!("hello you"), json!(""), json!(null)],
            theirs: json!("oh hello"),
            ..form(string(), text, &json!("hello"))
        },
        Form {
            edits: vec![json!(5), json!(0)],
            theirs: json!(7),
            ..form(counter.clone(), json!({ "type": "integer" }), &json!(3))
        },
        Form {
            edits: vec![json!(5), json!(0)],
            theirs: json!(7),
            ..form(json!({ "type": "integer" }), counter, &json!(3))
        },
    ]
}

/// Where the field is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Root,
    Object,
    /// In an object that is renamed too.
    Renamed,
    Item,
}

const PLACES: [Place; 4] = [Place::Root, Place::Object, Place::Renamed, Place::Item];

impl Place {
    fn policy(self, name: &str, form: &Value, is_new: bool) -> Arc<Policy> {
        let mut form = form.clone();
        if is_new {
            form["x-indelible"]["was"] = json!("was");
        }
        let inner = json!({ "type": "object", "properties": {
            name: form, "other": { "type": "string" } } });
        let properties = match self {
            Self::Root => inner["properties"].clone(),
            Self::Object => json!({ "o": inner }),
            Self::Renamed if is_new => {
                let mut inner = inner;
                inner["x-indelible"] = json!({ "was": "o" });
                json!({ "o2": inner })
            }
            Self::Renamed => json!({ "o": inner }),
            Self::Item => json!({ "list": { "type": "array", "items": inner } }),
        };
        compiled(&json!({
            "type": "object",
            "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                             "edit": ["editor"] },
            "properties": properties,
        }))
    }

    fn body(self, name: &str, value: &Value, is_new: bool) -> Value {
        match self {
            Self::Root => json!({ name: value }),
            Self::Object => json!({ "o": { name: value } }),
            Self::Renamed if is_new => json!({ "o2": { name: value } }),
            Self::Renamed => json!({ "o": { name: value } }),
            Self::Item => json!({ "list": [{ "id": "it", name: value }] }),
        }
    }

    fn value(self, of: &Entity) -> Value {
        let value = of.presented();
        let at = match self {
            Self::Root => "/is",
            Self::Object => "/o/is",
            Self::Renamed => "/o2/is",
            Self::Item => "/list/0/is",
        };
        value.pointer(at).cloned().unwrap_or_default()
    }
}

fn put(read: &Entity, onto: &Entity, body: &Value, absent: Absent) -> Entity {
    let known = Read {
        value: None,
        policy: Arc::clone(read.policy()),
        heads: read.heads(),
        stamps: read.stamp_fields(),
    };
    let followed = known.follow(onto, body, (&[], &[])).unwrap();
    assert!(followed.lost.is_empty(), "{body}: {:?}", followed.lost);
    let options = MergeOptions {
        base: Some(followed.base),
        absent,
        ..MergeOptions::default()
    };
    write(onto, &followed.body, &options)
}

fn write(onto: &Entity, body: &Value, options: &MergeOptions) -> Entity {
    let alice = editor("alice");
    let actor = server_actor(onto.id(), onto.epoch(), "alice");
    let merged = merge(onto, &alice, &actor, body, options)
        .unwrap_or_else(|error| panic!("{body}: {error}"));
    match merged.changes.is_empty() {
        true => onto.clone(),
        false => next(judge(onto, &alice, merged.changes, Origin::Server)),
    }
}

/// The value of a replica that made the same edits before the schema changed.
fn replica(read: &Entity, onto: &Entity, bodies: &[&Value]) -> Entity {
    rebased(read, onto, bodies, |ground, pending| {
        rebase(ground, read.policy(), pending, &[])
    })
}

/// The same where the entity is in another epoch too, so that only values are left to go by.
fn by_values(read: &Entity, onto: &Entity, bodies: &[&Value]) -> Entity {
    let fresh = next_epoch(onto, onto.policy(), NOW).unwrap().into_parts().0;
    rebased(read, &fresh, bodies, |ground, pending| {
        rebase_values(ground, read, pending)
    })
}

fn rebased(
    read: &Entity,
    onto: &Entity,
    bodies: &[&Value],
    rebase: impl Fn(&RebaseTarget<'_>, &[Vec<u8>]) -> Result<Rebased, RebaseError>,
) -> Entity {
    let (alice, actor) = (editor("alice"), ActorId::from([1; 16]));
    let (mut shown, mut pending) = (read.clone(), Vec::new());
    for body in bodies {
        let edit = merge(&shown, &alice, &actor, body, &MergeOptions::default()).unwrap();
        shown = next(judge(&shown, &alice, edit.changes.clone(), Origin::Client));
        pending.extend(edit.changes);
    }
    let ground = RebaseTarget {
        entity: onto,
        author: &alice,
        actor: &ActorId::from([2; 16]),
        limits: &Limits::default(),
    };
    let rebased = rebase(&ground, &pending).unwrap();
    assert!(
        rebased.dropped.is_empty(),
        "{bodies:?}: {:?}",
        rebased.dropped
    );
    let changes: Vec<Vec<u8>> = rebased.changes.into_iter().map(|one| one.change).collect();
    match changes.is_empty() {
        true => onto.clone(),
        false => next(judge(onto, &alice, changes, Origin::Client)),
    }
}

/// A value without the ids that were made up on the way.
fn plain(mut value: Value) -> Value {
    for item in value.as_array_mut().into_iter().flatten() {
        if let Some(fields) = item.as_object_mut() {
            fields.retain(|name, value| name != "id" || value.as_str().unwrap().len() < 20);
        }
    }
    value
}

fn each(mut check: impl FnMut(Place, &Form, &Entity, &Entity)) {
    for form in forms() {
        for place in PLACES {
            let old = place.policy("was", &form.old, false);
            let new = place.policy("is", &form.new, true);
            let read = created(&old, &place.body("was", &form.value, false));
            check(place, &form, &read, &under(&read, &new));
        }
    }
}

#[test]
fn what_equals_the_base_is_no_edit_in_another_form() {
    each(|place, form, read, onto| {
        let theirs = place.body("is", &form.theirs, true);
        let theirs = write(onto, &theirs, &made_of(onto));
        for onto in [onto, &theirs] {
            for same in &form.same {
                for body in [
                    place.body("was", same, false),
                    place.body("is", same, true),
                    place.body("is", same, false),
                ] {
                    let found = put(read, onto, &body, Absent::Stays);
                    assert_eq!(found.heads(), onto.heads(), "{place:?} {body}");
                }
            }
            let found = put(read, onto, &read.presented(), Absent::Removed);
            assert_eq!(found.heads(), onto.heads(), "{place:?}");
        }
    });
}

#[test]
fn an_edit_in_another_form_is_what_it_would_have_been_before() {
    each(|place, form, read, onto| {
        for edit in &form.edits {
            let body = place.body("was", edit, false);
            let before = write(read, &body, &MergeOptions::default());
            let wanted = plain(place.value(&under(&before, onto.policy())));
            assert_ne!(wanted, plain(place.value(onto)), "{place:?} {body}");
            let found = put(read, onto, &body, Absent::Stays);
            assert_eq!(plain(place.value(&found)), wanted, "{place:?} {body}");
            let present = place.body("is", edit, true);
            let found = put(read, onto, &present, Absent::Stays);
            assert_eq!(plain(place.value(&found)), wanted, "{place:?} {present}");
            // A form sends the whole of what it had.
            let whole = before.presented();
            let found = put(read, onto, &whole, Absent::Removed);
            assert_eq!(plain(place.value(&found)), wanted, "{place:?} {whole}");
        }
    });
}

#[test]
fn an_edit_in_another_form_is_what_it_is_of_a_replica_beside_what_others_wrote() {
    each(|place, form, read, onto| {
        let theirs = place.body("is", &form.theirs, true);
        let onto = &write(onto, &theirs, &made_of(onto));
        for edit in &form.edits {
            let body = place.body("was", edit, false);
            let wanted = plain(place.value(&replica(read, onto, &[&body])));
            let found = put(read, onto, &body, Absent::Stays);
            assert_eq!(plain(place.value(&found)), wanted, "{place:?} {body}");
        }
    });
}

#[test]
fn an_edit_in_another_form_is_the_same_in_another_epoch() {
    each(|place, form, read, onto| {
        let theirs = place.body("is", &form.theirs, true);
        let theirs = write(onto, &theirs, &made_of(onto));
        for onto in [onto, &theirs] {
            for edit in &form.edits {
                let body = place.body("was", edit, false);
                let wanted = plain(place.value(&replica(read, onto, &[&body])));
                let found = plain(place.value(&by_values(read, onto, &[&body])));
                assert_eq!(found, wanted, "{place:?} {body}");
            }
        }
    });
}

#[test]
fn edits_in_a_row_in_another_form_are_the_same_in_another_epoch() {
    each(|place, form, read, onto| {
        for pair in form.edits.windows(2) {
            let bodies = [&pair[0], &pair[1]].map(|edit| place.body("was", edit, false));
            let bodies = [&bodies[0], &bodies[1]];
            let wanted = plain(place.value(&replica(read, onto, &bodies)));
            let found = plain(place.value(&by_values(read, onto, &bodies)));
            assert_eq!(found, wanted, "{place:?} {bodies:?}");
        }
    });
}
