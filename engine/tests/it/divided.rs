//! Guards against values that the schema allows and that are refused, or kept in part, since one
//! change cannot hold what they take; and against using that to write, later, what is written only
//! when its object is made.

use std::sync::Arc;

use automerge::transaction::Transactable;
use automerge::{ActorId, ROOT};
use indelible_engine::admission::Origin;
use indelible_engine::bundle::Depth;
use indelible_engine::change::{self, Limits, client_actor, divide};
use indelible_engine::entity::Entity;
use indelible_engine::id::Epoch;
use indelible_engine::lifecycle::next_epoch;
use indelible_engine::merge::{Base, MergeError, MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::rebase::{RebaseTarget, rebase};
use indelible_engine::schema;
use serde_json::{Value, json};

use crate::fixture::{Client, editor, judge, write};
use crate::ledgers::Ledger;

fn policy() -> Arc<Policy> {
    let text = |write: &str| {
        json!({ "type": "string", "maxLength": 100_000,
        "x-indelible": { "merge": "text", "write": write } })
    };
    let list = |write: &str| {
        json!({ "type": "array", "items": { "type": "string" },
        "maxItems": 100_000, "x-indelible": { "write": write } })
    };
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "case", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "history": ["editor"], "restore": ["editor"] },
        "properties": {
            "title": { "type": "string", "maxLength": 20 },
            "before": text("edit"), "after": text("edit"), "origin": text("create"),
            "tags": list("edit"), "first": list("create"),
            "parts": { "type": "array", "items": { "type": "object", "properties": {
                "name": { "type": "string", "default": "unnamed" },
                "count": { "type": "integer", "x-indelible": { "merge": "counter" } },
                "story": text("create"), "marks": list("create"), "note": text("edit"),
                "inner": { "type": "array", "items": { "type": "object", "properties": {
                    "serial": text("create") } } } } } },
            "open": { "type": "object", "additionalProperties": {
                "type": "object", "properties": { "origin": text("create") } } }
        }
    });
    Arc::new(schema::compile("case.json", &schema.to_string()).unwrap())
}

fn long(letter: &str, length: usize) -> String {
    letter.repeat(length)
}

fn words(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("w{index}")).collect()
}

fn genesis() -> Entity {
    Entity::genesis(&"case/one".parse().unwrap(), Epoch::FIRST, &policy())
}

fn creation() -> MergeOptions {
    MergeOptions {
        creation: true,
        ..MergeOptions::default()
    }
}

/// The entity with a value merged in, which must be admitted as one entry.
fn put(entity: &Entity, body: &Value, origin: Origin) -> Entity {
    let options = match origin {
        Origin::Creation => creation(),
        _ => MergeOptions::default(),
    };
    let verdict = write(entity, &editor("alice"), body, &options, origin).unwrap();
    assert_eq!(verdict.refused, None);
    let admitted = verdict.admitted.unwrap();
    assert!(admitted.draft().changes.len() > 1, "it is divided");
    let limits = Limits::default();
    for bytes in &admitted.draft().changes {
        assert!(change::parse(bytes, &limits).is_ok());
    }
    admitted.into_parts().0
}

fn one() -> Entity {
    let body = json!({ "title": "One", "before": long("a", 6_000), "after": long("b", 6_000) });
    put(&genesis(), &body, Origin::Creation)
}

#[test]
fn long_values_are_taken_in_a_creation_and_later() {
    let body = json!({
        "before": long("a", 30_000), "origin": long("ö", 30_000), "first": words(25_000),
        "parts": [ { "id": "p1", "story": long("s", 25_000), "marks": words(12_000),
                     "inner": [ { "id": "q", "serial": long("😀", 11_000) } ] } ],
        "open": { "x": { "origin": long("o", 12_000) } },
    });
    let mut entity = put(&genesis(), &body, Origin::Creation);
    let value = entity.presented();
    for field in ["before", "origin", "first"] {
        assert_eq!(value[field], body[field], "{field}");
    }
    assert_eq!(value["parts"][0]["inner"], body["parts"][0]["inner"]);
    assert_eq!(value["open"], body["open"]);

    let body = json!({ "before": long("c", 100_000), "tags": words(30_000) });
    entity = put(&entity, &body, Origin::Server);
    assert_eq!(entity.presented()["before"], body["before"]);
    let body = json!({ "parts": [ { "id": "p1" }, {
        "story": long("t", 25_000), "marks": words(15_000), "note": long("n", 15_000),
        "inner": [ { "serial": long("i", 15_000) }, { "serial": long("j", 15_000) } ],
    } ] });
    let value = put(&entity, &body, Origin::Server).presented();
    for field in ["story", "marks", "note"] {
        assert_eq!(value["parts"][1][field], body["parts"][1][field], "{field}");
    }
    assert_eq!(value["parts"][1]["name"], "unnamed");
    let serial = &value["parts"][1]["inner"][1]["serial"];
    assert_eq!(*serial, long("j", 15_000));
}

