//! Small ledgers of several entities, as a server would keep them, to be bundled and forged.

use std::collections::BTreeMap;
use std::sync::Arc;

use indelible_engine::admission::{Admitted, Origin, Verdict};
use indelible_engine::bundle::{Depth, Fault, Report, Verifier, Writer};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, LogPlace, ProposalId};
use indelible_engine::ledger::{EntryDraft, Header, Logged, RefusalDraft, SealedRefusal};
use indelible_engine::lifecycle::{self, Request};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeError, MergeOptions, merge};
use indelible_engine::migration::migrate;
use indelible_engine::policy::{Policy, PolicyBook};
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Refusal, ViolationReport};
use serde_json::Value;

use crate::fixture::{NOW, editor, judge, policy};

/// Entities of one kind, and the records of all in order.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) policies: PolicyBook,
    /// That of new entities.
    pub(crate) policy: Arc<Policy>,
    pub(crate) drafts: Vec<EntryDraft>,
    pub(crate) refusals: Vec<RefusalDraft>,
    pub(crate) entities: BTreeMap<EntityId, Entity>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self::under(policy())
    }

    pub(crate) fn under(policy: Arc<Policy>) -> Self {
        Self {
            policies: [Arc::clone(&policy)].into_iter().collect(),
            policy,
            drafts: Vec::new(),
            refusals: Vec::new(),
            entities: BTreeMap::new(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(NOW.0 + 1_000 * i64::try_from(self.drafts.len()).unwrap())
    }

    /// Takes over what was admitted, at the time of the ledger.
    pub(crate) fn take(&mut self, mut entity: Entity, mut draft: EntryDraft) {
        draft.header.at = self.now();
        let hash = Hash::of(&[b"not sealed yet"]);
        entity.confirm(Logged {
            kind: draft.kind,
            place: LogPlace::new(draft.header.place.epoch, draft.header.place.seq),
            hash,
            at: draft.header.at,
            author: &draft.header.author.id,
            policy_hash: draft.header.policy_hash,
            claimed: draft.claimed.as_ref(),
            changes: &draft.changes,
        });
        self.entities.insert(draft.header.entity.clone(), entity);
        self.drafts.push(draft);
    }

    fn settle(&mut self, id: &EntityId, author: &Principal, verdict: Verdict) {
        if let Some(refusal) = verdict.refused {
            self.refuse(id, author, &refusal);
        }
        if let Some(admitted) = verdict.admitted {
            let (entity, draft, _) = admitted.into_parts();
            self.take(entity, draft);
        }
    }

    fn refuse(&mut self, id: &EntityId, author: &Principal, refusal: &Refusal) {
        assert!(refusal.code.is_recorded(), "{refusal:?}");
        let entity = self.entities.get(id);
        self.refusals.push(RefusalDraft {
            header: Header {
                entity: id.clone(),
                place: LogPlace::new(
                    entity.map_or(Epoch::FIRST, Entity::epoch),
                    entity.map_or(Default::default(), Entity::seq),
                ),
                proposal: Some(ProposalId([3; 16])),
                author: author.clone(),
                session: None,
                at: self.now(),
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
    }

    /// A value merged by the server for somebody, admitted or refused.
    pub(crate) fn merge(&mut self, name: &str, author: &str, body: Value) {
        let id: EntityId = name.parse().unwrap();
        let author = match author {
            "system" => Principal::system(),
            author => editor(author),
        };
        let present = self.entities.get(&id).cloned();
        let creation = present.is_none();
        let entity = present.unwrap_or_else(|| Entity::genesis(&id, Epoch::FIRST, &self.policy));
        let options = MergeOptions {
            creation,
            ..MergeOptions::default()
        };
        let origin = if creation {
            Origin::Creation
        } else {
            Origin::Server
        };
        let actor = server_actor(&id, entity.epoch(), &author.id);
        match merge(&entity, &author, &actor, &body, &options) {
            Ok(merged) => {
                let changes = merged.changes;
                if changes.is_empty() && !creation {
                    return;
                }
                let verdict = judge(&entity, &author, changes, origin);
                if creation && verdict.admitted.is_some() {
                    let draft = lifecycle::genesis(&entity, NOW);
                    self.take(entity, draft);
                }
                self.settle(&id, &author, verdict);
            }
            Err(MergeError::Refused(violations)) => {
                self.refuse(&id, &author, &Refusal::policy(0, violations));
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Changes that a client made.
    pub(crate) fn propose(&mut self, name: &str, author: &Principal, changes: Vec<Vec<u8>>) {
        let id: EntityId = name.parse().unwrap();
        let verdict = judge(&self.entities[&id], author, changes, Origin::Client);
        self.settle(&id, author, verdict);
    }

    pub(crate) fn lifecycle(
        &mut self,
        name: &str,
        author: &str,
        step: fn(&Entity, &Request, Timestamp) -> Verdict,
    ) {
        let id: EntityId = name.parse().unwrap();
        let request = Request {
            id: ProposalId([4; 16]),
            author: editor(author),
            session: None,
        };
        let verdict = step(&self.entities[&id], &request, self.now());
        self.settle(&id, &request.author, verdict);
    }

    pub(crate) fn epoch(&mut self, name: &str) {
        let entity = &self.entities[&name.parse().unwrap()];
        let next = lifecycle::next_epoch(entity, entity.policy(), self.now()).unwrap();
        let (entity, draft, _) = Admitted::into_parts(next);
        self.take(entity, draft);
    }

    /// Takes all entities over to another schema of their kind.
    pub(crate) fn migrate(&mut self, policy: &Arc<Policy>) {
        self.policy = Arc::clone(policy);
        for id in self.entities.keys().cloned().collect::<Vec<_>>() {
            self.follow(&id.to_string(), policy);
        }
    }

    /// Takes one entity over, and leaves the others.
    pub(crate) fn follow(&mut self, name: &str, policy: &Arc<Policy>) {
        self.policies.insert(Arc::clone(policy));
        let entity = &self.entities[&name.parse().unwrap()];
        let admitted = migrate(entity, policy, self.now()).unwrap().unwrap();
        let (entity, draft, _) = admitted.into_parts();
        self.take(entity, draft);
    }

    /// The lines of the bundle, with all hashes and chains as they have to be.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (mut writer, header) = Writer::new(self.policies.iter().count() as u64);
        let mut lines = vec![header];
        for policy in self.policies.iter() {
            lines.push(writer.policy(policy.hash(), &policy.record()));
        }
        let mut last: BTreeMap<EntityId, Hash> = BTreeMap::new();
        for (draft, global) in self.drafts.iter().zip(1..) {
            let previous = last
                .entry(draft.header.entity.clone())
                .or_insert(Hash::ZERO);
            let sealed = draft
                .clone()
                .seal(GlobalSeq(global), Timestamp(i64::MIN), *previous);
            *previous = sealed.hash;
            lines.push(writer.entry(&sealed.bytes, sealed.hash).unwrap());
        }
        let mut ends: BTreeMap<EntityId, (u64, Hash)> = BTreeMap::new();
        let mut refusals: Vec<SealedRefusal> = Vec::new();
        for draft in &self.refusals {
            let end = ends
                .entry(draft.header.entity.clone())
                .or_insert((0, Hash::ZERO));
            let sealed = draft.clone().seal(end.0, Timestamp(i64::MIN), end.1);
            *end = (end.0 + 1, sealed.hash);
            refusals.push(sealed);
        }
        refusals
            .sort_by_key(|refusal| (refusal.record.header.entity.clone(), refusal.record.number));
        for refusal in refusals {
            lines.push(writer.refusal(&refusal.bytes, refusal.hash).unwrap());
        }
        let rest = writer.finish(self.now());
        lines.extend(rest.split_inclusive('\n').map(str::to_owned));
        lines
    }

    /// What a verifier says of the bundle.
    pub(crate) fn verify(&self, depth: Depth) -> Result<Report, Fault> {
        verify(depth, self.lines().concat().as_bytes())
    }
}

pub(crate) fn verify(depth: Depth, file: &[u8]) -> Result<Report, Fault> {
    let mut verifier = Verifier::new(depth, Limits::default());
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        verifier.line(line)?;
    }
    verifier.finish()
}
