//! Many who create, edit, delete and bring back entities that all want the same few values.
//!
//! Guards against a moment at which two present entities have one value, seen in the log at every
//! place of the global order, and against claims that are not those of the values.
//!
//! `INDELIBLE_SEED=N` takes another seed than the clock's; `INDELIBLE_LONG=1` goes on for longer.

#![allow(clippy::print_stdout, reason = "a seed and figures are to be seen")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use indelible_engine::claims;
use indelible_engine::effects::EffectChange;
use indelible_engine::history::{Derived, Kept};
use indelible_engine::id::{EntityId, GlobalSeq, Hash, Kind};
use indelible_engine::ledger::{EntryKind, decode};
use indelible_engine::policy::Policy;
use indelible_engine::protocol::ServerFrame;
use indelible_engine::schema;
use indelible_server::config::RefusalSettings;
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Claims, Ledger, Place, Upkeep};
use serde_json::{Value, json};

use super::super::harness::{self, Client, Http};
use super::super::kills::Chance;
use super::super::process::Process;
use super::{create, delete, schema, undelete};

const PEOPLE: u64 = 8;
const MEMBERS: u64 = 6;
const VALUES: u64 = 4;
const QUICK_STEPS: usize = 40;
const LONG_STEPS: usize = 2_000;

/// What became of what everybody tried.
#[derive(Debug, Default)]
struct Figures {
    admitted: usize,
    /// Refused because the value had another holder.
    taken: usize,
    /// Refused because the entity was there, or was not.
    missed: usize,
}

/// One person's steps, each over the way that it takes.
async fn person(authority: String, token: String, mut chance: Chance, steps: usize) -> Figures {
    let mut client = harness::connect_to(&authority, Some(token.clone())).await;
    let http = Http::to(&authority, Some(token));
    let mut figures = Figures::default();
    for _ in 0..steps {
        let member = format!("member/m{}", chance.below(MEMBERS));
        let code = json!({ "code": format!("v{}", chance.below(VALUES)) });
        let desk = json!({ "desk": { "number": chance.below(VALUES) } });
        let value = match chance.below(4) {
            0 => json!({ "code": code["code"], "desk": desk["desk"] }),
            1 => desk,
            _ => code,
        };
        let id = match chance.below(8) {
            0 | 1 => create(&mut client, &member, value).await,
            2 => delete(&mut client, &member).await,
            3 | 4 => undelete(&mut client, &member).await,
            _ => {
                let answer = http.put(&format!("/api/{member}"), value).await;
                let rule = answer.body["violations"][0]["rule"].as_str();
                figures.count(answer.status == 200, rule);
                continue;
            }
        };
        let answered = answer(&mut client).await;
        assert_eq!(answered.0, id);
        figures.count(answered.1, answered.2.as_deref());
    }
    figures
}

async fn answer(client: &mut Client) -> (indelible_engine::id::ProposalId, bool, Option<String>) {
    match client.next().await {
        ServerFrame::Admitted { id, .. } => (id, true, None),
        ServerFrame::Refused { id, violations, .. } => {
            let rule = violations.into_iter().next().map(|first| first.rule);
            (id, false, rule)
        }
        other => panic!("no answer: {other:?}"),
    }
}

impl Figures {
    fn count(&mut self, admitted: bool, rule: Option<&str>) {
        match (admitted, rule) {
            (true, _) => self.admitted += 1,
            (false, Some("unique")) => self.taken += 1,
            (false, _) => self.missed += 1,
        }
    }
}

fn policy() -> Policy {
    let text = std::fs::read_to_string(schema().join("member.json")).unwrap();
    schema::compile("member.json", &text).unwrap()
}