#[test]
fn many_items_are_taken_whatever_is_cut() {
    let limits = Limits {
        operations_per_change_max: 3,
        ..Limits::default()
    };
    let options = MergeOptions {
        limits,
        ..creation()
    };
    let items: Vec<Value> = (0..60)
        .map(|index| {
            json!({ "id": format!("p{index}"), "name": "n", "count": 2, "story": "abc",
                             "inner": [ { "id": "q", "serial": "xyz" } ] })
        })
        .collect();
    let body = json!({ "title": "Many", "origin": "somewhere", "parts": items });
    let verdict = write(
        &genesis(),
        &editor("alice"),
        &body,
        &options,
        Origin::Creation,
    )
    .unwrap();
    assert_eq!(verdict.refused, None);
    let admitted = verdict.admitted.unwrap();
    assert!(admitted.draft().changes.len() > 300);
    assert_eq!(admitted.entity().presented(), body);
}

#[test]
fn what_is_one_edit_is_refused_whole_and_named_where_it_is() {
    let entity = one();
    // Too long only when merged: each of the two bodies is within the bound.
    let options = MergeOptions {
        base: Some(Base {
            value: entity.presented(),
            heads: entity.heads(),
            earlier: None,
        }),
        ..MergeOptions::default()
    };
    let body = json!({ "before": long("c", 60_000), "title": "Two" });
    let two = write(&entity, &editor("bob"), &body, &options, Origin::Server).unwrap();
    let two = two.admitted.unwrap().into_parts().0;
    let body = json!({ "before": long("d", 60_000) });
    let refused = write(&two, &editor("alice"), &body, &options, Origin::Server).unwrap();
    assert!(refused.admitted.is_none());
    let refusal = refused.refused.unwrap();
    assert_eq!(refusal.admitted, 0);
    assert_eq!(refusal.violations[0].pointer.to_string(), "/before");
    assert_eq!(refusal.violations[0].rule.code(), "maxLength");

    // A client's: the faulty operation is in the second change, and is named there.
    let mut client = Client::on(&entity, "alice", 1);
    let before = client.object(&["before"]);
    let bytes = client.change(|tx| {
        tx.splice_text(&before, 0, 0, &long("d", 12_000)).unwrap();
        tx.put(ROOT, "title", "a title that is too long").unwrap();
    });
    let changes = parts(&bytes);
    let verdict = judge(&entity, &client.principal, changes.clone(), Origin::Edit);
    let refusal = verdict.refused.unwrap();
    assert!(verdict.admitted.is_none());
    assert_eq!((refusal.admitted, verdict.dropped.len()), (0, 2));
    let violation = &refusal.violations[0];
    assert_eq!((violation.change, &violation.ops[..]), (1, &[2_000][..]));
    // As edits for themselves, the first of them stays.
    let verdict = judge(&entity, &client.principal, changes, Origin::Client);
    assert_eq!(verdict.refused.unwrap().admitted, 1);
}

fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let whole = automerge::Change::try_from(bytes).unwrap();
    divide(&whole, &Limits::default())
}

/// The changes in which a client makes an item whose story takes several.
fn long_item(client: &mut Client, id: &str) -> Vec<Vec<u8>> {
    let parts_list = client.object(&["parts"]);
    let bytes = client.change(|tx| {
        use automerge::{ObjType, ScalarValue};
        let item = tx.put_object(&parts_list, id, ObjType::Map).unwrap();
        tx.put(&item, "$position", "V").unwrap();
        tx.put(&item, "name", "n").unwrap();
        tx.put(&item, "count", ScalarValue::counter(0)).unwrap();
        let story = tx.put_object(&item, "story", ObjType::Text).unwrap();
        tx.put_object(&item, "marks", ObjType::List).unwrap();
        tx.put_object(&item, "note", ObjType::Text).unwrap();
        tx.put_object(&item, "inner", ObjType::Map).unwrap();
        tx.splice_text(&story, 0, 0, &long("s", 12_000)).unwrap();
    });
    parts(&bytes)
}

