//! Entity names, the genesis of an entity, and how values lie in its document.

use std::sync::Arc;

use automerge::{
    Automerge, Change, LoadOptions, ObjType, ReadDoc, ScalarValue, TextEncoding, Value as Stored,
};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, Seq};
use indelible_engine::ledger::{EntryKind, Logged};
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::{Policy, Rules};
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use serde_json::{Value, json};

use super::{bytes, golden, list};

const NAMES: [&str; 12] = [
    "settings",
    "team/jane-doe",
    "a-1/0",
    "services/A.b_c~d-e",
    "",
    "Team",
    "team/",
    "team/a/b",
    "team/-a",
    "team/ä",
    "1a",
    "team/a b",
];

fn schema() -> Value {
    json!({
        "type": "object",
        "x-indelible": { "kind": "thing", "create": ["editor"], "edit": ["editor"] },
        "properties": {
            "title": { "type": "string", "default": "Untitled" },
            "price": { "type": "number" },
            "hits": { "type": "integer", "x-indelible": { "merge": "counter" } },
            "size": {
                "type": "object",
                "properties": { "w": { "type": "integer" }, "h": { "type": "integer" } },
                "x-indelible": { "merge": "atomic" }
            },
            "body": { "type": "string", "x-indelible": { "merge": "text" } },
            "tags": { "type": "array", "items": { "type": "string" } },
            "place": { "type": "object", "properties": { "city": { "type": "string" } } },
            "rates": { "type": "object", "additionalProperties": { "type": "number" } },
            "items": { "type": "array", "items": {
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "note": { "type": "string", "x-indelible": { "merge": "text" } }
                }
            } }
        }
    })
}

fn value() -> Value {
    json!({
        "title": "A thing", "price": 1.5, "hits": 3, "size": { "w": 2, "h": 1 },
        "body": "𝄞 text", "tags": ["a", "b"], "place": { "city": "Bern" },
        "rates": { "net": 2 },
        "items": [{ "id": "second", "name": "2" }, { "id": "first", "name": "1", "note": "n" }]
    })
}

fn policy(schema: &Value) -> Arc<Policy> {
    Arc::new(
        schema::compile_under(Rules::V1, "thing.json", &schema.to_string())
            .expect("the schema of the vectors is good"),
    )
}

fn scalar(value: &Stored<'_>) -> Value {
    let scalar = value.as_scalar().expect("it is no object");
    match scalar {
        ScalarValue::Str(text) => json!({ "str": text.as_str() }),
        ScalarValue::Int(n) => json!({ "int": n }),
        ScalarValue::F64(x) => json!({ "f64": x }),
        ScalarValue::Counter(counter) => json!({ "counter": i64::from(counter) }),
        other => panic!("no value of the vector is stored as {other:?}"),
    }
}

/// What Automerge itself sees at the keys of one map: how values lie, not how they are presented.
fn stored(doc: &Automerge, object: &automerge::ObjId) -> Value {
    let items = doc.map_range(object, ..).map(|item| {
        let name = item.key.to_string();
        let found = doc.get(object, name.as_str());
        let (value, id) = found
            .expect("the object is there")
            .expect("the key is there");
        let value = match &value {
            Stored::Object(ObjType::Map) => json!({ "map": stored(doc, &id) }),
            Stored::Object(ObjType::Text) => json!({ "text": doc.text(&id).expect("a text") }),
            Stored::Object(_) => {
                let elements = (0..doc.length(&id)).map(|index| {
                    let found = doc.get(&id, index).expect("the list is there");
                    scalar(&found.expect("the element is there").0)
                });
                json!({ "list": elements.collect::<Vec<_>>() })
            }
            value => scalar(value),
        };
        (name, value)
    });
    Value::Object(items.collect())
}

#[test]
fn entities() {
    let names: Vec<Value> = NAMES
        .into_iter()
        .map(|text| json!({ "text": text, "valid": text.parse::<EntityId>().is_ok() }))
        .collect();
    let policy_made = policy(&schema());
    let id: EntityId = "thing/one".parse().expect("a good name");
    let genesis = Entity::genesis(&id, Epoch::FIRST, &policy_made);
    let author = Principal::new("alice", ["editor"]);
    let actor = server_actor(&id, Epoch::FIRST, "alice");
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let merged = merge(&genesis, &author, &actor, &value(), &options).expect("a good value");
    let [change] = merged.changes.try_into().expect("it is one change");
    let mut created = genesis.clone();
    let entry = Logged {
        kind: EntryKind::Changes,
        place: LogPlace::new(Epoch::FIRST, Seq(1)),
        policy_hash: policy_made.hash(),
        hash: Hash::ZERO,
        at: Timestamp(0),
        author: "alice",
        claimed: None,
        changes: std::slice::from_ref(&change),
    };
    created.apply_log([entry]).expect("the change follows");
    let utf16 = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
    let doc = Automerge::load_with_options(&created.document(), utf16).expect("it was saved");
    let genesis_change = doc.get_changes(&[]).first().expect("a genesis").clone();
    let made = json!({
        "names": names,
        "schema": schema(),
        "policy": policy_made.hash().to_string(),
        "entity": id.to_string(),
        "epoch": 1,
        "genesis": hex::encode(genesis_change.raw_bytes()),
        "genesis_hash": genesis.heads()[0].to_string(),
        "author": "alice",
        "value": value(),
        "creation": hex::encode(&change),
        "creation_hash": created.heads()[0].to_string(),
        "stored": stored(&doc, &automerge::ROOT),
        "presented": created.presented(),
    });

    let file = golden("entities.json", &made);
    for vector in list(&file["names"]) {
        let text = vector["text"].as_str().expect("a name");
        assert_eq!(vector["valid"], json!(text.parse::<EntityId>().is_ok()));
    }
    let genesis = Change::try_from(&bytes(&file, "genesis")[..]).expect("a change");
    assert_eq!(file["genesis_hash"], json!(genesis.hash().to_string()));
    let again = Entity::genesis(&id, Epoch::FIRST, &policy(&file["schema"]));
    assert_eq!(file["genesis_hash"], json!(again.heads()[0].to_string()));
}
