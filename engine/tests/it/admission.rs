//! Guards against a change that policy or structure forbids being let through, and against an
//! honest one being refused.

use crate::fixture::{self, Client, editor, judge, op, thing, write};
use automerge::legacy::{Key, OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ScalarValue};
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::Epoch;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeError, MergeOptions, merge};
use serde_json::{Value, json};

fn send(entity: &Entity, client: &Client, changes: Vec<Vec<u8>>) -> Verdict {
    judge(entity, &client.principal, changes, Origin::Client)
}

/// The rules of the violations, with their pointers.
fn refused(verdict: &Verdict) -> Vec<String> {
    let refusal = verdict.refused.as_ref().expect("it is refused");
    refusal
        .violations
        .iter()
        .map(|v| format!("{} {}", v.rule, v.pointer))
        .collect()
}

fn accepted(verdict: Verdict) -> Entity {
    assert_eq!(verdict.refused, None);
    let next = verdict.admitted.expect("it is admitted").into_parts().0;
    let snapshot = next
        .to_snapshot()
        .expect("what was admitted saves and loads");
    let back = Entity::from_snapshot(next.id(), next.epoch(), next.policy(), &snapshot).unwrap();
    assert_eq!(back.presented(), next.presented());
    assert_eq!(back.heads(), next.heads());
    next
}

