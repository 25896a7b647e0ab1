//! Guards against what is not there any more being told as if it never was, and against what lies
//! in a value being told as if it had a past of its own.

use std::path::Path;

use serde_json::{Value, json};

use super::fixture::{Filling, alice, bob, compiled};
use super::{data, done, failed};

fn schema() -> Value {
    json!({
        "type": "object",
        "x-indelible": { "kind": "recipe", "create": ["editor"], "edit": ["editor"],
                         "delete": ["editor"], "history": ["editor"] },
        "properties": {
            "serves": { "type": "integer" },
            "num": { "type": "integer" },
            "gone": { "type": "string" },
            "tags": { "type": "array", "items": { "type": "string" } },
            "method": { "type": "string", "x-indelible": { "merge": "text" } },
            "photo": { "type": "object", "x-indelible": { "merge": "atomic" } },
            "nutrition": { "type": "object", "properties": { "kcal": { "type": "integer" } } },
            "amounts": { "type": "object", "additionalProperties": { "type": "integer" } },
            "addr": { "type": "object", "properties": { "town": { "type": "string" } } },
            "steps": { "type": "array", "x-indelible": { "key": "id" }, "items": {
                "type": "object", "required": ["id"], "properties": {
                    "id": { "type": "string" },
                    "what": { "type": "string" },
                    "tools": { "type": "array", "items": { "type": "string" } } } } }
        }
    })
}

/// The kind later: one number has another name, one field is gone, an object is one value.
fn later() -> Value {
    let mut schema = schema();
    let fields = schema["properties"].as_object_mut().unwrap();
    fields.remove("gone");
    fields.remove("num");
    fields.remove("addr");
    fields.insert(
        "amount".to_owned(),
        json!({ "type": "integer", "x-indelible": { "was": "num" } }),
    );
    fields.insert(
        "address".to_owned(),
        json!({ "type": "object", "x-indelible": { "was": "addr", "merge": "atomic" } }),
    );
    schema
}

/// A cake, which alice made whole; bob cleared most of it, and then the schema changed.
fn recipes(dir: &Path) {
    let mut filling = Filling::with(dir, compiled(&schema()));
    let body = json!({
        "serves": 4, "num": 1, "gone": "soon", "tags": ["x"], "photo": { "u": "p.png" },
        "nutrition": { "kcal": 100 }, "amounts": { "salt": 2 }, "addr": { "town": "X" },
        "method": "Stir.",
        "steps": [{ "id": "a", "what": "mix", "tools": ["bowl"] }, { "id": "b", "what": "bake" }]
    });
    let cake = filling.unborn("recipe/cake");
    let cake = filling.merge(cake, &alice(), body);
    let cleared = json!({
        "serves": null, "nutrition": { "kcal": null }, "amounts": { "salt": null },
        "steps": [{ "id": "a", "what": null }]
    });
    let cake = filling.merge(cake, &bob(), cleared);
    let cake = filling.follow(&cake, &compiled(&later()));
    filling.merge(
        cake,
        &bob(),
        json!({ "amount": 2, "address": { "town": "Y" } }),
    );
}

fn told(dir: &Path, words: &[&str]) -> String {
    done(dir, &[words, &["--data", "."]].concat())
}

#[test]
fn who_removed_what_is_not_there_is_told() {
    let dir = tempfile::tempdir().unwrap();
    recipes(dir.path());
    let cases = [
        ("/serves", "/serves"),
        ("/nutrition/kcal", "/nutrition/kcal"),
        ("/nutrition", "/nutrition/kcal"),
        ("/amounts/salt", "/amounts/salt"),
        ("/steps/b", "/steps/b"),
        ("/steps/b/what", "/steps/b"),
        ("/steps/a/what", "/steps/a/what"),
    ];
    for (field, removed) in cases {
        let expected = format!(
            "nobody has set that field since bob removed {removed} in 1:2 (2026-03-02 09:02:02)\n"
        );
        assert_eq!(told(dir.path(), &["blame", "recipe/cake", field]), expected);
        let then = told(dir.path(), &["blame", "recipe/cake", field, "--at", "1:2"]);
        let bounded = expected.replace("that field", "that field up to 1:2");
        assert_eq!(then, bounded);
        let line = told(dir.path(), &["blame", "recipe/cake", field, "--json"]);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["pointer"], field);
        assert_eq!(line["removed"]["pointer"], removed);
        assert_eq!(
            (&line["removed"]["by"], &line["removed"]["seq"]),
            (&json!("bob"), &json!(2))
        );
        let before = told(dir.path(), &["blame", "recipe/cake", field, "--at", "1"]);
        assert!(before.contains("alice"), "{before}");
    }
}

