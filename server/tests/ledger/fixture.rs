//! A data directory with a small team in it, as a server would have left it: made through the
//! engine and the store, at times that are always the same.

use std::path::Path;
use std::sync::Arc;

use indelible_engine::admission::{Admitted, Origin, Proposal, Verdict, admit};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, LogPlace, ProposalId};
use indelible_engine::ledger::{Header, Logged, RefusalDraft};
use indelible_engine::lifecycle::{self, Request};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeError, MergeOptions, merge};
use indelible_engine::migration::migrate;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::testing;
pub(crate) use indelible_engine::testing::compiled;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Refusal, ViolationReport};
use indelible_server::config::RefusalSettings;
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Append, Ledger, NewEntry, PolicyText, PolicyTexts};
use serde_json::{Value, json};

/// 2026-03-02T09:00:00Z.
const BEGIN_MS: i64 = 1_772_442_000_000;

fn policy() -> Arc<Policy> {
    compiled(&schema())
}

/// The kind later: texts and skills have other names.
fn later_policy() -> Arc<Policy> {
    let mut schema = schema();
    let fields = schema["properties"].as_object_mut().unwrap();
    for (was, is) in [("bio", "about"), ("skills", "talents")] {
        let mut field = fields.remove(was).unwrap();
        field["x-indelible"]["was"] = was.into();
        fields.insert(is.to_owned(), field);
    }
    compiled(&schema)
}

/// The kind with names under another name.
fn titled_policy() -> Arc<Policy> {
    let mut schema = schema();
    let fields = schema["properties"].as_object_mut().unwrap();
    let mut field = fields.remove("name").unwrap();
    field["x-indelible"] = json!({ "was": "name" });
    fields.insert("title".to_owned(), field);
    compiled(&schema)
}

/// The kind without texts, which changes no document.
fn lesser_policy() -> Arc<Policy> {
    let mut schema = schema();
    schema["properties"].as_object_mut().unwrap().remove("bio");
    compiled(&schema)
}

fn schema() -> Value {
    json!({
        "type": "object",
        "x-indelible": { "kind": "team", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "delete": ["editor"], "history": ["editor"] },
        "properties": {
            "name": { "type": "string", "maxLength": 200 },
            "bio": { "type": "string", "x-indelible": { "merge": "text" } },
            "employeeId": { "type": "string", "x-indelible": { "write": "create" } },
            "rating": { "type": "number", "x-indelible": { "write": "system" } },
            "skills": { "type": "array", "items": { "type": "object", "properties": {
                "label": { "type": "string" } } } },
            "updatedAt": { "type": "string", "x-indelible": { "stamp": "updated-at" } }
        }
    })
}

fn keep(store: &RedbStore, policy: &Policy) {
    let text = PolicyText {
        hash: policy.hash(),
        text: policy.record(),
    };
    store.keep_policies(&[text]).unwrap();
}

/// A store that is being filled.
pub(crate) struct Filling {
    store: RedbStore,
    policy: Arc<Policy>,
    minutes: i64,
    /// What is written as effects in place of what, in the store's cache alone.
    forged: Option<(&'static str, &'static str)>,
}

impl Filling {
    pub(crate) fn new(dir: &Path) -> Self {
        Self::with(dir, policy())
    }

    pub(crate) fn with(dir: &Path, policy: Arc<Policy>) -> Self {
        let refusals = RefusalSettings {
            kept_per_principal_max: 100,
        };
        let store = RedbStore::open(dir, refusals).unwrap();
        keep(&store, &policy);
        Self {
            store,
            policy,
            minutes: 0,
            forged: None,
        }
    }

    fn tick(&mut self) -> Timestamp {
        self.minutes += 1;
        Timestamp(BEGIN_MS + self.minutes * 61_001)
    }

    fn proposal_id(&self) -> ProposalId {
        ProposalId(u128::from(self.minutes.unsigned_abs()).to_be_bytes())
    }

