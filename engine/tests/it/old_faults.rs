//! Guards against an entity whose old fault lets new ones pass: once a stricter schema has made it
//! faulty it can be edited, and nothing in it may become worse.

use std::sync::Arc;

use indelible_engine::entity::Entity;
use indelible_engine::migration::migrate;
use indelible_engine::policy::{Policy, Rules};
use serde_json::{Value, json};

use crate::fixture::{NOW, compiled_under, created, refusals};

fn kind(rules: Rules, strict: bool) -> Arc<Policy> {
    let is = |name: &str| json!({ "not": { "properties": { name: { "const": 1 } }, "required": [name] } });
    let with = |mut field: Value, more: Value| {
        let more = more.as_object().unwrap().clone().into_iter();
        field
            .as_object_mut()
            .unwrap()
            .extend(more.filter(|_| strict));
        field
    };
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let text = json!({ "type": "string", "x-indelible": { "merge": "text" } });
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"] },
        "properties": {
            "title": { "type": "string" }, "a": { "type": "integer" }, "b": { "type": "integer" },
            "few": with(list.clone(), json!({ "maxItems": 2 })),
            "many": with(list.clone(), json!({ "minItems": 3 })),
            "both": with(list, json!({ "allOf": [
                { "contains": { "const": "x" } }, { "contains": { "const": "y" } }] })),
            "short": with(text.clone(), json!({ "maxLength": 3 })),
            "word": with(text, json!({ "pattern": "^a", "allOf": [{ "pattern": "z$" }] })),
            "any": with(
                json!({ "type": "object", "x-indelible": { "merge": "atomic" } }),
                json!({ "properties": { "k": true }, "additionalProperties": false }),
            ),
        },
    });
    compiled_under(rules, &with(schema, json!({ "allOf": [is("a"), is("b")] })))
}

fn faulty(rules: Rules) -> Entity {
    let value = json!({
        "title": "T", "a": 1, "b": 2, "few": ["1", "2", "3", "4"], "many": ["1", "2"],
        "both": ["y"], "short": "abcdef", "word": "bz", "any": { "p": 1, "q": 1 },
    });
    let before = created(&kind(rules, false), &value);
    let step = migrate(&before, &kind(rules, true), NOW).unwrap();
    step.expect("it is another schema").into_parts().0
}

/// What an edit is refused for.
fn refused(entity: &Entity, body: &Value) -> Vec<String> {
    refusals(entity, body)
        .iter()
        .map(|one| format!("{} {}", one.pointer, one.rule.code()))
        .collect()
}

#[test]
fn what_becomes_no_worse_is_admitted() {
    let entity = faulty(Rules::LATEST);
    for body in [
        json!({ "title": "U" }),
        json!({ "few": ["1", "2", "3"] }),
        json!({ "few": ["a", "b", "c", "d"] }),
        json!({ "many": ["3", "4"] }),
        json!({ "both": ["z", "y"] }),
        json!({ "short": "abcde" }),
        json!({ "word": "bbz" }),
        json!({ "any": { "k": 1, "q": 2 } }),
        json!({ "a": 2 }),
    ] {
        assert_eq!(refused(&entity, &body), [""; 0], "{body}");
    }
}

#[test]
fn a_new_fault_of_the_same_keyword_and_place_is_refused() {
    let now = faulty(Rules::LATEST);
    for (body, told) in [
        (json!({ "b": 1 }), " not"),
        (json!({ "few": ["1", "2", "3", "4", "5"] }), "/few maxItems"),
        (json!({ "many": ["1"] }), "/many minItems"),
        (json!({ "both": ["z"] }), "/both contains"),
        (json!({ "short": "abcdefg" }), "/short maxLength"),
        (json!({ "word": "b" }), "/word pattern"),
        (
            json!({ "any": { "p": 1, "r": 1 } }),
            "/any additionalProperties",
        ),
    ] {
        assert_eq!(refused(&now, &body), [told], "{body}");
        // As they were judged under the rules of then, entries verify for ever.
        assert_eq!(refused(&faulty(Rules::V2), &body), [""; 0], "{body}");
    }
}

/// The validator reads the name 007 as the place 7, and entries were admitted by that.
#[test]
fn names_that_look_like_numbers_are_compared_as_they_ever_were() {
    let kind = |rules: Rules, strict: bool| {
        let mut entry = json!({ "type": "object", "properties": { "a": { "type": "integer" } } });
        if strict {
            entry["not"] = json!({ "required": ["a"] });
        }
        let schema = json!({
            "type": "object",
            "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                             "edit": ["editor"] },
            "properties": { "m": { "type": "object", "additionalProperties": entry } },
        });
        compiled_under(rules, &schema)
    };
    for rules in Rules::ALL {
        let value = json!({ "m": { "7": { "a": 1 }, "007": {}, "8": {} } });
        let before = created(&kind(rules, false), &value);
        let step = migrate(&before, &kind(rules, true), NOW).unwrap();
        let entity = step.expect("it is another schema").into_parts().0;
        let body = json!({ "m": { "007": { "a": 1 } } });
        assert_eq!(refused(&entity, &body), [""; 0], "{rules}");
        let body = json!({ "m": { "8": { "a": 1 } } });
        assert_eq!(refused(&entity, &body), ["/m/8 not"], "{rules}");
    }
}