/// Goes through the log in the order of all entries; gives what the present entities hold in the
/// end, by the values that the entries' effects tell.
fn replay(store: &dyn Ledger) -> BTreeMap<EntityId, BTreeMap<String, Value>> {
    let (mut values, mut present) = (BTreeMap::new(), BTreeSet::new());
    for stored in store.feed(GlobalSeq(0), usize::MAX).unwrap() {
        let entry = decode(&stored.bytes).unwrap();
        match entry.kind {
            EntryKind::Deleted => drop(present.remove(&entry.header.entity)),
            EntryKind::Changes | EntryKind::Undeleted => {
                present.insert(entry.header.entity.clone());
            }
            _ => {}
        }
        let place = Place {
            entity: entry.header.entity.clone(),
            epoch: entry.header.place.epoch,
            seq: entry.header.place.seq,
        };
        let effects = store.effects(&place, 1).unwrap();
        let effects = effects
            .into_iter()
            .filter(|(seq, _)| *seq == entry.header.place.seq);
        for (_, bytes) in effects {
            let fields: &mut BTreeMap<String, Value> =
                values.entry(entry.header.entity.clone()).or_default();
            let Some(Kept::All(derived)) = Derived::decode(&bytes) else {
                panic!("the store keeps what this version writes");
            };
            for effect in derived.effects {
                let EffectChange::Put { to, .. } = effect.change else {
                    continue;
                };
                let name = effect.pointer.to_string();
                match to {
                    Some(to) => drop(fields.insert(name, to)),
                    None => drop(fields.remove(&name)),
                }
            }
        }
        let mut seen = BTreeSet::new();
        for entity in &present {
            for field in values.get(entity).into_iter().flatten() {
                let once = seen.insert(format!("{field:?}"));
                assert!(once, "{field:?} is there twice after {}", entry.global.0);
            }
        }
    }
    values.retain(|entity, _| present.contains(entity));
    values
}

/// The claims that the store has, which have to be those of the values that it has.
fn check(data: &Path) -> Vec<(Hash, EntityId)> {
    let (policy, kind) = (policy(), Kind::new("member").unwrap());
    let store = RedbStore::open(data, RefusalSettings::default()).unwrap();
    let mut expected: Vec<(Hash, EntityId)> = Vec::new();
    for (entity, fields) in replay(&store) {
        let mut value = json!({});
        for (name, field) in fields {
            match name.as_str() {
                "/code" => value["code"] = field,
                "/desk/number" => value["desk"] = json!({ "number": field }),
                other => panic!("nobody writes {other}"),
            }
        }
        let held = claims::held(&policy, &value);
        expected.extend(held.iter().map(|claim| (claim.key(&kind), entity.clone())));
    }
    expected.sort();
    let claims = store.claims(&kind).unwrap();
    assert_eq!(claims, expected);
    claims
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_no_time_do_two_have_one_value() {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let steps = set("INDELIBLE_LONG").map_or(QUICK_STEPS, |_| LONG_STEPS);
    let clock = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let seed = set("INDELIBLE_SEED").map_or(clock, |seed| seed.parse().unwrap());
    println!("seed {seed}; again: INDELIBLE_SEED={seed}");
    let data = tempfile::tempdir().unwrap();
    let mut server = Process::start(data.path(), &schema());
    let people = (0..PEOPLE).map(|number| {
        let (name, ttl) = (format!("person-{number}"), Duration::from_secs(36_000));
        let token = harness::token(data.path(), &name, &["editor"], ttl);
        let chance = Chance::new(seed ^ (number << 32));
        person(server.authority.clone(), token, chance, steps)
    });
    let all = futures_util::future::join_all(people.map(tokio::spawn)).await;
    let mut figures = Figures::default();
    for one in all {
        let one = one.unwrap();
        figures.admitted += one.admitted;
        figures.taken += one.taken;
        figures.missed += one.missed;
    }
    println!("{figures:?}");
    assert!(figures.admitted > steps / 2, "{figures:?}");
    assert!(figures.taken > steps / 4, "{figures:?}");
    server.kill();
    let claims = check(data.path());

    // A store that lost its claims gets them again at the next start.
    let store = RedbStore::open(data.path(), RefusalSettings::default()).unwrap();
    let kind = Kind::new("member").unwrap();
    store.rebuild_caches().unwrap();
    assert_eq!(store.claims(&kind).unwrap(), []);
    drop(store);
    Process::start(data.path(), &schema()).kill();
    let store = RedbStore::open(data.path(), RefusalSettings::default()).unwrap();
    assert_eq!(store.claims(&kind).unwrap(), claims);
}
