//! Guards against a past that is reported otherwise than it was: effects that do not lead from one
//! state to the next or back, blame that names the wrong entry, a restore that brings back less or
//! more than it says, a page that leaves something out.

mod deletions;
mod had;
mod log;
mod long;
mod points;
mod reaching;
mod renames;
mod words;

use std::collections::BTreeMap;

use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::effects::{Effect, EffectChange, effects};
use indelible_engine::entity::Entity;
use indelible_engine::history::{Blame, State, effects_of};
use indelible_engine::history::{RestoreScope, races, restore};
use indelible_engine::id::LogPlace;
use indelible_engine::ledger::Logged;
use indelible_engine::lifecycle::next_epoch;
use indelible_engine::merge::MergeOptions;
use indelible_engine::policy::{NodeId, Policy, PolicySource, Shape};
use indelible_engine::principal::Principal;
use serde_json::{Map, Value, json};

use crate::fixture::{NOW, editor, judge, next, thing, write};
pub(crate) use log::{Dice, run_all};
use log::{chief, concurrent, log_of, random_log};

/// Forward from the first state and back from the last, every state is that of the documents: of
/// one that the log is replayed into, and of the last one, asked for the heads of then.
#[test]
fn effects_lead_to_every_state_and_back() {
    run_all(|seed| {
        let log = random_log(seed);
        let first = Logged::of(&log.sealed[0].entry, log.sealed[0].hash);
        let mut replayed = Entity::begin(log.now().id(), first, &log.policies).unwrap();
        let mut state = State::first(&log.records[0], &log.policies).unwrap();
        for (index, record) in log.records.iter().enumerate() {
            if index > 0 {
                state.forward([record], &log.policies).unwrap();
                let sealed = &log.sealed[index];
                let logged = Logged::of(&sealed.entry, sealed.hash);
                replayed.replay([logged], &log.policies).unwrap();
            }
            is_state(&state, &replayed);
            let mut back = State::of(log.now());
            let records = log.records.iter().rev();
            back.back(record.place(), records, &log.policies).unwrap();
            is_state(&back, &replayed);
            let now = log.now();
            if (now.epoch(), now.policy().hash())
                == (record.header.place.epoch, record.header.policy_hash)
            {
                let then = now.presented_at(&record.heads).unwrap();
                for (name, field) in back.value() {
                    assert_eq!(Some(field), then.get(name));
                }
            }
        }
    });
}

fn is_state(state: &State, entity: &Entity) {
    assert_eq!(state.presented(), entity.presented());
    assert_eq!(state.stamps(), entity.stamps());
    assert_eq!(state.place(), entity.place());
    assert_eq!(state.presence(), entity.presence());
}

/// Effects that are made again by replay are those that admission returned.
#[test]
fn effects_are_made_again() {
    run_all(|seed| {
        let log = random_log(seed);
        let mut entity = log.entities[0].clone();
        for (sealed, record) in log.sealed.iter().zip(&log.records).skip(1) {
            let logged = Logged::of(&sealed.entry, sealed.hash);
            let effects = effects_of(&mut entity, logged, &log.policies).unwrap();
            assert_eq!(&effects, &record.effects);
            let json = serde_json::to_string(&effects).unwrap();
            assert_eq!(serde_json::from_str::<Vec<Effect>>(&json).unwrap(), effects);
        }
    });
}

/// Who wrote each current value, found by comparing state with state.
#[derive(Debug, Clone, PartialEq)]
enum Set {
    Value(Value, LogPlace),
    /// Each element of a text or list.
    Elements(Vec<LogPlace>),
    /// An item, or an object in an open map.
    Made(LogPlace),
}

/// Blame of every field is what one finds who compares state with state.
#[test]
fn blame_names_the_entry_that_set_the_value() {
    run_all(|seed| {
        let log = random_log(seed);
        let mut blame = Blame::new();
        let mut sets = BTreeMap::new();
        for (record, entity) in log.records.iter().zip(&log.entities) {
            let policy = log.policies.policy(record.header.policy_hash).unwrap();
            blame.take(record, &policy).unwrap();
            let state = State::of(entity);
            let mut next = BTreeMap::new();
            let own = (NodeId::ROOT, Value::Object(state.value().clone()));
            fields(&policy, own, String::new(), record.place(), &mut next);
            sets = carried(sets, next, &record.effects, record.place());
        }
        let mut found = BTreeMap::new();
        for field in blame.fields() {
            let at = field.pointer.to_string();
            let by = field.by.place;
            let set = match sets.get(&at) {
                Some(Set::Value(value, _)) => Set::Value(value.clone(), by),
                Some(Set::Made(_)) => Set::Made(by),
                Some(Set::Elements(_)) => Set::Elements(elements(&field.runs)),
                // An optional text or list without content is left out of the value.
                None if field.runs.is_empty() => continue,
                None => panic!("{at} is not in the value"),
            };
            found.insert(at, set);
        }
        assert_eq!(found, sets);
    });
}

