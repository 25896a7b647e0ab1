//! What admission says to proposals, from the bytes to the state they leave: schema, changes,
//! verdicts and effects in one story of one entity.

use std::sync::Arc;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{AutoCommit, Change, LoadOptions, ROOT, ReadDoc, ScalarValue, TextEncoding};
use indelible_engine::admission::{Origin, Proposal, Verdict, admit};
use indelible_engine::change::{client_actor, server_actor};
use indelible_engine::entity::Entity;
use indelible_engine::id::{Epoch, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::Rules;
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::ViolationReport;
use serde_json::{Value, json};

use super::{bytes, golden, list};

const AT: i64 = 1_770_091_506_789;

fn schema() -> Value {
    json!({
        "type": "object",
        "x-indelible": { "kind": "member", "create": ["editor"], "edit": ["editor"] },
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "maxLength": 12 },
            "employeeId": { "type": "string", "x-indelible": { "write": "create" } },
            "grade": { "type": "integer", "x-indelible": { "write": ["chief"] } },
            "hits": { "type": "integer", "x-indelible": { "merge": "counter" } },
            "bio": { "type": "string", "x-indelible": { "merge": "text" } },
            "tags": { "type": "array", "items": { "type": "string" } },
            "skills": { "type": "array", "items": {
                "type": "object",
                "properties": { "name": { "type": "string" }, "level": { "type": "integer" } }
            } }
        }
    })
}

fn body() -> Value {
    json!({
        "name": "Jane", "employeeId": "E-1", "bio": "Grüße 🦀", "tags": ["a", "b"],
        "skills": [{ "id": "s1", "name": "Rust", "level": 3 }, { "id": "s2", "name": "SQL" }]
    })
}

/// The entity and what has been proposed to it, one after the other.
struct Story {
    entity: Entity,
    told: Vec<Value>,
}

impl Story {
    fn propose(&mut self, name: &str, by: &Principal, origin: Origin, changes: Vec<Vec<u8>>) {
        let number = self.told.len();
        let proposal = Proposal::new(ProposalId([number as u8; 16]), by.clone(), origin, changes);
        let now = Timestamp(AT + number as i64 * 1_000);
        let verdict = admit(&self.entity, &proposal, now, &Limits::default());
        let described = describe(&verdict);
        if let Some(admitted) = verdict.admitted {
            self.entity = admitted.into_parts().0;
        }
        self.told.push(json!({
            "name": name,
            "author": by,
            "origin": match origin { Origin::Creation => "creation", _ => "client" },
            "changes": proposal.changes.iter().map(hex::encode).collect::<Vec<_>>(),
            "verdict": described,
            "heads": self.entity.heads(),
            "value": self.entity.presented(),
        }));
    }

    /// The next change of a client who has everything so far.
    fn edit(&self, actor: u8, edit: impl Fn(&mut AutoCommit)) -> Vec<u8> {
        self.edits(actor, &[&edit]).remove(0)
    }

    fn edits(&self, actor: u8, edits: &[&dyn Fn(&mut AutoCommit)]) -> Vec<Vec<u8>> {
        let utf16 = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
        let mut doc = AutoCommit::load_with_options(&self.entity.document(), utf16)
            .expect("it was saved")
            .with_actor(client_actor(Timestamp(AT), [actor; 10]));
        let make = |edit: &&dyn Fn(&mut AutoCommit)| {
            edit(&mut doc);
            doc.commit_with(CommitOptions::default().with_time(AT / 1_000));
            let change = doc.get_last_local_change().expect("it was made just now");
            change.raw_bytes().to_vec()
        };
        edits.iter().map(make).collect()
    }
}

fn describe(verdict: &Verdict) -> Value {
    let admitted = verdict.admitted.as_ref().map(|admitted| {
        json!({
            "seq": admitted.draft().header.place.seq,
            "changes": admitted.draft().changes.len(),
            "effects": admitted.effects(),
        })
    });
    let refused = verdict.refused.as_ref().map(|refusal| {
        let reports = refusal.violations.iter().map(ViolationReport::from);
        json!({
            "code": refusal.code.code(),
            "admitted": refusal.admitted,
            "violations": reports.collect::<Vec<_>>(),
        })
    });
    json!({ "admitted": admitted, "refused": refused })
}

fn object(doc: &AutoCommit, path: &[&str]) -> automerge::ObjId {
    path.iter().fold(ROOT, |parent, name| {
        let found = doc.get(&parent, *name).expect("an object");
        found.expect("the key is there").1
    })
}

