//! Guards against values that an editor wrote and that pass for the system's after a change of the
//! schema: the schema can have them dropped, and a comparison of schemas shows them.

use indelible_engine::ledger::EntryKind;
use indelible_engine::migration::{Hindsight, migrate, narrowed};
use serde_json::{Value, json};

use crate::fixture::{NOW, editor};
use crate::migration::{Kept, kind};

/// A field before and after, without the word that drops, and what is dropped of it.
struct Case {
    old: Value,
    new: Value,
    value: Value,
    /// What the entity shows afterwards where values stay, and where they are dropped.
    kept: Value,
    dropped: Value,
    /// The places that are named.
    places: &'static [&'static str],
}

fn written_by(rule: &Value, mut field: Value) -> Value {
    field["x-indelible"]["write"] = rule.clone();
    field
}

fn text() -> Value {
    json!({ "type": "string", "x-indelible": { "merge": "text" } })
}

fn steps(rule: &Value) -> Value {
    let code = match rule {
        Value::Null => json!({ "type": "string" }),
        rule => written_by(rule, json!({ "type": "string", "default": "none" })),
    };
    json!({ "type": "array", "items": { "type": "object", "properties": {
        "name": { "type": "string" }, "code": code } } })
}

fn cases() -> Vec<Case> {
    let system = json!("system");
    let open = json!({ "type": "object", "additionalProperties": { "type": "boolean" } });
    let rows = json!({ "type": "object", "additionalProperties": { "type": "object",
        "properties": { "n": { "type": "integer" } } } });
    let parts = |rule: Option<&Value>| {
        let mut good = json!({ "type": "boolean" });
        if let Some(rule) = rule {
            good = written_by(rule, good);
        }
        json!({ "type": "object", "x-indelible": { "was": "f" }, "properties": {
            "good": good, "free": { "type": "string" } } })
    };
    let case = |old: Value, new: Value, value: Value, kept: Value, dropped: Value, places| Case {
        old: json!({ "f": old }),
        new: json!({ "f": new }),
        value: json!({ "f": value }),
        kept: json!({ "f": kept }),
        dropped: json!({ "f": dropped }),
        places,
    };
    let mut cases = vec![
        case(
            open.clone(),
            json!({ "type": "object", "additionalProperties": { "type": "boolean" },
                    "properties": { "checked": written_by(&system, json!({ "type": "boolean" })) } }),
            json!({ "checked": true, "mine": true }),
            json!({ "checked": true, "mine": true }),
            json!({ "mine": true }),
            &["/f/checked"],
        ),
        case(
            json!({ "type": "string" }),
            written_by(&system, json!({ "type": "string", "default": "open" })),
            json!("paid"),
            json!("paid"),
            json!("open"),
            &["/f"],
        ),
        case(
            json!({ "type": "string", "x-indelible": { "write": ["editor", "admin"] } }),
            written_by(&json!(["admin"]), json!({ "type": "string" })),
            json!("paid"),
            json!("paid"),
            Value::Null,
            &["/f"],
        ),
        case(
            text(),
            written_by(&json!("create"), text()),
            json!("Once 🦀"),
            json!("Once 🦀"),
            Value::Null,
            &["/f"],
        ),
        case(
            json!({ "type": "array", "items": { "type": "string" } }),
            written_by(
                &json!(["admin"]),
                json!({ "type": "array", "items": { "type": "string" }, "default": ["new"] }),
            ),
            json!(["a", "b"]),
            json!(["a", "b"]),
            json!(["new"]),
            &["/f"],
        ),
        case(
            json!({ "type": "integer", "x-indelible": { "merge": "counter" } }),
            json!({ "type": "integer", "x-indelible": { "merge": "counter", "write": "system" } }),
            json!(7),
            json!(7),
            json!(0),
            &["/f"],
        ),
        case(
            json!({ "x-indelible": { "merge": "atomic" }, "type": ["object", "array"] }),
            json!({ "x-indelible": { "merge": "atomic", "write": "system" },
                    "type": ["object", "array"] }),
            json!({ "a": [1] }),
            json!({ "a": [1] }),
            Value::Null,
            &["/f"],
        ),
        case(
            steps(&Value::Null),
            steps(&system),
            json!([{ "id": "a", "name": "A", "code": "x" }, { "id": "b", "name": "B" }]),
            json!([{ "id": "a", "name": "A", "code": "x" }, { "id": "b", "name": "B" }]),
            json!([{ "id": "a", "name": "A", "code": "none" },
                   { "id": "b", "name": "B", "code": "none" }]),
            &["/f/a/code"],
        ),
        case(
            steps(&Value::Null),
            written_by(&system, steps(&Value::Null)),
            json!([{ "id": "a", "name": "A" }]),
            json!([{ "id": "a", "name": "A" }]),
            Value::Null,
            &["/f/a/name"],
        ),
        case(
            rows.clone(),
            written_by(&system, rows),
            json!({ "k": { "n": 1 } }),
            json!({ "k": { "n": 1 } }),
            Value::Null,
            &["/f/k/n"],
        ),
        case(
            open.clone(),
            written_by(&system, open),
            json!({ "k": true }),
            json!({ "k": true }),
            Value::Null,
            &["/f/k"],
        ),
    ];
    cases.push(Case {
        old: json!({ "f": { "type": "string" } }),
        new: json!({ "g": { "type": "string", "x-indelible": { "was": "f", "write": "system" } } }),
        value: json!({ "f": "paid" }),
        kept: json!({ "g": "paid" }),
        dropped: json!({}),
        places: &["/f"],
    });
    cases.push(Case {
        old: json!({ "f": { "type": "object", "x-indelible": { "merge": "atomic" } } }),
        new: json!({ "g": parts(Some(&system)) }),
        value: json!({ "f": { "good": true, "free": "x" } }),
        kept: json!({ "g": { "good": true, "free": "x" } }),
        dropped: json!({ "g": { "free": "x" } }),
        places: &["/f"],
    });
    cases
}

