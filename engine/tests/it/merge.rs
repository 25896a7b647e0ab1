//! Guards against a merge that writes more than differs, loses somebody's edit, or lets a
//! protected value through; and against effects and patches that do not say what happened.

use crate::fixture::{Client, editor, judge, next, refusals, thing, write};
use automerge::{ROOT, transaction::Transactable};
use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::effects::{PatchOp, json_patch};
use indelible_engine::entity::Entity;
use indelible_engine::merge::{Absent, Base, MergeError, MergeOptions, Protected, merge};
use indelible_engine::principal::Principal;
use serde_json::{Value, json};

fn base(entity: &Entity) -> Option<Base> {
    Some(Base {
        value: entity.presented(),
        heads: entity.heads(),
        earlier: None,
    })
}

fn keep() -> MergeOptions {
    MergeOptions {
        protected: Protected::Keep,
        ..MergeOptions::default()
    }
}

/// Merges and gives the entity after it with the pointers of the effects.
fn put(entity: &Entity, body: &Value, options: &MergeOptions) -> (Entity, Vec<String>) {
    let verdict = write(entity, &editor("alice"), body, options, Origin::Server).unwrap();
    assert_eq!(verdict.refused, None);
    let admitted = verdict.admitted.unwrap();
    let pointers = admitted
        .effects()
        .iter()
        .map(|e| e.pointer.to_string())
        .collect();
    let after = admitted.entity().presented();
    let patch = json_patch(entity.policy(), &entity.presented(), &after);
    assert_eq!(patched(&entity.presented(), &patch), after);
    (admitted.into_parts().0, pointers)
}

/// RFC 6902, as far as our patches use it.
fn patched(before: &Value, patch: &[PatchOp]) -> Value {
    let mut value = before.clone();
    for op in patch {
        match op {
            PatchOp::Add { path, value: new } => insert(&mut value, &path.to_string(), new.clone()),
            PatchOp::Remove { path } => drop(take(&mut value, &path.to_string())),
            PatchOp::Replace { path, value: new } => {
                *value.pointer_mut(&path.to_string()).unwrap() = new.clone();
            }
            PatchOp::Splice { .. } => unreachable!("plain patches have none"),
            PatchOp::Move { from, path } => {
                let moved = take(&mut value, &from.to_string());
                insert(&mut value, &path.to_string(), moved);
            }
        }
    }
    value
}

fn split(path: &str) -> (&str, String) {
    let (parent, last) = path.rsplit_once('/').unwrap();
    (parent, last.replace("~1", "/").replace("~0", "~"))
}

fn insert(value: &mut Value, path: &str, new: Value) {
    let (parent, last) = split(path);
    match value.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.insert(last.parse().unwrap(), new),
        Value::Object(map) => assert!(map.insert(last, new).is_none(), "{path} was there"),
        other => panic!("{path} is in {other}"),
    }
}

fn take(value: &mut Value, path: &str) -> Value {
    let (parent, last) = split(path);
    match value.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.remove(last.parse().unwrap()),
        Value::Object(map) => map.remove(&last).unwrap(),
        other => panic!("{path} is in {other}"),
    }
}

#[test]
fn the_fixture_reads_as_it_was_written() {
    let mut value = thing().presented();
    let stamps = value.as_object_mut().unwrap();
    assert!(stamps.remove("createdAt").is_some());
    assert_eq!(stamps.remove("updatedBy"), Some(json!("alice")));
    assert_eq!(
        value,
        json!({
            "title": "One", "code": "c-1", "body": "hello world", "tags": ["a", "b"],
            "place": { "city": "Bern" }, "number": 1.5, "level": 1, "hits": 0,
            "items": [ { "id": "i1", "name": "first", "serial": "s1" },
                       { "id": "i2", "name": "second" }, { "id": "i3", "name": "third" } ],
            "labels": { "x": { "text": "ex" } },
            "guarded": [ { "id": "g1", "name": "vase", "weight": 3, "story": "Öl 🦀",
                           "marks": [1, 2] } ],
        })
    );
}