fn elements(runs: &[indelible_engine::history::CreditedRun<'_>]) -> Vec<LogPlace> {
    let own = |run: &indelible_engine::history::CreditedRun<'_>| vec![run.by.place; run.length];
    runs.iter().flat_map(own).collect()
}

/// What there is after an entry: that of before where it is the same.
fn carried(
    mut before: BTreeMap<String, Set>,
    next: BTreeMap<String, Set>,
    effects: &[Effect],
    by: LogPlace,
) -> BTreeMap<String, Set> {
    let mut after = BTreeMap::new();
    for (at, set) in next {
        let set = match (before.remove(&at), set) {
            (Some(Set::Value(old, by)), Set::Value(new, _)) if old == new => Set::Value(new, by),
            (Some(Set::Made(by)), Set::Made(_)) => Set::Made(by),
            (Some(Set::Elements(old)), Set::Elements(_)) => spliced(old, &at, effects, by),
            (_, set) => set,
        };
        after.insert(at, set);
    }
    after
}

fn spliced(mut elements: Vec<LogPlace>, at: &str, effects: &[Effect], by: LogPlace) -> Set {
    let length = |value: &Value| match value {
        Value::String(text) => text.encode_utf16().count(),
        value => value.as_array().unwrap().len(),
    };
    for effect in effects
        .iter()
        .filter(|effect| effect.pointer.to_string() == at)
    {
        if let EffectChange::Splice {
            at,
            removed,
            inserted,
        } = &effect.change
        {
            elements.splice(*at..at + length(removed), vec![by; length(inserted)]);
        }
    }
    Set::Elements(elements)
}

fn fields(
    policy: &Policy,
    (node, value): (NodeId, Value),
    at: String,
    by: LogPlace,
    found: &mut BTreeMap<String, Set>,
) {
    match (&policy.node(node).shape, value) {
        (Shape::Object { .. }, Value::Object(map)) => {
            if policy.is_dynamic(node) {
                found.insert(at.clone(), Set::Made(by));
            }
            for (name, value) in map {
                if let Some(child) = policy.child(node, &name) {
                    fields(policy, (child, value), format!("{at}/{name}"), by, found);
                }
            }
        }
        (Shape::Keyed { item, .. }, Value::Array(items)) => {
            for value in items {
                let at = format!("{at}/{}", value["id"].as_str().unwrap());
                fields(policy, (*item, value), at, by, found);
            }
        }
        (Shape::List { .. }, Value::Array(list)) => {
            found.insert(at, Set::Elements(vec![by; list.len()]));
        }
        (Shape::Text(_), Value::String(text)) => {
            let length = text.encode_utf16().count();
            found.insert(at, Set::Elements(vec![by; length]));
        }
        (_, value) => drop(found.insert(at, Set::Value(value, by))),
    }
}

/// By somebody with all rights, everything is as it was then.
#[test]
fn restore_brings_back_a_whole_state() {
    run_all(|seed| {
        let mut log = random_log(seed);
        let Some((now, past)) = comparable(&log, seed) else {
            return;
        };
        let root = Principal::system();
        let actor = server_actor(now.id(), now.epoch(), &root.id);
        let restored = restore(&now, &root, &actor, &past, &RestoreScope::Whole).unwrap();
        assert_eq!(restored.kept, vec![]);
        let is_other = State::of(&now).value() != past.value();
        assert_eq!(!restored.changes.is_empty(), is_other);
        for change in restored.changes {
            log.take(&root, change, Origin::Server);
        }
        assert_eq!(State::of(log.now()).value(), past.value());
    });
}

/// A new epoch begins without what was deleted; bringing back a state of a former one makes that
/// again, under the ids of then.
#[test]
fn restore_brings_back_what_a_former_epoch_had() {
    let alice = editor("alice");
    let before = thing();
    let mut body = before.presented();
    body["items"].as_array_mut().unwrap().remove(0);
    body["labels"] = json!({ "x": null });
    let gone = next(
        write(
            &before,
            &alice,
            &body,
            &MergeOptions::default(),
            Origin::Server,
        )
        .unwrap(),
    );
    let renewed = next_epoch(&gone, gone.policy(), NOW)
        .unwrap()
        .into_parts()
        .0;
    let actor = server_actor(renewed.id(), renewed.epoch(), &alice.id);
    let past = State::of(&before);
    let one = RestoreScope::Places(vec!["/items/i1".parse().unwrap()]);
    for (scope, labels) in [
        (&one, Value::Null),
        (&RestoreScope::Whole, json!({ "x": { "text": "ex" } })),
    ] {
        let restored = restore(&renewed, &alice, &actor, &past, scope).unwrap();
        assert_eq!(restored.kept, vec![]);
        let after = next(judge(&renewed, &alice, restored.changes, Origin::Server)).presented();
        assert_eq!(after["items"], before.presented()["items"]);
        assert_eq!(after.get("labels").cloned().unwrap_or_default(), labels);
    }
}

/// The present entity, and a random earlier state under the same schema after the creation, in
/// whichever epoch.
fn comparable(log: &log::Log, seed: u64) -> Option<(Entity, State)> {
    let now = log.now().clone();
    let same = |entity: &&Entity| {
        entity.policy().hash() == now.policy().hash()
            && State::of(entity).value().contains_key("title")
    };
    let all: Vec<&Entity> = log.entities.iter().filter(same).collect();
    let which = Dice(seed ^ 0xfeed).below(all.len());
    let past = State::of(all[which]);
    Some((now, past))
}

/// By somebody with fewer rights, while others write: what may not be written stays and is reported,
/// everything else is as it was then, and what the others wrote is there.
#[test]
fn restore_keeps_to_rights_and_loses_nothing() {
    run_all(|seed| {
        let mut log = random_log(seed);
        let Some((now, past)) = comparable(&log, seed) else {
            return;
        };
        let alice = editor("alice");
        let actor = server_actor(now.id(), now.epoch(), &alice.id);
        let restored = restore(&now, &alice, &actor, &past, &RestoreScope::Whole).unwrap();
        let policy = now.policy();
        let mut expected = State::of(&now).value().clone();
        for change in restored.changes {
            let verdict = judge(&now, &alice, vec![change.clone()], Origin::Server);
            assert_eq!(verdict.refused, None);
            let alone = verdict.admitted.unwrap().into_parts().0;
            expected.clone_from(State::of(&alone).value());
            if seed % 2 == 0 {
                concurrent(&mut log);
                log.take(&alice, change, Origin::Server);
                let both = State::of(log.now()).value().clone();
                let body = both["body"].as_str().unwrap();
                assert!(body.contains("dave") && body.contains("erin"), "{body}");
                let untouched = |map: &Map<String, Value>| {
                    let mut map = map.clone();
                    map.remove("body");
                    map.remove("tagline");
                    map
                };
                assert_eq!(untouched(&both), untouched(&expected));
            }
        }
        for left in effects(policy, &expected, past.value()) {
            let told = |kept: &&indelible_engine::pointer::Pointer| {
                kept.contains(&left.pointer) || left.pointer.contains(kept)
            };
            let kept = restored
                .kept
                .iter()
                .find(told)
                .unwrap_or_else(|| panic!("{left:?}"));
            let node = policy.find(kept).unwrap();
            assert!(
                !policy.rights(&alice).may_delete(node),
                "{kept} could be written"
            );
        }
        for kept in &restored.kept {
            let at = kept.to_string();
            let whole = Value::Object(expected.clone());
            let then = Value::Object(past.value().clone());
            if !at.contains("/guarded") {
                assert_ne!(whole.pointer(&at), then.pointer(&at), "{kept} is as it was");
            }
        }
    });
}

#[test]
fn a_restore_keeps_what_its_author_may_not_write_and_says_so() {
    let entity = thing();
    let past = State::of(&entity);
    let body = json!({
        "title": "Two", "secret": "s", "place": { "street": "New" },
        "items": [{ "id": "i3", "name": "third" }, { "name": "fourth" }]
    });
    let verdict = write(
        &entity,
        &chief(),
        &body,
        &MergeOptions::default(),
        Origin::Server,
    );
    let now = verdict.unwrap().admitted.unwrap().into_parts().0;

    let viewer = Principal::new("victor", ["viewer"]);
    let actor = server_actor(now.id(), now.epoch(), &viewer.id);
    assert!(restore(&now, &viewer, &actor, &past, &RestoreScope::Whole).is_err());

    let alice = editor("alice");
    let actor = server_actor(now.id(), now.epoch(), &alice.id);
    let restored = restore(&now, &alice, &actor, &past, &RestoreScope::Whole).unwrap();
    let kept: Vec<String> = restored.kept.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["/secret"]);
    let [change] = restored.changes.try_into().unwrap();
    let verdict = judge(&now, &alice, vec![change], Origin::Server);
    let after = State::of(&verdict.admitted.unwrap().into_parts().0);
    let mut expected = past.value().clone();
    expected.insert("secret".to_owned(), json!("s"));
    assert_eq!(after.value(), &expected);

    let chosen = ["/items/i1", "/place"]
        .map(|at| at.parse().unwrap())
        .to_vec();
    let scope = RestoreScope::Places(chosen);
    let change = restore(&now, &alice, &actor, &past, &scope)
        .unwrap()
        .changes;
    let verdict = judge(&now, &alice, change, Origin::Server);
    let after = verdict.admitted.unwrap().into_parts().0.presented();
    assert_eq!(after["title"], "Two");
    assert_eq!(after["place"], json!({ "city": "Bern" }));
    assert_eq!(after["items"][0]["id"], "i1");
    assert_eq!(after["items"].as_array().unwrap().len(), 3);
}

#[test]
fn a_lost_race_is_told_with_its_author() {
    let mut log = log_of(&[]);
    concurrent(&mut log);
    let found = races(log.now(), &log.records);
    let at: Vec<String> = found.iter().map(|race| race.pointer.to_string()).collect();
    assert_eq!(at, ["/tagline"]);
    assert_eq!(found[0].lost.len(), 1);
    for contender in std::iter::once(&found[0].stands).chain(&found[0].lost) {
        let by = contender.by.as_ref().expect("it is in the log");
        assert_eq!(contender.value, Some(json!(by.author)));
    }
    assert_ne!(found[0].stands.value, found[0].lost[0].value);
}