/// The same schema with `"narrowed": "drop"` beside each `write`.
fn dropping(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut() {
        for (_, inner) in object.iter_mut() {
            *inner = dropping(inner);
        }
        if object.contains_key("write") {
            object.insert("narrowed".to_owned(), json!("drop"));
        }
    }
    schema
}

fn without_nothing(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    value
}

#[test]
fn values_that_fewer_may_write_stay_or_are_dropped_as_the_schema_says() {
    for case in cases() {
        let (old, keeping) = (kind(&case.old), kind(&case.new));
        let dropping = kind(&dropping(&case.new));
        for (new, expected) in [(&keeping, &case.kept), (&dropping, &case.dropped)] {
            let mut kept = Kept::new(&old, &case.value);
            let told = narrowed(&kept.entity, new);
            let places: Vec<String> = told.iter().map(|one| one.pointer.to_string()).collect();
            let dropped: Vec<bool> = told.iter().map(|one| one.dropped).collect();
            if new.hash() == keeping.hash() {
                assert_eq!(places, case.places, "{}", case.new);
                assert!(!dropped.contains(&true), "{}", case.new);
            } else {
                assert!(
                    !places.is_empty() && !dropped.contains(&false),
                    "{}",
                    case.new
                );
            }
            kept.migrate(new);
            assert_eq!(
                kept.entity.presented(),
                without_nothing(expected),
                "{}",
                case.new
            );
            kept.check_replay(&[&old, new]);
        }
    }
}

#[test]
fn the_word_means_nothing_where_nothing_becomes_narrower() {
    let fields = |title: &str| {
        json!({ "title": { "type": "string", "title": title, "x-indelible": {
            "write": ["editor"], "narrowed": "drop" } } })
    };
    let mut kept = Kept::new(&kind(&fields("A")), &json!({ "title": "x" }));
    let again = kind(&fields("B"));
    assert_eq!(narrowed(&kept.entity, &again), []);
    kept.migrate(&again);
    assert_eq!(kept.entity.presented(), json!({ "title": "x" }));
    let wider = kind(&json!({ "title": { "type": "string", "x-indelible": {
        "write": ["editor", "admin"], "narrowed": "drop" } } }));
    assert_eq!(narrowed(&kept.entity, &wider), []);
    kept.migrate(&wider);
    assert_eq!(kept.entity.presented(), json!({ "title": "x" }));
}

#[test]
fn past_edits_of_what_is_dropped_are_judged_all_the_same() {
    let field = |write: Value| {
        json!({ "paid": { "type": "boolean",
            "x-indelible": { "write": write, "narrowed": "drop" } } })
    };
    let (old, new) = (kind(&field(json!("edit"))), kind(&field(json!("system"))));
    let mut hindsight = None;
    let mut kept = Kept::new(&old, &json!({}));
    for value in [true, false] {
        let hindsight =
            hindsight.get_or_insert_with(|| Hindsight::new(&kept.entity, &new).unwrap());
        kept.put(&json!({ "paid": value }));
        let alice = editor("alice");
        let found = hindsight.judge(&kept.entity, EntryKind::Changes, &alice);
        let found = found.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].pointer.to_string(), "/paid");
        assert_eq!(found[0].rule.code(), "system");
    }
}

