//! Guards against keywords that load although nothing follows them.

use serde_json::{Value, json};

use super::{check, field, kind};
use crate::policy::Rules;
use crate::schema::{self, Mistake};

const ITEMS: &str = r#"{ "type": "array", "items": { "type": "string" } }"#;

fn list(more: Value) -> Value {
    let mut list: Value = serde_json::from_str(ITEMS).unwrap();
    list.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    list
}

#[test]
fn what_does_nothing_without_another_keyword_is_misplaced() {
    let meta = jsonschema::draft202012::new(&crate::schema::meta()).unwrap();
    let cases = [
        (list(json!({ "maxContains": 1 })), "maxContains"),
        (list(json!({ "minContains": 1 })), "minContains"),
        (
            list(json!({ "contains": {}, "allOf": [{ "maxContains": 1 }] })),
            "allOf/0/maxContains",
        ),
        (
            list(json!({ "not": { "minContains": 1 } })),
            "not/minContains",
        ),
        (json!({ "type": "string", "then": false }), "then"),
        (
            json!({ "type": "string", "else": { "minLength": 1 } }),
            "else",
        ),
        (json!({ "type": "string", "if": { "minLength": 1 } }), "if"),
        (
            json!({ "type": "string", "anyOf": [{ "then": false }] }),
            "anyOf/0/then",
        ),
        (
            json!({ "x-indelible": { "merge": "atomic" }, "items": { "maxContains": 1 } }),
            "items/maxContains",
        ),
    ];
    for (x, at) in cases {
        let schema = field(x);
        check(&schema, &[&format!("/properties/x/{at}: ")]);
        // Editors mark it too.
        assert!(!meta.is_valid(&schema), "{schema}");
        let errors = schema::compile("k.json", &schema.to_string()).unwrap_err();
        assert_eq!(errors[0].mistake, Mistake::Misplaced, "{schema}");
        // What was in force before is read as it was.
        for rules in [Rules::V1, Rules::V2] {
            assert!(
                schema::compile_under(rules, "k.json", &schema.to_string()).is_ok(),
                "{schema}"
            );
        }
    }
}

#[test]
fn definitions_and_the_root_are_looked_at_too() {
    let mut schema = kind(json!({ "x": { "type": "string" } }));
    schema["then"] = json!({ "required": ["x"] });
    schema["$defs"] = json!({ "unused": { "minContains": 2 } });
    check(&schema, &["/$defs/unused/minContains: ", "/then: "]);
}

#[test]
fn what_has_its_companion_is_taken() {
    for x in [
        list(json!({ "contains": { "const": "a" }, "minContains": 0, "maxContains": 2 })),
        json!({ "type": "string", "if": { "minLength": 1 }, "then": { "maxLength": 3 } }),
        json!({ "type": "string", "if": { "minLength": 1 }, "else": false }),
    ] {
        check(&field(x), &[]);
    }
}