#[test]
fn only_what_differs_is_written() {
    let entity = thing();
    let alice = editor("alice");
    let actor = server_actor(entity.id(), entity.epoch(), "alice");
    let same = entity.presented();
    let merged = merge(&entity, &alice, &actor, &same, &MergeOptions::default()).unwrap();
    assert!(merged.changes.is_empty() && merged.preserved.is_empty());
    let check = |body: Value, expect: &[&str]| {
        assert_eq!(put(&entity, &body, &keep()).1, expect, "{body}");
    };
    check(json!({ "title": "Two", "number": 1.5 }), &["/title"]);
    check(
        json!({ "place": { "street": "Gasse" } }),
        &["/place/street"],
    );
    check(json!({ "body": "hello, brave world" }), &["/body"]);
    check(json!({ "tags": ["a", "x", "b"] }), &["/tags"]);
    check(json!({ "hits": 4 }), &["/hits"]);
    check(json!({ "shape": { "w": 2 } }), &["/shape"]);
    check(
        json!({ "labels": { "y": { "text": "why" } } }),
        &["/labels/y"],
    );
    check(json!({ "labels": { "x": null } }), &["/labels/x"]);
    check(json!({ "tagline": null, "number": null }), &["/number"]);
}

#[test]
fn keyed_lists_merge_by_key_and_place() {
    let entity = thing();
    let check = |items: Value, expect: &[&str], names: &[&str]| {
        let (after, pointers) = put(&entity, &json!({ "items": items }), &keep());
        assert_eq!(pointers, expect);
        let value = after.presented();
        let found: Vec<&str> = value["items"]
            .as_array()
            .map(|items| {
                items
                    .iter()
                    .filter_map(|item| item["name"].as_str())
                    .collect()
            })
            .unwrap_or_default();
        assert_eq!(found, names);
    };
    let (a, b, c) = (json!({"id":"i1"}), json!({"id":"i2"}), json!({"id":"i3"}));
    check(
        json!([c, a, b]),
        &["/items/i3"],
        &["third", "first", "second"],
    );
    check(json!([a, c]), &["/items/i2"], &["first", "third"]);
    check(
        json!([a, b, { "id": "i3", "name": "3rd" }]),
        &["/items/i3/name"],
        &["first", "second", "3rd"],
    );
    check(json!([]), &["/items/i1", "/items/i2", "/items/i3"], &[]);
    let (after, pointers) = put(
        &entity,
        &json!({ "items": [a, { "name": "new", "note": "n" }, b, c] }),
        &keep(),
    );
    assert_eq!(pointers.len(), 1);
    assert_eq!(after.presented()["items"][1]["name"], "new");
    assert_eq!(after.presented()["items"][1]["note"], "n");
}

#[test]
fn unknown_items_are_errors() {
    let entity = thing();
    let alice = editor("alice");
    let actor = server_actor(entity.id(), entity.epoch(), "alice");
    let body = json!({ "items": [{"id":"never"}] });
    let error = merge(&entity, &alice, &actor, &body, &keep()).unwrap_err();
    let MergeError::Refused(violations) = error else {
        panic!("{error}")
    };
    assert_eq!(
        violations[0].to_string(),
        "/items/0/id: the list never held an item with this id"
    );
}

#[test]
fn unknown_items_are_made_where_that_is_asked_for() {
    let entity = thing();
    let (a, b, c) = (json!({"id":"i1"}), json!({"id":"i2"}), json!({"id":"i3"}));
    let body = json!({ "items": [a, b, c, { "id": "never", "name": "new" }] });
    let options = MergeOptions {
        remake: true,
        ..keep()
    };
    assert!(!entity.ever_held(&"/items/never".parse().expect("a pointer")));
    let (after, pointers) = put(&entity, &body, &options);
    assert_eq!(pointers, ["/items/never"]);
    assert_eq!(after.presented()["items"][3]["id"], "never");
    let (deleted, _) = put(&after, &json!({ "items": [a, b, c] }), &keep());
    assert!(deleted.ever_held(&"/items/never".parse().expect("a pointer")));
}

/// The fixture after somebody deleted an item and an entry of an open map, and the value before.
fn without_an_item() -> (Entity, Base) {
    let entity = thing();
    let before = base(&entity).unwrap();
    let body = json!({ "items": [{"id":"i1"}, {"id":"i3"}], "labels": { "x": null } });
    let (gone, _) = put(&entity, &body, &keep());
    (gone, before)
}

#[test]
fn a_deleted_item_that_is_written_back_is_there_again() {
    let (gone, before) = without_an_item();
    let body = json!({ "items": [{"id":"i1"}, {"id":"i2", "note": "again"}, {"id":"i3"}],
        "labels": { "x": { "text": "again" } } });
    for options in [keep(), MergeOptions::default()] {
        let (after, pointers) = put(&gone, &body, &options);
        assert_eq!(pointers, ["/items/i2", "/labels/x"]);
        let value = after.presented();
        assert_eq!(value["items"][1]["name"], "second");
        assert_eq!(value["items"][1]["note"], "again");
        assert_eq!(value["labels"]["x"], json!({ "text": "again" }));
    }
    // The base is from after the deletion: it is written back knowingly.
    let knowing = MergeOptions {
        base: base(&gone),
        ..keep()
    };
    let (later, _) = put(&gone, &json!({ "title": "later" }), &keep());
    let (after, _) = put(&later, &before.value, &knowing);
    assert_eq!(after.presented()["items"], before.value["items"]);
    assert_eq!(after.presented()["labels"], before.value["labels"]);
}

