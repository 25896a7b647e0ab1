//! Guards against items and entries that cannot be brought back once a new epoch has begun, or come
//! back without what they held.

use std::collections::BTreeMap;

use indelible_engine::admission::Origin;
use indelible_engine::history::{Deletions, InMemory};
use indelible_engine::ledger::EntryKind;
use indelible_engine::pointer::Pointer;
use serde_json::{Value, json};

use super::log::{Log, chief};
use crate::fixture::{compiled, policy};

fn named_in(log: &Log, deletions: &mut Deletions, body: &Value) -> BTreeMap<Pointer, Value> {
    let asked = (&mut InMemory(&log.records), &log.policies as &_);
    deletions.named_in(body, log.now(), asked).unwrap()
}

/// The kind with other names for its list, its map, and what is in them.
fn renamed() -> Value {
    let mut schema = policy().schema().clone();
    let fields = schema["properties"].as_object_mut().unwrap();
    for (was, name, inner) in [
        ("items", "things", "/items"),
        ("labels", "marks", "/additionalProperties"),
    ] {
        let mut field = fields.remove(was).unwrap();
        field["x-indelible"] = json!({ "was": was });
        let inside = field.pointer_mut(inner).unwrap();
        let inside = inside["properties"].as_object_mut().unwrap();
        let (was, now) = match inside.remove("name") {
            Some(field) => ("name", field),
            None => ("text", inside.remove("text").unwrap()),
        };
        inside.insert("word".to_owned(), now);
        inside["word"]["x-indelible"] = json!({ "was": was });
        fields.insert(name.to_owned(), field);
    }
    schema
}

#[test]
fn what_was_deleted_before_an_epoch_is_known_with_what_it_held_last() {
    let renamed = compiled(&renamed());
    let mut log = Log::under(&[policy(), renamed.clone()]);
    let full = json!({ "title": "One", "items": [{ "id": "i1", "name": "first" }, { "id": "i2" }],
                       "labels": { "x": { "text": "ex" } } });
    log.put(&chief(), &full, Origin::Creation);
    let mut later = full.clone();
    later["items"][0]["name"] = json!("later");
    let few = json!({ "title": "One", "items": [{ "id": "i2" }] });
    for body in [&few, &full, &later, &few] {
        log.put(&chief(), body, Origin::Server);
    }
    let mut deletions = Deletions::default();
    // The document of this epoch holds them.
    assert_eq!(named_in(&log, &mut deletions, &full), BTreeMap::new());
    log.renew(EntryKind::Epoch);
    let at = |place: &str| place.parse::<Pointer>().unwrap();
    let named = named_in(&log, &mut deletions, &full);
    let expected = [
        (at("/items/i1"), json!({ "id": "i1", "name": "later" })),
        (at("/labels/x"), json!({ "text": "ex" })),
    ];
    assert_eq!(named, BTreeMap::from(expected));
    // Nothing is said of what is there, or never was.
    let body = json!({ "items": [{ "id": "i2" }, { "id": "i3" }, {}], "labels": { "y": {} } });
    assert_eq!(named_in(&log, &mut deletions, &body), BTreeMap::new());
    let mut know = |log: &Log, place: &str| {
        let asked = (&mut InMemory(&log.records), &log.policies as &_);
        deletions.know(&at(place), log.now(), asked).unwrap()
    };
    assert!(know(&log, "/items/i1/name") && know(&log, "/labels/x"));
    assert!(!know(&log, "/items/i3") && !know(&log, "/items"));

    // Under the names of the present schema, and through further epochs.
    log.follow(&renamed);
    log.renew(EntryKind::Epoch);
    assert!(know(&log, "/things/i1") && !know(&log, "/items/i1"));
    let body = json!({ "things": [{ "id": "i1" }], "marks": { "x": {} } });
    let expected = [
        (at("/marks/x"), json!({ "word": "ex" })),
        (at("/things/i1"), json!({ "id": "i1", "word": "later" })),
    ];
    assert_eq!(
        named_in(&log, &mut deletions, &body),
        BTreeMap::from(expected)
    );
}
