//! Makes the cases of the catalogue, and says by hand what each must be answered.
//!
//! Invariant: the same on every machine and at any time: no clock, no randomness.
//! Must never know: what judges the cases; what is expected is not asked of the engine.

mod chunks;
mod columns;
mod divided;
mod items;
mod operations;
mod policy;
mod predecessors;
mod proposals;
mod references;
mod values;
mod wire;

use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{
    ActorId, Automerge, Change, ChangeHash, ExpandedChange, LoadOptions, ObjId, ROOT, ReadDoc,
    ScalarValue, TextEncoding,
};
use indelible_engine::admission::{Origin, Proposal, admit};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::schema::SchemaSource;
use indelible_engine::time::Timestamp;
use indelible_tests::hostile::{self, ADMITTED, Bytes, CREATOR, Case, Expect, Step};

/// The actor of whoever attacks, unless the attack is about actors.
pub(crate) const MALLORY: u8 = 0x66;
/// The actor of the honest other.
pub(crate) const BOB: u8 = 0x0b;

pub(crate) const NOW: Timestamp = Timestamp(1_770_000_000_000);

/// The cases of each file.
pub(crate) fn files() -> Vec<(&'static str, Vec<Case>)> {
    let made = |name, fill: fn(&mut Book)| {
        let mut book = Book::default();
        fill(&mut book);
        (name, book.cases)
    };
    vec![
        made("chunks", chunks::fill),
        made("columns", columns::fill),
        made("references", references::fill),
        made("operations", operations::fill),
        made("predecessors", predecessors::fill),
        made("policy", policy::fill),
        made("items", items::fill),
        made("values", values::fill),
        made("proposals", proposals::fill),
        made("divided", divided::fill),
    ]
}

/// Collects cases.
#[derive(Default)]
pub(crate) struct Book {
    cases: Vec<Case>,
}

impl Book {
    /// A case of any form.
    pub(crate) fn case(
        &mut self,
        name: &str,
        guards: &str,
        expect: Expect,
        attack: impl FnOnce(&mut Stage) -> Step,
    ) {
        let mut stage = Stage::new(name);
        let attack = attack(&mut stage);
        self.cases.push(Case {
            name: name.to_owned(),
            guards: guards.to_owned(),
            setup: stage.setup,
            attack,
            expect,
        });
    }

    /// One change by mallory that is refused with a code.
    pub(crate) fn refused(
        &mut self,
        name: &str,
        guards: &str,
        code: &str,
        attack: impl FnOnce(&mut Stage) -> Vec<u8>,
    ) {
        self.case(name, guards, expect(code, &[]), |stage| {
            by_mallory(vec![attack(stage)])
        });
    }

    /// One change by mallory that the policy refuses, with rule and pointer of each violation.
    pub(crate) fn policy(
        &mut self,
        name: &str,
        guards: &str,
        violations: &[&str],
        attack: impl FnOnce(&mut Stage) -> Vec<u8>,
    ) {
        self.case(name, guards, expect("policy", violations), |stage| {
            by_mallory(vec![attack(stage)])
        });
    }