/// What is written back is compared with what the item holds, which may have changed since the base:
/// seed 635 of the simulation.
#[test]
fn an_item_is_written_back_on_what_it_held_when_it_was_deleted() {
    let items = |items: Value| json!({ "items": items });
    let (first, third) = (json!({ "id": "i1" }), json!({ "id": "i3" }));
    let (gone, _) = without_an_item();
    let back = json!({ "id": "i2", "note": "abc", "tags": ["x", "y", "z"] });
    let (there, _) = put(&gone, &items(json!([first, back, third])), &keep());
    let (present, _) = put(&there, &items(json!([first, third])), &keep());
    let options = MergeOptions {
        base: base(&gone),
        ..keep()
    };
    let body = json!({ "id": "i2", "note": "abXc", "tags": ["y", "z", "w"] });
    let (after, _) = put(&present, &items(json!([first, body, third])), &options);
    let value = after.presented();
    assert_eq!(value["items"][1]["note"], "abXc");
    assert_eq!(value["items"][1]["tags"], json!(["y", "z", "w"]));
}

#[test]
fn an_old_list_that_only_repeats_its_base_undoes_no_deletion() {
    let (gone, before) = without_an_item();
    let alice = editor("alice");
    let actor = server_actor(gone.id(), gone.epoch(), "alice");
    for absent in [Absent::Stays, Absent::Removed] {
        let options = MergeOptions {
            base: Some(before.clone()),
            absent,
            ..MergeOptions::default()
        };
        let merged = merge(&gone, &alice, &actor, &before.value, &options).unwrap();
        assert!(merged.changes.is_empty());
        assert_eq!(merged.preserved, []);

        // What differs from the base is an edit of it, and stands.
        let mut body = before.value.clone();
        body["items"][1]["note"] = json!("edited");
        body["labels"]["x"]["text"] = json!("edited");
        let (after, _) = put(&gone, &body, &options);
        assert_eq!(after.presented()["items"], body["items"]);
        assert_eq!(after.presented()["labels"], body["labels"]);
    }
}

#[test]
fn writing_a_deleted_item_back_is_refused_to_those_who_may_not_undelete() {
    let (chief, alice) = (Principal::new("boss", ["editor", "chief"]), editor("alice"));
    let nothing = json!({ "guarded": [] });
    let gone = next(write(&thing(), &chief, &nothing, &keep(), Origin::Server).unwrap());
    let actor = server_actor(gone.id(), gone.epoch(), "alice");
    let body = json!({ "guarded": [{ "id": "g1" }] });
    for options in [keep(), MergeOptions::default()] {
        let error = merge(&gone, &alice, &actor, &body, &options).unwrap_err();
        let MergeError::Refused(violations) = error else {
            panic!("{error}")
        };
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].rule.code(), "delete");
        assert_eq!(violations[0].pointer.to_string(), "/guarded/g1");
        assert_eq!(violations[0].attempted, Some(json!({ "id": "g1" })));
    }
    let preserve = MergeOptions {
        preserve: vec!["/guarded/g1".parse().unwrap()],
        ..keep()
    };
    let merged = merge(&gone, &alice, &actor, &body, &preserve).unwrap();
    assert!(merged.changes.is_empty());
}

#[test]
fn protected_fields_stay_or_refuse() {
    let entity = thing();
    let alice = editor("alice");
    let actor = server_actor(entity.id(), entity.epoch(), "alice");
    let body = json!({ "title": "T", "code": "x", "rating": 5, "views": 1, "createdAt": "y",
        "secret": "s", "guarded": [] });
    let merged = merge(&entity, &alice, &actor, &body, &keep()).unwrap();
    let mut kept: Vec<String> = merged.preserved.iter().map(ToString::to_string).collect();
    kept.sort();
    assert_eq!(
        kept,
        [
            "/code",
            "/createdAt",
            "/guarded/g1",
            "/rating",
            "/secret",
            "/views"
        ]
    );
    let [change] = merged.changes.try_into().unwrap();
    let after = next(judge(&entity, &alice, vec![change], Origin::Server));
    assert_eq!(after.presented()["title"], "T");
    assert_eq!(after.presented()["code"], "c-1");
    let error = merge(&entity, &alice, &actor, &body, &MergeOptions::default()).unwrap_err();
    let MergeError::Refused(violations) = error else {
        panic!("{error}")
    };
    assert_eq!(violations.len(), 6);
    let preserve = MergeOptions {
        preserve: vec!["/title".parse().unwrap()],
        ..keep()
    };
    let merged = merge(&entity, &alice, &actor, &json!({ "title": "T" }), &preserve).unwrap();
    assert!(merged.changes.is_empty());
}

