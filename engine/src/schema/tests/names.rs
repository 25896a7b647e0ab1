//! Guards against a pattern that means one thing as `pattern` and another as the name of a property.

use serde_json::json;

use crate::policy::{Rules, pattern};
use crate::schema;

const PATTERNS: [&str; 25] = [
    r"^\d+$",
    r"^\D$",
    r"^\w+$",
    r"^\W$",
    r"^\s$",
    r"^\S$",
    r"^.$",
    r"^[^a]$",
    r"\bé",
    r"é\b",
    r"\ba\b",
    r"^[\d_]$",
    r"^[^\s]$",
    r"^[\w-]$",
    r"^\u00e9$",
    r"^\u{1f600}$",
    r"^a{2}$",
    r"^(?:a|b)c$",
    r"^[a&&b]$",
    r"^[a~~b]$",
    r"^\x41$",
    r"^$",
    r"^\\b$",
    r"^[\b]?7$",
    r"^(?<y>a)b?$",
];

const NAMES: [&str; 27] = [
    "", "a", "b", "aa", "ac", "A", "7", "٣", "é", "aé", "éa", "_", "-", "&", "~", " ", "\u{a0}",
    "\u{85}", "\u{feff}", "\u{2028}", "\r", "\n", "a\n", "😀", "ſ", "K", "a b",
];

#[test]
fn a_pattern_of_names_is_a_pattern() {
    for text in PATTERNS {
        let schema = super::field(json!({
            "type": "object",
            "patternProperties": { text: { "const": 1 } },
            "x-indelible": { "merge": "atomic" },
        }));
        let policy = schema::compile("k.json", &schema.to_string()).unwrap();
        let compiled = pattern::compile(Rules::V2, text).unwrap();
        for name in NAMES {
            let found = policy.check_whole(&json!({ "x": { name: 2 } }));
            assert_eq!(
                !found.is_empty(),
                compiled.is_match(name),
                "{text} on {name:?}"
            );
        }
    }
}

#[test]
fn what_the_validator_cannot_tell_is_refused() {
    let field = super::field(json!({
        "type": "object", "x-indelible": { "merge": "atomic" },
        "patternProperties": { r"a\B": true },
    }));
    super::check(
        &field,
        &[r"/properties/x/patternProperties/a\B: this regular expression cannot be used: \B"],
    );
}

/// Two spellings of one pattern both bind.
#[test]
fn patterns_that_are_alike_do_not_hide_one_another() {
    let schema = super::field(json!({
        "type": "object", "x-indelible": { "merge": "atomic" },
        "patternProperties": { r"^\d$": { "minimum": 2 }, "^[0-9]$": { "maximum": 4 } },
        "additionalProperties": false,
    }));
    let policy = schema::compile("k.json", &schema.to_string()).unwrap();
    let faults = |value: u8| policy.check_whole(&json!({ "x": { "7": value } })).len();
    assert_eq!((faults(1), faults(3), faults(5)), (1, 0, 1));
    assert_eq!(policy.check_whole(&json!({ "x": { "a": 3 } })).len(), 1);
}
