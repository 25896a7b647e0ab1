//! Guards against credits that a change of the schema takes from those who wrote: a value that only
//! got another name, or another form, is credited to its author, under its name at the time.

use std::collections::BTreeMap;
use std::sync::Arc;

use indelible_engine::admission::Origin;
use indelible_engine::history::{Blame, Blamed};
use indelible_engine::id::LogPlace;
use indelible_engine::ledger::EntryKind;
use indelible_engine::policy::{Policy, PolicySource};
use indelible_engine::schema;
use serde_json::{Map, Value, json};

use super::log::{Dice, Log, chief, run_all};
use crate::fixture::editor;

fn kind(properties: &Value) -> Arc<Policy> {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "thing", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "history": ["editor"] },
        "properties": properties
    });
    match schema::compile("thing.json", &schema.to_string()) {
        Ok(policy) => Arc::new(policy),
        Err(mistakes) => panic!("{mistakes:?}"),
    }
}

/// The names of each field under one schema after the other.
const NAMES: [[&str; 3]; 12] = [
    ["title", "heading", "name"],
    ["body", "content", "content"],
    ["hits", "hits", "count"],
    ["words", "tags", "tags"],
    ["place", "address", "seat"],
    ["street", "street", "road"],
    ["items", "entries", "entries"],
    ["label", "label", "caption"],
    ["note", "remark", "remark"],
    ["marks", "marks", "signs"],
    ["shape", "form", "form"],
    ["labels", "labels", "badges"],
];

fn name(field: &str, stage: usize) -> &str {
    let names = NAMES.iter().find(|names| names[0] == field);
    names.map_or(field, |names| names[stage])
}

/// The schema of a stage, in which every place says what it was in the one before.
fn stage(stage: usize) -> Arc<Policy> {
    let text = json!({ "type": "string", "x-indelible": { "merge": "text" } });
    let first = json!({
        "title": { "type": "string" },
        "body": text,
        "hits": { "type": "integer", "x-indelible": { "merge": "counter" } },
        "words": { "type": "array", "items": { "type": "string" } },
        "place": { "type": "object", "properties": {
            "street": { "type": "string" }, "city": { "type": "string" } } },
        "items": { "type": "array", "items": { "type": "object", "properties": {
            "label": { "type": "string" }, "note": text,
            "marks": { "type": "array", "items": { "type": "string" } } } } },
        "shape": { "type": "object", "x-indelible": { "merge": "atomic" } },
        "labels": { "type": "object", "additionalProperties": {
            "type": "object", "properties": { "label": { "type": "string" } } } }
    });
    kind(&fields(&first, stage))
}

fn fields(properties: &Value, stage: usize) -> Value {
    let renamed = properties
        .as_object()
        .unwrap()
        .iter()
        .map(|(field, schema)| {
            let (is, mut schema) = (name(field, stage), schema.clone());
            let was = name(field, stage.saturating_sub(1));
            if is != was {
                schema["x-indelible"]["was"] = was.into();
            }
            for inner in [
                "/properties",
                "/items/properties",
                "/additionalProperties/properties",
            ] {
                if let Some(inner) = schema.pointer_mut(inner) {
                    *inner = fields(inner, stage);
                }
            }
            (is.to_owned(), schema)
        });
    Value::Object(renamed.collect())
}

/// A value of the first stage under the names of another.
fn named(value: &Value, stage: usize) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map
                .iter()
                .map(|(field, value)| (name(field, stage).to_owned(), named(value, stage)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(|item| named(item, stage)).collect(),
        other => other.clone(),
    }
}

fn pointer(at: &str, stage: usize) -> String {
    let tokens: Vec<&str> = at.split('/').map(|token| name(token, stage)).collect();
    tokens.join("/")
}