#[test]
fn every_fault_of_a_body_is_named() {
    let entity = thing();
    let alice = editor("alice");
    let actor = server_actor(entity.id(), entity.epoch(), "alice");
    let body = json!({ "title": 5, "nope": 1, "place": "here", "tags": ["ok", 7], "level": -3 });
    let error = merge(&entity, &alice, &actor, &body, &keep()).unwrap_err();
    let MergeError::Refused(violations) = error else {
        panic!("{error}")
    };
    let mut rules: Vec<String> = violations
        .iter()
        .map(|v| format!("{} {}", v.rule, v.pointer))
        .collect();
    rules.sort();
    assert_eq!(
        rules,
        [
            "minimum /level",
            "type /place",
            "type /tags/1",
            "type /title",
            "unknown-field /nope"
        ]
    );
}

/// What others wrote since the base stays; what the body left as it was in the base stays too.
#[test]
fn a_base_keeps_what_others_wrote_since() {
    let old = thing();
    let mut bob = Client::on(&old, "bob", 1);
    let (body, items, tags) = (
        bob.object(&["body"]),
        bob.object(&["items"]),
        bob.object(&["tags"]),
    );
    let i2 = bob.object(&["items", "i2"]);
    let change = bob.change(|tx| {
        tx.splice_text(&body, 0, 0, "Oh, ").unwrap();
        tx.put(ROOT, "title", "Bob's title").unwrap();
        tx.put(&i2, "name", "bob's second").unwrap();
        tx.insert(&tags, 0, "bob").unwrap();
        let item = tx
            .put_object(&items, "bobs", automerge::ObjType::Map)
            .unwrap();
        tx.put(&item, "$position", "zzz").unwrap();
        tx.put(&item, "name", "bob's").unwrap();
        tx.put_object(&item, "note", automerge::ObjType::Text)
            .unwrap();
        tx.put_object(&item, "tags", automerge::ObjType::List)
            .unwrap();
    });
    let now = next(judge(&old, &bob.principal, vec![change], Origin::Client));
    let mut body = old.presented();
    body["body"] = json!("hello brave world");
    body["tags"] = json!(["a", "b", "c"]);
    body["number"] = json!(2);
    body["items"] = json!([{ "id": "i3", "name": "third" }, { "id": "i1", "name": "uno" }]);
    let options = MergeOptions {
        base: base(&old),
        ..keep()
    };
    let (after, _) = put(&now, &body, &options);
    let value = after.presented();
    assert_eq!(value["body"], "Oh, hello brave world");
    assert_eq!(value["title"], "Bob's title");
    assert_eq!(value["tags"], json!(["bob", "a", "b", "c"]));
    assert_eq!(value["number"], 2);
    let names: Vec<&str> = value["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["third", "uno", "bob's"]);
    // Without a base the body is compared with the present: bob's item is not in it.
    let (blunt, _) = put(&now, &body, &keep());
    assert_eq!(blunt.presented()["title"], "One");
    assert_eq!(blunt.presented()["items"].as_array().unwrap().len(), 2);
}

/// What a body adds is in no base: its texts and lists are written as they are.
#[test]
fn what_is_made_beside_a_base_gets_its_texts() {
    let before = thing();
    let options = MergeOptions {
        base: base(&before),
        ..keep()
    };
    let (now, _) = put(&before, &json!({ "title": "Theirs" }), &keep());
    let mut items = before.presented()["items"].clone();
    let new = json!({ "name": "new", "note": "a 🦀 text", "tags": ["x", "y"] });
    items.as_array_mut().unwrap().push(new);
    let body = json!({ "items": items, "labels": { "fresh": { "text": "t" } } });
    let (after, _) = put(&now, &body, &options);
    let value = after.presented();
    assert_eq!(value["title"], "Theirs");
    let last = value["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["note"], &last["tags"]),
        (&json!("a 🦀 text"), &json!(["x", "y"]))
    );
}

#[test]
fn text_positions_survive_surrogates_and_deletions() {
    let entity = thing();
    let (entity, _) = put(&entity, &json!({ "body": "a𝄞b𝄞c" }), &keep());
    let mut bob = Client::on(&entity, "bob", 1);
    let text = bob.object(&["body"]);
    // Bob deletes the first clef and writes at the front.
    let change = bob.change(|tx| {
        tx.splice_text(&text, 1, 2, "").unwrap();
        tx.splice_text(&text, 0, 0, "𝄢").unwrap();
    });
    let now = next(judge(&entity, &bob.principal, vec![change], Origin::Client));
    let options = MergeOptions {
        base: base(&entity),
        ..keep()
    };
    let (after, _) = put(&now, &json!({ "body": "a𝄞bX𝄞" }), &options);
    assert_eq!(after.presented()["body"], "𝄢abX𝄞");
}

#[test]
fn a_draft_of_the_whole_value_removes_what_it_lacks() {
    let entity = thing();
    let options = MergeOptions {
        absent: Absent::Removed,
        base: base(&entity),
        ..keep()
    };
    let mut body = entity.presented();
    let map = body.as_object_mut().unwrap();
    map.remove("number");
    map.remove("place");
    map.remove("items");
    map.remove("body");
    let (after, mut pointers) = put(&entity, &body, &options);
    pointers.sort();
    // `place` had one field; the object itself stays, empty, and is left out.
    assert_eq!(
        pointers,
        [
            "/body",
            "/items/i1",
            "/items/i2",
            "/items/i3",
            "/number",
            "/place/city"
        ]
    );
    assert_eq!(after.presented().get("place"), None);
}

#[test]
fn a_draft_that_lacks_a_stamp_is_refused() {
    let entity = thing();
    let mut body = entity.presented();
    body.as_object_mut().unwrap().remove("createdAt");
    let options = MergeOptions {
        absent: Absent::Removed,
        ..MergeOptions::default()
    };
    let actor = server_actor(entity.id(), entity.epoch(), "alice");
    let error = merge(&entity, &editor("alice"), &actor, &body, &options).unwrap_err();
    let MergeError::Refused(violations) = error else {
        panic!("{error}")
    };
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].pointer.to_string(), "/createdAt");
    assert_eq!(violations[0].rule.code(), "stamp");
}

