//! Random logs with every kind of entry, and the entity after each entry as its document has it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use automerge::transaction::Transactable;
use automerge::{ROOT, ReadDoc};
use indelible_engine::admission::{Admitted, Origin};
use indelible_engine::change::server_actor;
use indelible_engine::effects::Effect;
use indelible_engine::entity::Entity;
use indelible_engine::history::{Record, effects_of};
use indelible_engine::id::{GlobalSeq, Hash, ProposalId};
use indelible_engine::ledger::{EntryDraft, EntryKind, Logged, Presence, Sealed};
use indelible_engine::lifecycle::{self, Request, next_epoch};
use indelible_engine::merge::{Absent, MergeOptions, Protected, merge};
use indelible_engine::migration::migrate;
use indelible_engine::policy::{Policy, PolicyBook};
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::fixture::{Client, NOW, editor, judge, policy};

const QUICK_CASES: u64 = 24;
const LONG_CASES: u64 = 500;

/// Runs the one seed that is asked for, or as many as there is time for; a failure prints its seed.
pub(crate) fn run_all(mut case: impl FnMut(u64)) {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(seed) = set("INDELIBLE_SEED") {
        return case(seed.parse().expect("INDELIBLE_SEED is a number"));
    }
    let cases = if set("INDELIBLE_LONG").is_some() {
        LONG_CASES
    } else {
        QUICK_CASES
    };
    for seed in 0..cases {
        let outcome = catch_unwind(AssertUnwindSafe(|| case(seed)));
        assert!(
            outcome.is_ok(),
            "seed {seed} failed; again: INDELIBLE_SEED={seed}"
        );
    }
}

/// Numbers that follow from a seed (SplitMix64, Steele et al. 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// The kind after its schema changed: a field more, in items too, and one with another name.
pub(super) fn later_policy() -> Arc<Policy> {
    let mut schema = policy().schema().clone();
    let fields = schema["properties"].as_object_mut().unwrap();
    let renamed = fields.remove("number").unwrap();
    fields.insert("amount".to_owned(), renamed);
    fields["amount"]["x-indelible"] = json!({ "was": "number" });
    fields.insert(
        "added".to_owned(),
        json!({ "type": ["string", "null"], "default": "new" }),
    );
    let items = &mut fields["items"]["items"]["properties"];
    items["more"] = json!({ "type": "array", "items": { "type": "string" } });
    items["grade"] = json!({ "type": "integer", "default": 7 });
    Arc::new(schema::compile("thing.json", &schema.to_string()).unwrap())
}

/// A log with the states after each of its entries, as documents have them.
pub(super) struct Log {
    pub(super) records: Vec<Record>,
    pub(super) sealed: Vec<Sealed>,
    pub(super) entities: Vec<Entity>,
    pub(super) policies: PolicyBook,
}

impl Log {
    pub(super) fn new() -> Self {
        Self::under(&[policy(), later_policy()])
    }

