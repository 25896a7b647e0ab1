//! Guards against schemas that are taken although something in them binds nothing, and against
//! mistakes whose message does not help.

mod codes;
mod companions;
#[cfg(feature = "whole-entity")]
mod idle;
#[cfg(feature = "whole-entity")]
mod ids;
#[cfg(feature = "whole-entity")]
mod meta;
#[cfg(feature = "whole-entity")]
mod names;
mod places;
mod rules;
mod satisfiable;
#[cfg(feature = "whole-entity")]
mod sentences;
#[cfg(feature = "whole-entity")]
mod unmet;
#[cfg(feature = "whole-entity")]
mod walk;

use serde_json::{Value, json};

use crate::schema;

/// The mistakes in a file, one a line.
fn mistakes(text: &str) -> String {
    match schema::compile("k.json", text) {
        Ok(_) => String::new(),
        Err(errors) => {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
    }
}

/// Each expected line is the beginning of a mistake's message after the name of the file; all
/// mistakes must be expected.
fn check(schema: &Value, expected: &[&str]) {
    let found = mistakes(&schema.to_string());
    let found: Vec<_> = found.lines().collect();
    let matches = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| found.starts_with(&format!("k.json at {expected}")));
    assert!(
        matches,
        "\nfound:\n  {}\nexpected:\n  {}\n",
        found.join("\n  "),
        expected.join("\n  ")
    );
}

/// A kind with these properties.
fn kind(properties: Value) -> Value {
    json!({
        "type": "object",
        "x-indelible": { "kind": "k" },
        "properties": properties,
    })
}

/// A kind with the property `x`.
fn field(x: Value) -> Value {
    kind(json!({ "x": x }))
}

fn keyed(items: Value) -> Value {
    field(json!({ "type": "array", "items": items }))
}

#[test]
fn the_file_is_json() {
    assert_eq!(
        mistakes("{\n  \"type\": object\n}"),
        "k.json: this is not the JSON we expect: a value has to be here, at line 2 column 11"
    );
    assert_eq!(
        mistakes("{\"type\": \"object\",\n \"type\": \"array\"}"),
        "k.json: this is not the JSON we expect: \"type\" appears twice here at line 2 column 7"
    );
    assert_eq!(mistakes("[]"), "k.json: a schema must be a JSON object");
    assert_eq!(mistakes("true"), "k.json: a schema must be a JSON object");
    assert!(mistakes(&"[".repeat(100_000)).contains("deeper than 127 lists and objects"));
}

