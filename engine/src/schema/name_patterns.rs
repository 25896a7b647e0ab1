//! Spells out patterns of property names for the validator of whole values, whose own engine reads
//! some classes differently than ECMAScript does.

use serde_json::{Map, Value};

use crate::policy::pattern;

/// Keywords whose value has a schema for each name.
const BY_NAME: [&str; 4] = [
    "$defs",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

/// Keywords whose values are not schemas.
const VALUES: [&str; 4] = ["const", "default", "enum", "examples"];

/// A schema with all patterns of names spelt out.
pub(super) fn spelt_out(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let keywords = keywords.iter().map(|(keyword, value)| {
                let value = match value {
                    Value::Object(names) if BY_NAME.contains(&keyword.as_str()) => {
                        by_name(keyword == "patternProperties", names)
                    }
                    value if VALUES.contains(&keyword.as_str()) => value.clone(),
                    value => spelt_out(value),
                };
                (keyword.clone(), value)
            });
            Value::Object(keywords.collect())
        }
        Value::Array(schemas) => schemas.iter().map(spelt_out).collect(),
        other => other.clone(),
    }
}

fn by_name(patterns: bool, names: &Map<String, Value>) -> Value {
    let mut spelt = Map::new();
    for (name, schema) in names {
        // Every pattern has been translated once, when the file was checked.
        let translated = patterns.then(|| pattern::for_names(name).ok()).flatten();
        let mut name = translated.unwrap_or_else(|| name.clone());
        while spelt.contains_key(&name) {
            name = format!("(?:{name})");
        }
        spelt.insert(name, spelt_out(schema));
    }
    Value::Object(spelt)
}