fn check(
    edit: impl FnOnce(&mut automerge::transaction::Transaction<'_>, &Client),
    expect: &[&str],
) {
    let entity = thing();
    let mut client = Client::on(&entity, "bob", 1);
    let twin = Client::on(&entity, "bob", 1);
    let change = client.change(|tx| edit(tx, &twin));
    let verdict = send(&entity, &client, vec![change]);
    if expect.is_empty() {
        accepted(verdict);
    } else {
        assert!(verdict.admitted.is_none());
        assert_eq!(refused(&verdict), expect);
    }
}

#[test]
fn honest_edits_of_every_shape_are_admitted() {
    check(|tx, _| tx.put(ROOT, "title", "Two").unwrap(), &[]);
    check(|tx, _| tx.put(ROOT, "tagline", "new").unwrap(), &[]);
    check(
        |tx, c| {
            tx.splice_text(c.object(&["body"]), 5, 0, ", dear 𝄞")
                .unwrap()
        },
        &[],
    );
    check(
        |tx, c| tx.splice_text(c.object(&["body"]), 0, 5, "bye").unwrap(),
        &[],
    );
    check(|tx, _| tx.increment(ROOT, "hits", 3).unwrap(), &[]);
    check(|tx, _| tx.put(ROOT, "shape", r#"{"w":3}"#).unwrap(), &[]);
    check(|tx, c| tx.insert(c.object(&["tags"]), 1, "x").unwrap(), &[]);
    check(|tx, c| tx.delete(c.object(&["tags"]), 0).unwrap(), &[]);
    check(|tx, c| tx.put(c.object(&["tags"]), 0, "x").unwrap(), &[]);
    check(
        |tx, c| tx.put(c.object(&["place"]), "street", "Gasse 1").unwrap(),
        &[],
    );
    check(
        |tx, c| tx.put(c.object(&["prices"]), "net", 9.5).unwrap(),
        &[],
    );
    check(
        |tx, c| tx.put(c.object(&["items", "i1"]), "name", "uno").unwrap(),
        &[],
    );
    check(
        |tx, c| {
            tx.put(c.object(&["items", "i1"]), "$position", "zz")
                .unwrap()
        },
        &[],
    );
    check(
        |tx, c| {
            tx.put(c.object(&["items", "i1"]), "$deleted", true)
                .unwrap()
        },
        &[],
    );
    check(
        |tx, c| {
            tx.put(c.object(&["labels", "x"]), "$deleted", true)
                .unwrap()
        },
        &[],
    );
    check(
        |tx, c| {
            let list = c.object(&["items"]);
            let item = tx.put_object(&list, "new", ObjType::Map).unwrap();
            tx.put(&item, "$position", "n").unwrap();
            tx.put_object(&item, "note", ObjType::Text).unwrap();
            let tags = tx.put_object(&item, "tags", ObjType::List).unwrap();
            tx.insert(&tags, 0, "t").unwrap();
            tx.put(&item, "serial", "s9").unwrap();
        },
        &[],
    );
}

#[test]
fn policy_refuses_with_rule_and_pointer() {
    check(
        |tx, _| tx.put(ROOT, "createdAt", "x").unwrap(),
        &["stamp /createdAt"],
    );
    check(
        |tx, _| tx.put(ROOT, "updatedBy", "x").unwrap(),
        &["stamp /updatedBy"],
    );
    check(
        |tx, _| tx.put(ROOT, "code", "c-2").unwrap(),
        &["create /code"],
    );
    check(|tx, _| tx.delete(ROOT, "code").unwrap(), &["create /code"]);
    check(
        |tx, _| tx.put(ROOT, "rating", 5).unwrap(),
        &["system /rating"],
    );
    check(
        |tx, _| tx.put(ROOT, "secret", "s").unwrap(),
        &["write /secret"],
    );
    check(|tx, _| tx.put(ROOT, "views", 1).unwrap(), &["tally /views"]);
    check(
        |tx, _| tx.put(ROOT, "nope", 1).unwrap(),
        &["unknown-field /nope"],
    );
    check(
        |tx, _| tx.put(ROOT, "$deleted", true).unwrap(),
        &["unknown-field /$deleted"],
    );
    check(|tx, _| tx.put(ROOT, "title", 5).unwrap(), &["type /title"]);
    check(
        |tx, _| tx.put(ROOT, "title", "x".repeat(41)).unwrap(),
        &["maxLength /title"],
    );
    check(
        |tx, _| tx.put(ROOT, "level", -1).unwrap(),
        &["minimum /level"],
    );
    check(
        |tx, _| tx.put(ROOT, "title", ScalarValue::Bytes(vec![1])).unwrap(),
        &["type /title"],
    );
    check(
        |tx, _| tx.put(ROOT, "shape", r#"{ "w": 3 }"#).unwrap(),
        &["atomic /shape"],
    );
    check(|tx, _| tx.put(ROOT, "hits", 5).unwrap(), &["counter /hits"]);
    check(
        |tx, _| tx.put(ROOT, "hits", ScalarValue::counter(5)).unwrap(),
        &["counter /hits"],
    );
    check(
        |tx, _| tx.increment(ROOT, "hits", i64::MAX).unwrap(),
        &["type /hits"],
    );
    check(
        |tx, c| tx.put(c.object(&["items", "i1"]), "serial", "z").unwrap(),
        &["create /items/i1/serial"],
    );
    check(
        |tx, c| tx.put(c.object(&["items", "i1"]), "id", "z").unwrap(),
        &["key /items/i1/id"],
    );
    check(
        |tx, c| {
            tx.put(c.object(&["items", "i1"]), "$position", "a0")
                .unwrap()
        },
        &["position /items/i1/$position"],
    );
    check(
        |tx, c| tx.delete(c.object(&["items"]), "i1").unwrap(),
        &["exists /items/i1"],
    );
    check(
        |tx, c| tx.put(c.object(&["guarded", "g1"]), "worth", 9).unwrap(),
        &["write /guarded/g1/worth"],
    );
    check(
        |tx, c| {
            tx.put(c.object(&["guarded", "g1"]), "$deleted", true)
                .unwrap()
        },
        &["delete /guarded/g1"],
    );
    check(
        |tx, c| tx.insert(c.object(&["body"]), 0, 5).unwrap(),
        &["text /body"],
    );
    check(
        |tx, c| tx.insert(c.object(&["body"]), 0, "two").unwrap(),
        &["text /body"],
    );
    check(
        |tx, c| tx.insert(c.object(&["tags"]), 0, 5).unwrap(),
        &["type /tags"],
    );
}

/// What is said of the first fault of an edit, and what the schema states there.
fn said(
    edit: impl FnOnce(&mut automerge::transaction::Transaction<'_>, &Client),
) -> (String, Option<Value>) {
    let entity = thing();
    let mut client = Client::on(&entity, "bob", 1);
    let twin = Client::on(&entity, "bob", 1);
    let change = client.change(|tx| edit(tx, &twin));
    let refusal = send(&entity, &client, vec![change]).refused;
    let violation = refusal.expect("it is refused").violations.remove(0);
    (violation.to_string(), violation.bound)
}

#[test]
fn what_is_written_in_another_way_is_refused_with_the_field_and_what_it_takes() {
    let string = Some(json!(["string"]));
    let title = ("title must be a string".to_owned(), string.clone());
    assert_eq!(said(|tx, _| tx.put(ROOT, "title", 5).unwrap()), title);
    let bytes = ScalarValue::Bytes(vec![1]);
    assert_eq!(said(|tx, _| tx.put(ROOT, "title", bytes).unwrap()), title);
    let counter = ScalarValue::counter(5);
    assert_eq!(said(|tx, _| tx.put(ROOT, "title", counter).unwrap()), title);
    let object = |tx: &mut automerge::transaction::Transaction<'_>, _: &Client| {
        drop(tx.put_object(ROOT, "title", ObjType::Map).unwrap());
    };
    assert_eq!(said(object), title);
    let tags = ("tags must be a string".to_owned(), string);
    let five = |tx: &mut automerge::transaction::Transaction<'_>, c: &Client| {
        tx.insert(c.object(&["tags"]), 0, 5).unwrap();
    };
    assert_eq!(said(five), tags);
    let map = |tx: &mut automerge::transaction::Transaction<'_>, c: &Client| {
        let tags = c.object(&["tags"]);
        drop(tx.insert_object(tags, 0, ObjType::Map).unwrap());
    };
    assert_eq!(said(map), tags);
    assert_eq!(
        said(|tx, c| tx.put(c.object(&["items"]), "new", 5).unwrap()),
        (
            "/items/new must be an object".to_owned(),
            Some(json!(["object"]))
        )
    );
    for (edit, expected) in [
        (
            said(|tx, _| tx.put(ROOT, "hits", 5).unwrap()),
            "hits is a counter, which changes by increments only",
        ),
        (
            said(|tx, c| tx.insert(c.object(&["body"]), 0, "two").unwrap()),
            "body is a text, which takes single characters, inserted or deleted",
        ),
        (
            said(|tx, _| tx.put(ROOT, "shape", "{ }").unwrap()),
            "shape holds canonical JSON (RFC 8785) as text",
        ),
    ] {
        assert_eq!(edit, (expected.to_owned(), None));
    }
    let deep = format!("{{\"w\":{}{}}}", "[".repeat(32), "]".repeat(32));
    let deep = deep.as_str();
    let (sentence, bound) = said(|tx, _| tx.put(ROOT, "shape", deep).unwrap());
    assert_eq!(
        (&*sentence, bound),
        ("shape must be nested at most 32 deep", Some(json!(32)))
    );
}

#[test]
fn containers_are_made_once() {
    for (name, kind) in [
        ("place", ObjType::Map),
        ("items", ObjType::Map),
        ("tags", ObjType::List),
        ("body", ObjType::Text),
    ] {
        let pointer = format!("container /{name}");
        check(
            |tx, _| drop(tx.put_object(ROOT, name, kind).unwrap()),
            &[&pointer],
        );
        check(|tx, _| tx.delete(ROOT, name).unwrap(), &[&pointer]);
        check(|tx, _| tx.put(ROOT, name, "scalar").unwrap(), &[&pointer]);
    }
    check(
        |tx, c| {
            drop(
                tx.put_object(c.object(&["items"]), "i1", ObjType::Map)
                    .unwrap(),
            )
        },
        &["exists /items/i1"],
    );
    check(
        |tx, c| {
            let item = tx
                .put_object(c.object(&["items"]), "new", ObjType::Map)
                .unwrap();
            tx.put(&item, "name", "half made").unwrap();
        },
        &[
            "incomplete /items/new/note",
            "incomplete /items/new/tags",
            "incomplete /items/new/$position",
        ],
    );
}

#[test]
fn stale_dependencies_gain_nothing() {
    let entity = thing();
    let mut stale = Client::on(&entity, "mallory", 9);
    let alice = editor("alice");
    let body = json!({ "title": "moved on" });
    let next =
        accepted(write(&entity, &alice, &body, &Default::default(), Origin::Server).unwrap());
    let change = stale.change(|tx| {
        tx.put(ROOT, "code", "stolen").unwrap();
        drop(tx.put_object(ROOT, "place", ObjType::Map).unwrap());
    });
    let verdict = send(&next, &stale, vec![change]);
    assert_eq!(refused(&verdict), ["create /code", "container /place"]);
    let mut again = Client::on(&entity, "mallory", 8);
    let good = again.change(|tx| tx.put(ROOT, "tagline", "late but fine").unwrap());
    let merged = accepted(send(&next, &again, vec![good]));
    assert_eq!(merged.presented()["title"], "moved on");
    assert_eq!(merged.presented()["tagline"], "late but fine");
}

#[test]
fn a_change_before_a_refused_one_is_admitted() {
    let entity = thing();
    let mut client = Client::on(&entity, "bob", 1);
    let changes = vec![
        client.change(|tx| tx.put(ROOT, "title", "kept").unwrap()),
        client.change(|tx| tx.put(ROOT, "code", "no").unwrap()),
        client.change(|tx| tx.put(ROOT, "tagline", "after").unwrap()),
    ];
    let verdict = send(&entity, &client, changes);
    let refusal = verdict.refused.as_ref().unwrap();
    assert_eq!((refusal.admitted, refusal.violations[0].change), (1, 1));
    assert_eq!(refusal.violations[0].attempted, Some(json!("no")));
    assert_eq!(refusal.violations[0].kept, Some(json!("c-1")));
    assert_eq!(verdict.dropped.len(), 2);
    let next = verdict.admitted.unwrap().into_parts().0;
    assert_eq!(next.presented()["title"], "kept");
    assert_eq!(next.presented().get("tagline"), None);
}

#[test]
fn references_that_harm_automerge_are_refused() {
    let entity = thing();
    let client = Client::on(&entity, "bob", 1);
    let put = |value: &str| op(&ROOT, Key::Map("tagline".into()), OpType::Put(value.into()));
    let ghost = OpId::new(3, client.doc.get_actor());
    let check = |code: &str, forge: &dyn Fn(&mut automerge::ExpandedChange)| {
        let change = client.forged(|change| {
            change.operations = vec![put("x")];
            forge(change);
        });
        let verdict = send(&entity, &client, vec![change]);
        assert!(verdict.admitted.is_none(), "{code}");
        assert_eq!(verdict.refused.unwrap().code, code);
    };
    check("seq", &|c| c.seq = 2);
    check("seq", &|c| c.seq = 7);
    check("start-op", &|c| c.start_op = 1.try_into().unwrap());
    check("start-op", &|c| {
        c.start_op = (c.start_op.get() + 1).try_into().unwrap()
    });
    check("unknown-deps", &|c| {
        c.deps.push(automerge::ChangeHash([9; 32]))
    });
    check("unknown-deps", &|c| c.deps.clear());
    check("pred", &|c| {
        c.operations[0].pred = vec![ghost.clone()].into()
    });
    check("pred", &|c| c.operations[0].action = OpType::Delete);
    check("unknown-object", &|c| {
        c.operations[0].obj = automerge::legacy::ObjectId::Id(ghost.clone())
    });
    check("key", &|c| c.operations[0].insert = true);
    check("actor-reserved", &|c| c.actor_id = vec![0; 16].into());
    check("actor-reserved", &|c| c.actor_id = vec![0xff; 16].into());
    check("no-operations", &|c| c.operations.clear());
    let body = client.object(&["body"]);
    let element = automerge::legacy::ElementId::Id(ghost.clone());
    let insert = op(&body, Key::Seq(element), OpType::Put("x".into()));
    check("element", &|c| {
        c.operations = vec![automerge::legacy::Op {
            insert: true,
            ..insert.clone()
        }]
    });
    check("element", &|c| c.operations = vec![insert.clone()]);
}

#[test]
fn an_actor_belongs_to_who_used_it_first() {
    let entity = thing();
    let mut bob = Client::on(&entity, "bob", 1);
    let change = bob.change(|tx| tx.put(ROOT, "title", "bob's").unwrap());
    let next = accepted(send(&entity, &bob, vec![change]));
    let mut eve = Client::on(&next, "eve", 1);
    let change = eve.change(|tx| tx.put(ROOT, "title", "eve's").unwrap());
    let verdict = send(&next, &eve, vec![change]);
    assert_eq!(verdict.refused.unwrap().code, "actor-taken");
}

#[test]
fn a_repeated_change_is_known_not_judged() {
    let entity = thing();
    let mut bob = Client::on(&entity, "bob", 1);
    let change = bob.change(|tx| tx.put(ROOT, "title", "once").unwrap());
    let next = accepted(send(&entity, &bob, vec![change.clone()]));
    let verdict = send(&next, &bob, vec![change]);
    assert!(verdict.admitted.is_none() && verdict.refused.is_none());
    assert_eq!(verdict.known.len(), 1);
}

#[test]
fn only_editors_edit() {
    let entity = thing();
    let mut client = Client::on(&entity, "bob", 1);
    client.principal.roles = ["viewer".to_owned()].into();
    let change = client.change(|tx| tx.put(ROOT, "title", "x").unwrap());
    let verdict = send(&entity, &client, vec![change]);
    assert_eq!(verdict.refused.unwrap().code, "forbidden");
}

#[test]
fn the_genesis_is_the_same_everywhere() {
    let policy = fixture::policy();
    let id = "thing/one".parse().unwrap();
    let a = Entity::genesis(&id, indelible_engine::id::Epoch::FIRST, &policy);
    let b = Entity::genesis(&id, indelible_engine::id::Epoch::FIRST, &policy);
    assert_eq!(a.document(), b.document());
    assert_eq!(a.presented()["level"], 1);
}

#[test]
fn an_entity_does_not_outgrow_its_bound() {
    let entity = thing();
    let mut client = Client::on(&entity, "bob", 1);
    let text = client.object(&["body"]);
    let changes = vec![client.change(|tx| tx.splice_text(&text, 0, 0, &"x".repeat(900)).unwrap())];
    let proposal = indelible_engine::admission::Proposal::new(
        indelible_engine::id::ProposalId([1; 16]),
        client.principal.clone(),
        Origin::Client,
        changes,
    );
    let limits = indelible_engine::limits::Limits {
        entity_bytes_max: 1_000,
        ..Default::default()
    };
    let verdict = indelible_engine::admission::admit(&entity, &proposal, fixture::NOW, &limits);
    assert!(verdict.admitted.is_none());
    assert_eq!(verdict.refused.unwrap().code, "entity-size");
}

#[test]
fn a_body_larger_than_an_entity_costs_no_merge() {
    let entity = thing();
    let options = |max| MergeOptions {
        limits: Limits {
            entity_bytes_max: max,
            ..Default::default()
        },
        ..MergeOptions::default()
    };
    let actor = server_actor(entity.id(), Epoch::FIRST, "alice");
    let put = |body: &Value, max| merge(&entity, &editor("alice"), &actor, body, &options(max));
    let long = json!({ "tagline": "x".repeat(900) });
    let refused = put(&long, 800);
    assert!(
        matches!(refused, Err(MergeError::TooLarge { max: 800, .. })),
        "{refused:?}"
    );
    assert!(put(&long, 1_000).is_ok());
    // What is not taken over is not weighed, and what makes an entity smaller that is too large
    // already is taken.
    let preserved = MergeOptions {
        preserve: vec!["/tagline".parse().unwrap()],
        ..options(800)
    };
    let kept = merge(&entity, &editor("alice"), &actor, &long, &preserved);
    assert!(kept.unwrap().changes.is_empty());
    let mut smaller = entity.presented();
    smaller["body"] = json!("");
    assert!(put(&smaller, 10).is_ok());
}

#[test]
fn an_empty_creation_is_judged_as_a_whole() {
    let policy = fixture::policy();
    let id = "thing/empty".parse().unwrap();
    let genesis = Entity::genesis(&id, indelible_engine::id::Epoch::FIRST, &policy);
    let verdict = judge(&genesis, &editor("alice"), Vec::new(), Origin::Creation);
    if cfg!(feature = "whole-entity") {
        assert_eq!(refused(&verdict), ["required /title"]);
        assert!(verdict.admitted.is_none());
    } else {
        let made = verdict
            .admitted
            .expect("the validator is not here to miss the title");
        assert_eq!(made.entity().presented()["level"], 1);
    }
    let client = judge(&genesis, &editor("alice"), Vec::new(), Origin::Client);
    assert_eq!(client.refused.unwrap().code, "malformed");
}
