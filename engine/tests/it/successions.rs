//! Random versions of a schema and random entities: what becomes of every value is worked out here
//! from the plan of the change, and compared with what the engine makes of it.

use serde_json::{Map, Value, json};

use crate::migration::{Kept, kind};

/// A small generator (SplitMix64), so that a seed is all there is to repeat.
struct Random {
    state: u64,
    /// Values are made for a creation, where items bring their ids.
    creating: bool,
    /// Of the items that are there, none may be left out.
    keeping: bool,
}

impl Random {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn word(&mut self) -> String {
        let words = ["", "a", "Öl", "🦀 und", "text", "zwei Wörter", "\u{301}x"];
        format!("{}{}", words[self.below(7) as usize], self.below(100))
    }
}

#[derive(Debug, Clone)]
enum Form {
    Word,
    Number,
    Text,
    Counter,
    Words,
    Atomic,
    Object(Vec<Field>),
    Items(Vec<Field>),
    Map,
}

/// What becomes of a field. The new name, where there is one, is `n` and the old one.
#[derive(Debug, Clone, PartialEq)]
enum Fate {
    Stays,
    Renamed,
    Removed,
    Added,
    /// Renamed, and stored in another way from then on.
    Converted(&'static str),
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    form: Form,
    fate: Fate,
}

impl Field {
    fn random(random: &mut Random, name: String, depth: u32) -> Self {
        let forms = if depth < 2 { 9 } else { 6 };
        let inner = |random: &mut Random| {
            let fields = 1 + random.below(3);
            let field = |index| Self::random(random, format!("{name}{index}"), depth + 1);
            (0..fields).map(field).collect::<Vec<_>>()
        };
        let form = match random.below(forms) {
            0 => Form::Word,
            1 => Form::Number,
            2 => Form::Text,
            3 => Form::Counter,
            4 => Form::Words,
            5 => Form::Atomic,
            6 => Form::Object(inner(random)),
            7 => Form::Items(inner(random)),
            _ => Form::Map,
        };
        let other = match &form {
            Form::Word => Some("text"),
            Form::Text => Some("word"),
            Form::Number => Some("counter"),
            Form::Counter => Some("number"),
            Form::Words => Some("atomic"),
            Form::Items(_) | Form::Object(_) => Some("atomic"),
            Form::Atomic => Some("words"),
            Form::Map => None,
        };
        let fate = match (random.below(10), other) {
            (0..=3, _) => Fate::Stays,
            (4..=5, _) => Fate::Renamed,
            (6, _) => Fate::Removed,
            (7, _) => Fate::Added,
            (_, Some(other)) => Fate::Converted(other),
            (_, None) => Fate::Renamed,
        };
        Self { name, form, fate }
    }

    fn new_name(&self) -> String {
        match self.fate {
            Fate::Stays | Fate::Added => self.name.clone(),
            _ => format!("n{}", self.name),
        }
    }

    fn schema(&self, later: bool) -> Value {
        let mut schema = match &self.form {
            Form::Word => json!({ "type": "string" }),
            Form::Number => json!({ "type": "integer" }),
            Form::Text => json!({ "type": "string", "x-indelible": { "merge": "text" } }),
            Form::Counter => json!({ "type": "integer", "x-indelible": { "merge": "counter" } }),
            Form::Words => json!({ "type": "array", "items": { "type": "string" } }),
            Form::Atomic => json!({ "type": "array", "x-indelible": { "merge": "atomic" } }),
            Form::Object(fields) => {
                json!({ "type": "object", "properties": schemas(fields, later) })
            }
            Form::Items(fields) => json!({ "type": "array", "items": {
                "type": "object", "properties": schemas(fields, later) } }),
            Form::Map => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        };
        if !later {
            return schema;
        }
        match self.fate {
            Fate::Converted("text") => {
                schema = json!({ "type": "string", "x-indelible": { "merge": "text" } });
            }
            Fate::Converted("counter") => {
                schema = json!({ "type": "integer", "x-indelible": { "merge": "counter" } });
            }
            Fate::Converted("word") => schema = json!({ "type": "string" }),
            Fate::Converted("number") => schema = json!({ "type": "integer" }),
            Fate::Converted("words") => {
                schema = json!({ "type": "array", "items": { "type": "string" } });
            }
            Fate::Converted(_) => {
                let types = if matches!(self.form, Form::Object(_)) {
                    "object"
                } else {
                    "array"
                };
                schema = json!({ "type": types, "x-indelible": { "merge": "atomic" } });
            }
            Fate::Added if matches!(self.form, Form::Word | Form::Text) => {
                schema["default"] = "new".into();
            }
            Fate::Added if matches!(self.form, Form::Counter) => schema["default"] = 7.into(),
            Fate::Added if matches!(self.form, Form::Words) => schema["default"] = json!(["new"]),
            _ => {}
        }
        if matches!(self.fate, Fate::Renamed | Fate::Converted(_)) {
            schema["x-indelible"]["was"] = self.name.as_str().into();
        }
        schema
    }

