//! Guards against a past that is told otherwise than it was: effects that do not lead from one
//! state to the next or back, blame that names the wrong entry, a restore that brings back less or
//! more than it says.

use std::collections::BTreeMap;

use automerge::ROOT;
use automerge::transaction::Transactable;
use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::effects::{Effect, EffectChange};
use indelible_engine::entity::{Entity, Logged};
use indelible_engine::history::{Blame, Record, State, effects_of};
use indelible_engine::history::{RestoreScope, races, restore};
use indelible_engine::id::{GlobalSeq, Hash};
use indelible_engine::ledger::{EntryDraft, Sealed};
use indelible_engine::lifecycle;
use indelible_engine::merge::{Absent, MergeOptions, Protected, merge};
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::fixture::{Client, NOW, editor, judge, policy, thing, write};

/// A log with the states after each of its entries, as documents tell them.
struct Log {
    records: Vec<Record>,
    sealed: Vec<Sealed>,
    entities: Vec<Entity>,
}

impl Log {
    fn new() -> Self {
        let id = "thing/one".parse().unwrap();
        let entity = Entity::genesis(&id, indelible_engine::id::Epoch::FIRST, &policy());
        let mut log = Self {
            records: Vec::new(),
            sealed: Vec::new(),
            entities: Vec::new(),
        };
        let genesis = lifecycle::genesis(&entity, NOW);
        let mut same = entity.clone();
        let sealed = genesis.clone().seal(GlobalSeq(0), NOW, Hash::ZERO);
        let logged = Logged::of(&sealed.entry, sealed.hash);
        let effects = effects_of(&mut same, logged, &policy()).unwrap();
        log.push(entity, genesis, effects);
        log
    }

    fn push(&mut self, mut entity: Entity, draft: EntryDraft, effects: Vec<Effect>) {
        let count = self.sealed.len() as u64;
        let at = Timestamp(NOW.0 + i64::try_from(count).unwrap() * 1000);
        let previous = self.sealed.last().map_or(Hash::ZERO, |sealed| sealed.hash);
        let sealed = draft.seal(GlobalSeq(count), at, previous);
        if count > 0 {
            entity.confirm(Logged::of(&sealed.entry, sealed.hash));
        }
        self.records.push(Record::of_sealed(&sealed, effects));
        self.sealed.push(sealed);
        self.entities.push(entity);
    }

    fn now(&self) -> &Entity {
        self.entities.last().unwrap()
    }

    /// Writes a whole value as `author`.
    fn put(&mut self, author: &Principal, body: &Value, origin: Origin) {
        let options = MergeOptions {
            protected: Protected::Keep,
            absent: Absent::Removed,
            creation: origin == Origin::Creation,
            ..MergeOptions::default()
        };
        let actor = server_actor(self.now().id(), self.now().epoch(), &author.id);
        let merged = merge(self.now(), author, &actor, body, &options).unwrap();
        if let Some(change) = merged.change {
            self.take(author, change, origin);
        }
    }

    fn take(&mut self, author: &Principal, change: Vec<u8>, origin: Origin) {
        let verdict = judge(self.now(), author, vec![change], origin);
        assert_eq!(verdict.refused, None);
        let (entity, draft, effects) = verdict.admitted.unwrap().into_parts();
        self.push(entity, draft, effects);
    }
}

fn chief() -> Principal {
    Principal::new("carol", ["editor", "chief"])
}

/// One random step: what is changed in a value, by small numbers.
fn altered(value: &Value, numbers: &[u8]) -> Value {
    let mut value = value.clone();
    let map = value.as_object_mut().unwrap();
    let word = |n: u8| ["", "a", "né", "🦀x", "longer word"][usize::from(n % 5)].to_owned();
    for pair in numbers.chunks_exact(3) {
        let (what, n, m) = (pair[0] % 12, pair[1], pair[2]);
        match what {
            0 => drop(map.insert("tagline".to_owned(), word(n).into())),
            1 => drop(map.remove("tagline")),
            2 => drop(map.insert("body".to_owned(), edited(map.get("body"), n, m).into())),
            3 => drop(map.insert("hits".to_owned(), n.into())),
            4 => drop(map.insert("tags".to_owned(), (0..n % 4).map(|i| word(i ^ m)).collect())),
            5 => drop(map.insert(
                "place".to_owned(),
                json!({ "street": word(n), "city": word(m) }),
            )),
            6 => drop(map.insert("place".to_owned(), json!({}))),
            7 => drop(map.insert("prices".to_owned(), json!({ word(1 + n % 4): m }))),
            8 if n % 2 == 0 => {
                map.insert(
                    "labels".to_owned(),
                    json!({ word(1 + n % 4): { "text": word(m) } }),
                );
            }
            8 => drop(map.remove("labels")),
            9 => drop(map.insert("shape".to_owned(), json!({ "w": n }))),
            _ => items(map, n, m, &word(n ^ m)),
        }
    }
    value
}

