//! Guards against editors that mark what loads, and against editors that know less of the
//! forms of keywords than loading does.

use std::path::Path;

use serde_json::{Value, json};

use super::super::extension::{FIELD_WORDS, ROOT_WORDS};
use super::super::meta::meta;
use super::super::vocabulary::{EXTENSION, KEYWORDS};
use crate::schema::{self, Mistake};

fn errors(schema: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&meta()).unwrap();
    let errors = validator.iter_errors(schema);
    errors
        .map(|error| error.instance_path().to_string())
        .collect()
}

fn compiled(schema: &Value) -> Vec<Mistake> {
    let errors = schema::compile("k.json", &schema.to_string())
        .err()
        .unwrap_or_default();
    errors.iter().map(|error| error.mistake).collect()
}

/// Every JSON text with our keyword in the files of this repository that loads.
fn schemas_of(folder: &Path, found: &mut Vec<Value>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            schemas_of(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            collect(&value, found);
        }
    }
}

/// Schemas stand in files by themselves, or in vectors as texts.
fn collect(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) if members.contains_key(EXTENSION) => found.push(value.clone()),
        Value::Object(members) => members.values().for_each(|value| collect(value, found)),
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        Value::String(text) if text.contains(EXTENSION) => {
            let inner: Value = serde_json::from_str(text).unwrap_or_default();
            collect(&inner, found);
        }
        _ => {}
    }
}

#[test]
fn whatever_loads_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for folder in ["server/demo", "tests/data"] {
        schemas_of(&root.join(folder), &mut found);
    }
    found.retain(|schema| compiled(schema).is_empty());
    assert!(found.len() >= 12, "{}", found.len());
    for schema in found {
        assert_eq!(errors(&schema), [""; 0], "{schema}");
    }
}

/// A kind whose root or only field says one more thing.
fn saying(on_root: bool, keyword: &str, value: &Value, words: bool) -> Value {
    let mut schema = json!({
        "type": "object", "x-indelible": { "kind": "k" },
        "properties": { "x": { "type": "string", "x-indelible": {} } },
    });
    let place = match on_root {
        true => &mut schema,
        false => &mut schema["properties"]["x"],
    };
    match words {
        true => place[EXTENSION][keyword] = value.clone(),
        false => place[keyword] = value.clone(),
    }
    schema
}

/// One of each form that is wrong for some keyword.
fn samples() -> [Value; 18] {
    [
        json!("../indelible.schema.json"),
        json!("https://example.org/indelible-schema.json"),
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(2.0),
        json!(1.5),
        json!("x"),
        json!("edit"),
        json!("#/$defs/none%"),
        json!([]),
        json!([1]),
        json!(["a", "a"]),
        json!(["public"]),
        json!(["system"]),
        json!({}),
        json!({ "x": 1 }),
    ]
}

/// Mistakes of form: those that one value shows, without what is around it.
fn is_of_form(mistake: Mistake) -> bool {
    matches!(
        mistake,
        Mistake::Value | Mistake::UnknownWord | Mistake::Unsupported
    )
}

#[test]
fn every_form_is_judged_as_loading_judges_it() {
    let keywords = KEYWORDS.iter().map(|(keyword, ..)| (*keyword, false));
    let words = ROOT_WORDS
        .iter()
        .chain(&FIELD_WORDS)
        .map(|word| (*word, true));
    let all: Vec<_> = keywords.chain(words).chain([("pubilc", true)]).collect();
    for (keyword, words) in all {
        for (sample, on_root) in samples().iter().flat_map(|s| [(s, true), (s, false)]) {
            if !words && keyword == EXTENSION && on_root {
                continue;
            }
            let schema = saying(on_root, keyword, sample, words);
            let mistakes = compiled(&schema);
            let told = format!("{keyword}: {sample}, {on_root}, {words}: {mistakes:?}");
            let errors = errors(&schema);
            if mistakes.is_empty() {
                assert_eq!(errors, [""; 0], "{told}");
            }
            if mistakes.iter().any(|mistake| is_of_form(*mistake)) {
                assert_ne!(errors, [""; 0], "{told}");
            }
        }
    }
}

#[test]
fn every_word_is_described() {
    for definition in ["kind", "field"] {
        let meta = meta();
        let words = meta["$defs"][definition]["properties"].as_object().unwrap();
        for (word, form) in words {
            assert_ne!(form["description"], "", "{word}");
        }
    }
}