/// A random step from one value to the next.
fn altered(value: &Value, dice: &mut Dice) -> Value {
    let mut value = value.clone();
    let map = value.as_object_mut().unwrap();
    for _ in 0..=dice.below(3) {
        let word = ["a", "né", "🦀x", "longer word"][dice.below(4)];
        match dice.below(10) {
            0 => drop(map.insert("title".to_owned(), word.into())),
            1 | 2 => splice(map, "body", dice),
            3 => drop(map.insert("hits".to_owned(), dice.below(9).into())),
            4 => drop(map.insert("words".to_owned(), json!([word, "x"]))),
            5 => map["place"][["street", "city"][dice.below(2)]] = word.into(),
            6 => drop(map.insert("shape".to_owned(), json!({ "w": dice.below(9) }))),
            7 => map["labels"][["k1", "k2"][dice.below(2)]] = json!({ "label": word }),
            _ => item(map["items"].as_array_mut().unwrap(), word, dice),
        }
    }
    value
}

fn item(items: &mut Vec<Value>, word: &str, dice: &mut Dice) {
    if items.is_empty() {
        return;
    }
    let at = dice.below(items.len());
    match dice.below(6) {
        0 => drop(items.remove(at)),
        1 => items.reverse(),
        2 => items[at]["marks"] = json!([word]),
        3 | 4 => splice(items[at].as_object_mut().unwrap(), "note", dice),
        _ => items[at]["label"] = word.into(),
    }
}

fn splice(map: &mut Map<String, Value>, field: &str, dice: &mut Dice) {
    let text = map.get(field).and_then(Value::as_str).unwrap_or("");
    let mut text: Vec<char> = text.chars().collect();
    let at = dice.below(text.len() + 1);
    let end = (at + dice.below(3)).min(text.len());
    text.splice(at..end, ["ö", "xy", "🦀"][dice.below(3)].chars());
    map.insert(
        field.to_owned(),
        text.into_iter().collect::<String>().into(),
    );
}

/// A log without changes of the schema, the same with two, and how many entries each stage of that
/// one ends after.
fn twins(seed: u64) -> (Log, Log, [usize; 2]) {
    let mut dice = Dice(seed);
    let stages = [0, 1, 2].map(stage);
    let mut plain = Log::under(&stages[..1]);
    let mut turned = Log::under(&stages);
    let mut value = json!({
        "title": "One", "body": "hello", "hits": 1, "words": ["w"],
        "place": { "city": "Bern" }, "shape": { "w": 1 }, "labels": { "k1": { "label": "l" } },
        "items": [{ "id": "i1", "label": "a", "note": "n" }, { "id": "i2" }, { "id": "i3", "marks": ["m"] }]
    });
    let count = 2 + dice.below(12);
    let turns = [1 + dice.below(count), 1 + dice.below(count)];
    let turns = [turns[0].min(turns[1]), turns[0].max(turns[1])];
    let mut ends = [0; 2];
    for step in 0..count {
        for (index, turn) in turns.iter().enumerate() {
            if step == *turn {
                ends[index] = plain.records.len();
                turned.follow(&stages[index + 1]);
            }
        }
        let now = turns.iter().filter(|turn| **turn <= step).count();
        let author = [chief(), editor("alice"), editor("bob")][step % 3].clone();
        let origin = match step {
            0 => Origin::Creation,
            _ => Origin::Server,
        };
        plain.put(&author, &value, origin);
        turned.put(&author, &named(&value, now), origin);
        value = altered(&value, &mut dice);
    }
    for (index, turn) in turns.iter().enumerate().filter(|(_, turn)| **turn >= count) {
        assert_eq!(*turn, count);
        ends[index] = plain.records.len();
        turned.follow(&stages[index + 1]);
    }
    (plain, turned, ends)
}

fn blamed(log: &Log) -> Blame {
    let mut blame = Blame::new();
    for record in &log.records {
        let policy = log.policies.policy(record.header.policy_hash).unwrap();
        blame.take(record, &policy).unwrap();
    }
    blame
}

/// Who set a field and its runs, each as the number of the entry among those of people.
type Told = BTreeMap<String, (usize, Vec<(usize, usize)>)>;

