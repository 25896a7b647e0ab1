//! Guards against a value that somebody tried and that the field never had being taken for one that
//! a form put back, and the other way round.

use std::collections::BTreeSet;

use indelible_engine::history::{Had, InMemory};
use indelible_engine::ledger::Presence;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Policy, Shape};
use indelible_engine::value::canonical;
use indelible_engine::violation::{Rule, Violation};
use serde_json::{Value, json};

use super::log::{Log, random_log, run_all};

/// Places of every shape, by the names that they have in the end; the second one is the former.
const PLACES: [(&str, &str); 19] = [
    ("/title", "/title"),
    ("/code", "/code"),
    ("/tagline", "/tagline"),
    ("/amount", "/number"),
    ("/level", "/level"),
    ("/secret", "/secret"),
    ("/body", "/body"),
    ("/hits", "/hits"),
    ("/shape", "/shape"),
    ("/tags", "/tags"),
    ("/place/city", "/place/city"),
    ("/labels/x", "/labels/x"),
    ("/items", "/items"),
    ("/items/i1", "/items/i1"),
    ("/items/i1/name", "/items/i1/name"),
    ("/guarded/g1/worth", "/guarded/g1/worth"),
    ("/createdAt", "/createdAt"),
    ("/updatedBy", "/updatedBy"),
    ("/nothing", "/nothing"),
];

fn attempt(place: &str, value: Option<&Value>) -> Violation {
    Violation {
        change: 0,
        ops: Vec::new(),
        pointer: place.parse().unwrap(),
        rule: Rule::WRITE,
        attempted: value.cloned(),
        kept: None,
        holder: None,
        bound: None,
        message: String::new(),
    }
}

/// What a reader sees at a place; of a list of items, their ids.
fn seen(policy: &Policy, presented: &Value, place: &str) -> Option<Value> {
    let place: Pointer = place.parse().unwrap();
    let mut value = presented.clone();
    let mut node = policy.root();
    for token in place.tokens() {
        value = match (&policy.node(node).shape, &value) {
            (Shape::Keyed { key, .. }, Value::Array(items)) => items
                .iter()
                .find(|item| item[key] == token.as_str())?
                .clone(),
            (_, value) => value.get(token)?.clone(),
        };
        node = policy.child(node, token)?;
    }
    match (&policy.node(node).shape, &value) {
        (Shape::Keyed { key, .. }, Value::Array(items)) => {
            Some(items.iter().map(|item| item[key].clone()).collect())
        }
        _ => Some(value),
    }
}

/// The values that a place had up to an entry, as readers saw them.
fn values(log: &Log, last: usize, (now, then): (&str, &str)) -> Vec<Option<Value>> {
    let renamed = log.entities[last]
        .policy()
        .find(&"/amount".parse().unwrap())
        .is_some();
    let seen = log.entities[..=last].iter().filter_map(|entity| {
        if entity.presence() == Presence::Unborn {
            return None;
        }
        let policy = entity.policy();
        let own = policy.find(&now.parse().unwrap()).is_some();
        let name = if own || !renamed { now } else { then };
        Some(seen(policy, &entity.presented(), name))
    });
    seen.collect()
}

#[test]
fn what_a_place_had_is_what_readers_saw() {
    run_all(|seed| {
        let log = random_log(seed);
        // Asked again and again while the log grows, and once at the end.
        let mut had = Had::default();
        let last = log.entities.len() - 1;
        for index in (1..=last).step_by(1 + last / 4).chain([last]) {
            let entity = &log.entities[index];
            if entity.presence() == Presence::Unborn {
                continue;
            }
            let records = &log.records[..=index];
            for place in PLACES {
                let all = values(&log, index, place);
                let never = |value: Option<&Value>, had: &mut Had| {
                    let asked = vec![attempt(place.0, value)];
                    let told = had.never(entity, &mut InMemory(records), &log.policies, asked);
                    !told.unwrap().is_empty()
                };
                let known: BTreeSet<String> = all.iter().flatten().map(canonical).collect();
                for value in all.iter().flatten() {
                    assert!(!never(Some(value), &mut had), "{place:?} had {value}");
                    assert!(
                        !never(Some(value), &mut Had::default()),
                        "{place:?} had {value}"
                    );
                }
                assert_eq!(
                    never(None, &mut had),
                    !all.contains(&None),
                    "{place:?} absent: {all:?}"
                );
                for other in [
                    json!("nobody's"),
                    json!(-17),
                    json!([]),
                    json!(["i1", "i9"]),
                ] {
                    let expected = !known.contains(&canonical(&other));
                    assert_eq!(never(Some(&other), &mut had), expected, "{place:?} {other}");
                    assert_eq!(
                        never(Some(&other), &mut Had::default()),
                        expected,
                        "{place:?}"
                    );
                }
            }
        }
    });
}

/// A form that puts back what was there a moment ago must not cost the whole log.
#[test]
fn what_is_near_is_found_near() {
    struct Counting<'a>(InMemory<'a>, usize);
    impl indelible_engine::history::Archive for Counting<'_> {
        type Error = std::convert::Infallible;
        fn last(&mut self) -> Result<Option<indelible_engine::id::LogPlace>, Self::Error> {
            self.0.last()
        }
        fn records(
            &mut self,
            from: indelible_engine::id::LogPlace,
            count: usize,
        ) -> Result<Vec<indelible_engine::history::Record>, Self::Error> {
            let read = self.0.records(from, count)?;
            self.1 += read.len();
            Ok(read)
        }
        fn bringing(
            &mut self,
            change: indelible_engine::id::Hash,
        ) -> Result<Option<indelible_engine::id::LogPlace>, Self::Error> {
            self.0.bringing(change)
        }
    }
    let mut log = Log::new();
    let alice = crate::fixture::editor("alice");
    log.put(
        &alice,
        &json!({ "title": "0" }),
        indelible_engine::admission::Origin::Creation,
    );
    for number in 1..1_000 {
        let body = json!({ "title": number.to_string() });
        log.put(&alice, &body, indelible_engine::admission::Origin::Server);
    }
    let mut archive = Counting(InMemory(&log.records), 0);
    let mut had = Had::default();
    let mut ask = |value: &str, had: &mut Had| {
        archive.1 = 0;
        let asked = vec![attempt("/title", Some(&json!(value)))];
        let told = had
            .never(log.now(), &mut archive, &log.policies, asked)
            .unwrap();
        (!told.is_empty(), archive.1)
    };
    let (never, read) = ask("990", &mut had);
    assert!(!never && read < 300, "{read} records");
    let (never, read) = ask("forged", &mut had);
    assert!(never && read > 900, "{read} records");
    // The second time, and for any other value, it is known.
    assert_eq!(ask("forged too", &mut had), (true, 0));
    assert_eq!(ask("3", &mut had), (false, 0));
}