    /// Admits or refuses what `author` writes; gives the entity after it.
    pub(crate) fn merge(&mut self, before: Entity, author: &Principal, body: Value) -> Entity {
        let seen = before.clone();
        self.merge_unseen(before, &seen, author, body)
    }

    /// The same by somebody who has only `seen` yet.
    pub(crate) fn merge_unseen(
        &mut self,
        before: Entity,
        seen: &Entity,
        author: &Principal,
        body: Value,
    ) -> Entity {
        let now = self.tick();
        let creation = before.hash() == indelible_engine::id::Hash::ZERO;
        let options = MergeOptions {
            creation,
            ..MergeOptions::default()
        };
        let actor = server_actor(before.id(), before.epoch(), &author.id);
        let mut request = Append::new(before.id().clone());
        if creation {
            request.entries.push(NewEntry {
                draft: lifecycle::genesis(&before, now),
                effects: None,
            });
        }
        match merge(seen, author, &actor, &body, &options) {
            Ok(merged) => {
                let origin = if creation {
                    Origin::Creation
                } else {
                    Origin::Server
                };
                let proposal = Proposal {
                    id: self.proposal_id(),
                    ..testing::proposal(author, origin, merged.changes)
                };
                let verdict = admit(&before, &proposal, now, &Limits::default());
                self.commit(request, verdict)
            }
            Err(MergeError::Refused(violations)) => {
                let refusal = Refusal::policy(0, violations);
                request.entries.clear();
                request.refusals.push(RefusalDraft {
                    header: Header {
                        entity: before.id().clone(),
                        place: LogPlace::new(before.epoch(), before.seq()),
                        proposal: None,
                        author: author.clone(),
                        session: None,
                        at: now,
                        policy_hash: self.policy.hash(),
                    },
                    code: refusal.code.to_string(),
                    admitted: 0,
                    change: None,
                    violations: refusal
                        .violations
                        .iter()
                        .map(ViolationReport::from)
                        .collect(),
                    further: 0,
                });
                self.store.append(&[request]).unwrap()[0].as_ref().unwrap();
                before
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn commit(&mut self, mut request: Append, verdict: Verdict) -> Entity {
        assert_eq!(verdict.refused, None);
        let (mut entity, draft, effects) = verdict.admitted.map(Admitted::into_parts).unwrap();
        let (from, to) = self.forged.unwrap_or_default();
        let effects = serde_json::to_string(&effects).unwrap().replace(from, to);
        let effects = Some(effects.into_bytes());
        request.entries.push(NewEntry { draft, effects });
        let appended = self.store.append(&[request]).unwrap().remove(0).unwrap();
        for sealed in &appended.entries {
            entity.confirm(Logged::of(&sealed.entry, sealed.hash));
        }
        entity
    }

    pub(crate) fn unborn(&self, name: &str) -> Entity {
        let id: EntityId = name.parse().unwrap();
        Entity::genesis(&id, Epoch::FIRST, &self.policy)
    }

    pub(crate) fn delete(&mut self, before: &Entity, author: &Principal) -> Entity {
        let now = self.tick();
        let request = Request {
            id: self.proposal_id(),
            author: author.clone(),
            session: None,
        };
        let verdict = lifecycle::delete(before, &request, now);
        self.commit(Append::new(before.id().clone()), verdict)
    }

    /// The entity under another schema.
    pub(crate) fn follow(&mut self, before: &Entity, policy: &Arc<Policy>) -> Entity {
        let now = self.tick();
        keep(&self.store, policy);
        let admitted = migrate(before, policy, now).unwrap();
        let verdict = Verdict {
            admitted,
            refused: None,
            known: Vec::new(),
            dropped: Vec::new(),
        };
        self.commit(Append::new(before.id().clone()), verdict)
    }
}

pub(crate) fn alice() -> Principal {
    Principal {
        name: Some("Alice Ångström".to_owned()),
        ..testing::editor("alice")
    }
}

pub(crate) fn bob() -> Principal {
    testing::editor("bob")
}

/// Jane with a little history and two refusals, and Joe, who was deleted.
pub(crate) fn team(dir: &Path) {
    let mut filling = Filling::new(dir);
    let jane = filling.unborn("team/jane");
    let jane = filling.merge(
        jane,
        &alice(),
        json!({ "name": "Jane", "employeeId": "E-1", "bio": "Likes maps." }),
    );
    let joe = filling.unborn("team/joe");
    let joe = filling.merge(joe, &Principal::system(), json!({ "name": "Joe" }));
    let jane = filling.merge(jane, &bob(), json!({ "employeeId": "E-2" }));
    let jane = filling.merge(jane, &bob(), json!({ "bio": "Likes old maps." }));
    filling.delete(&joe, &alice());
    let jane = filling.merge(
        jane,
        &alice(),
        json!({ "name": "Jane 東京 \u{202e}Doe\u{1b}[31m" }),
    );
    let jane = filling.merge(
        jane,
        &bob(),
        json!({ "skills": [ { "label": "x".repeat(300) } ] }),
    );
    filling.merge(jane, &alice(), json!({ "rating": 5, "employeeId": "E-3" }));
}

/// Kim, whose name two wrote at the same time, and whose text two wrote together.
pub(crate) fn race(dir: &Path) {
    let mut filling = Filling::new(dir);
    raced(&mut filling);
}

/// The same, and the name has another name since; with `settled`, it was written again after that.
pub(crate) fn renamed_race(dir: &Path, settled: bool) {
    let mut filling = Filling::new(dir);
    let kim = raced(&mut filling);
    let kim = filling.follow(&kim, &titled_policy());
    if settled {
        filling.merge(kim, &bob(), json!({ "title": "Kim C." }));
    }
}

fn raced(filling: &mut Filling) -> Entity {
    let kim = filling.unborn("team/kim");
    let body = json!({ "name": "Kim", "bio": "Sings.", "skills": [{ "label": "Alto" }] });
    let kim = filling.merge(kim, &Principal::system(), body);
    let seen = kim.clone();
    let kim = filling.merge(
        kim,
        &alice(),
        json!({ "name": "Kim A.", "bio": "Sings well." }),
    );
    filling.merge_unseen(kim, &seen, &bob(), json!({ "name": "Kim B." }))
}

/// Lee, whose text two wrote before it got another name, and one after.
pub(crate) fn renamed(dir: &Path) {
    let mut filling = Filling::new(dir);
    let lee = filling.unborn("team/lee");
    let body = json!({ "name": "Lee", "bio": "Sings.", "skills": [{ "label": "Alto" }] });
    let lee = filling.merge(lee, &alice(), body);
    let lee = filling.merge(lee, &bob(), json!({ "bio": "Sings well." }));
    let lee = filling.follow(&lee, &later_policy());
    filling.merge(lee, &bob(), json!({ "about": "Sings well, often." }));
}

/// Max, whose text was removed with its field, although the document still holds it.
pub(crate) fn removed(dir: &Path) {
    let mut filling = Filling::new(dir);
    let max = filling.unborn("team/max");
    let max = filling.merge(max, &alice(), json!({ "name": "Max", "bio": "Sings." }));
    let max = filling.follow(&max, &lesser_policy());
    filling.merge(max, &bob(), json!({ "name": "Max B." }));
}

/// Uma, of whose second entry the store's cache says something else.
pub(crate) fn forged(dir: &Path) {
    let mut filling = Filling::new(dir);
    let uma = filling.unborn("team/uma");
    let uma = filling.merge(uma, &alice(), json!({ "name": "Uma" }));
    filling.forged = Some(("Bad", "Mad"));
    filling.merge(uma, &bob(), json!({ "name": "Bad" }));
}
