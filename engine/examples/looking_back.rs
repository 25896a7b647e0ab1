//! What can be asked of an entity's past: its timeline, states, differences in words, who wrote
//! what, edits that were made at the same time, and bringing a state back.
//!
//! `cargo run -p indelible-engine --example looking_back` is silent if all of it holds.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, LoadOptions, ROOT, TextEncoding};
use indelible_engine::admission::{Admitted, Origin, Proposal, admit};
use indelible_engine::change::server_actor;
use indelible_engine::effects::{Effect, json_patch};
use indelible_engine::entity::Entity;
use indelible_engine::history::words::{Language, differences};
use indelible_engine::history::{
    InMemory, Past, Point, Record, RestoreScope, State, TimelineQuery, find, races, restore,
    timeline,
};
use indelible_engine::id::{EntityId, Epoch, GlobalSeq, LogPlace, ProposalId, Seq};
use indelible_engine::ledger::{EntryDraft, Logged};
use indelible_engine::lifecycle;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use serde_json::{Value, json};

const SCHEMA: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "page", "create": ["editor"], "edit": ["editor"],
                     "history": ["editor"], "restore": ["editor"] },
    "properties": {
        "title": { "type": "string" },
        "body": { "type": "string", "x-indelible": { "merge": "text" } },
        "rank": { "type": "integer", "x-indelible": { "write": "system" } }
    }
}"#;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let policy = Arc::new(schema::compile("page.json", SCHEMA).expect("it has no mistakes"));
    let alice = Principal::new("alice", ["editor"]);
    let Log { page, records } = written(&policy, &alice)?;
    let mut archive = InMemory(&records);

    // The timeline: the latest two entries, and where to go on.
    let query = TimelineQuery {
        entries_max: 2,
        ..TimelineQuery::default()
    };
    let first = timeline(&mut archive, &query)?;
    assert_eq!(first.records[0].header.author.id, "carol");
    assert_eq!(first.next, Some(LogPlace::new(Epoch::FIRST, Seq(4))));

    // The state at a time, by the shortest way.
    let place = find(&mut archive, &Point::Time("1970-01-01T00:02:30Z".parse()?))?;
    let mut checkpoints = BTreeMap::new();
    let mut past = Past {
        archive: &mut archive,
        checkpoints: &mut checkpoints,
        policies: &policy,
    };
    let then = past.state(place, Some(&State::of(&page)))?;
    let expected = json!({ "title": "Welcome", "body": "A page.", "rank": 1 });
    assert_eq!(then.presented(), expected);

    // The differences since, as a JSON Patch and in words.
    let later = past.state(LogPlace::new(Epoch::FIRST, Seq(3)), None)?;
    let patch = json_patch(&policy, &then.presented(), &later.presented());
    assert_eq!(patch.len(), 2);
    let told = differences(&policy, then.value(), later.value());
    let told: Vec<_> = told
        .iter()
        .map(|one| one.sentence(Language::English))
        .collect();
    assert_eq!(told[0], "Body: “fine ” added after “A ”");
    assert_eq!(told[1], "Title changed from “Welcome” to “Home”");

    // Who wrote the current values: of a text, letter by letter.
    let blame = past.blame(LogPlace::new(Epoch::FIRST, Seq(5)))?;
    let fields = blame.fields();
    let [body, rank, ..] = &fields[..] else {
        panic!("two fields have authors");
    };
    let runs: Vec<_> = body
        .runs
        .iter()
        .map(|run| (run.length, run.by.place.seq.0))
        .collect();
    assert_eq!(body.pointer.to_string(), "/body");
    assert_eq!(runs, [(2, 1), (5, 3), (5, 1)]);
    assert_eq!(rank.pointer.to_string(), "/rank");
    assert_eq!(rank.by.author, "system");

    // Bob and Carol wrote the title at the same time; one of the two values is the current one.
    let races = races(&page, &records);
    let contenders = [&races[0].stands, &races[0].lost[0]];
    let mut authors = contenders.map(|one| one.by.as_ref().map(|by| by.author.clone()));
    authors.sort();
    assert_eq!(authors, [Some("bob".to_owned()), Some("carol".to_owned())]);

    // Alice restores the genesis, as a new change. She may not write the rank: it is left alone.
    let empty = past.state(LogPlace::new(Epoch::FIRST, Seq(0)), None)?;
    let actor = server_actor(page.id(), Epoch::FIRST, "alice");
    let restored = restore(&page, &alice, &actor, &empty, &RestoreScope::Whole)?;
    assert_eq!(restored.kept[0].to_string(), "/rank");
    let after = judged(&page, &alice, Origin::Server, restored.changes);
    assert_eq!(after.entity().presented(), json!({ "rank": 1 }));
    Ok(())
}

