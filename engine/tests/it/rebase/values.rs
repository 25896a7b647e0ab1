//! Rebasing by values: another epoch, another schema.

use std::sync::Arc;

use automerge::ActorId;
use automerge::legacy::{Key, ObjectId};
use indelible_engine::admission::Origin;
use indelible_engine::entity::Entity;
use indelible_engine::id::Epoch;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{Absent, Base, MergeOptions, Protected, merge};
use indelible_engine::policy::Policy;
use indelible_engine::rebase::{RebaseError, RebaseTarget, Rebased, rebase, rebase_values};
use indelible_engine::schema;
use serde_json::{Value, json};

use super::rebased;
use super::writer::{Dice, Writer};
use crate::fixture::{editor, judge, policy, thing, write};

/// The entity with the same value in its next epoch, under `policy`.
fn next_epoch(entity: &Entity, policy: &Arc<Policy>) -> Entity {
    let fresh = Entity::genesis(entity.id(), Epoch(2), policy);
    let options = MergeOptions {
        creation: true,
        protected: Protected::Keep,
        ..MergeOptions::default()
    };
    let mut body = entity.presented();
    for stamp in ["createdAt", "updatedBy"] {
        body.as_object_mut().unwrap().remove(stamp);
    }
    let verdict = write(&fresh, &editor("alice"), &body, &options, Origin::Creation).unwrap();
    assert_eq!(verdict.refused, None);
    verdict.admitted.unwrap().into_parts().0
}

fn by_values(onto: &Entity, before: &Entity, pending: &[Vec<u8>]) -> Rebased {
    let ground = RebaseTarget {
        entity: onto,
        author: &editor("alice"),
        actor: &ActorId::from([2; 16]),
        limits: &Limits::default(),
    };
    let refused = rebase(&ground, before.policy(), pending, &[]);
    assert_eq!(refused, Err(RebaseError::NotThere { change: 0 }));
    rebase_values(&ground, before, pending).unwrap()
}

/// What the writer of the pending changes saw.
fn seen(before: &Entity, pending: &[Vec<u8>]) -> Option<Value> {
    let verdict = judge(before, &editor("alice"), pending.to_vec(), Origin::Client);
    let refused = verdict.refused.is_some();
    let value = verdict.admitted?.entity().presented();
    (!refused).then_some(value)
}

fn admitted(onto: &Entity, result: Rebased) -> Entity {
    let changes: Vec<Vec<u8>> = result.changes.into_iter().map(|one| one.change).collect();
    if changes.is_empty() {
        return onto.clone();
    }
    let verdict = judge(onto, &editor("alice"), changes, Origin::Client);
    assert_eq!(verdict.refused, None);
    verdict.admitted.unwrap().into_parts().0
}

#[test]
fn in_a_new_epoch_nothing_is_lost() {
    let mut compared = 0;
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let before = thing();
        let mut alice = Writer::on(&before, "alice", 1);
        let pending: Vec<Vec<u8>> = (0..3).filter_map(|_| alice.edit(&mut dice)).collect();
        let Some(value) = seen(&before, &pending) else {
            continue;
        };
        let onto = next_epoch(&before, &policy());
        let result = by_values(&onto, &before, &pending);
        assert_eq!(result.dropped, [], "seed {seed}");
        let mut found = admitted(&onto, result).presented();
        found["updatedBy"] = value["updatedBy"].clone();
        assert_eq!(found, value, "seed {seed}");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

/// The single values at the root that every change which writes them alters.
fn altered(before: &Entity, pending: &[Vec<u8>]) -> Vec<&'static str> {
    let mut names = vec!["title", "tagline", "number", "hits", "shape"];
    let mut value = before.presented();
    for (index, change) in super::read(pending).iter().enumerate() {
        let after = seen(before, &pending[..=index]).unwrap();
        let writes = |name: &str| {
            let mut ops = change.decode().operations.into_iter();
            ops.any(|op| op.obj == ObjectId::Root && op.key == Key::Map(name.into()))
        };
        names.retain(|name| !writes(name) || value.get(name) != after.get(name));
        value = after;
    }
    names
}