fn edited(text: Option<&Value>, n: u8, m: u8) -> String {
    let mut text: Vec<char> = text.and_then(Value::as_str).unwrap_or("").chars().collect();
    let at = usize::from(n) % (text.len() + 1);
    let end = (at + usize::from(m % 3)).min(text.len());
    let new = ["", "ö", "xy", "🦀"][usize::from(m / 3 % 4)];
    text.splice(at..end, new.chars());
    text.truncate(60);
    text.into_iter().collect()
}

fn items(map: &mut Map<String, Value>, n: u8, m: u8, word: &str) {
    let list = map.entry("items").or_insert_with(|| json!([]));
    let list = list.as_array_mut().unwrap();
    let at = usize::from(n) % (list.len() + 1);
    match m % 5 {
        0 => list.insert(at, json!({ "name": word, "note": word, "tags": [word] })),
        1 if at < list.len() => drop(list.remove(at)),
        2 => list.reverse(),
        3 if at < list.len() => {
            let item = list.remove(at);
            list.insert(usize::from(m) % (list.len() + 1), item);
        }
        _ if at < list.len() => {
            list[at]["name"] = word.into();
            list[at]["note"] = edited(list[at].get("note"), n, m).into();
        }
        _ => {}
    }
}

fn log_of(steps: &[Vec<u8>]) -> Log {
    let mut log = Log::new();
    let body = json!({ "title": "One", "code": "c", "body": "hello", "items": [{ "id": "i1" }] });
    log.put(&chief(), &body, Origin::Creation);
    for (index, numbers) in steps.iter().enumerate() {
        let body = altered(&log.now().presented(), numbers);
        let author = [chief(), editor("alice"), editor("bob")][index % 3].clone();
        log.put(&author, &body, Origin::Server);
        if index == 5 {
            concurrent(&mut log);
        }
    }
    log
}

/// Two clients write without knowing of one another.
fn concurrent(log: &mut Log) {
    let mut clients: Vec<Client> = [("dave", 1), ("erin", 2)]
        .map(|(name, actor)| Client::on(log.now(), name, actor))
        .into();
    for client in &mut clients {
        let name = client.principal.id.clone();
        let body = client.object(&["body"]);
        let change = client.change(|tx| {
            tx.put(ROOT, "tagline", name.as_str()).unwrap();
            tx.splice_text(&body, 0, 0, &name).unwrap();
        });
        log.take(&client.principal, change, Origin::Client);
    }
}

