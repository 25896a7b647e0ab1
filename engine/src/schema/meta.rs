//! The schema of schema files, for editors: which keywords and words there are, the form of each,
//! and what it means.
//!
//! It is made from the tables by which files are checked, so the two cannot differ. Every file that
//! loads is valid by it; of mistakes it finds those of form that a single place shows.

use serde_json::{Map, Value, json};

use super::extension::{self, FIELD_WORDS, Merge, Narrowed, ROLE_BYTES_MAX, ROOT_WORDS};
use super::vocabulary::{COMPANIONS, EXTENSION, Form, KEYWORDS, META_FILE};
use crate::policy::{Format, StampKind, Types};

/// What each word on the root means.
const ROOT_TEXTS: [(&str, &str); 9] = [
    ("kind", "The kind's name. Only one file may use it."),
    (
        "singleton",
        "true: there is exactly one entity, which the server makes.",
    ),
    ("read", "Roles that see present values. public is everyone."),
    ("create", "Roles that make new entities."),
    ("edit", "Roles that change entities; implies read."),
    ("delete", "Roles that delete and undelete entities."),
    (
        "history",
        "Roles that see past values and who changed what.",
    ),
    (
        "restore",
        "Roles that bring past values back; implies edit and history.",
    ),
    (
        "system",
        "Roles of services that write the fields with \"write\": \"system\", and without edit \
         nothing else. Not public.",
    ),
];

/// What each word on a field means.
const FIELD_TEXTS: [(&str, &str); 11] = [
    (
        "write",
        "\"edit\": those who may edit the kind. \"create\": only in the change that makes the object. \
         \"system\": only the server and its services. Roles: those who may edit and have one of them.",
    ),
    (
        "narrowed",
        "What becomes of the values here and below when a change of the schema lets fewer write \
         them: keep (default), or drop, so that each place begins with its default or empty.",
    ),
    (
        "read",
        "Roles: those who may read the kind and have one of them.",
    ),
    (
        "merge",
        "What becomes of edits made at the same time: register (the last write wins), counter, text \
         (by characters), list, keyed (by items), atomic (replaced as one).",
    ),
    (
        "key",
        "On a list of objects: the property that presents an item's id.",
    ),
    ("stamp", "Derived from the ledger, never written."),
    (
        "tally",
        "true: a number that lives beside the entity because it changes too often.",
    ),
    (
        "delete",
        "Roles that may delete such an object even if they may not write all of it.",
    ),
    (
        "unique",
        "true: only one entity of the kind has a value at a time.",
    ),
    ("index", "true: entities can be filtered and sorted by it."),
    ("was", "The former name of a property that is renamed."),
];

/// A JSON Schema (2020-12) of schema files.
///
/// ```
/// let meta = indelible_engine::schema::meta();
/// assert_eq!(meta["properties"]["x-indelible"]["$ref"], "#/$defs/kind");
/// ```
#[must_use]
pub fn meta() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:indelible:schema",
        "title": "A kind of entities, for Indelible",
        "type": "object",
        "required": [EXTENSION],
        "properties": keywords(true),
        "dependentSchemas": companions(),
        "$defs": {
            "schema": {
                "type": ["object", "boolean"],
                "properties": keywords(false),
                "dependentSchemas": companions(),
            },
            "schemas": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/schema" } },
            "names": { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
            "types": { "enum": type_names() },
            "roles": {
                "type": "array",
                "uniqueItems": true,
                "items": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": ROLE_BYTES_MAX,
                    "pattern": "^[^\\s\\x00-\\x1f\\x7f-\\x9f]+$",
                    "not": { "const": "system" },
                },
            },
            "kind": {
                "type": "object",
                "required": ["kind"],
                "properties": words(&ROOT_WORDS, &ROOT_TEXTS, root_word),
                "additionalProperties": false,
                "if": { "properties": { "singleton": { "const": true } }, "required": ["singleton"] },
                "then": { "properties": { "create": false, "delete": false } },
            },
            "field": {
                "type": "object",
                "properties": words(&FIELD_WORDS, &FIELD_TEXTS, field_word),
                "additionalProperties": false,
            },
        },
    })
}