#[test]
fn crowded_positions_are_spread() {
    let mut entity = thing();
    for round in 0..40 {
        let value = entity.presented();
        let items = value["items"].as_array().unwrap();
        let mut ids: Vec<Value> = items.iter().map(|i| json!({ "id": i["id"] })).collect();
        let last = ids.pop().unwrap();
        ids.insert(1, last);
        let expect: Vec<Value> = ids.iter().map(|i| i["id"].clone()).collect();
        entity = put(&entity, &json!({ "items": ids }), &keep()).0;
        let found: Vec<Value> = entity.presented()["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["id"].clone())
            .collect();
        assert_eq!(found, expect, "round {round}");
    }
}

#[test]
fn a_text_obeys_its_bounds_without_the_full_validator() {
    let entity = thing();
    let refused = refusals(&entity, &json!({ "body": "x".repeat(101) }));
    assert_eq!(
        refused[0].to_string(),
        "body must have at most 100 characters"
    );
}

/// Two add the same to a counter, and each has seen neither's.
#[test]
fn a_counter_counts_on_from_the_base_also_where_others_brought_it_as_far() {
    let entity = thing();
    let options = MergeOptions {
        base: base(&entity),
        ..MergeOptions::default()
    };
    let (once, _) = put(&entity, &json!({ "hits": 2 }), &options);
    let (twice, changed) = put(&once, &json!({ "hits": 2 }), &options);
    assert_eq!(
        (changed, &twice.presented()["hits"]),
        (vec!["/hits".to_owned()], &json!(4))
    );
    // What was in the base is not an edit, and without a base the value is the one that is asked for.
    let (same, changed) = put(&twice, &json!({ "hits": 0, "title": "T" }), &options);
    assert_eq!(
        (changed, &same.presented()["hits"]),
        (vec!["/title".to_owned()], &json!(4))
    );
    let (set, changed) = put(
        &twice,
        &json!({ "hits": 4, "title": "U" }),
        &MergeOptions::default(),
    );
    assert_eq!(
        (changed, &set.presented()["hits"]),
        (vec!["/title".to_owned()], &json!(4))
    );
}