fn steps() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 3..13), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Forward from the first state and back from the last, every state is the document's.
    #[test]
    fn effects_lead_to_every_state_and_back(steps in steps()) {
        let log = log_of(&steps);
        let mut state = State::of(&log.entities[0]);
        for (record, entity) in log.records.iter().zip(&log.entities).skip(1) {
            state.forward([record], &policy()).unwrap();
            prop_assert_eq!(state.presented(), entity.presented());
            prop_assert_eq!(state.stamps(), entity.stamps());
        }
        for (index, entity) in log.entities.iter().enumerate() {
            let mut state = State::of(log.now());
            let place = (entity.epoch(), entity.seq());
            state.back(place, log.records.iter().rev(), &policy()).unwrap();
            let then = log.now().presented_at(&log.records[index].heads).unwrap();
            for (name, field) in state.value() {
                prop_assert_eq!(Some(field), then.get(name));
            }
            prop_assert_eq!(state.presented(), entity.presented());
            prop_assert_eq!(state.stamps(), entity.stamps());
            prop_assert_eq!((state.place(), state.presence()), (place, entity.presence()));
        }
    }

    /// Effects that are made again by replay are those that admission told.
    #[test]
    fn effects_are_made_again(steps in steps()) {
        let log = log_of(&steps);
        let mut entity = log.entities[0].clone();
        for (sealed, record) in log.sealed.iter().zip(&log.records).skip(1) {
            let logged = Logged::of(&sealed.entry, sealed.hash);
            let effects = effects_of(&mut entity, logged, &policy()).unwrap();
            prop_assert_eq!(&effects, &record.effects);
            let json = serde_json::to_string(&effects).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Vec<Effect>>(&json).unwrap(), &effects);
        }
    }

    /// Blame of every field is what one finds who compares state with state.
    #[test]
    fn blame_names_the_entry_that_set_the_value(steps in steps()) {
        let log = log_of(&steps);
        let policy = policy();
        let mut blame = Blame::new();
        let mut naive: BTreeMap<String, (Value, u64)> = BTreeMap::new();
        let mut body: Vec<u64> = Vec::new();
        for (record, entity) in log.records.iter().zip(&log.entities) {
            blame.take(record, &policy).unwrap();
            let mut found = BTreeMap::new();
            scalars(&entity.presented(), String::new(), &mut found);
            naive = found
                .into_iter()
                .map(|(at, value)| {
                    let seq = match naive.get(&at) {
                        Some((old, seq)) if *old == value => *seq,
                        _ => record.seq.0,
                    };
                    (at, (value, seq))
                })
                .collect();
            for effect in &record.effects {
                if effect.pointer.to_string() == "/body"
                    && let EffectChange::Splice { at, removed, inserted } = &effect.change
                {
                    let units = |v: &Value| v.as_str().unwrap().encode_utf16().count();
                    let new = vec![record.seq.0; units(inserted)];
                    body.splice(*at..*at + units(removed), new);
                }
            }
        }
        let found = blame.fields();
        for field in &found {
            let at = field.pointer.to_string();
            if at == "/body" {
                let runs = field.runs.iter();
                let told: Vec<u64> = runs.flat_map(|r| vec![r.by.seq.0; r.length]).collect();
                prop_assert_eq!(&told, &body);
            } else if let Some((_, seq)) = naive.remove(&at) {
                prop_assert_eq!(field.by.seq.0, seq, "{}", at);
            } else {
                let is_run = !field.runs.is_empty() || log.now().presented().pointer(&at).is_none();
                prop_assert!(is_run || ["/items/", "/labels/", "/shape", "/guarded/"].iter().any(|made| at.starts_with(made)), "{}", at);
            }
        }
        naive.retain(|at, _| !at.starts_with("/shape") && !at.contains("/tags/"));
        naive.retain(|at, _| at != "/body" && !at.ends_with("/note") && !at.ends_with("/id"));
        naive.retain(|at, _| !["/createdAt", "/updatedBy"].contains(&at.as_str()));
        prop_assert!(naive.is_empty(), "{:?}", naive);
    }

    /// By somebody with all rights, everything is as it was then.
    #[test]
    fn restore_brings_back_a_whole_state(steps in steps(), which in any::<prop::sample::Index>()) {
        let mut log = log_of(&steps);
        let then = log.entities[1 + which.index(log.entities.len() - 1)].clone();
        let past = State::of(&then);
        let root = Principal::system();
        let actor = server_actor(then.id(), then.epoch(), &root.id);
        let restored = restore(log.now(), &root, &actor, &past, &RestoreScope::Whole).unwrap();
        prop_assert_eq!(&restored.kept, &vec![]);
        let had_change = restored.change.is_some();
        prop_assert_eq!(had_change, State::of(log.now()).value() != past.value());
        if let Some(change) = restored.change {
            log.take(&root, change, Origin::Server);
        }
        let now = State::of(log.now());
        prop_assert_eq!(now.value(), past.value());
    }
}

/// Every scalar by pointer; items of keyed lists by id.
fn scalars(value: &Value, at: String, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                scalars(value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                let id = value.get("id").and_then(Value::as_str);
                let token = id.map_or_else(|| index.to_string(), str::to_owned);
                scalars(value, format!("{at}/{token}"), found);
            }
        }
        scalar => drop(found.insert(at, scalar.clone())),
    }
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
    let change = restored.change.unwrap();
    let verdict = judge(&now, &alice, vec![change], Origin::Server);
    let after = State::of(&verdict.admitted.unwrap().into_parts().0);
    let mut expected = past.value().clone();
    expected.insert("secret".to_owned(), json!("s"));
    assert_eq!(after.value(), &expected);

    let chosen = ["/items/i1", "/place"]
        .map(|at| at.parse().unwrap())
        .to_vec();
    let scope = RestoreScope::Places(chosen);
    let change = restore(&now, &alice, &actor, &past, &scope).unwrap().change;
    let verdict = judge(&now, &alice, vec![change.unwrap()], Origin::Server);
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