#[test]
fn a_create_field_is_written_only_in_the_proposal_that_makes_its_object() {
    let entity = one();
    let mut alice = Client::on(&entity, "alice", 1);
    let made = long_item(&mut alice, "p");
    assert_eq!(made.len(), 2);
    let code = |refusal: indelible_engine::violation::Refusal| {
        refusal.violations[0].rule.code().to_owned()
    };
    let whole = judge(&entity, &alice.principal, made.clone(), Origin::Edit);
    assert_eq!(whole.refused, None);
    let with_item = whole.admitted.unwrap().into_parts().0;
    assert_eq!(
        with_item.presented()["parts"][0]["story"],
        long("s", 12_000)
    );

    // As edits for themselves, the second change writes to an object that is there.
    let single = judge(&entity, &alice.principal, made.clone(), Origin::Client);
    assert_eq!(code(single.refused.unwrap()), "create");
    let begun = single.admitted.unwrap().into_parts().0;

    // In a later proposal, alone or behind the change that made the object: the log has that one.
    let rest = vec![made[1].clone()];
    for changes in [rest, made.clone()] {
        let later = judge(&begun, &alice.principal, changes, Origin::Edit);
        assert!(later.admitted.is_none());
        assert_eq!(code(later.refused.unwrap()), "create");
    }

    // By another author, in one edit of several changes.
    let mut bob = Client::on(&with_item, "bob", 2);
    let story = bob.object(&["parts", "p", "story"]);
    let before = bob.object(&["before"]);
    let bytes = bob.change(|tx| {
        tx.splice_text(&before, 0, 0, &long("x", 10_000)).unwrap();
        tx.splice_text(&story, 0, 0, "y").unwrap();
    });
    let theirs = judge(&with_item, &bob.principal, parts(&bytes), Origin::Edit);
    assert!(theirs.admitted.is_none());
    assert_eq!(code(theirs.refused.unwrap()), "create");

    // With another's change in between, which a proposal cannot hold.
    let mut between = made.clone();
    let foreign = Client::on(&entity, "bob", 3).change(|tx| tx.put(ROOT, "title", "B").unwrap());
    between.insert(1, foreign);
    let mixed = judge(&entity, &alice.principal, between, Origin::Edit);
    assert!(mixed.admitted.is_none());
    assert!(mixed.refused.is_some());
}

#[test]
fn a_root_field_of_the_creation_is_not_written_again() {
    let entity = one();
    let mut client = Client::on(&entity, "alice", 1);
    let origin = client.object(&["origin"]);
    let bytes = client.change(|tx| tx.splice_text(&origin, 0, 0, &long("o", 12_000)).unwrap());
    let verdict = judge(&entity, &client.principal, parts(&bytes), Origin::Edit);
    assert!(verdict.admitted.is_none());
    assert_eq!(verdict.refused.unwrap().violations[0].rule.code(), "create");
}

#[test]
fn a_ledger_of_divided_edits_verifies() {
    let mut ledger = Ledger::under(policy());
    let body = json!({ "title": "One", "origin": long("o", 25_000), "first": words(12_000) });
    ledger.merge("case/one", "alice", body);
    let item = json!({ "story": long("s", 25_000), "marks": words(12_000) });
    ledger.merge(
        "case/one",
        "bob",
        json!({ "parts": [item], "before": long("b", 30_000) }),
    );
    let id = "case/one".parse().unwrap();
    let mut client = Client::on(&ledger.entities[&id], "carol", 1);
    let made = long_item(&mut client, "p");
    let verdict = judge(&ledger.entities[&id], &client.principal, made, Origin::Edit);
    let (entity, draft, effects) = verdict.admitted.unwrap().into_parts();
    assert_eq!((draft.changes.len(), effects.len()), (2, 1));
    ledger.take(entity, draft);
    assert_eq!(ledger.drafts.len(), 4);
    assert!(ledger.refusals.is_empty());
    ledger.verify(Depth::Admission).unwrap();

    // Without its end, the last entry is a different edit and verifies too; without its beginning, or
    // with its end in an entry of its own, it does not.
    let whole = ledger.drafts.pop().unwrap();
    let mut forged = ledger.clone();
    let end = automerge::Change::try_from(whole.changes[1].as_slice()).unwrap();
    forged.drafts.push(indelible_engine::ledger::EntryDraft {
        changes: vec![whole.changes[1].clone()],
        heads: vec![end.hash().into()],
        ..whole
    });
    assert!(forged.verify(Depth::Records).is_ok());
    assert!(forged.verify(Depth::Admission).is_err());
}

