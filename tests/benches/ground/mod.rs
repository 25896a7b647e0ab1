//! An entity of twenty fields with a history of some length, and a client that writes to it.

use automerge::transaction::{Transactable, Transaction};
use automerge::{Automerge, ObjId, ROOT, ReadDoc};
use indelible_engine::admission::{Origin, Proposal, Verdict, admit};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, Seq};
use indelible_engine::ledger::{EntryKind, Logged};
use indelible_engine::limits::Limits;
use indelible_engine::principal::Principal;
pub(crate) use indelible_engine::testing::NOW;
use indelible_engine::testing::{self, Client};
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
        let schema = serde_json::from_str(&schema(whole)).unwrap();
        let policy = testing::compiled(&schema);
        let id: EntityId = "thing/one".parse().unwrap();
        let mut entity = Entity::genesis(&id, Epoch::FIRST, &policy);
        let mut client = Client::on(&entity, "bob", 9);
        let (text, map) = (client.object(&["body"]), client.object(&["prices"]));
        let changes: Vec<Vec<u8>> = (0..history)
            .map(|index| {
                client.change(|tx| {
                    if index % 4 == 3 {
                        let at = index / 4 % (tx.length(&text) + 1);
                        tx.splice_text(&text, at, 0, "x").unwrap();
                    } else {
                        let field = format!("field-{:02}", index % 16);
                        tx.put(ROOT, field, format!("value {index}")).unwrap();
                    }
                })
            })
            .collect();
        let Client { doc, principal } = client;
        let entry = Logged {
            kind: EntryKind::Changes,
            place: LogPlace::new(Epoch::FIRST, Seq(1)),
            hash: Hash::ZERO,
            at: NOW,
            author: &principal.id,
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
            author: principal,
            changes,
        }
    }

    /// One change after the history.
    pub(crate) fn change(&self, edit: impl FnOnce(&mut Transaction<'_>)) -> Vec<u8> {
        let mut client = Client {
            doc: self.doc.clone(),
            principal: self.author.clone(),
        };
        client.change(edit)
    }

    pub(crate) fn proposal(&self, change: Vec<u8>) -> Proposal {
        testing::proposal(&self.author, Origin::Client, vec![change])
    }

    pub(crate) fn admit(&self, proposal: &Proposal) -> Verdict {
        admit(&self.entity, proposal, NOW, &Limits::default())
    }
}