/// An entity and the records of its log, one a minute.
struct Log {
    page: Entity,
    records: Vec<Record>,
}

impl Log {
    fn push(&mut self, mut entity: Entity, draft: EntryDraft, effects: Vec<Effect>) {
        let seq = self.records.len() as u64;
        let at = Timestamp(seq as i64 * 60_000);
        let sealed = draft.seal(GlobalSeq(seq + 1), at, entity.hash());
        entity.confirm(Logged::of(&sealed.entry, sealed.hash));
        self.records.push(Record::of_sealed(&sealed, effects));
        self.page = entity;
    }
}

/// A page that Alice made, the system ranked and Alice edited, and whose title Bob and Carol then
/// changed at the same time.
fn written(policy: &Arc<Policy>, alice: &Principal) -> Result<Log, Box<dyn Error>> {
    let id: EntityId = "page/home".parse()?;
    let page = Entity::genesis(&id, Epoch::FIRST, policy);
    let mut log = Log {
        page: page.clone(),
        records: Vec::new(),
    };
    let genesis = lifecycle::genesis(&page, Timestamp(0));
    log.push(page, genesis, Vec::new());
    let bodies: [(&Principal, Value); 3] = [
        (alice, json!({ "title": "Welcome", "body": "A page." })),
        (&Principal::system(), json!({ "rank": 1 })),
        (alice, json!({ "title": "Home", "body": "A fine page." })),
    ];
    for (author, body) in bodies {
        let creation = log.page.seq() == Seq(0);
        let options = MergeOptions {
            creation,
            ..MergeOptions::default()
        };
        let actor = server_actor(&id, Epoch::FIRST, &author.id);
        let changes = merge(&log.page, author, &actor, &body, &options)?.changes;
        let origin = match creation {
            true => Origin::Creation,
            false => Origin::Server,
        };
        let (entity, draft, effects) = judged(&log.page, author, origin, changes).into_parts();
        log.push(entity, draft, effects);
    }
    let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
    let loaded = Automerge::load_with_options(&log.page.document(), options)?;
    for (name, title, actor) in [("bob", "Start", 1), ("carol", "Front", 2)] {
        let mut doc = loaded.clone().with_actor(ActorId::from([actor; 16]));
        let mut tx = doc.transaction();
        tx.put(ROOT, "title", title)?;
        tx.commit();
        let change = doc.get_last_local_change().expect("it was made");
        let changes = vec![change.raw_bytes().to_vec()];
        let author = Principal::new(name, ["editor"]);
        let admitted = judged(&log.page, &author, Origin::Client, changes);
        let (entity, draft, effects) = admitted.into_parts();
        log.push(entity, draft, effects);
    }
    Ok(log)
}

fn judged(page: &Entity, author: &Principal, origin: Origin, changes: Vec<Vec<u8>>) -> Admitted {
    let proposal = Proposal::new(ProposalId([1; 16]), author.clone(), origin, changes);
    let verdict = admit(page, &proposal, Timestamp(0), &Limits::default());
    verdict.admitted.expect("it is allowed")
}