    /// Under the first of these schemas.
    pub(super) fn under(policies: &[Arc<Policy>]) -> Self {
        let policy = &policies[0];
        let id = "thing/one".parse().unwrap();
        let entity = Entity::genesis(&id, indelible_engine::id::Epoch::FIRST, policy);
        let mut log = Self {
            records: Vec::new(),
            sealed: Vec::new(),
            entities: Vec::new(),
            policies: policies.iter().map(Arc::clone).collect(),
        };
        let genesis = lifecycle::genesis(&entity, NOW);
        let mut same = entity.clone();
        let sealed = genesis.clone().seal(GlobalSeq(0), NOW, Hash::ZERO);
        let logged = Logged::of(&sealed.entry, sealed.hash);
        let effects = effects_of(&mut same, logged, policy).unwrap();
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

    pub(super) fn now(&self) -> &Entity {
        self.entities.last().unwrap()
    }

    /// Writes a whole value as `author`.
    pub(super) fn put(&mut self, author: &Principal, body: &Value, origin: Origin) {
        let options = MergeOptions {
            protected: Protected::Keep,
            absent: Absent::Removed,
            creation: origin == Origin::Creation,
            ..MergeOptions::default()
        };
        let actor = server_actor(self.now().id(), self.now().epoch(), &author.id);
        let merged = merge(self.now(), author, &actor, body, &options).unwrap();
        for change in merged.changes {
            self.take(author, change, origin);
        }
    }

    fn accept(&mut self, admitted: Admitted) {
        let (entity, draft, effects) = admitted.into_parts();
        self.push(entity, draft, effects);
    }

    /// Deletes the entity, or brings it back.
    fn turn(&mut self, author: &Principal) {
        let request = Request {
            id: ProposalId([8; 16]),
            author: author.clone(),
            session: None,
        };
        let verdict = match self.now().presence() {
            Presence::Deleted => lifecycle::undelete(self.now(), &request, NOW),
            _ => lifecycle::delete(self.now(), &request, NOW),
        };
        self.accept(verdict.admitted.unwrap());
    }

    /// What the server does of itself: a new epoch, or another schema.
    pub(super) fn renew(&mut self, kind: EntryKind) {
        let policy = Arc::clone(self.now().policy());
        let admitted = match kind {
            EntryKind::Epoch => next_epoch(self.now(), &policy, NOW).unwrap(),
            _ => return self.follow(&later_policy()),
        };
        self.accept(admitted);
    }

    /// A different schema, if it differs.
    pub(super) fn follow(&mut self, policy: &Arc<Policy>) {
        if let Some(admitted) = migrate(self.now(), policy, NOW).unwrap() {
            self.accept(admitted);
        }
    }

    pub(super) fn take(&mut self, author: &Principal, change: Vec<u8>, origin: Origin) {
        let verdict = judge(self.now(), author, vec![change], origin);
        assert_eq!(verdict.refused, None);
        let (entity, draft, effects) = verdict.admitted.unwrap().into_parts();
        self.push(entity, draft, effects);
    }
}

pub(super) fn chief() -> Principal {
    Principal::new("carol", ["editor", "chief"])
}

/// One random step: what is changed in a value, by small numbers.
fn altered(value: &Value, numbers: &[u8]) -> Value {
    let mut value = value.clone();
    let map = value.as_object_mut().unwrap();
    let word = |n: u8| ["", "a", "né", "🦀x", "longer word"][usize::from(n % 5)].to_owned();
    for pair in numbers.chunks_exact(3) {
        let (what, n, m) = (pair[0] % 15, pair[1], pair[2]);
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
            14 if map.contains_key("added") => {
                let new = if n.is_multiple_of(2) {
                    Value::Null
                } else {
                    word(m).into()
                };
                map.insert("added".to_owned(), new);
            }
            12 => drop(map.insert("secret".to_owned(), word(n).into())),
            13 => drop(map.insert(
                "guarded".to_owned(),
                json!([{ "id": "g1", "name": word(n), "worth": m }]),
            )),
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

pub(super) fn log_of(steps: &[Vec<u8>]) -> Log {
    let mut log = Log::new();
    let body = json!({ "title": "One", "code": "c", "body": "hello", "items": [{ "id": "i1" }], "guarded": [{ "id": "g1" }] });
    log.put(&chief(), &body, Origin::Creation);
    for (index, numbers) in steps.iter().enumerate() {
        let body = altered(&log.now().presented(), numbers);
        let author = [chief(), editor("alice"), editor("bob")][index % 3].clone();
        log.put(&author, &body, Origin::Server);
        match numbers[0] % 23 {
            0 => {
                log.turn(&author);
                log.turn(&chief());
            }
            1 => log.renew(EntryKind::Epoch),
            2 => log.renew(EntryKind::Policy),
            3 | 4 => concurrent(&mut log),
            _ => {}
        }
    }
    log
}

/// Two clients write without knowing of one another.
pub(super) fn concurrent(log: &mut Log) {
    let mut clients: Vec<Client> = [("dave", 1), ("erin", 2)]
        .map(|(name, actor)| Client::on(log.now(), name, actor))
        .into();
    for client in &mut clients {
        let name = client.principal.id.clone();
        let body = client.object(&["body"]);
        let change = client.change(|tx| {
            tx.put(ROOT, "tagline", name.as_str()).unwrap();
            // The text has a greatest length.
            let gone = if tx.length(&body) > 70 { 10 } else { 0 };
            tx.splice_text(&body, 0, gone, &name).unwrap();
        });
        log.take(&client.principal, change, Origin::Client);
    }
}

/// The log of a seed.
pub(super) fn random_log(seed: u64) -> Log {
    let mut dice = Dice(seed);
    let count = 1 + dice.below(18);
    let steps: Vec<Vec<u8>> = (0..count)
        .map(|_| {
            let length = 3 + dice.below(10);
            (0..length).map(|_| dice.byte()).collect()
        })
        .collect();
    log_of(&steps)
}
