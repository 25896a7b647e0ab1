//! A server in miniature: one kind, one log per entity, the real admission, no sockets. What it
//! sends can be held back, dropped or tampered with by a test.

use std::collections::BTreeMap;
use std::sync::Arc;

use indelible_engine::admission::{Origin, Proposal, admit};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, Hash, Kind, LogPlace, ProposalId, Seq, SessionId};
use indelible_engine::ledger::{EntryKind, Logged};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{self, MergeOptions, TextEdit};
use indelible_engine::migration::migrate;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{
    AuthorReport, ClientFrame, EntryReport, KindMode, KindReport, PROTOCOL_VERSION, ServerFrame,
};
use indelible_engine::splice::Splice;
use indelible_engine::testing;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::ViolationReport;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "name": { "type": "string", "maxLength": 20 },
    "slogan": { "type": "string" },
    "bio": { "type": "string", "x-indelible": { "merge": "text" } },
    "number": { "type": "string", "x-indelible": { "write": "create" } },
    "createdAt": { "type": "string", "format": "date-time", "x-indelible": { "stamp": "created-at" } },
    "updatedBy": { "type": "string", "x-indelible": { "stamp": "updated-by" } },
    "links": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "id": { "type": "string" }, "url": { "type": "string" },
          "story": { "type": "string", "x-indelible": { "merge": "text", "write": "create" } }
        }
      }
    }
  },
  "x-indelible": {
    "kind": "team",
    "read": ["public"], "create": ["editor"], "edit": ["editor"], "delete": ["editor"],
    "history": ["editor"], "restore": []
  }
}"#;

pub(crate) struct Log {
    pub(crate) entity: Entity,
    pub(crate) entries: Vec<EntryReport>,
    pub(crate) proposals: BTreeMap<ProposalId, Seq>,
}

/// The server's side of everything.
pub(crate) struct Server {
    pub(crate) policy: Arc<Policy>,
    text: String,
    pub(crate) principal: Principal,
    pub(crate) mode: KindMode,
    pub(crate) logs: BTreeMap<EntityId, Log>,
    pub(crate) received: Vec<ClientFrame>,
    /// How many changes of the next proposal are admitted before one is refused.
    pub(crate) refuse_next: Option<u32>,
    /// What the refusals name.
    pub(crate) violations: Vec<ViolationReport>,
    /// How many refusals follow.
    pub(crate) refusals: usize,
    /// How many proposals admission itself refused, in whole or in part.
    pub(crate) judged: usize,
    pub(crate) code: &'static str,
}

impl Server {
    pub(crate) fn new() -> Self {
        let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        let mut server = Self {
            policy: testing::compiled(&schema),
            text: SCHEMA.to_owned(),
            principal: Principal::new("alice", ["editor"]),
            mode: KindMode::Replica,
            logs: BTreeMap::new(),
            received: Vec::new(),
            refuse_next: None,
            violations: Vec::new(),
            refusals: 1,
            judged: 0,
            code: "policy",
        };
        let id = entity("team/jane");
        let genesis = Entity::genesis(&id, Epoch::FIRST, &server.policy);
        server.logs.insert(
            id.clone(),
            Log {
                entity: genesis,
                entries: Vec::new(),
                proposals: BTreeMap::new(),
            },
        );
        server.write(
            &id,
            &Principal::system(),
            &json!({ "name": "Jane", "number": "E-1", "bio": "Hello", "links": [{ "url": "a" }, { "url": "b" }] }),
            true,
        );
        server
    }

    /// Writes on the server, as another author; returns the entry.
    pub(crate) fn write(
        &mut self,
        id: &EntityId,
        who: &Principal,
        body: &Value,
        creation: bool,
    ) -> EntryReport {
        let seen = self.logs[id].entity.clone();
        self.write_unseen(id, who, body, (creation, &seen))
    }

    /// The same by an author who has seen only an earlier state.
    pub(crate) fn write_unseen(
        &mut self,
        id: &EntityId,
        who: &Principal,
        body: &Value,
        (creation, seen): (bool, &Entity),
    ) -> EntryReport {
        let options = MergeOptions {
            creation,
            ..MergeOptions::default()
        };
        let changes = testing::merged(seen, who, body, &options).expect("the body is sound");
        self.admit(id, who, changes, creation)
    }

    /// Types into the text at `at`, as another author; returns the entry.
    pub(crate) fn splice(
        &mut self,
        id: &EntityId,
        who: &Principal,
        at: &str,
        splice: &Splice,
    ) -> EntryReport {
        let entity = &self.logs[id].entity;
        let actor = indelible_engine::change::server_actor(id, entity.epoch(), &who.id);
        let edit = TextEdit {
            at: &at.parse().expect("a pointer"),
            splice,
            base: None,
            limits: &Limits::default(),
        };
        let merged = merge::splice(entity, who, &actor, &edit).expect("the splice fits");
        self.admit(id, who, merged.changes, false)
    }