    /// A value under the old schema, or the new one. `ids` are those of items that must be there.
    fn value(&self, random: &mut Random, later: bool, present: Option<&Value>) -> Option<Value> {
        if random.below(5) == 0 && present.is_none() {
            return None;
        }
        let atomic_now = later && matches!(self.fate, Fate::Converted("atomic"));
        Some(match &self.form {
            _ if atomic_now && matches!(self.form, Form::Object(_)) => {
                json!({ "k": random.word() })
            }
            _ if atomic_now => json!([random.word()]),
            Form::Word | Form::Text => random.word().into(),
            Form::Number | Form::Counter => (random.below(200) as i64 - 100).into(),
            Form::Words | Form::Atomic => (0..random.below(4)).map(|_| random.word()).collect(),
            Form::Object(fields) => Value::Object(values(fields, random, later, present)),
            Form::Items(fields) => {
                let present: Vec<&Value> = present
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .collect();
                let mut items: Vec<Value> = Vec::new();
                for item in &present {
                    if !random.keeping && random.below(3) == 0 {
                        continue;
                    }
                    let mut value = values(fields, random, later, Some(item));
                    value.insert("id".to_owned(), item["id"].clone());
                    items.push(Value::Object(value));
                }
                for index in 0..random.below(3) {
                    let mut value = values(fields, random, later, None);
                    if random.creating {
                        let id = format!("{}-{}-{}", self.name, index, random.below(1_000_000));
                        value.insert("id".to_owned(), id.into());
                    }
                    items.push(Value::Object(value));
                }
                Value::Array(items)
            }
            Form::Map => {
                let entry = |_| (format!("k{}", random.below(5)), Value::from(random.word()));
                let count = 3;
                Value::Object((0..count).map(entry).collect())
            }
        })
    }

    /// What is presented under the new schema where `held` was presented under the old.
    fn expected(&self, held: Option<&Value>) -> Option<Value> {
        match (&self.fate, &self.form) {
            (Fate::Removed, _) => None,
            (Fate::Added, Form::Word | Form::Text) => Some("new".into()),
            (Fate::Added, Form::Counter) => Some(7.into()),
            (Fate::Added, Form::Words) => Some(json!(["new"])),
            (Fate::Added, Form::Object(fields)) => {
                let begins = |field: &Self| Some((field.new_name(), field.begins()?));
                let map: Map<String, Value> = fields.iter().filter_map(begins).collect();
                (!map.is_empty()).then_some(Value::Object(map))
            }
            (Fate::Added, _) => None,
            (Fate::Converted("counter"), _) => Some(held.cloned().unwrap_or_else(|| 0.into())),
            (Fate::Converted("words"), _) => held.filter(|held| **held != json!([])).cloned(),
            (Fate::Converted(_), _) => held.cloned(),
            (_, Form::Object(fields)) => {
                let none = Map::new();
                let held = held.and_then(Value::as_object).unwrap_or(&none);
                let map = expected(fields, held);
                (!map.is_empty()).then_some(Value::Object(map))
            }
            (_, Form::Items(fields)) => {
                let item = |item: &Value| {
                    let mut map = expected(fields, item.as_object().unwrap());
                    map.insert("id".to_owned(), item["id"].clone());
                    Value::Object(map)
                };
                held.map(|held| held.as_array().unwrap().iter().map(item).collect())
            }
            _ => held.cloned(),
        }
    }

