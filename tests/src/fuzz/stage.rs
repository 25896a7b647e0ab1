//! An entity of the hostile catalogue for a target to act on, and what must hold of it afterwards.
//!
//! Invariant: the same for every run, so that an input means the same for ever; what a target makes
//! of an entity is never seen by the next.
//! Must never know: inputs.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, LoadOptions, ObjId, ROOT, ReadDoc, TextEncoding};
use indelible_engine::admission::{Origin, Proposal, Verdict, admit};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::schema::SchemaSource;
use indelible_engine::time::Timestamp;
use serde_json::Value;

use crate::hostile::{self, CREATOR};

const NOW: Timestamp = Timestamp(1_770_000_000_000);

/// Who edits honestly.
pub(crate) const HONEST: &str = "bob";

/// The policy of the catalogue's entities.
pub(crate) static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let file = hostile::schema_folder().join("thing.json");
    let source = SchemaSource {
        file: "thing.json".to_owned(),
        text: hostile::read(&file).to_string(),
    };
    Arc::new(Policy::compile(&source).expect("the schema of the catalogue is good"))
});

/// The entity as its creator made it.
pub(crate) fn created(id: &EntityId) -> Entity {
    let genesis = Entity::genesis(id, Epoch::FIRST, &POLICY);
    let creator = hostile::principal(CREATOR);
    let actor = server_actor(id, Epoch::FIRST, &creator.id);
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let merged = merge(&genesis, &creator, &actor, &hostile::content(), &options);
    let changes = merged
        .expect("the content of the catalogue is good")
        .changes;
    let verdict = judge(&genesis, &creator, changes, Origin::Creation);
    after(verdict).expect("a good creation is admitted")
}

/// What admission says.
pub(crate) fn judge(
    entity: &Entity,
    author: &Principal,
    changes: Vec<Vec<u8>>,
    origin: Origin,
) -> Verdict {
    let proposal = Proposal {
        id: ProposalId([7; 16]),
        author: author.clone(),
        session: None,
        origin,
        changes,
        claimed: None,
    };
    admit(entity, &proposal, NOW, &Limits::default())
}

/// The entity with what was admitted, if anything was.
pub(crate) fn after(verdict: Verdict) -> Option<Entity> {
    verdict.admitted.map(|admitted| admitted.into_parts().0)
}

/// Honest edits, each on the entity as it is, by an actor of its own.
pub(crate) fn honest_changes(entity: &Entity) -> Vec<Vec<u8>> {
    let edits: [fn(&mut Transaction<'_>, &Automerge); 9] = [
        |tx, _| done(tx.put(ROOT, "title", "Two")),
        |tx, doc| done(tx.splice_text(object(doc, &["body"]), 3, 4, "é🦀")),
        |tx, doc| {
            let tags = object(doc, &["tags"]);
            done(tx.insert(&tags, 1, "x"));
            done(tx.put(&tags, 0, "y"));
            done(tx.delete(&tags, 2));
        },
        |tx, _| done(tx.increment(ROOT, "hits", 5)),
        |tx, doc| {
            use automerge::ObjType::{List, Map, Text};
            let item = made(tx.put_object(object(doc, &["items"]), "new", Map));
            done(tx.put(&item, "$position", "n"));
            let note = made(tx.put_object(&item, "note", Text));
            done(tx.splice_text(&note, 0, 0, "hi"));
            made(tx.put_object(&item, "tags", List));
            made(tx.put_object(&item, "parts", Map));
            done(tx.put(&item, "count", automerge::ScalarValue::counter(0)));
            done(tx.put(&item, "serial", "s9"));
        },
        |tx, doc| {
            done(tx.put(object(doc, &["items", "i1"]), "$position", "zz"));
            done(tx.put(object(doc, &["items", "i3"]), "$deleted", true));
        },
        |tx, doc| {
            done(tx.put(object(doc, &["prices"]), "net", 8.5));
            done(tx.put(ROOT, "shape", r#"{"w":3}"#));
            done(tx.put(ROOT, "number", -1));
        },
        |tx, doc| {
            let label = object(doc, &["labels"]);
            let label = made(tx.put_object(label, "y", automerge::ObjType::Map));
            done(tx.put(&label, "text", "why"));
        },
        |tx, doc| {
            done(tx.delete(ROOT, "number"));
            done(tx.put(object(doc, &["place"]), "street", "Gasse 1"));
        },
    ];
    let changes = edits.iter().zip(1..).map(|(edit, actor)| {
        let mut doc = replica(entity, actor);
        let twin = replica(entity, actor);
        change(&mut doc, |tx| edit(tx, &twin))
    });
    changes.collect()
}

fn replica(entity: &Entity, actor: u8) -> Automerge {
    let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
    let doc = Automerge::load_with_options(&entity.document(), options);
    doc.expect("an entity is a document")
        .with_actor(ActorId::from([actor; 16]))
}

fn change(doc: &mut Automerge, edit: impl FnOnce(&mut Transaction<'_>)) -> Vec<u8> {
    let mut tx = doc.transaction();
    edit(&mut tx);
    let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
    let change = hash.and_then(|hash| doc.get_change_by_hash(&hash));
    change
        .expect("the edit does something")
        .raw_bytes()
        .to_vec()
}

fn done(result: Result<(), automerge::AutomergeError>) {
    result.expect("an honest edit");
}

fn made(result: Result<ObjId, automerge::AutomergeError>) -> ObjId {
    result.expect("an honest edit")
}

fn object(doc: &Automerge, path: &[&str]) -> ObjId {
    path.iter().fold(ROOT, |object, name| {
        let found = doc.get(&object, *name).ok().flatten();
        found.expect("the path is there").1
    })
}

/// The entity saves and loads, and an honest client can write to it.
pub(crate) fn lives(entity: &Entity) {
    let snapshot = entity.to_snapshot().expect("it saves");
    let back = Entity::from_snapshot(entity.id(), entity.epoch(), entity.policy(), &snapshot)
        .expect("it loads");
    assert_eq!(back.heads(), entity.heads());
    assert_eq!(back.presented(), entity.presented());
    let change = change(&mut replica(entity, 99), |tx| {
        done(tx.put(ROOT, "tagline", "after"));
    });
    let verdict = judge(
        entity,
        &hostile::principal(HONEST),
        vec![change],
        Origin::Client,
    );
    assert_eq!(verdict.refused, None, "an honest edit after it");
}

/// What no editor may write, as it stands.
pub(crate) fn protected(entity: &Entity) -> BTreeMap<&'static str, Value> {
    let value = entity.presented();
    let at = |pointer| (pointer, value.pointer(pointer).cloned().unwrap_or_default());
    let mut protected: BTreeMap<&'static str, Value> = [
        "/code",
        "/rating",
        "/secret",
        "/seal",
        "/oath",
        "/merits",
        "/ranks",
        "/vault",
        "/place/plot",
        "/labels/x/owner",
        "/fixed",
        "/createdAt",
        "/createdBy",
    ]
    .map(at)
    .into();
    let guarded = value["guarded"].as_array().into_iter().flatten();
    let vase = guarded.filter(|item| item["id"] == "g1");
    protected.insert("worth", vase.map(|item| item["worth"].clone()).collect());
    protected
}