fn told(log: &Log, fields: &[Blamed<'_>], stage: usize) -> Told {
    let people = log
        .records
        .iter()
        .filter(|record| record.kind != EntryKind::Policy);
    let places: Vec<LogPlace> = people
        .map(indelible_engine::history::Record::place)
        .collect();
    let number = |by: &indelible_engine::history::Credit| {
        let own = |place: &LogPlace| *place == by.place;
        places
            .iter()
            .position(own)
            .expect("nobody changed it but people")
    };
    let field = |field: &Blamed<'_>| {
        let runs = field.runs.iter().map(|run| (run.length, number(run.by)));
        let at = pointer(&field.pointer.to_string(), stage);
        (at, (number(field.by), runs.collect()))
    };
    fields.iter().map(field).collect()
}

/// With changes of the schema that only rename, everybody gets the credit that they have without,
/// and every credit has the name that the field had then.
#[test]
fn renaming_takes_no_credit() {
    run_all(|seed| {
        let (plain, turned, ends) = twins(seed);
        let (alone, renamed) = (blamed(&plain), blamed(&turned));
        let expected = told(&plain, &alone.fields(), 2);
        assert_eq!(told(&turned, &renamed.fields(), 0), expected);

        let turns: Vec<LogPlace> = turned
            .records
            .iter()
            .filter(|record| record.kind == EntryKind::Policy)
            .map(indelible_engine::history::Record::place)
            .collect();
        assert_eq!(turns.len(), 2, "{ends:?}");
        let firsts: BTreeMap<String, String> = alone
            .fields()
            .iter()
            .map(|field| field.pointer.to_string())
            .map(|first| (pointer(&first, 2), first))
            .collect();
        for field in renamed.fields() {
            let first = &firsts[&field.pointer.to_string()];
            let credits = field.runs.iter().map(|run| run.by).chain([field.by]);
            for by in credits {
                let stage = turns.iter().filter(|turn| **turn < by.place).count();
                assert_eq!(field.name_at(by).to_string(), pointer(first, stage));
            }
            for former in &field.formerly {
                let until = former.until.place;
                let stage = turns.iter().position(|turn| *turn == until).unwrap();
                assert_eq!(former.pointer.to_string(), pointer(first, stage));
            }
        }
    });
}

/// The fields with who set them, their runs if there are several, and their former names.
fn shown(blame: &Blame) -> Vec<String> {
    let line = |field: &Blamed<'_>| {
        let mut line = format!("{} {}", field.pointer, field.by.author);
        if field.runs.len() > 1 {
            for run in &field.runs {
                line += &format!(" {}:{}", run.length, run.by.author);
            }
        }
        for former in &field.formerly {
            line += &format!(", {} until {}", former.pointer, former.until.place.seq);
        }
        line
    };
    blame.fields().iter().map(line).collect()
}

#[test]
fn what_a_schema_adds_or_removes_is_its_own() {
    let old = kind(&json!({
        "team": { "type": "array", "items": { "type": "object", "properties": {
            "name": { "type": "string" }, "gone": { "type": "string" } } } },
        "place": { "type": "object", "properties": { "city": { "type": "string" } } },
        "lost": { "type": "string", "x-indelible": { "merge": "text" } }
    }));
    let new = kind(&json!({
        "people": { "type": "array", "x-indelible": { "was": "team" },
            "items": { "type": "object", "properties": {
                "name": { "type": "string" }, "rank": { "type": "integer", "default": 1 } } } },
        "address": { "type": "object", "x-indelible": { "was": "place" }, "properties": {
            "town": { "type": "string", "x-indelible": { "was": "city" } },
            "country": { "type": "string", "default": "CH" } } }
    }));
    let mut log = Log::under(&[Arc::clone(&old), Arc::clone(&new)]);
    let body = json!({ "team": [{ "id": "t1", "name": "Jane", "gone": "g" }],
                       "place": { "city": "Bern" }, "lost": "words" });
    log.put(&editor("alice"), &body, Origin::Creation);
    log.follow(&new);
    let expected = [
        "/address/country system",
        "/address/town alice, /place/city until 2",
        "/people/t1 alice, /team/t1 until 2",
        "/people/t1/name alice, /team/t1/name until 2",
        "/people/t1/rank system",
    ];
    assert_eq!(shown(&blamed(&log)), expected);
    let body = json!({ "people": [{ "id": "t1", "name": "Jane D.", "rank": 1 }],
                       "address": { "town": "Bern", "country": "FR" } });
    log.put(&editor("bob"), &body, Origin::Server);
    let expected = [
        "/address/country bob",
        "/address/town alice, /place/city until 2",
        "/people/t1 alice, /team/t1 until 2",
        "/people/t1/name bob",
        "/people/t1/rank system",
    ];
    assert_eq!(shown(&blamed(&log)), expected);
}