fn put(doc: &mut AutoCommit, name: &str, value: impl Into<ScalarValue>) {
    doc.put(ROOT, name, value).expect("a map");
}

fn honest_edits(story: &mut Story, jane: &Principal) {
    let change = story.edit(1, |doc| {
        put(doc, "name", "Joan");
        let (bio, tags) = (object(doc, &["bio"]), object(doc, &["tags"]));
        doc.splice_text(&bio, 6, 2, "🐙!").expect("a text");
        doc.delete(&tags, 0).expect("a list");
        doc.insert(&tags, 1, "c").expect("a list");
    });
    story.propose(
        "fields, a text and a list",
        jane,
        Origin::Client,
        vec![change],
    );
    let change = story.edit(1, |doc| {
        let skill = object(doc, &["skills", "s2"]);
        doc.put(&skill, "level", 5).expect("a map");
        doc.put(&skill, "$position", "A").expect("a map");
    });
    story.propose(
        "an item moves and changes",
        jane,
        Origin::Client,
        vec![change],
    );
    let change = story.edit(1, |doc| {
        let skills = object(doc, &["skills"]);
        let made = doc.put_object(&skills, "s3", automerge::ObjType::Map);
        let skill = made.expect("a map");
        doc.put(&skill, "$position", "z").expect("a map");
        doc.put(&skill, "name", "Zig").expect("a map");
        let old = object(doc, &["skills", "s1"]);
        doc.put(&old, "$deleted", true).expect("a map");
    });
    story.propose(
        "one item comes, one goes",
        jane,
        Origin::Client,
        vec![change],
    );
}

fn forbidden_edits(story: &mut Story, jane: &Principal) {
    let change = story.edit(1, |doc| put(doc, "employeeId", "E-2"));
    story.propose(
        "a field of the creation",
        jane,
        Origin::Client,
        vec![change],
    );
    let changes = story.edits(
        1,
        &[
            &|doc| put(doc, "name", "Jo"),
            &|doc| {
                put(doc, "grade", 9);
                put(doc, "name", "J.");
            },
            &|doc| put(doc, "name", "June"),
        ],
    );
    story.propose("the second of three changes", jane, Origin::Client, changes);
    let change = story.edit(2, |doc| put(doc, "name", "much longer than allowed"));
    story.propose("a value too long", jane, Origin::Client, vec![change]);
    let orphan = story.edits(
        3,
        &[&|doc| put(doc, "name", "A"), &|doc| put(doc, "name", "B")],
    );
    story.propose(
        "a past that nobody knows",
        jane,
        Origin::Client,
        orphan[1..].to_vec(),
    );
    let change = story.edit(4, |doc| put(doc, "name", "Reader"));
    let reader = Principal::new("rita", ["viewer"]);
    story.propose(
        "by one who may not edit",
        &reader,
        Origin::Client,
        vec![change],
    );
}

#[test]
fn verdicts() {
    let policy = Arc::new(
        schema::compile_under(Rules::V1, "member.json", &schema().to_string())
            .expect("the schema of the vectors is good"),
    );
    let id = "member/jane".parse().expect("a good name");
    let genesis = Entity::genesis(&id, Epoch::FIRST, &policy);
    let jane = Principal::new("jane", ["editor"]);
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let actor = server_actor(&id, Epoch::FIRST, "jane");
    let merged = merge(&genesis, &jane, &actor, &body(), &options).expect("a good value");
    let mut story = Story {
        entity: genesis.clone(),
        told: Vec::new(),
    };
    let [creation] = merged.changes.try_into().expect("it is one change");
    story.propose("the creation", &jane, Origin::Creation, vec![creation]);
    honest_edits(&mut story, &jane);
    forbidden_edits(&mut story, &jane);
    let document = genesis.document();
    let loaded = AutoCommit::load(&document)
        .expect("it was saved")
        .get_changes(&[]);
    let made = json!({
        "schema": schema(),
        "policy": policy.hash(),
        "entity": id,
        "epoch": 1,
        "genesis": hex::encode(loaded[0].raw_bytes()),
        "proposals": story.told,
    });

    let file = golden("verdicts.json", &made);
    for vector in list(&file["proposals"]) {
        for change in list(&vector["changes"]) {
            let bytes = bytes(&json!({ "bytes": change }), "bytes");
            Change::try_from(&bytes[..]).expect("refused or not, it is a change");
        }
    }
}