    fn admit(
        &mut self,
        id: &EntityId,
        who: &Principal,
        changes: Vec<Vec<u8>>,
        creation: bool,
    ) -> EntryReport {
        let log = self
            .logs
            .get_mut(id)
            .expect("the test names an entity that there is");
        let origin = if creation {
            Origin::Creation
        } else {
            Origin::Server
        };
        let proposal = Proposal {
            id: ProposalId([u8::try_from(log.entries.len() % 256).expect("a byte"); 16]),
            ..testing::proposal(who, origin, changes)
        };
        let verdict = admit(&log.entity, &proposal, at(log), &Limits::default());
        assert!(verdict.refused.is_none(), "{:?}", verdict.refused);
        log.append(&proposal)
    }

    /// Begins a new epoch of an entity with `body` as its value.
    pub(crate) fn begin_epoch(&mut self, id: &EntityId, body: &Value) {
        let genesis = Entity::genesis(id, Epoch(2), &self.policy);
        let log = Log {
            entity: genesis,
            entries: Vec::new(),
            proposals: BTreeMap::new(),
        };
        self.logs.insert(id.clone(), log);
        self.write(id, &Principal::system(), body, true);
    }

    /// Comes back with another schema, as a server that was started again does.
    pub(crate) fn migrate(&mut self, properties: &Value) {
        let mut schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        schema["properties"] = properties.clone();
        self.text = schema.to_string();
        self.policy = testing::compiled(&schema);
        for log in self.logs.values_mut() {
            let step = migrate(&log.entity, &self.policy, at(log)).expect("it can follow");
            let hash = Hash::of(&[b"policy"]);
            if let Some(step) = step {
                log.entity = step.into_parts().0;
                log.entity.stand_at(log.entity.seq(), hash);
            }
        }
    }

    pub(crate) fn welcome(&self) -> ServerFrame {
        ServerFrame::Welcome {
            protocol: PROTOCOL_VERSION,
            session: SessionId([1; 16]),
            principal: self.principal.clone(),
            at: Timestamp(1_000),
            limits: Limits::default(),
            kinds: vec![KindReport {
                kind: Kind::new("team").expect("a kind"),
                singleton: false,
                mode: self.mode,
                create: true,
                delete: true,
                policy: self.policy.hash(),
            }],
        }
    }

    /// The answers to one frame.
    pub(crate) fn answer(&mut self, frame: &ClientFrame) -> Vec<ServerFrame> {
        self.received.push(frame.clone());
        match frame {
            ClientFrame::Hello { .. } => vec![self.welcome()],
            ClientFrame::Open {
                entity,
                epoch,
                seq,
                hash,
                ..
            } => self.open(entity, (*epoch).zip(*seq).zip(*hash)),
            ClientFrame::Propose {
                id,
                entity,
                epoch,
                changes,
                whole,
            } => {
                if *epoch != self.logs[entity].entity.epoch() {
                    return vec![ServerFrame::Refused {
                        id: *id,
                        entity: entity.clone(),
                        admitted: 0,
                        code: "epoch".to_owned(),
                        violations: Vec::new(),
                    }];
                }
                let changes = changes.iter().map(|change| change.to_vec()).collect();
                let origin = if *whole { Origin::Edit } else { Origin::Client };
                self.propose(*id, entity, changes, origin)
            }
            ClientFrame::Create { id, entity, value } => self.create(*id, entity, value),
            _ => Vec::new(),
        }
    }

    /// The answer to `open`, from a place in the log on.
    pub(crate) fn open(
        &self,
        id: &EntityId,
        place: Option<((Epoch, Seq), Hash)>,
    ) -> Vec<ServerFrame> {
        let Some(log) = self.logs.get(id) else {
            return vec![ServerFrame::Gone {
                entity: id.clone(),
                code: "not-found".to_owned(),
            }];
        };
        if let Some(((_, seq), _)) = place.filter(|((epoch, _), _)| *epoch == log.entity.epoch()) {
            let news = log
                .entries
                .iter()
                .filter(|entry| entry.seq > seq)
                .cloned()
                .collect();
            return vec![log.frame(id, news)];
        }
        vec![
            ServerFrame::Schema {
                kind: id.kind().clone(),
                hash: self.policy.hash(),
                text: self.text.clone(),
                rules: Some(self.policy.rules().number()),
            },
            ServerFrame::Snapshot {
                entity: id.clone(),
                epoch: log.entity.epoch(),
                seq: log.entity.seq(),
                hash: log.entity.hash(),
                document: ByteBuf::from(log.entity.document()),
                stamps: log.stamps(),
            },
        ]
    }

