//! An entity of twenty fields with a history of some length, and a client that writes to it.

use std::sync::Arc;

use automerge::transaction::{Transactable, Transaction};
use automerge::{ActorId, Automerge, ObjId, ROOT, ReadDoc, TextEncoding};
use indelible_engine::admission::{Origin, Proposal, Verdict, admit};
use indelible_engine::entity::{Entity, Logged};
use indelible_engine::id::{EntityId, Epoch, Hash, ProposalId, Seq};
use indelible_engine::ledger::EntryKind;
use indelible_engine::limits::Limits;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::schema::SchemaSource;
use indelible_engine::time::Timestamp;
use serde_json::{Map, Value, json};

/// Whether the schema says anything that only the whole entity shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "not every measurement needs both")]
pub(crate) enum Whole {
    Free,
    Constrained,
}

#[allow(dead_code, reason = "not every measurement needs everything")]
pub(crate) struct Ground {
    pub(crate) entity: Entity,
    /// The client's copy.
    pub(crate) doc: Automerge,
    pub(crate) text: ObjId,
    pub(crate) map: ObjId,
    pub(crate) author: Principal,
    /// The history, as change chunks.
    pub(crate) changes: Vec<Vec<u8>>,
}

/// The time of everything that is admitted.
pub(crate) const NOW: Timestamp = Timestamp(1_770_000_000_000);

/// The schema of the entity.
pub(crate) fn schema(whole: Whole) -> String {
    let mut properties: Map<String, Value> = (0..16)
        .map(|index| {
            (
                format!("field-{index:02}"),
                json!({ "type": "string", "maxLength": 80 }),
            )
        })
        .collect();
    let more = json!({
        "body": { "type": "string", "x-indelible": { "merge": "text" } },
        "tags": { "type": "array", "items": { "type": "string" } },
        "prices": { "type": "object", "additionalProperties": { "type": "number" } },
        "protected": { "type": "string", "default": "ours", "x-indelible": { "write": "system" } },
    });
    properties.extend(more.as_object().unwrap().clone());
    let mut schema = json!({
        "type": "object",
        "x-indelible": { "kind": "thing", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "history": ["editor"] },
        "properties": properties,
    });
    if whole == Whole::Constrained {
        schema["required"] = json!(["field-00", "field-01"]);
        schema["properties"]["tags"]["maxItems"] = json!(20);
        schema["if"] = json!({ "properties": { "field-02": { "const": "x" } } });
        schema["then"] = json!({ "required": ["field-03"] });
    }
    schema.to_string()
}

#[allow(dead_code, reason = "not every measurement needs everything")]
impl Ground {
    pub(crate) fn new(history: usize, whole: Whole) -> Self {
        let source = SchemaSource {
            file: "thing.json".to_owned(),
            text: schema(whole),
        };
        let policy = Arc::new(Policy::compile(&source).unwrap());
        let id: EntityId = "thing/one".parse().unwrap();
        let mut entity = Entity::genesis(&id, Epoch::FIRST, &policy);
        let options = automerge::LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
        let mut doc = Automerge::load_with_options(&entity.document(), options).unwrap();
        doc.set_actor(ActorId::from([9; 16]));
        let object = |name: &str| doc.get(ROOT, name).unwrap().unwrap().1;
        let (text, map) = (object("body"), object("prices"));
        let changes: Vec<Vec<u8>> = (0..history)
            .map(|index| {
                let mut tx = doc.transaction();
                if index % 4 == 3 {
                    let at = index / 4 % (tx.length(&text) + 1);
                    tx.splice_text(&text, at, 0, "x").unwrap();
                } else {
                    let field = format!("field-{:02}", index % 16);
                    tx.put(ROOT, field, format!("value {index}")).unwrap();
                }
                let (hash, _) = tx.commit();
                let change = doc.get_change_by_hash(&hash.unwrap()).unwrap();
                change.raw_bytes().to_vec()
            })
            .collect();
        let author = Principal::new("bob", ["editor"]);
        let entry = Logged {
            kind: EntryKind::Changes,
            epoch: Epoch::FIRST,
            seq: Seq(1),
            hash: Hash::ZERO,
            at: NOW,
            author: &author.id,
            policy_hash: policy.hash(),
            claimed: None,
            changes: &changes,
        };
        entity.apply_log([entry]).unwrap();
        Self {
            entity,
            doc,
            text,
            map,
            author,
            changes,
        }
    }

    /// One change upon the history.
    pub(crate) fn change(&self, edit: impl FnOnce(&mut Transaction<'_>)) -> Vec<u8> {
        let mut doc = self.doc.clone();
        let mut tx = doc.transaction();
        edit(&mut tx);
        let (hash, _) = tx.commit();
        let change = doc.get_change_by_hash(&hash.unwrap()).unwrap();
        change.raw_bytes().to_vec()
    }

    pub(crate) fn proposal(&self, change: Vec<u8>) -> Proposal {
        Proposal {
            id: ProposalId([1; 16]),
            author: self.author.clone(),
            session: None,
            origin: Origin::Client,
            changes: vec![change],
            claimed: None,
        }
    }

    pub(crate) fn admit(&self, proposal: &Proposal) -> Verdict {
        admit(&self.entity, proposal, NOW, &Limits::default())
    }
}