/// The forms of all keywords, on the root or below it; our words have no effect beside `x-indelible`.
fn keywords(root: bool) -> Map<String, Value> {
    let known = KEYWORDS
        .iter()
        .map(|(keyword, form, _)| ((*keyword).to_owned(), self::form(*form, root)));
    let words = ROOT_WORDS.iter().chain(&FIELD_WORDS);
    let misplaced = words.filter(|word| extension::is_word(word)).map(|word| {
        let reason = format!("Has no effect here; write it inside \"{EXTENSION}\".");
        ((*word).to_owned(), refused(&reason))
    });
    known.chain(misplaced).collect()
}

/// What must be beside the keywords that do nothing alone.
fn companions() -> Map<String, Value> {
    let needed = COMPANIONS.iter().map(|(keyword, companions)| {
        let one = companions.iter().map(|name| json!({ "required": [name] }));
        (
            (*keyword).to_owned(),
            json!({ "anyOf": one.collect::<Vec<_>>() }),
        )
    });
    needed.collect()
}

fn form(form: Form, root: bool) -> Value {
    match form {
        Form::Anything => json!(true),
        Form::Text => json!({ "type": "string" }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Count => json!({ "type": "integer", "minimum": 0 }),
        Form::Number => json!({ "type": "number" }),
        Form::Positive => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Form::Values => json!({ "type": "array", "minItems": 1 }),
        Form::Examples => json!({ "type": "array" }),
        Form::Names => json!({ "$ref": "#/$defs/names" }),
        Form::NamesByName => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/names" } })
        }
        Form::Schema => json!({ "$ref": "#/$defs/schema" }),
        Form::Schemas => json!({ "$ref": "#/$defs/schemas" }),
        Form::SchemasByName => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/schema" } })
        }
        Form::TypeNames => json!({ "anyOf": [
            { "$ref": "#/$defs/types" },
            { "type": "array", "items": { "$ref": "#/$defs/types" }, "minItems": 1,
              "uniqueItems": true },
        ] }),
        Form::Pattern => json!({ "type": "string", "format": "regex" }),
        Form::Format => json!({ "enum": Format::ALL.map(|(name, _)| name) }),
        Form::Reference => json!({ "type": "string", "pattern": "^#/\\$defs/[^%]+$" }),
        Form::Dialect if root => json!({ "anyOf": [
            { "const": "https://json-schema.org/draft/2020-12/schema" },
            { "const": "https://json-schema.org/draft/2020-12/schema#" },
            { "type": "string", "pattern": format!("^(.*/)?{}$", META_FILE.replace('.', "\\.")) },
        ] }),
        Form::RootText if root => json!({ "type": "string" }),
        Form::Dialect | Form::RootText => refused("Stands on the root only."),
        Form::Extension if root => json!({ "$ref": "#/$defs/kind" }),
        Form::Extension => json!({ "$ref": "#/$defs/field" }),
        Form::Refused(reason) => refused(&format!("Cannot be used: {reason}.")),
    }
}

/// Nothing may be here, for this reason.
fn refused(reason: &str) -> Value {
    json!({ "not": {}, "description": reason })
}

fn type_names() -> Vec<&'static str> {
    Types::NAMES.iter().map(|(_, name, _)| *name).collect()
}

fn words(known: &[&str], texts: &[(&str, &str)], form: fn(&str) -> Value) -> Map<String, Value> {
    let described = known.iter().map(|word| {
        let mut form = form(word);
        let text = texts.iter().find(|(told, _)| told == word);
        form["description"] = text.map_or("", |(_, text)| text).into();
        ((*word).to_owned(), form)
    });
    described.collect()
}

fn root_word(word: &str) -> Value {
    match word {
        "kind" => json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$" }),
        "singleton" => json!({ "type": "boolean" }),
        "system" => json!({
            "$ref": "#/$defs/roles", "not": { "contains": { "const": "public" } }
        }),
        _ => json!({ "$ref": "#/$defs/roles" }),
    }
}

fn field_word(word: &str) -> Value {
    match word {
        "write" => json!({ "anyOf": [
            { "enum": ["edit", "create", "system"] },
            { "$ref": "#/$defs/roles", "minItems": 1 },
        ] }),
        "read" | "delete" => json!({ "$ref": "#/$defs/roles" }),
        "merge" => json!({ "enum": Merge::WORDS.map(|(word, _)| word) }),
        "narrowed" => json!({ "enum": Narrowed::WORDS.map(|(word, _)| word) }),
        "stamp" => json!({ "enum": StampKind::ALL.map(|(word, _)| word) }),
        "key" | "was" => json!({ "type": "string", "minLength": 1, "pattern": "^[^$]" }),
        _ => json!({ "type": "boolean" }),
    }
}