    fn propose(
        &mut self,
        id: ProposalId,
        entity: &EntityId,
        changes: Vec<Vec<u8>>,
        origin: Origin,
    ) -> Vec<ServerFrame> {
        let author = self.principal.clone();
        let log = self
            .logs
            .get_mut(entity)
            .expect("only open entities get proposals");
        let epoch = log.entity.epoch();
        let admitted = |seq: Seq| ServerFrame::Admitted {
            id,
            entity: entity.clone(),
            epoch,
            seq,
        };
        if let Some(&seq) = log.proposals.get(&id) {
            return vec![admitted(seq)];
        }
        let mut answers = Vec::new();
        let mut proposal = Proposal {
            id,
            ..testing::proposal(&author, origin, changes)
        };
        if let Some(keep) = self.refuse_next {
            self.refusals -= 1;
            if self.refusals == 0 {
                self.refuse_next = None;
            }
            proposal.changes.truncate(keep as usize);
            if keep > 0 {
                let entry = log.append(&proposal);
                answers.push(log.frame(entity, vec![entry]));
            }
            answers.push(ServerFrame::Refused {
                id,
                entity: entity.clone(),
                admitted: keep,
                code: self.code.to_owned(),
                violations: self.violations.clone(),
            });
            return answers;
        }
        let verdict = admit(&log.entity, &proposal, at(log), &Limits::default());
        if let Some(refusal) = &verdict.refused {
            proposal.changes.truncate(refusal.admitted);
            self.judged += 1;
        }
        if !proposal.changes.is_empty() {
            let entry = log.append(&proposal);
            answers.push(log.frame(entity, vec![entry.clone()]));
            if verdict.refused.is_none() {
                answers.push(admitted(entry.seq));
            }
        }
        if let Some(refusal) = verdict.refused {
            answers.push(ServerFrame::Refused {
                id,
                entity: entity.clone(),
                admitted: u32::try_from(refusal.admitted).expect("a few"),
                code: refusal.code.to_string(),
                violations: refusal.violations.iter().map(Into::into).collect(),
            });
        }
        answers
    }

    fn create(&mut self, id: ProposalId, entity: &EntityId, value: &str) -> Vec<ServerFrame> {
        let answer = |entity: &EntityId| ServerFrame::Admitted {
            id,
            entity: entity.clone(),
            epoch: Epoch::FIRST,
            seq: Seq(1),
        };
        if self.logs.contains_key(entity) {
            return vec![ServerFrame::Refused {
                id,
                entity: entity.clone(),
                admitted: 0,
                code: "exists".to_owned(),
                violations: Vec::new(),
            }];
        }
        let genesis = Entity::genesis(entity, Epoch::FIRST, &self.policy);
        let log = Log {
            entity: genesis,
            entries: Vec::new(),
            proposals: BTreeMap::new(),
        };
        self.logs.insert(entity.clone(), log);
        let who = self.principal.clone();
        let body = serde_json::from_str(value).expect("the client checked it");
        self.write(entity, &who, &body, true);
        vec![answer(entity)]
    }
}

impl Log {
    fn append(&mut self, proposal: &Proposal) -> EntryReport {
        let seq = self.entity.seq().next();
        let hash = Hash::of(&[b"test", &seq.0.to_be_bytes()]);
        let at = Timestamp(1_700_000_000_000 + seq.0 as i64);
        let logged = Logged {
            kind: EntryKind::Changes,
            place: LogPlace::new(self.entity.epoch(), seq),
            policy_hash: self.entity.policy().hash(),
            hash,
            at,
            author: &proposal.author.id,
            claimed: None,
            changes: &proposal.changes,
        };
        self.entity
            .apply_log([logged])
            .expect("admitted changes apply");
        let entry = EntryReport {
            seq,
            hash,
            proposal: Some(proposal.id),
            changes: proposal
                .changes
                .iter()
                .cloned()
                .map(ByteBuf::from)
                .collect(),
            by: AuthorReport::from(&proposal.author),
            at,
        };
        self.entries.push(entry.clone());
        self.proposals.insert(proposal.id, seq);
        entry
    }

    pub(crate) fn stamps(&self) -> String {
        Value::Object(self.entity.stamp_fields()).to_string()
    }

    pub(crate) fn frame(&self, id: &EntityId, entries: Vec<EntryReport>) -> ServerFrame {
        ServerFrame::Entries {
            entity: id.clone(),
            epoch: self.entity.epoch(),
            entries,
            stamps: self.stamps(),
        }
    }
}

fn at(log: &Log) -> Timestamp {
    Timestamp(1_700_000_000_000 + log.entries.len() as i64)
}

pub(crate) fn entity(name: &str) -> EntityId {
    name.parse().expect("the test names entities well")
}
