//! A small ledger as a bundle: two entities, somebody refused, one deleted, a new epoch.

use std::fs;
use std::sync::Arc;

use indelible_engine::admission::{Admitted, Origin, Proposal, admit};
use indelible_engine::bundle::{Depth, Verifier, Writer};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{Epoch, GlobalSeq, Hash, LogPlace, ProposalId, SessionId};
use indelible_engine::ledger::{EntryDraft, Header, Logged, RefusalDraft};
use indelible_engine::lifecycle::{self, Request};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeError, MergeOptions, merge};
use indelible_engine::policy::{Policy, Rules};
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::ViolationReport;
use serde_json::{Value, json};

use super::path;

const AT: i64 = 1_770_091_506_789;
const FILE: &str = "bundle.ndjson";

fn policy() -> Arc<Policy> {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "note", "create": ["editor"], "edit": ["editor"],
                         "delete": ["editor"] },
        "properties": {
            "title": { "type": "string", "default": "Untitled \"Ö\"" },
            "number": { "type": "string", "x-indelible": { "write": "create" } },
            "text": { "type": "string", "x-indelible": { "merge": "text" } }
        }
    });
    Arc::new(
        schema::compile_under(Rules::V1, "note.json", &schema.to_string())
            .expect("the schema is good"),
    )
}

/// A ledger on its way into a bundle.
struct Story {
    writer: Writer,
    text: String,
    seconds: i64,
    global: u64,
    refusals: Vec<RefusalDraft>,
}

impl Story {
    fn tick(&mut self) -> Timestamp {
        self.seconds += 1;
        Timestamp(AT + self.seconds * 1_000)
    }

    fn seal(&mut self, entity: &mut Entity, draft: EntryDraft) {
        self.global += 1;
        let before = entity.hash();
        let sealed = draft.seal(GlobalSeq(self.global), Timestamp(AT), before);
        entity.confirm(Logged::of(&sealed.entry, sealed.hash));
        let line = self.writer.entry(&sealed.bytes, sealed.hash);
        self.text += &line.expect("it was just sealed");
    }

    fn take(&mut self, admitted: Option<Admitted>) -> Entity {
        let (mut entity, draft, _) = admitted.expect("it is allowed").into_parts();
        self.seal(&mut entity, draft);
        entity
    }

    fn merge(&mut self, mut entity: Entity, author: &Principal, body: &Value) -> Entity {
        let now = self.tick();
        let creation = entity.hash() == Hash::ZERO;
        let options = MergeOptions {
            creation,
            ..MergeOptions::default()
        };
        let actor = server_actor(entity.id(), entity.epoch(), &author.id);
        let changes = match merge(&entity, author, &actor, body, &options) {
            Ok(merged) => merged.changes,
            Err(MergeError::Refused(violations)) => {
                self.refusals.push(RefusalDraft {
                    header: Header {
                        entity: entity.id().clone(),
                        place: LogPlace::new(entity.epoch(), entity.seq()),
                        proposal: Some(ProposalId([9; 16])),
                        author: author.clone(),
                        session: Some(SessionId([8; 16])),
                        at: now,
                        policy_hash: entity.policy().hash(),
                    },
                    code: "policy".to_owned(),
                    admitted: 0,
                    change: None,
                    violations: violations.iter().map(ViolationReport::from).collect(),
                    further: 0,
                });
                return entity;
            }
            Err(error) => panic!("{error}"),
        };
        if creation {
            let genesis = lifecycle::genesis(&entity, now);
            self.seal(&mut entity, genesis);
        }
        let proposal = Proposal {
            id: ProposalId([7; 16]),
            author: author.clone(),
            session: (!author.is_system()).then_some(SessionId([8; 16])),
            origin: if creation {
                Origin::Creation
            } else {
                Origin::Server
            },
            changes,
            claimed: None,
        };
        let verdict = admit(&entity, &proposal, now, &Limits::default());
        self.take(verdict.admitted)
    }
}

fn made() -> String {
    let policy = policy();
    let (mut writer, mut text) = Writer::new(1);
    text += &writer.policy(policy.hash(), &policy.record());
    let mut story = Story {
        writer,
        text,
        seconds: 0,
        global: 0,
        refusals: Vec::new(),
    };
    let alice = Principal {
        name: Some("Alice Ångström".to_owned()),
        ..Principal::new("alice", ["editor"])
    };
    let system = Principal::system();
    let genesis = |name: &str| {
        let id = name.parse().expect("a good name");
        Entity::genesis(&id, Epoch::FIRST, &policy)
    };
    let one = story.merge(
        genesis("note/one"),
        &alice,
        &json!({ "title": "One", "number": "1" }),
    );
    let two = story.merge(genesis("note/two"), &system, &json!({ "text": "Grüße 🦀" }));
    let one = story.merge(one, &alice, &json!({ "number": "2", "title": "Zwei" }));
    let two = story.merge(two, &alice, &json!({ "text": "Viele Grüße 🦀" }));
    let now = story.tick();
    let request = Request {
        id: ProposalId([6; 16]),
        author: alice.clone(),
        session: None,
    };
    story.take(lifecycle::delete(&one, &request, now).admitted);
    let now = story.tick();
    let next = lifecycle::next_epoch(&two, two.policy(), now).expect("the value can be written");
    let two = story.take(Some(next));
    story.merge(two, &alice, &json!({ "title": "Two" }));
    let (mut number, mut previous) = (0, Hash::ZERO);
    for draft in std::mem::take(&mut story.refusals) {
        let sealed = draft.seal(number, Timestamp(AT), previous);
        (number, previous) = (number + 1, sealed.hash);
        let line = story.writer.refusal(&sealed.bytes, sealed.hash);
        story.text += &line.expect("it was just sealed");
    }
    let end = story.tick();
    story.text + &story.writer.finish(end)
}

#[test]
fn bundles_stay_as_they_are() {
    let made = made();
    if std::env::var_os("INDELIBLE_BLESS").is_some() {
        fs::write(path(FILE), &made).expect("the folder of vectors can be written");
    }
    let file = fs::read_to_string(path(FILE)).expect("the vector is there");
    for (number, (file, made)) in file.lines().zip(made.lines()).enumerate() {
        assert_eq!(file, made, "line {}", number + 1);
    }
    assert_eq!(file, made);
}

#[test]
fn the_bundle_is_good() {
    let file = fs::read_to_string(path(FILE)).expect("the vector is there");
    let mut verifier = Verifier::new(Depth::Admission, Limits::default());
    for line in file.split_inclusive('\n') {
        verifier.line(line.as_bytes()).expect("nothing is wrong");
    }
    let report = verifier.finish().expect("it is whole");
    assert_eq!(
        (report.entries, report.refusals, report.entities),
        (8, 1, 2)
    );
}