    /// What it holds under the new schema in an object that is new itself.
    fn begins(&self) -> Option<Value> {
        match (&self.fate, &self.form) {
            (Fate::Removed, _) => None,
            (Fate::Added, _) => self.expected(None),
            (Fate::Converted(to), _) => (*to == "counter").then(|| 0.into()),
            (_, Form::Counter) => Some(0.into()),
            (_, Form::Object(fields)) => {
                let begins = |field: &Self| Some((field.new_name(), field.begins()?));
                let map: Map<String, Value> = fields.iter().filter_map(begins).collect();
                (!map.is_empty()).then_some(Value::Object(map))
            }
            _ => None,
        }
    }
}

fn schemas(fields: &[Field], later: bool) -> Value {
    let there = |field: &&Field| field.fate != if later { Fate::Removed } else { Fate::Added };
    let named = |field: &Field| {
        let name = if later {
            field.new_name()
        } else {
            field.name.clone()
        };
        (name, field.schema(later))
    };
    Value::Object(fields.iter().filter(there).map(named).collect())
}

fn values(
    fields: &[Field],
    random: &mut Random,
    later: bool,
    present: Option<&Value>,
) -> Map<String, Value> {
    let mut map = Map::new();
    for field in fields {
        if field.fate == if later { Fate::Removed } else { Fate::Added } {
            continue;
        }
        let name = if later {
            field.new_name()
        } else {
            field.name.clone()
        };
        let present = present.and_then(|present| present.get(&name));
        if let Some(value) = field.value(random, later, present) {
            map.insert(name, value);
        }
    }
    map
}

fn expected(fields: &[Field], held: &Map<String, Value>) -> Map<String, Value> {
    let named = |field: &Field| {
        let value = field.expected(held.get(&field.name))?;
        Some((field.new_name(), value))
    };
    fields.iter().filter_map(named).collect()
}

/// What of a value is presented: empty containers are not.
fn shown(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            let map: Map<String, Value> = map
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), shown(value)?)))
                .collect();
            (!map.is_empty()).then_some(Value::Object(map))
        }
        Value::Array(items) if items.is_empty() => None,
        other => Some(other.clone()),
    }
}

fn run(seed: u64) {
    let mut random = Random {
        state: seed,
        creating: true,
        keeping: false,
    };
    let count = 1 + random.below(6);
    let fields: Vec<Field> = (0..count)
        .map(|index| Field::random(&mut random, format!("f{index}"), 0))
        .collect();
    let (old, new) = (
        kind(&schemas(&fields, false)),
        kind(&schemas(&fields, true)),
    );
    if old.hash() == new.hash() {
        return;
    }
    let value = Value::Object(values(&fields, &mut random, false, None));
    let mut kept = Kept::new(&old, &value);
    random.creating = false;
    for _ in 0..random.below(3) {
        // Items that the body leaves out are deleted.
        let present = kept.entity.presented();
        let body = values(&fields, &mut random, false, Some(&present));
        kept.put(&Value::Object(body));
    }
    let held = kept.entity.presented();
    kept.migrate(&new);
    let expected = Value::Object(expected(&fields, held.as_object().unwrap()));
    assert_eq!(kept.entity.presented(), expected, "from {held:#}");
    kept.check_replay(&[&old, &new]);

    // Every field of the new schema can be written, in the items that were there too.
    random.keeping = true;
    let body = values(&fields, &mut random, true, Some(&kept.entity.presented()));
    kept.put(&Value::Object(body.clone()));
    let presented = kept.entity.presented();
    for (name, value) in &body {
        let exact = fields.iter().all(|f| {
            f.new_name() != *name
                || matches!(
                    f.form,
                    Form::Word | Form::Words | Form::Text | Form::Number | Form::Counter
                )
        });
        if let (Some(value), true) = (shown(value), exact) {
            assert_eq!(presented[name], value, "{name}");
        }
    }
    check_items(&fields, &body, &presented);
    kept.check_replay(&[&old, &new]);
}

/// Every scalar of every item that was written is there.
fn check_items(fields: &[Field], body: &Map<String, Value>, presented: &Value) {
    for field in fields {
        let (Form::Items(inner), Some(Value::Array(items))) =
            (&field.form, body.get(&field.new_name()))
        else {
            continue;
        };
        if matches!(field.fate, Fate::Converted(_)) {
            continue;
        }
        for (index, item) in items.iter().enumerate() {
            let there = &presented[field.new_name()][index];
            assert!(item.get("id").is_none_or(|id| there["id"] == *id));
            for inner in inner {
                let plain = matches!(
                    inner.form,
                    Form::Word | Form::Text | Form::Number | Form::Words
                );
                let written = item.get(inner.new_name()).and_then(shown);
                if let (Some(written), true) = (written, plain) {
                    assert_eq!(there[inner.new_name()], written, "{}", inner.new_name());
                }
            }
        }
    }
}

#[test]
fn random_versions_of_a_schema_take_every_value_along() {
    let first = std::env::var("INDELIBLE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let rounds = match (first, std::env::var_os("INDELIBLE_LONG")) {
        (Some(_), _) => 1,
        (None, Some(_)) => 20_000,
        (None, None) => 150,
    };
    let first: u64 = first.unwrap_or(1);
    for seed in first..first + rounds {
        eprintln!("seed {seed}: repeat with INDELIBLE_SEED={seed}");
        run(seed);
    }
}