/// In another form there are no runs any more that could be matched: all is credited to the one who
/// had the last part in it.
#[test]
fn another_form_is_credited_to_the_last_who_wrote_it() {
    let text =
        |was: &str| json!({ "type": "string", "x-indelible": { "merge": "text", "was": was } });
    let item = json!({ "type": "object", "properties": { "n": { "type": "string" } } });
    let old = kind(&json!({
        "bio": { "type": "string", "x-indelible": { "merge": "text" } },
        "line": { "type": "string" },
        "rows": { "type": "array", "items": item },
        "box": { "type": "array", "x-indelible": { "merge": "atomic" }, "items": item }
    }));
    let new = kind(&json!({
        "life": { "type": "string", "x-indelible": { "was": "bio" } },
        "story": text("line"),
        "table": { "type": "array", "x-indelible": { "merge": "atomic", "was": "rows" }, "items": item },
        "drawer": { "type": "array", "x-indelible": { "was": "box" }, "items": item }
    }));
    let mut log = Log::under(&[Arc::clone(&old), Arc::clone(&new)]);
    let body = json!({ "bio": "sings", "line": "one", "rows": [{ "id": "r1", "n": "x" }, { "id": "r2", "n": "y" }],
                       "box": [{ "n": "z" }] });
    log.put(&editor("alice"), &body, Origin::Creation);
    let body = json!({ "bio": "sings well", "line": "one", "rows": [{ "id": "r1", "n": "x2" }, { "id": "r2", "n": "y" }],
                       "box": [{ "n": "z" }] });
    log.put(&editor("bob"), &body, Origin::Server);
    log.follow(&new);
    let told = shown(&blamed(&log));
    let id = told[0].split(['/', ' ']).nth(2).unwrap();
    let expected = [
        format!("/drawer/{id} alice, /box until 3"),
        format!("/drawer/{id}/n alice, /box until 3"),
        "/life bob, /bio until 3".to_owned(),
        "/story alice, /line until 3".to_owned(),
        "/table bob, /rows until 3".to_owned(),
    ];
    assert_eq!(told, expected);
    let body = json!({ "story": "one more" });
    let mut whole = log.now().presented();
    whole["story"] = body["story"].clone();
    log.put(&editor("carl"), &whole, Origin::Server);
    let told = shown(&blamed(&log));
    let story = told.iter().find(|line| line.starts_with("/story"));
    assert_eq!(story.unwrap(), "/story carl 3:alice 5:carl, /line until 3");
}

/// The ids of items may be presented under another name; nobody sets anything by that.
#[test]
fn another_name_for_ids_takes_no_credit() {
    let rows = |key: &str| {
        kind(
            &json!({ "rows": { "type": "array", "x-indelible": { "key": key },
            "items": { "type": "object", "properties": { "n": { "type": "string" } } } } }),
        )
    };
    let (old, new) = (rows("id"), rows("slug"));
    let mut log = Log::under(&[old, Arc::clone(&new)]);
    let body = json!({ "rows": [{ "id": "r1", "n": "x" }, { "id": "r2", "n": "y" }] });
    log.put(&editor("alice"), &body, Origin::Creation);
    log.follow(&new);
    assert_eq!(log.records.last().unwrap().kind, EntryKind::Policy);
    let expected = [
        "/rows/r1 alice",
        "/rows/r1/n alice",
        "/rows/r2 alice",
        "/rows/r2/n alice",
    ];
    assert_eq!(shown(&blamed(&log)), expected);
}
