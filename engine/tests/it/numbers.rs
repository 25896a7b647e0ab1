//! Guards against numbers whose spelling decides: the same number, however it is written, is taken
//! or refused everywhere alike, stored as one scalar, and no edit when it comes again.

use std::sync::Arc;

use automerge::{ROOT, ReadDoc, Value as Stored};
use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::Epoch;
use indelible_engine::json;
use indelible_engine::merge::{MergeError, MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::schema;
use indelible_engine::value::canonical;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{Client, editor, write};

const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

fn policy() -> Arc<Policy> {
    let number = || json!({ "type": "number" });
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "sum", "create": ["editor"], "edit": ["editor"] },
        "properties": {
            "number": number(),
            "either": { "type": ["number", "string"] },
            "integer": { "type": "integer" },
            "list": { "type": "array", "items": number() },
            "map": { "type": "object", "additionalProperties": number() },
            "items": { "type": "array", "items": { "type": "object", "properties": {
                "n": number() } } },
            "atomic": { "type": "array", "x-indelible": { "merge": "atomic" } },
            "one": { "type": "number", "default": 1.0e16 },
        }
    });
    Arc::new(schema::compile("sum.json", &schema.to_string()).unwrap())
}

fn empty() -> Entity {
    let genesis = Entity::genesis(&"sum/one".parse().unwrap(), Epoch::FIRST, &policy());
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let editor = editor("alice");
    let verdict = write(
        &genesis,
        &editor,
        &json!({ "either": "x" }),
        &options,
        Origin::Creation,
    )
    .unwrap();
    verdict.admitted.unwrap().into_parts().0
}

/// Puts a body as its text says; `None` where that is not an edit.
fn put(entity: &Entity, text: &str) -> Result<Option<Entity>, String> {
    let body = json::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    let options = MergeOptions::default();
    match write(entity, &editor("alice"), &body, &options, Origin::Server) {
        Ok(verdict) if verdict.refused.is_some() => Err(format!("{:?}", verdict.refused)),
        Ok(verdict) => Ok(verdict.admitted.map(|admitted| admitted.into_parts().0)),
        Err(MergeError::Refused(found)) => Err(found[0].message.clone()),
        Err(error) => Err(error.to_string()),
    }
}

fn is_edit(entity: &Entity, text: &str) -> bool {
    let body = json::parse(text.as_bytes()).unwrap();
    let actor = server_actor(entity.id(), Epoch::FIRST, "alice");
    let options = MergeOptions::default();
    let merged = merge(entity, &editor("alice"), &actor, &body, &options);
    !merged.unwrap().changes.is_empty()
}

fn body(spelling: &str, id: &str) -> String {
    format!(
        r#"{{"number":{spelling},"either":{spelling},"list":[{spelling},0],"map":{{"a":{spelling}}},
            "items":[{{{id}"n":{spelling}}}],"atomic":[{{"x":{spelling}}}],"one":{spelling}}}"#
    )
}

fn scalars(entity: &Entity) -> Vec<String> {
    let client = Client::on(entity, "reader", 9);
    let at = |path: &[&str], name: &str| {
        let object = match path {
            [] => ROOT,
            path => client.object(path),
        };
        match client.doc.get(object, name).unwrap() {
            Some((Stored::Scalar(scalar), _)) => format!("{scalar:?}"),
            other => panic!("{name}: {other:?}"),
        }
    };
    let list = client.object(&["list"]);
    let element = client.doc.get(list, 0).unwrap().unwrap().0;
    vec![
        at(&[], "number"),
        at(&[], "either"),
        at(&["map"], "a"),
        at(&[], "atomic"),
        at(&[], "one"),
        format!("{element:?}"),
    ]
}

/// Ways to write a double exactly, beside the one of ECMAScript.
fn spellings(number: f64) -> Vec<String> {
    let plain = canonical(&json!(number));
    let scientific = format!("{number:e}");
    let mut found = vec![
        plain.clone(),
        scientific.clone(),
        scientific.replace('e', "E+").replace("E+-", "E-"),
        format!("{number:?}"),
    ];
    let (mantissa, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    let shifted = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            let by = i32::try_from(fraction.len()).unwrap();
            format!("{whole}{fraction}e{}", exponent - by)
        }
        None if number == 0.0 => "0.00e7".to_owned(),
        None => format!("{mantissa}00e{}", exponent - 2),
    };
    found.push(shifted);
    if !plain.contains(['e', '.']) {
        found.push(format!("{plain}.0"));
        found.push(format!("{plain}.000e0"));
    }
    if !plain.contains(['e', '.']) && number != 0.0 {
        found.push(format!("{plain}0e-1"));
    }
    found
}

fn doubles() -> impl Strategy<Value = f64> {
    let whole = (-1_i64 << 62..1_i64 << 62).prop_map(|n| n as f64);
    let edge = (-8_i64..8).prop_map(|n| (9_007_199_254_740_992_i64 + n) as f64);
    let small = (-100_000_i64..100_000).prop_map(|n| n as f64 / 100.0);
    let any = any::<f64>().prop_filter("JSON has no other", |x| x.is_finite());
    prop_oneof![
        whole,
        edge,
        small,
        any,
        Just(0.0),
        Just(-0.0),
        Just(1e16),
        Just(u64::MAX as f64)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_spelling_is_the_same_number(number in doubles()) {
        let genesis = empty();
        let mut first: Option<(Entity, Vec<String>)> = None;
        for spelling in spellings(number) {
            let put = put(&genesis, &body(&spelling, "")).unwrap_or_else(|e| panic!("{spelling}: {e}"));
            let entity = put.expect("this is an edit");
            let told = scalars(&entity);
            let value = entity.presented();
            prop_assert_eq!(canonical(&value["number"]), canonical(&json!(number)));
            let id = format!("\"id\":{},", value["items"][0]["id"]);
            for other in spellings(number) {
                prop_assert!(!is_edit(&entity, &body(&other, &id)), "{} after {}", other, spelling);
            }
            if let Some((_, expected)) = &first {
                prop_assert_eq!(&told, expected, "{}", spelling);
            }
            first.get_or_insert((entity, told));
        }
    }

    #[test]
    fn integers_are_judged_by_their_value(number in doubles()) {
        let genesis = empty();
        let good = number.fract() == 0.0 && number.abs() <= INTEGER_MAX;
        for spelling in spellings(number) {
            let taken = put(&genesis, &format!(r#"{{"integer":{spelling}}}"#)).is_ok();
            prop_assert_eq!(taken, good, "{}", spelling);
        }
    }
}

#[test]
fn what_no_double_holds_is_refused_with_its_place_however_it_is_written() {
    for spelling in [
        "9007199254740993",
        "9007199254740993.0",
        "9.007199254740993e15",
        "18446744073709551615",
        "1e400",
        "1E-400",
        "0.99999999999999999999",
    ] {
        let error = put(&empty(), &format!(r#"{{"map":{{"a":{spelling}}}}}"#)).unwrap_err();
        assert!(
            error.contains("/map/a") && error.contains("exactly"),
            "{error}"
        );
    }
}

#[test]
fn a_default_is_a_number_however_it_is_written() {
    let entity = empty();
    assert_eq!(entity.presented()["one"], json!(1.0e16));
    for spelling in spellings(1.0e16) {
        assert!(
            !is_edit(&entity, &format!(r#"{{"one":{spelling}}}"#)),
            "{spelling}"
        );
    }
    assert_eq!(entity.presented()["one"], Value::from(1.0e16));
}
