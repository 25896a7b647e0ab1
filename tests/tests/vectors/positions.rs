//! Positions in keyed lists.

use indelible_engine::position;
use serde_json::{Value, json};

use super::{golden, list};

const NEIGHBOURS: [(Option<&str>, Option<&str>); 16] = [
    (None, None),
    (Some("V"), None),
    (Some("Vzz"), None),
    (Some("yzz"), None),
    (Some("z"), None),
    (Some("zzz"), None),
    (None, Some("V")),
    (None, Some("1")),
    (None, Some("01")),
    (Some("A"), Some("C")),
    (Some("A"), Some("B")),
    (Some("A"), Some("A1")),
    (Some("Az"), Some("B1")),
    (Some("1"), Some("10000001")),
    (Some("A"), Some("A")),
    (Some("B"), Some("A")),
];

const TEXTS: [&str; 8] = ["V", "0z", "zzz", "", "0", "V0", "V-", "é"];

#[test]
fn positions() {
    let between: Vec<Value> = NEIGHBOURS
        .into_iter()
        .map(|(after, before)| {
            let position = position::between(after, before);
            json!({ "after": after, "before": before, "between": position })
        })
        .collect();
    let spread: Vec<Value> = [0, 1, 2, 3, 10, 62]
        .into_iter()
        .map(|count| json!({ "count": count, "spread": position::spread(count) }))
        .collect();
    let valid: Vec<Value> = TEXTS
        .into_iter()
        .map(|text| json!({ "text": text, "valid": position::check(text).is_ok() }))
        .collect();
    let made = json!({ "between": between, "spread": spread, "valid": valid });

    let file = golden("positions.json", &made);
    for vector in list(&file["between"]) {
        let (after, before) = (vector["after"].as_str(), vector["before"].as_str());
        if let Some(position) = vector["between"].as_str() {
            assert!(after.is_none_or(|after| after < position), "{vector}");
            assert!(before.is_none_or(|before| position < before), "{vector}");
        }
    }
}