#[test]
fn the_word_holds_for_what_lies_below_until_that_says_otherwise() {
    let old = kind(&json!({ "meta": { "type": "object", "properties": {
        "a": { "type": "string" }, "b": { "type": "string" }, "c": { "type": "string" } } } }));
    let new = kind(&json!({ "meta": { "type": "object",
        "x-indelible": { "write": ["admin"], "narrowed": "drop" }, "properties": {
            "a": { "type": "string" },
            "b": { "type": "string", "x-indelible": { "narrowed": "keep" } },
            "c": { "type": "string", "x-indelible": { "write": "system" } } } } }));
    let mut kept = Kept::new(&old, &json!({ "meta": { "a": "1", "b": "2", "c": "3" } }));
    let told = narrowed(&kept.entity, &new);
    let told: Vec<_> = told
        .iter()
        .map(|one| (one.pointer.to_string(), one.dropped))
        .collect();
    let expected = [("/meta/a", true), ("/meta/b", false), ("/meta/c", true)];
    assert_eq!(told, expected.map(|(at, dropped)| (at.to_owned(), dropped)));
    kept.migrate(&new);
    assert_eq!(kept.entity.presented(), json!({ "meta": { "b": "2" } }));
}

#[test]
fn what_an_open_map_holds_under_a_declared_name_is_no_obstacle_where_it_is_dropped() {
    let old = kind(&json!({ "labels": { "type": "object",
        "additionalProperties": { "type": "string" } } }));
    let field = |word: &str| {
        json!({ "labels": { "type": "object", "additionalProperties": { "type": "string" },
            "properties": { "notes": { "type": "array", "items": { "type": "string" },
                "x-indelible": { "write": "system", "narrowed": word } } } } })
    };
    let mut kept = Kept::new(&old, &json!({ "labels": { "notes": "mine" } }));
    let error = migrate(&kept.entity, &kind(&field("keep")), NOW).unwrap_err();
    assert!(error.to_string().contains("/labels/notes"), "{error}");
    kept.migrate(&kind(&field("drop")));
    assert_eq!(kept.entity.presented(), json!({}));
}

#[test]
fn what_is_deleted_or_null_or_empty_is_named_and_dropped_like_the_rest() {
    let system = json!("system");
    let rows = |row: Value| json!({ "type": "object", "additionalProperties": row });
    let row = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let note = json!({ "type": ["string", "null"] });
    let fields = |rule: &Value| match rule {
        Value::Null => json!({ "steps": steps(rule), "rows": rows(row.clone()), "note": note,
                               "mark": { "type": "string" } }),
        rule => json!({ "steps": steps(rule), "rows": rows(written_by(rule, row.clone())),
                        "note": written_by(rule, note.clone()),
                        "mark": written_by(rule, json!({ "type": "string" })) }),
    };
    let (old, new) = (
        kind(&fields(&Value::Null)),
        kind(&dropping(&fields(&system))),
    );
    let mut kept = Kept::new(
        &old,
        &json!({ "steps": [{ "id": "a", "name": "A", "code": "x" }, { "id": "b", "name": "B" }],
                 "rows": { "k": { "n": 1 } }, "note": null, "mark": "" }),
    );
    kept.put(&json!({ "steps": [{ "id": "b" }], "rows": { "k": null } }));
    let told = narrowed(&kept.entity, &new);
    let told: Vec<_> = told
        .iter()
        .map(|one| (one.pointer.to_string(), one.deleted))
        .collect();
    let expected = [
        ("/mark", false),
        ("/note", false),
        ("/rows/k", true),
        ("/steps/a/code", true),
    ];
    assert_eq!(told, expected.map(|(at, deleted)| (at.to_owned(), deleted)));

    kept.migrate(&new);
    assert_eq!(kept.entity.presented().get("note"), None);
    assert_eq!(kept.entity.presented().get("mark"), None);
    // What comes back has lost it, too, once somebody may bring it back.
    let again = kind(&fields(&json!("edit")));
    kept.migrate(&again);
    kept.put(&json!({ "steps": [{ "id": "a" }, { "id": "b" }] }));
    let back = json!([{ "id": "a", "name": "A", "code": "none" },
                      { "id": "b", "name": "B", "code": "none" }]);
    assert_eq!(kept.entity.presented()["steps"], back);
    kept.check_replay(&[&old, &new, &again]);
}
