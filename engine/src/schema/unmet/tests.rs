//! Guards against a schema that is said to take nothing and takes something.

use serde_json::{Map, Value, json};

use super::search::{Context, Search};
use crate::policy::{Rules, Types};

/// Numbers that look random and are the same in every run (Knuth's linear congruential generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn of(&mut self, values: &[Value]) -> Value {
        values[self.below(values.len() as u64) as usize].clone()
    }
}

/// Values of every type, small enough that bounds meet them.
fn values() -> Vec<Value> {
    let text = r#"[null, true, false, -1, 0, 1, 1.5, 2, 3, "", "a", "b", "ab", "abc", [], [0], [0, 0],
        [0, 1], ["a"], [null], [1, "a"], [0, 1, 2], [true, false], [true, false, null], {},
        {"a": 0}, {"a": "a"}, {"b": 1}, {"a": 0, "b": 1}, {"a": null, "c": 1}, {"c": "ab"},
        {"a": [], "b": {}}, {"a": 2, "b": "b", "c": 3}]"#;
    serde_json::from_str(text).unwrap()
}

const KEYWORDS: [&str; 28] = [
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "dependentRequired",
    "else",
    "enum",
    "exclusiveMinimum",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "prefixItems",
    "properties",
    "propertyNames",
    "then",
];

fn schema(dice: &mut Dice, depth: u64) -> Value {
    if dice.below(12) == 0 {
        return (dice.below(3) > 0).into();
    }
    let types = [
        "null", "boolean", "string", "integer", "number", "array", "object",
    ];
    let mut keywords = Map::new();
    if dice.below(3) > 0 {
        let named = types[dice.below(7) as usize];
        keywords.insert("type".to_owned(), named.into());
    }
    for _ in 0..=dice.below(3) {
        let keyword = match dice.below(4) {
            0 => ["required", "uniqueItems"][dice.below(2) as usize],
            _ => KEYWORDS[dice.below(28) as usize],
        };
        if let Some(value) = stated(dice, keyword, depth) {
            keywords.insert(keyword.to_owned(), value);
        }
    }
    Value::Object(keywords)
}

fn stated(dice: &mut Dice, keyword: &str, depth: u64) -> Option<Value> {
    let values = values();
    Some(match keyword {
        "const" => dice.of(&values),
        "enum" => json!([dice.of(&values), dice.of(&values), dice.of(&values)]),
        "uniqueItems" => true.into(),
        "required" => dice.of(&[json!(["a"]), json!(["a", "b"]), json!(["c"])]),
        "dependentRequired" => dice.of(&[json!({ "a": ["b"] }), json!({ "b": ["c"] })]),
        "multipleOf" => dice.of(&[json!(1), json!(2), json!(0.5)]),
        // What holds other schemas.
        _ if depth == 0 && !is_count(keyword) => return None,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
            let first = schema(dice, depth - 1);
            let twin = dice.below(4) == 0;
            let second = if twin {
                first.clone()
            } else {
                schema(dice, depth - 1)
            };
            json!([first, second])
        }
        "properties" => json!({ "a": schema(dice, depth - 1), "b": schema(dice, depth - 1) }),
        _ if is_count(keyword) => dice.below(4).into(),
        _ => schema(dice, depth - 1),
    })
}

fn is_count(keyword: &str) -> bool {
    let starts = ["min", "max", "exclusive"];
    starts.iter().any(|start| keyword.starts_with(start))
}

#[test]
fn what_is_said_to_take_nothing_takes_nothing() {
    let mut dice = Dice(20_261_128);
    let values = values();
    let mut dead = 0;
    for _ in 0..4_000 {
        let schema = schema(&mut dice, 2);
        let root = json!({ "properties": { "x": schema } });
        let at = "/properties/x".parse().unwrap();
        let mut search = Search::new(Rules::LATEST, &root);
        let Some(found) = search.dead(&at, Types::ALL, Context::Whole) else {
            continue;
        };
        dead += 1;
        let good = values.iter().find(|value| search.takes(&at, value));
        assert_eq!(good, None, "{found:?}: {schema}");
    }
    assert!(dead > 100, "only {dead} of them take nothing");
}
