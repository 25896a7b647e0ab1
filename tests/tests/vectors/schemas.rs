//! Schema texts: the policy each one is, by hash, and the genesis that follows from it; or where
//! its mistakes are.

use std::sync::Arc;

use automerge::AutoCommit;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch};
use indelible_engine::policy::Rules;
use indelible_engine::schema;
use serde_json::{Value, json};

use super::{bytes, golden, list};

/// Name, entity, epoch, text.
const GOOD: [(&str, &str, u64, &str); 5] = [
    ("nothing that has to be made", "note/a", 1, NOTHING),
    ("defaults of every sort", "thing/one", 1, DEFAULTS),
    ("containers in containers", "page/home", 1, CONTAINERS),
    ("a singleton in a later epoch", "settings", 7, SINGLETON),
    ("a text far from canonical", "odd/x", 1, ODD),
];

const NOTHING: &str = r#"{
  "type": "object",
  "x-indelible": { "kind": "note", "create": ["editor"], "edit": ["editor"] },
  "properties": { "text": { "type": "string" } }
}"#;

const DEFAULTS: &str = r#"{
  "type": "object",
  "x-indelible": { "kind": "thing", "create": ["editor"], "edit": ["editor"] },
  "properties": {
    "title": { "type": "string", "default": "Untitled Ünit" },
    "price": { "type": "number", "default": 1.5 },
    "stock": { "type": "integer", "default": 12 },
    "shown": { "type": "boolean", "default": false },
    "owner": { "type": ["string", "null"], "default": null },
    "hits": { "type": "integer", "default": 5, "x-indelible": { "merge": "counter" } },
    "views": { "type": "integer", "x-indelible": { "tally": true } },
    "size": { "type": "object", "default": { "w": 2, "h": 1.0 },
              "x-indelible": { "merge": "atomic" } },
    "body": { "type": "string", "default": "𝄞 first", "x-indelible": { "merge": "text" } },
    "tags": { "type": "array", "items": { "type": "string" }, "default": ["a", "b"] },
    "updatedAt": { "type": "string", "x-indelible": { "stamp": "updated-at" } }
  }
}"#;

const CONTAINERS: &str = r##"{
  "type": "object",
  "x-indelible": { "kind": "page", "create": ["editor"], "edit": ["editor"] },
  "$defs": { "place": { "type": "object", "properties": {
    "city": { "type": "string", "default": "Bern" },
    "roads": { "type": "array", "items": { "type": "string" } }
  } } },
  "properties": {
    "sections": { "type": "array", "items": { "type": "object", "properties": {
      "label": { "type": "string", "default": "New" },
      "text": { "type": "string", "x-indelible": { "merge": "text" } }
    } } },
    "rates": { "type": "object", "additionalProperties": { "type": "number" } },
    "place": { "$ref": "#/$defs/place" },
    "intro": { "type": "object", "properties": {
      "deep": { "type": "object", "properties": {
        "text": { "type": "string", "x-indelible": { "merge": "text" } }
      } }
    } }
  }
}"##;

const SINGLETON: &str = r#"{
  "type": "object",
  "x-indelible": { "kind": "settings", "singleton": true, "edit": ["admin"] },
  "properties": { "open": { "type": "boolean", "default": true } }
}"#;

const ODD: &str = "{ \"x-indelible\":{\"edit\":[\"b\",\"a\"] ,\"kind\" : \"odd\", \
    \"create\":[ ]},\t\"type\":\"object\", \"title\": \"\\u00e9\\u20ac\\/ \\ud834\\udd1e\", \
    \"properties\":{ \"n\":{\"maximum\":1e2,\"minimum\":-0.0,\"type\":\"number\",\
    \"multipleOf\":0.5,\"default\":10.50} } }";