#[test]
fn where_a_field_went_is_told_also_when_it_was_written_since() {
    let dir = tempfile::tempdir().unwrap();
    recipes(dir.path());
    for (field, expected) in [
        (
            "/num",
            "nobody has set that field under this name; /amount was /num until 1:3\n",
        ),
        (
            "/addr",
            "nobody has set that field under this name; /address was /addr until 1:3\n",
        ),
        (
            "/addr/town",
            "/addr/town has been a part of /address, which is kept as one value, since 1:3 \
             (2026-03-02 09:03:03)\n",
        ),
        (
            "/gone",
            "the schema has had no /gone since 1:3 (2026-03-02 09:03:03)\n",
        ),
    ] {
        assert_eq!(told(dir.path(), &["blame", "recipe/cake", field]), expected);
    }
    let line = told(dir.path(), &["blame", "recipe/cake", "/num", "--json"]);
    assert!(
        line.contains(r#""renamed":{"#) && line.contains(r#""/amount""#),
        "{line}"
    );
}

#[test]
fn what_lies_in_one_value_is_refused_with_the_field_of_that() {
    let dir = tempfile::tempdir().unwrap();
    recipes(dir.path());
    let tags = [
        "/tags/0",
        "/tags/1",
        "/tags/x",
        "/tags/-1",
        "/tags/99999999999999999999",
    ];
    let tags = tags.map(|field| (field, "/tags", "is a list of single values"));
    let others = [
        (
            "/steps/a/tools/0",
            "/steps/a/tools",
            "is a list of single values",
        ),
        ("/photo/u", "/photo", "is kept as one value"),
        ("/method/3", "/method", "is one text"),
    ];
    for (field, whole, why) in tags.into_iter().chain(others) {
        let expected = format!(
            "indelible: {field} is not a field of its own: {whole} {why}; ask for {whole}\n"
        );
        for command in [
            &["blame", "recipe/cake", field][..],
            &["history", "recipe/cake", "--field", field],
        ] {
            let reason = failed(dir.path(), &[command, &["--data", "."]].concat());
            assert_eq!(reason, expected, "{command:?}");
        }
    }
}

#[test]
fn the_nearest_name_is_given_whole() {
    let dir = tempfile::tempdir().unwrap();
    recipes(dir.path());
    for (field, near) in [
        ("/steps/a/waht", "/steps/a/what"),
        ("/stesp/a/waht", "/steps/a/what"),
        ("/steps/A/what", "/steps/a/what"),
        ("/nutrition/kacl", "/nutrition/kcal"),
        ("/amounts/slat", "/amounts/salt"),
    ] {
        let words = ["history", "recipe/cake", "--field", field, "--data", "."];
        let expected = format!("indelible: there never was a field {field}; there is {near}\n");
        assert_eq!(failed(dir.path(), &words), expected);
    }
    // What never was in an item is not known because the item was made whole.
    let words = ["blame", "recipe/cake", "/amounts/pepper", "--data", "."];
    assert!(failed(dir.path(), &words).contains("there never was a field /amounts/pepper"));
}

#[test]
fn that_an_entity_is_deleted_is_told_beside_its_fields() {
    let dir = data();
    let blame = told(dir.path(), &["blame", "team/joe"]);
    let expected = "team/joe is deleted: alice deleted it in 1:2 (2026-03-02 09:05:05)\nFIELD ";
    assert!(blame.starts_with(expected), "{blame}");
    let line = told(dir.path(), &["blame", "team/joe", "/name", "--json"]);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["deleted"]["by"], &line["value"]),
        (&json!("alice"), &json!("Joe"))
    );
    assert!(!told(dir.path(), &["blame", "team/joe", "--at", "1"]).contains("deleted"));

    let diff = |from: &str, to: &str, more: &[&str]| {
        told(
            dir.path(),
            &[&["diff", "team/joe", from, to], more].concat(),
        )
    };
    let words = diff("1", "now", &[]);
    assert!(words.ends_with("\n\nteam/joe was deleted\n"), "{words}");
    let words = diff("now", "1", &[]);
    assert!(
        words.ends_with("\n\nteam/joe was brought back\n"),
        "{words}"
    );
    let patch = |from: &str, to: &str| -> Value {
        serde_json::from_str(&diff(from, to, &["--json"])).unwrap()
    };
    let whole = json!([{ "op": "replace", "path": "", "value": null }]);
    assert_eq!(patch("1", "now"), whole);
    let back = patch("now", "1");
    assert_eq!(
        (&back[0]["path"], &back[0]["value"]["name"]),
        (&json!(""), &json!("Joe"))
    );
    assert_eq!(patch("now", "now"), json!([]));
}