#[test]
fn the_root_names_the_kind() {
    assert_eq!(
        mistakes(r#"{"type": "object"}"#),
        "k.json: the root must say which kind this is: \"x-indelible\": {\"kind\": …}"
    );
    let root = |words: Value| json!({ "type": "object", "x-indelible": words });
    check(&root(json!({ "kind": "k" })), &[]);
    check(
        &root(json!({})),
        &["/x-indelible: must say which kind this is"],
    );
    check(&root(json!("k")), &["/x-indelible: must be an object"]);
    check(
        &root(json!({
            "kind": "Team", "singleton": 1, "read": "public", "edit": ["a", "a"], "create": [1],
            "delete": ["system"], "write": "system", "histroy": [], "x": 1, "restore": ["a b"],
        })),
        &[
            "/x-indelible/create: a role must be a string",
            "/x-indelible/delete: system is not a role",
            "/x-indelible/edit: names \"a\" twice",
            "/x-indelible/histroy: unknown word \"histroy\"; is it \"history\"?",
            "/x-indelible/kind: kind \"Team\" must be 1 to 32 characters",
            "/x-indelible/read: must be a list of roles, such as [\"public\"]",
            "/x-indelible/restore: \"a b\" cannot be a role",
            "/x-indelible/singleton: must be true or false",
            "/x-indelible/write: \"write\" belongs on a field, not the root",
            "/x-indelible/x: unknown word \"x\"; known here: kind, singleton, read",
        ],
    );
    check(
        &root(json!({ "kind": "k", "singleton": true, "create": ["a"], "delete": [] })),
        &[
            "/x-indelible/create: the entity of a singleton always exists",
            "/x-indelible/delete: the entity of a singleton always exists",
        ],
    );
    assert!(mistakes(r#"{"x-indelible": {"kind": "k"}}"#).contains("an entity is an object"));
}

#[test]
fn keywords_are_spelt_right_and_have_the_right_form() {
    check(
        &field(json!({
            "type": "string", "minlength": 1, "patern": "x", "nullable": true, "widget": "area",
            "x-form": 1, "x-indelable": {}, "format": "phone", "maxLength": -1, "title": 3,
        })),
        &[
            "/properties/x/format: must be one of date, date-time, email, hostname, ipv4",
            "/properties/x/maxLength: must be a whole number, 0 or more",
            "/properties/x/minlength: unknown keyword \"minlength\"; is it \"minLength\"?",
            "/properties/x/nullable: nullable cannot be used: write \"type\": [\"string\", \"null\"]",
            "/properties/x/patern: unknown keyword \"patern\"; is it \"pattern\"?",
            "/properties/x/title: must be a string",
            "/properties/x/x-indelable: unknown keyword \"x-indelable\"; is it \"x-indelible\"?",
        ],
    );
    check(
        &field(json!({ "type": ["string", "text"] })),
        &[
            "/properties/x: say which type of value is here",
            "/properties/x/type: must be one of string, number",
        ],
    );
    check(
        &field(json!({ "type": "integer", "minimum": 5, "maximum": 1, "minLength": 1 })),
        &[
            "/properties/x/minLength: minLength says nothing about an integer",
            "/properties/x/minimum: is above maximum, so nothing fits",
        ],
    );
    check(
        &json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "x-indelible": { "kind": "k" },
            "definitions": {},
            "required": "a",
        }),
        &[
            "/$schema: must be https://json-schema.org/draft/2020-12/schema",
            "/definitions: definitions cannot be used: write $defs",
            "/required: must be a list of different names",
        ],
    );
}

#[test]
fn patterns_run_in_linear_time() {
    for good in [
        r"^[a-z]+\.(png|jpe?g)$",
        r"^\d{4}-\d{2}$",
        r"^(?<year>\d+)\/\w$",
    ] {
        check(&field(json!({ "type": "string", "pattern": good })), &[]);
    }
    for bad in [
        r"(?=a)b",
        r"(?<!a)b",
        r"(a)\1",
        r"\p{L}",
        "(",
        "[a",
        "a{1000}{1000}",
    ] {
        check(
            &field(json!({ "type": "string", "pattern": bad })),
            &["/properties/x/pattern: this regular expression cannot be used"],
        );
    }
}

#[test]
fn references_lead_into_definitions_and_end() {
    let with = |defs: Value, x: Value| {
        let mut schema = field(x);
        schema["$defs"] = defs;
        schema
    };
    let address =
        json!({ "a": { "type": "object", "properties": { "street": { "type": "string" } } } });
    check(
        &with(address, json!({ "$ref": "#/$defs/a", "title": "Address" })),
        &[],
    );
    check(
        &with(json!({}), json!({ "$ref": "#/$defs/a" })),
        &[
            "/properties/x: say which type of value is here",
            "/properties/x/$ref: there is no #/$defs/a in this file",
        ],
    );
    for other in ["#", "other.json#/$defs/a", "#/properties/y"] {
        check(
            &with(json!({}), json!({ "$ref": other, "type": "string" })),
            &["/properties/x/$ref: must refer to a definition in this file"],
        );
    }
    let tree = json!({ "t": { "type": "object", "properties": {
        "inner": { "$ref": "#/$defs/t" } } } });
    check(
        &with(tree, json!({ "$ref": "#/$defs/t" })),
        &[
            "/$defs/t/properties/inner: say which type",
            "/$defs/t/properties/inner/$ref: #/$defs/t leads back to itself",
        ],
    );
    let list = json!({ "t": { "anyOf": [ { "$ref": "#/$defs/t" } ] } });
    check(
        &with(list, json!({ "type": "string", "$ref": "#/$defs/t" })),
        &["/$defs/t/anyOf/0/$ref: #/$defs/t leads back to itself"],
    );
    // A mistake in a definition is reported once, even when it is used twice or not at all.
    let mut schema = kind(json!({ "x": { "$ref": "#/$defs/a" }, "y": { "$ref": "#/$defs/a" } }));
    schema["$defs"] = json!({
        "a": { "type": "string", "x-indelible": { "unique": true }, "default": "" },
        "b": { "x-indelible": { "wriet": "edit" } },
    });
    check(
        &schema,
        &[
            "/$defs/a/x-indelible/unique: a value that every entity has from the beginning",
            "/$defs/b/x-indelible/wriet: unknown word \"wriet\"; is it \"write\"?",
        ],
    );
    // Definitions that multiply do not take for ever.
    let mut multiplying = json!({ "n0": { "type": "string" } });
    for n in 1..40 {
        let below = json!({ "$ref": format!("#/$defs/n{}", n - 1) });
        multiplying[format!("n{n}")] =
            json!({ "type": "object", "properties": { "a": below, "b": below } });
    }
    assert!(
        mistakes(&with(multiplying, json!({ "$ref": "#/$defs/n39" })).to_string())
            .contains("the schema is too large")
    );
    let mut choices = json!({ "n0": { "maxLength": 1 } });
    for n in 1..40 {
        let below = json!({ "$ref": format!("#/$defs/n{}", n - 1) });
        choices[format!("n{n}")] = json!({ "anyOf": [below, below] });
    }
    let choices = with(
        choices,
        json!({ "type": "string", "not": { "$ref": "#/$defs/n39" } }),
    );
    assert!(mistakes(&choices.to_string()).contains("at most 10000 constraints"));
    let mut doubling = json!({ "n0": { "type": "string" } });
    for n in 1..40 {
        let below = json!({ "$ref": format!("#/$defs/n{}", n - 1) });
        doubling[format!("n{n}")] = json!({ "allOf": [below, below] });
    }
    assert!(
        mistakes(&with(doubling, json!({ "$ref": "#/$defs/n39" })).to_string())
            .contains("too many schemas apply to one place")
    );
}

#[test]
fn nesting_is_bounded() {
    let mut schema = json!({ "type": "string" });
    for _ in 0..32 {
        schema = json!({ "type": "object", "properties": { "a": schema } });
    }
    schema["x-indelible"] = json!({ "kind": "k" });
    assert_eq!(mistakes(&schema.to_string()), "");
    let mut deeper = json!({ "type": "object", "properties": { "a": schema } });
    deeper["properties"]["a"]["x-indelible"] = json!({});
    deeper["x-indelible"] = json!({ "kind": "k" });
    assert!(mistakes(&deeper.to_string()).contains("the schema is too large"));
}

/// Every value in a schema file, replaced by something else, is taken or refused with a reason.
#[test]
fn no_schema_breaks_the_compiler() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/data/museum/room.json"
    );
    let original: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut places = Vec::new();
    collect_places(&original, String::new(), &mut places);
    let range = json!({ "$ref": "#/$defs/range" });
    let replacements = [
        json!(null),
        json!(true),
        json!(-1.5),
        json!("object"),
        json!([{}]),
        range,
    ];
    let (mut taken, mut refused) = (0, 0);
    for place in &places {
        for replacement in &replacements {
            let mut schema = original.clone();
            *schema.pointer_mut(place).unwrap() = replacement.clone();
            let mistakes = mistakes(&schema.to_string());
            match mistakes.is_empty() {
                true => taken += 1,
                false => refused += 1,
            }
            let vague = mistakes.lines().find(|line| !line.starts_with("k.json"));
            assert_eq!(vague, None, "{place} replaced by {replacement}");
        }
    }
    assert!(
        taken > 10 && refused > 1000,
        "{taken} taken, {refused} refused"
    );
}

fn collect_places(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect_places(value, format!("{at}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect_places(value, format!("{at}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}
