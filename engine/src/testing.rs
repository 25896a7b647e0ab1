//! What tests and benchmarks of all crates build their worlds from: kinds, entities, proposals, and
//! a client that knows Automerge but not the policy.
//!
//! Compiled with the feature `testing` only, which nothing but tests asks for. Whatever does not go
//! as a test takes for granted (a schema with mistakes, a creation that is refused) panics.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU64;
use std::sync::Arc;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::transaction::{CommitOptions, Transaction};
use automerge::{
    ActorId, Automerge, Change, ExpandedChange, LoadOptions, ObjId, ROOT, ReadDoc, ScalarValue,
    TextEncoding,
};
use serde_json::{Map, Value, json};

use crate::admission::{Origin, Proposal, Verdict, admit};
use crate::change::server_actor;
use crate::entity::Entity;
use crate::id::{EntityId, Epoch, ProposalId};
use crate::limits::Limits;
use crate::merge::{MergeError, MergeOptions, merge};
use crate::policy::{Policy, Rules};
use crate::principal::Principal;
use crate::schema;
use crate::time::Timestamp;

/// When everything happens.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The policy of a schema, under the latest rules.
#[must_use]
pub fn compiled(schema: &Value) -> Arc<Policy> {
    compiled_under(Rules::LATEST, schema)
}

/// The policy of a schema under the rules of some version.
#[must_use]
pub fn compiled_under(rules: Rules, schema: &Value) -> Arc<Policy> {
    let compiled = schema::compile_under(rules, "schema.json", &schema.to_string());
    Arc::new(compiled.unwrap_or_else(|mistakes| panic!("{mistakes:#?}")))
}

/// The policy of a kind with sixteen short fields and a text, as benchmarks edit it.
#[must_use]
pub fn sixteen_fields_and_a_text() -> Arc<Policy> {
    let mut properties: Map<String, Value> = (0..16)
        .map(|index| {
            let rule = json!({ "type": "string", "maxLength": 80 });
            (format!("field-{index:02}"), rule)
        })
        .collect();
    let text = json!({ "type": "string", "x-indelible": { "merge": "text" } });
    properties.insert("body".to_owned(), text);
    compiled(&json!({
        "type": "object",
        "x-indelible": { "kind": "thing", "create": ["editor"], "edit": ["editor"] },
        "properties": properties,
    }))
}

/// A principal with the role `editor`.
#[must_use]
pub fn editor(id: &str) -> Principal {
    Principal::new(id, ["editor"])
}

/// A proposal as a server hands it to admission, always under the same id.
#[must_use]
pub fn proposal(author: &Principal, origin: Origin, changes: Vec<Vec<u8>>) -> Proposal {
    Proposal::new(ProposalId([7; 16]), author.clone(), origin, changes)
}

/// The verdict on changes.
#[must_use]
pub fn judge(
    entity: &Entity,
    author: &Principal,
    changes: Vec<Vec<u8>>,
    origin: Origin,
) -> Verdict {
    let proposal = proposal(author, origin, changes);
    admit(entity, &proposal, NOW, &Limits::default())
}

/// The entity after a proposal that is admitted as a whole.
#[must_use]
pub fn next(verdict: Verdict) -> Entity {
    assert_eq!(verdict.refused, None);
    verdict.admitted.expect("it is admitted").into_parts().0
}

/// The changes that bring a value into an entity, merged by the server for `author`.
///
/// # Errors
///
/// What the merge is refused for.
pub fn merged(
    entity: &Entity,
    author: &Principal,
    body: &Value,
    options: &MergeOptions,
) -> Result<Vec<Vec<u8>>, MergeError> {
    let actor = server_actor(entity.id(), entity.epoch(), &author.id);
    Ok(merge(entity, author, &actor, body, options)?.changes)
}

/// The entity `id`, which `author` creates with this value.
#[must_use]
pub fn created(id: &EntityId, policy: &Arc<Policy>, author: &Principal, value: &Value) -> Entity {
    let genesis = Entity::genesis(id, Epoch::FIRST, policy);
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let changes = merged(&genesis, author, value, &options).unwrap();
    next(judge(&genesis, author, changes, Origin::Creation))
}

/// A client that knows Automerge but not the policy.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its copy of the document.
    pub doc: Automerge,
    /// An editor.
    pub principal: Principal,
}

impl Client {
    /// The client of `name`, with the present state of an entity; `actor` is every byte of its actor.
    #[must_use]
    pub fn on(entity: &Entity, name: &str, actor: u8) -> Self {
        let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
        let mut doc = Automerge::load_with_options(&entity.document(), options).unwrap();
        doc.set_actor(ActorId::from([actor; 16]));
        Self {
            doc,
            principal: editor(name),
        }
    }

    /// Whatever `edit` does, as one change.
    pub fn change(&mut self, edit: impl FnOnce(&mut Transaction<'_>)) -> Vec<u8> {
        let mut tx = self.doc.transaction();
        edit(&mut tx);
        let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
        let hash = hash.expect("the edit does something");
        let change = self.doc.get_change_by_hash(&hash).unwrap();
        change.raw_bytes().to_vec()
    }

    /// A change that no honest client makes; `forge` alters an otherwise good empty one.
    pub fn forged(&self, forge: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
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

    /// The highest operation counter.
    #[must_use]
    pub fn max_op(&self) -> u64 {
        let heads = self.doc.get_heads();
        let metas = heads
            .iter()
            .filter_map(|head| self.doc.get_change_meta_by_hash(head));
        metas.map(|meta| meta.max_op).max().unwrap_or(0)
    }

    /// The object at these keys.
    #[must_use]
    pub fn object(&self, path: &[&str]) -> ObjId {
        path.iter().fold(ROOT, |object, name| {
            let found = self.doc.get(&object, *name).unwrap();
            found.expect("the path is there").1
        })
    }

    /// The operation that last wrote a key.
    #[must_use]
    pub fn writer(&self, object: &ObjId, key: &str) -> OpId {
        maker(&self.doc.get(object, key).unwrap().unwrap().1)
    }

    /// The operation that inserted an element.
    #[must_use]
    pub fn element(&self, object: &ObjId, at: usize) -> OpId {
        maker(&self.doc.get(object, at).unwrap().unwrap().1)
    }

    /// An operation that puts a value at the root over what is there.
    #[must_use]
    pub fn put(&self, key: &str, value: impl Into<ScalarValue>) -> Op {
        let there = self.doc.get_all(ROOT, key).unwrap();
        let mut pred: Vec<OpId> = there.iter().map(|(_, by)| maker(by)).collect();
        pred.sort();
        Op {
            pred: pred.into(),
            ..op(&ROOT, Key::Map(key.into()), OpType::Put(value.into()))
        }
    }
}

/// The operation that made an object.
///
/// # Panics
///
/// For the root, which none made.
#[must_use]
pub fn maker(object: &ObjId) -> OpId {
    match object {
        ObjId::Root => panic!("nothing made the root"),
        ObjId::Id(counter, actor, _) => OpId::new(*counter, actor),
    }
}

/// An operation by hand, without predecessors; at the head of a sequence it inserts.
#[must_use]
pub fn op(object: &ObjId, key: Key, action: OpType) -> Op {
    let obj = match object {
        ObjId::Root => ObjectId::Root,
        made => ObjectId::Id(maker(made)),
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