const MISTAKEN: [(&str, &str); 11] = [
    ("no JSON", "{"),
    ("no object", "[]"),
    (
        "no kind",
        r#"{ "type": "object", "x-indelible": { "edit": ["a"] } }"#,
    ),
    (
        "a word that nobody knows",
        r#"{ "type": "object", "x-indelible": { "kind": "a", "editt": ["a"] } }"#,
    ),
    (
        "a type that nobody knows",
        r#"{ "type": "object", "x-indelible": { "kind": "a" },
             "properties": { "x": { "type": "strin" } } }"#,
    ),
    (
        "a keyword that nobody knows",
        r#"{ "type": "object", "x-indelible": { "kind": "a" },
             "properties": { "x": { "type": "string", "maxLenght": 5 } } }"#,
    ),
    (
        "a text of numbers",
        r#"{ "type": "object", "x-indelible": { "kind": "a" },
             "properties": { "x": { "type": "integer", "x-indelible": { "merge": "text" } } } }"#,
    ),
    (
        "a container that may be none",
        r#"{ "type": "object", "x-indelible": { "kind": "a" },
             "properties": { "x": { "type": ["object", "null"], "properties": {} } } }"#,
    ),
    (
        "a name that is reserved",
        r#"{ "type": "object", "x-indelible": { "kind": "a" },
             "properties": { "$x": { "type": "string" } } }"#,
    ),
    (
        "a default that is not allowed",
        r#"{ "type": "object", "x-indelible": { "kind": "a" },
             "properties": { "x": { "type": "string", "maxLength": 2, "default": "abc" } } }"#,
    ),
    (
        "two mistakes, one of them deep",
        r#"{ "type": "object", "x-indelible": { "kind": "A", "edit": ["a"] },
             "properties": { "a/b": { "type": "array", "items": { "type": "object",
               "properties": { "y": { "type": "string", "pattern": "(?=x)" } } } } } }"#,
    ),
];

/// What messages call the files.
const FILE: &str = "vector.json";

fn good((name, entity, epoch, text): &(&str, &str, u64, &str)) -> Value {
    let policy = schema::compile_under(Rules::V1, FILE, text);
    let policy = policy.unwrap_or_else(|found| panic!("{name}: {found:?}"));
    let policy = Arc::new(policy);
    let id: EntityId = entity.parse().expect("a good name");
    let genesis = Entity::genesis(&id, Epoch(*epoch), &policy);
    let mut doc = AutoCommit::load(&genesis.document()).expect("it was saved");
    let changes = doc.get_changes(&[]);
    assert_eq!(changes.len(), 1, "{name}");
    json!({
        "name": name,
        "text": text,
        "policy": policy.hash(),
        "entity": id,
        "epoch": epoch,
        "genesis": hex::encode(changes[0].raw_bytes()),
        "genesis_hash": genesis.heads()[0],
        "value": genesis.presented(),
    })
}

/// What is kept of the same schema under each version of the rules.
fn records((name, _, _, text): &(&str, &str, u64, &str)) -> Value {
    let record = |rules| {
        let policy = schema::compile_under(rules, FILE, text);
        let policy = policy.unwrap_or_else(|found| panic!("{name}: {found:?}"));
        json!({ "rules": rules.number(), "record": policy.record(), "policy": policy.hash() })
    };
    Rules::ALL.map(record).into_iter().collect()
}

fn places(name: &str, text: &str) -> Vec<String> {
    let found = schema::compile(FILE, text);
    let mistakes = found.expect_err(name).into_iter();
    mistakes.map(|error| error.pointer.to_string()).collect()
}

#[test]
fn schemas() {
    let made = json!({
        "good": GOOD.iter().map(good).collect::<Vec<_>>(),
        "records": GOOD.iter().map(records).collect::<Vec<_>>(),
        "mistaken": MISTAKEN.iter().map(|(name, text)| json!({
            "name": name, "text": text, "places": places(name, text),
        })).collect::<Vec<_>>(),
    });
    let file = golden("schemas.json", &made);
    for vector in list(&file["good"]) {
        let text = vector["text"].as_str().expect("a text");
        let policy = schema::compile_under(Rules::V1, FILE, text);
        let policy = policy.expect("a schema of the vectors");
        assert_eq!(json!(policy.hash()), vector["policy"], "{vector}");
        let change = automerge::Change::from_bytes(bytes(vector, "genesis")).expect("a change");
        assert_eq!(json!(hex::encode(change.hash().0)), vector["genesis_hash"]);
    }
    for vector in list(&file["records"]).iter().flat_map(list) {
        let record = vector["record"].as_str().expect("a text");
        let policy = schema::compile_record(FILE, record).expect("a record of the vectors");
        assert_eq!(json!(policy.hash()), vector["policy"]);
        assert_eq!(json!(policy.rules().number()), vector["rules"]);
        assert_eq!(policy.record(), record);
    }
}