    /// One edit by mallory, as any Automerge client makes it, that the policy refuses.
    pub(crate) fn edit(
        &mut self,
        name: &str,
        guards: &str,
        violations: &[&str],
        edit: impl FnOnce(&mut Transaction<'_>, &Client),
    ) {
        self.policy(name, guards, violations, |stage| {
            let twin = stage.client(MALLORY);
            stage.client(MALLORY).change(|tx| edit(tx, &twin))
        });
    }

    /// The same after some honest edits.
    pub(crate) fn edit_after(
        &mut self,
        name: &str,
        guards: &str,
        violations: &[&str],
        before: impl FnOnce(&mut Stage),
        edit: impl FnOnce(&mut Transaction<'_>, &Client),
    ) {
        self.policy(name, guards, violations, |stage| {
            before(stage);
            let twin = stage.client(MALLORY);
            stage.client(MALLORY).change(|tx| edit(tx, &twin))
        });
    }

    /// One change by mallory that looks strange and does no harm.
    pub(crate) fn harmless(
        &mut self,
        name: &str,
        guards: &str,
        attack: impl FnOnce(&mut Stage) -> Vec<u8>,
    ) {
        self.refused(name, guards, ADMITTED, attack);
    }
}

pub(crate) fn expect(code: &str, violations: &[&str]) -> Expect {
    Expect {
        code: code.to_owned(),
        violations: violations.iter().map(|&text| text.to_owned()).collect(),
        admitted: 0,
    }
}

pub(crate) fn step(by: &str, changes: Vec<Vec<u8>>) -> Step {
    Step {
        by: by.to_owned(),
        changes: changes.into_iter().map(Bytes).collect(),
        whole: false,
    }
}

pub(crate) fn by_mallory(changes: Vec<Vec<u8>>) -> Step {
    step("mallory", changes)
}

/// The entity of a case, and what led to its present state.
pub(crate) struct Stage {
    pub(crate) entity: Entity,
    setup: Vec<Step>,
}

impl Stage {
    /// Created by alice, edited by bob.
    pub(crate) fn new(name: &str) -> Self {
        let mut stage = Self {
            entity: created(&hostile::entity_of(name)),
            setup: Vec::new(),
        };
        stage.edit("bob", BOB, |tx, client| {
            tx.put(ROOT, "tagline", "bob was here").unwrap();
            tx.splice_text(client.object(&["body"]), 0, 0, "Oh, ")
                .unwrap();
        });
        stage
    }

    /// An honest edit; gives its hash.
    pub(crate) fn edit(
        &mut self,
        who: &str,
        actor: u8,
        edit: impl FnOnce(&mut Transaction<'_>, &Client),
    ) -> ChangeHash {
        let twin = self.client(actor);
        let change = self.client(actor).change(|tx| edit(tx, &twin));
        self.take(who, change)
    }

    /// A change that must be admitted; gives its hash.
    pub(crate) fn take(&mut self, who: &str, change: Vec<u8>) -> ChangeHash {
        let hash = Change::try_from(&change[..]).unwrap().hash();
        let step = step(who, vec![change]);
        self.entity = taken(&self.entity, &step);
        self.setup.push(step);
        hash
    }

    /// A client with the present state.
    pub(crate) fn client(&self, actor: u8) -> Client {
        Client::on(&self.entity, ActorId::from([actor; 16]))
    }

    /// A change by mallory's actor, forged by hand from an empty one.
    pub(crate) fn forged(&self, forge: impl FnOnce(&mut ExpandedChange, &Client)) -> Vec<u8> {
        let client = self.client(MALLORY);
        client.forged(|change| forge(change, &client))
    }

    /// A change that would be fine, changed by hand: it puts a tagline.
    pub(crate) fn altered(&self, alter: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
        self.forged(|change, client| {
            change.operations = vec![client.put("tagline", "mallory was here")];
            alter(change);
        })
    }
}

/// The policy of the catalogue's entities.
pub(crate) fn policy() -> Arc<Policy> {
    static COMPILED: LazyLock<Arc<Policy>> = LazyLock::new(compile);
    Arc::clone(&COMPILED)
}

fn compile() -> Arc<Policy> {
    let file = hostile::schema_folder().join("thing.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let file = "thing.json".to_owned();
    let compiled = Policy::compile(&SchemaSource { file, text });
    Arc::new(compiled.unwrap_or_else(|errors| panic!("{errors:#?}")))
}

/// The entity as alice creates it.
pub(crate) fn created(id: &EntityId) -> Entity {
    let genesis = Entity::genesis(id, Epoch::FIRST, &policy());
    let alice = hostile::principal(CREATOR);
    let actor = server_actor(id, Epoch::FIRST, &alice.id);
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let merged = merge(&genesis, &alice, &actor, &hostile::content(), &options).unwrap();
    let changes = merged.changes;
    let proposal = proposal(CREATOR, Origin::Creation, changes);
    let verdict = admit(&genesis, &proposal, NOW, &Limits::default());
    assert_eq!(verdict.refused, None);
    verdict.admitted.unwrap().into_parts().0
}

/// A proposal as the server hands it to admission.
pub(crate) fn proposal(by: &str, origin: Origin, changes: Vec<Vec<u8>>) -> Proposal {
    Proposal {
        id: ProposalId([7; 16]),
        author: hostile::principal(by),
        session: None,
        origin,
        changes,
        claimed: None,
    }
}

/// The entity after a step that must be admitted whole.
pub(crate) fn taken(entity: &Entity, step: &Step) -> Entity {
    let proposal = proposal(&step.by, Origin::Client, step.bytes());
    let verdict = admit(entity, &proposal, NOW, &Limits::default());
    assert_eq!(verdict.refused, None, "{} by {}", entity.id(), step.by);
    verdict.admitted.expect("it is new").into_parts().0
}

/// A client that knows Automerge but not the policy.
pub(crate) struct Client {
    pub(crate) doc: Automerge,
}

impl Client {
    pub(crate) fn on(entity: &Entity, actor: ActorId) -> Self {
        let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
        let mut doc = Automerge::load_with_options(&entity.document(), options).unwrap();
        doc.set_actor(actor);
        Self { doc }
    }

    /// Whatever `edit` does, as one change.
    pub(crate) fn change(&mut self, edit: impl FnOnce(&mut Transaction<'_>)) -> Vec<u8> {
        let mut tx = self.doc.transaction();
        edit(&mut tx);
        let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
        let hash = hash.expect("the edit does something");
        let change = self.doc.get_change_by_hash(&hash).unwrap();
        change.raw_bytes().to_vec()
    }

    /// The highest operation counter.
    pub(crate) fn max_op(&self) -> u64 {
        let heads = self.doc.get_heads();
        let metas = heads
            .iter()
            .filter_map(|head| self.doc.get_change_meta_by_hash(head));
        metas.map(|meta| meta.max_op).max().unwrap_or(0)
    }

    /// A change that no honest client makes; `forge` alters an otherwise good empty one.
    pub(crate) fn forged(&self, forge: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
        let mut change = ExpandedChange {
            operations: Vec::new(),
            actor_id: self.doc.get_actor().clone(),
            hash: None,
            seq: 1,
            start_op: NonZeroU64::new(self.max_op() + 1).unwrap(),
            time: 0,
            message: None,
            deps: self.doc.get_heads(),
            extra_bytes: Vec::new(),
            author: None,
        };
        forge(&mut change);
        Change::from(change).raw_bytes().to_vec()
    }

    pub(crate) fn object(&self, path: &[&str]) -> ObjId {
        path.iter().fold(ROOT, |object, name| {
            let found = self.doc.get(&object, *name).unwrap();
            found.expect("the path is there").1
        })
    }

    /// The operation that last wrote a key.
    pub(crate) fn writer(&self, object: &ObjId, key: &str) -> OpId {
        id(&self.doc.get(object, key).unwrap().unwrap().1)
    }

    /// The operation of the genesis that made the root's place.
    pub(crate) fn writer_of_place(&self) -> OpId {
        id(&self.object(&["place"]))
    }

    /// The operation that inserted an element.
    pub(crate) fn element(&self, object: &ObjId, at: usize) -> OpId {
        id(&self.doc.get(object, at).unwrap().unwrap().1)
    }

    /// Puts a value at the root over what is there.
    pub(crate) fn put(&self, key: &str, value: impl Into<ScalarValue>) -> Op {
        let there = self.doc.get_all(ROOT, key).unwrap();
        let mut pred: Vec<OpId> = there.iter().map(|(_, by)| id(by)).collect();
        pred.sort();
        Op {
            pred: pred.into(),
            ..op(&ROOT, Key::Map(key.into()), OpType::Put(value.into()))
        }
    }
}

/// What is answered when the changes before the refused one are admitted.
pub(crate) fn hostile_expect(code: &str, admitted: usize) -> Expect {
    Expect {
        admitted,
        ..expect(code, &[])
    }
}

/// The operation that made an object.
pub(crate) fn id(object: &ObjId) -> OpId {
    match object {
        ObjId::Root => panic!("nothing made the root"),
        ObjId::Id(counter, actor, _) => OpId::new(*counter, actor),
    }
}

/// An operation by hand, without predecessors; at the head of a sequence it inserts.
pub(crate) fn op(object: &ObjId, key: Key, action: OpType) -> Op {
    let obj = match object {
        ObjId::Root => ObjectId::Root,
        other => ObjectId::Id(id(other)),
    };
    let insert = matches!(&key, Key::Seq(ElementId::Head));
    Op {
        action,
        obj,
        key,
        pred: Vec::<OpId>::new().into(),
        insert,
    }
}

/// The key of an element.
pub(crate) fn after(element: &OpId) -> Key {
    Key::Seq(ElementId::Id(element.clone()))
}

pub(crate) fn key(name: &str) -> Key {
    Key::Map(name.into())
}