/// Takes in what others write at random before the epoch ends: single values come out as they do
/// where the operations are still there.
#[test]
fn in_a_new_epoch_edits_come_after_those_of_others() {
    let mut compared = 0;
    for seed in 0..120 {
        let mut dice = Dice::new(seed);
        let before = thing();
        let mut alice = Writer::on(&before, "alice", 1);
        let edits = |dice: &mut Dice, writer: &mut Writer| -> Vec<Vec<u8>> {
            let mut changes = Vec::new();
            for _ in 0..3 {
                changes.extend(writer.edit(dice));
                changes.extend(writer.shaped(dice));
            }
            changes
        };
        let pending = edits(&mut dice, &mut alice);
        if seen(&before, &pending).is_none() {
            continue;
        }
        let theirs = edits(&mut dice, &mut Writer::on(&before, "bob", 0x40));
        let verdict = judge(&before, &editor("bob"), theirs, Origin::Client);
        let Some(server) = verdict.admitted.map(|admitted| admitted.into_parts().0) else {
            continue;
        };
        let onto = next_epoch(&server, &policy());
        let result = by_values(&onto, &before, &pending);
        let by_operation = rebased(&server, 3, &pending, &[]);
        let changes = by_operation.changes.into_iter().map(|one| one.change);
        let verdict = judge(&server, &editor("alice"), changes.collect(), Origin::Client);
        let (None, Some(same)) = (verdict.refused, verdict.admitted) else {
            continue;
        };
        let (hoped, found) = (
            same.entity().presented(),
            admitted(&onto, result).presented(),
        );
        for name in altered(&before, &pending) {
            assert_eq!(found.get(name), hoped.get(name), "seed {seed} at {name}");
            let alone = before.presented().get(name) == server.presented().get(name);
            compared += usize::from(!alone);
        }
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn what_others_wrote_in_the_new_epoch_stays() {
    let before = thing();
    let alice = ActorId::from([1; 16]);
    let mut body = before.presented();
    body["body"] = json!("hello brave world");
    body["title"] = json!("Alice's");
    body["tags"] = json!(["a", "x", "b"]);
    body["items"][1]["name"] = json!("2nd");
    body["items"].as_array_mut().unwrap().swap(0, 2);
    body["items"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "new", "note": "n" }));
    let options = MergeOptions {
        absent: Absent::Removed,
        base: Some(Base {
            value: before.presented(),
            heads: before.heads(),
            earlier: None,
        }),
        ..MergeOptions::default()
    };
    let edit = merge(&before, &editor("alice"), &alice, &body, &options).unwrap();
    let onto = next_epoch(&before, &policy());
    let theirs = json!({
        "body": "oh, hello world!", "number": 7, "tags": ["z", "a", "b"],
        "items": [ { "id": "i1", "name": "1st" }, { "id": "i2" } ],
    });
    let verdict = write(
        &onto,
        &editor("bob"),
        &theirs,
        &MergeOptions::default(),
        Origin::Server,
    );
    let onto = verdict.unwrap().admitted.unwrap().into_parts().0;
    let result = by_values(&onto, &before, &edit.changes);
    assert_eq!(result.dropped, []);
    let value = admitted(&onto, result).presented();
    assert_eq!(value["body"], "oh, hello brave world!");
    assert_eq!(
        (&value["title"], &value["number"]),
        (&json!("Alice's"), &json!(7))
    );
    assert_eq!(value["tags"], json!(["z", "a", "x", "b"]));
    let names: Vec<&str> = value["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["2nd", "1st", "new"]);
}

fn other_policy(alter: impl FnOnce(&mut Value)) -> Arc<Policy> {
    let mut schema: Value = policy().schema().clone();
    alter(&mut schema);
    Arc::new(schema::compile("thing.json", &schema.to_string()).unwrap())
}

#[test]
fn what_the_new_schema_does_not_take_is_told_and_the_rest_goes_on() {
    let before = thing();
    let stricter = other_policy(|schema| {
        let properties = schema["properties"].as_object_mut().unwrap();
        properties.remove("tagline");
        properties["title"]["maxLength"] = json!(4);
        properties["secret"]["x-indelible"] = json!({ "write": "system" });
        properties["number"]["x-indelible"] = json!({ "write": ["chief"] });
        properties["items"]["items"]["properties"]["more"] =
            json!({ "type": "array", "items": { "type": "string" } });
    });
    let body = json!({
        "title": "too long", "tagline": "T", "number": 9, "level": 5,
        "items": [ { "id": "i1" }, { "id": "i2", "name": "2nd" }, { "id": "i3" }, { "name": "new" } ],
    });
    let alice = ActorId::from([1; 16]);
    let edit = merge(
        &before,
        &editor("alice"),
        &alice,
        &body,
        &MergeOptions::default(),
    )
    .unwrap();
    let onto = next_epoch(&before, &stricter);
    let result = by_values(&onto, &before, &edit.changes);
    let told: Vec<(String, &str, Option<&Value>)> = result
        .dropped
        .iter()
        .map(|one| {
            (
                one.pointer.to_string(),
                one.why.rule().unwrap(),
                one.attempted.as_ref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("/number".to_owned(), "write", Some(&json!(9))),
            ("/tagline".to_owned(), "unknown-field", Some(&json!("T"))),
            ("/title".to_owned(), "maxLength", Some(&json!("too long"))),
        ]
    );
    let value = admitted(&onto, result).presented();
    assert_eq!(
        (&value["title"], &value["level"]),
        (&json!("One"), &json!(5))
    );
    assert_eq!(
        (&value["items"][1]["name"], &value["items"][3]["name"]),
        (&json!("2nd"), &json!("new"))
    );
}