#[test]
fn a_rebased_edit_stays_within_the_limits() {
    let entity = one();
    let author = editor("alice");
    let actor = client_actor(indelible_engine::time::Timestamp(1 << 40), [1; 10]);
    let body = json!({ "before": long("x", 30_000), "parts": [ { "story": long("s", 30_000) } ] });
    let edit = merge(&entity, &author, &actor, &body, &MergeOptions::default()).unwrap();
    assert!(edit.changes.len() > 5);
    // Meanwhile a new epoch has begun: nothing but values is common.
    let (onto, ..) = next_epoch(&entity, entity.policy(), crate::fixture::NOW)
        .unwrap()
        .into_parts();
    let limits = Limits::default();
    let fresh = ActorId::from([0x41; 16]);
    let ground = RebaseTarget {
        entity: &onto,
        author: &author,
        actor: &fresh,
        limits: &limits,
    };
    let rebased = indelible_engine::rebase::rebase_values(&ground, &entity, &edit.changes).unwrap();
    assert!(rebased.dropped.is_empty());
    let changes: Vec<Vec<u8>> = rebased.changes.into_iter().map(|one| one.change).collect();
    assert!(
        changes
            .iter()
            .all(|bytes| change::parse(bytes, &limits).is_ok())
    );
    let verdict = judge(&onto, &author, changes, Origin::Edit);
    assert_eq!(verdict.refused, None);
    let value = verdict.admitted.unwrap().into_parts().0.presented();
    assert_eq!(value["before"], body["before"]);
    assert_eq!(value["parts"][0]["story"], body["parts"][0]["story"]);
    let ground = RebaseTarget {
        entity: &entity,
        ..ground
    };
    let rebased = rebase(&ground, entity.policy(), &edit.changes, &[]).unwrap();
    let changes: Vec<Vec<u8>> = rebased.changes.into_iter().map(|one| one.change).collect();
    let verdict = judge(&entity, &author, changes, Origin::Edit);
    assert_eq!(verdict.refused, None);
}

#[test]
fn far_too_long_is_refused_before_it_is_merged() {
    let schema = json!({
        "type": "object", "x-indelible": { "kind": "case", "edit": ["editor"] },
        "properties": { "free": { "type": "string", "x-indelible": { "merge": "text" } } }
    });
    let policy = Arc::new(schema::compile("case.json", &schema.to_string()).unwrap());
    let free = Entity::genesis(&"case/one".parse().unwrap(), Epoch::FIRST, &policy);
    for (entity, field, length, bound) in [
        (&free, "free", 1_000_001, "1000000"),
        (&one(), "before", 100_001, "100000"),
    ] {
        let actor = change::server_actor(entity.id(), entity.epoch(), "alice");
        let body = json!({ field: long("é", length) });
        let options = MergeOptions::default();
        let error = merge(entity, &editor("alice"), &actor, &body, &options).unwrap_err();
        let MergeError::Refused(violations) = error else {
            panic!("{error}");
        };
        assert_eq!(violations[0].pointer.to_string(), format!("/{field}"));
        assert_eq!(violations[0].rule.code(), "maxLength");
        let message = violations[0].message.replace(',', "");
        assert!(message.contains(bound), "{message}");
    }
}

#[test]
fn an_id_that_is_no_id_is_refused_and_deletes_nothing() {
    let body = json!({ "parts": [ { "id": "a", "name": "A" }, { "id": "b", "name": "B" } ] });
    let verdict = write(
        &genesis(),
        &editor("alice"),
        &body,
        &creation(),
        Origin::Creation,
    );
    let entity = verdict.unwrap().admitted.unwrap().into_parts().0;
    let bad = [
        json!(null),
        json!(1),
        json!({}),
        json!([]),
        json!(""),
        json!("a b"),
        json!(true),
    ];
    for id in bad {
        for creates in [false, true] {
            let (onto, options) = match creates {
                true => (genesis(), creation()),
                false => (entity.clone(), MergeOptions::default()),
            };
            let actor = change::server_actor(onto.id(), onto.epoch(), "alice");
            let body = json!({ "parts": [ { "id": "a" }, { "id": id, "name": "B" } ] });
            let error = merge(&onto, &editor("alice"), &actor, &body, &options).unwrap_err();
            let MergeError::Refused(violations) = error else {
                panic!("{error}");
            };
            assert_eq!(violations[0].pointer.to_string(), "/parts/1/id", "{id}");
            assert_eq!(violations[0].rule.code(), "name");
        }
    }
    let twice = json!({ "parts": [ { "id": "a" }, { "id": "a" } ] });
    let foreign = json!({ "parts": [ { "id": "a" }, { "id": "elsewhere" } ] });
    for (body, at, rule) in [
        (twice, "/parts/1", "exists"),
        (foreign, "/parts/1/id", "unknown-item"),
    ] {
        let options = MergeOptions::default();
        let refused = write(&entity, &editor("alice"), &body, &options, Origin::Server);
        let Err(MergeError::Refused(violations)) = refused else {
            panic!("{body} was merged");
        };
        assert_eq!(violations[0].pointer.to_string(), at);
        assert_eq!(violations[0].rule.code(), rule);
    }
}
