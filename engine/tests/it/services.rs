//! Guards against services that cannot write what the system writes, and against services that
//! write, delete or learn anything else.

use std::sync::Arc;

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT};
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch};
use indelible_engine::merge::{MergeError, MergeOptions, Protected, merge};
use indelible_engine::policy::{Permission, Policy};
use indelible_engine::principal::Principal;
use indelible_engine::schema::{self, Alteration, compare};
use indelible_engine::violation::RefusalCode;
use serde_json::{Value, json};

use crate::fixture::{Client, judge, write};

/// Every shape, once for everybody and once for the system.
fn schema(root: &Value) -> Value {
    let mut words = json!({
        "kind": "shop", "read": ["public"], "create": ["editor", "importer"], "edit": ["editor"],
        "history": ["editor"], "system": ["reviews"]
    });
    for (word, value) in root.as_object().unwrap() {
        words[word] = value.clone();
    }
    let item = json!({ "type": "object", "properties": {
        "by": { "type": "string" },
        "stars": { "type": "integer" },
        "text": { "type": "string", "x-indelible": { "merge": "text" } } } });
    let list = |words: Value| json!({ "type": "array", "items": item, "x-indelible": words });
    json!({
        "type": "object",
        "x-indelible": words,
        "properties": {
            "title": { "type": "string" },
            "code": { "type": "string", "x-indelible": { "write": "create" } },
            "chief": { "type": "string", "x-indelible": { "write": ["reviews"] } },
            "note": { "type": "string", "x-indelible": { "merge": "text" } },
            "parts": list(json!({})),
            "rating": { "type": "number", "maximum": 5, "readOnly": true },
            "count": { "type": "integer",
                       "x-indelible": { "merge": "counter", "write": "system" } },
            "digest": { "type": "string", "x-indelible": { "merge": "text", "write": "system" } },
            "words": { "type": "array", "items": { "type": "string" },
                       "x-indelible": { "write": "system" } },
            "raw": { "type": "object", "x-indelible": { "merge": "atomic", "write": "system" } },
            "reviews": list(json!({ "write": "system" })),
            "sources": { "type": "object", "x-indelible": { "write": "system" },
                         "additionalProperties": {
                             "type": "object", "x-indelible": { "delete": ["editor"] },
                             "properties": { "url": { "type": "string" } } } },
            "offers": { "type": "array", "items": { "type": "object",
                "x-indelible": { "delete": ["reviews"] },
                "properties": {
                    "name": { "type": "string" },
                    "score": { "type": "number", "x-indelible": { "write": "system" } } } } },
            "stats": { "type": "object", "properties": {
                "label": { "type": "string" },
                "mean": { "type": "number", "x-indelible": { "write": "system" } } } },
            "createdAt": { "type": "string", "x-indelible": { "stamp": "created-at" } }
        }
    })
}

fn policy(root: &Value) -> Arc<Policy> {
    Arc::new(schema::compile("shop.json", &schema(root).to_string()).expect("the schema is good"))
}

fn who(roles: &[&str]) -> Principal {
    Principal::new(roles.join("-"), roles.iter().copied())
}

fn shop(root: &Value) -> Entity {
    let id: EntityId = "shop/one".parse().unwrap();
    let entity = Entity::genesis(&id, Epoch::FIRST, &policy(root));
    let body = json!({ "title": "One", "code": "c", "note": "n",
                       "parts": [{ "id": "p", "by": "me" }],
                       "offers": [{ "id": "o", "name": "new" }] });
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    admitted(
        write(
            &entity,
            &who(&["editor"]),
            &body,
            &options,
            Origin::Creation,
        )
        .unwrap(),
    )
}

fn admitted(verdict: Verdict) -> Entity {
    assert_eq!(verdict.refused, None);
    verdict.admitted.expect("it is admitted").into_parts().0
}

fn put(entity: &Entity, author: &Principal, body: &Value) -> Entity {
    let options = MergeOptions::default();
    admitted(write(entity, author, body, &options, Origin::Server).unwrap())
}

/// The rules that a merge breaks, with their places.
fn refused(entity: &Entity, author: &Principal, body: &Value) -> Vec<String> {
    let actor = server_actor(entity.id(), entity.epoch(), &author.id);
    match merge(entity, author, &actor, body, &MergeOptions::default()) {
        Err(MergeError::Refused(violations)) => {
            let told = violations
                .iter()
                .map(|v| format!("{} {}", v.rule, v.pointer));
            told.collect()
        }
        other => panic!("{body} is not refused: {other:?}"),
    }
}

#[test]
fn a_service_writes_what_the_system_writes() {
    let service = who(&["reviews"]);
    let mut shop = shop(&json!({}));
    let bodies = [
        json!({ "rating": 4.5 }),
        json!({ "count": 3 }),
        json!({ "digest": "Liked by all." }),
        json!({ "words": ["good", "fast"] }),
        json!({ "raw": { "n": [1, 2] } }),
        json!({ "reviews": [{ "by": "jo", "stars": 5, "text": "yes" }] }),
        json!({ "sources": { "a": { "url": "u" }, "b": { "url": "v" } } }),
        json!({ "stats": { "mean": 2.5 } }),
        json!({ "offers": [{ "id": "o", "score": 7 }] }),
    ];
    let options = MergeOptions {
        revive: true,
        ..MergeOptions::default()
    };
    for body in bodies {
        let verdict = write(&shop, &service, &body, &options, Origin::Server);
        shop = admitted(verdict.unwrap_or_else(|error| panic!("{body}: {error:?}")));
    }
    let value = shop.presented();
    assert_eq!(value["rating"], 4.5);
    assert_eq!(value["reviews"][0]["text"], "yes");
    assert_eq!(
        value["offers"][0],
        json!({ "id": "o", "name": "new", "score": 7 })
    );
    // What is the system's throughout, it also deletes, moves and empties.
    let shop = put(
        &shop,
        &service,
        &json!({ "reviews": [], "words": [], "sources": { "a": null } }),
    );
    let value = shop.presented();
    assert_eq!(value["sources"], json!({ "b": { "url": "v" } }));
    assert!(
        value.get("reviews").is_none() && value.get("words").is_none(),
        "{value}"
    );
    assert_eq!(value["title"], "One");
}

#[test]
fn a_service_writes_nothing_else() {
    let shop = shop(&json!({}));
    let service = who(&["reviews"]);
    for (body, expected) in [
        (json!({ "title": "Two", "rating": 1 }), vec!["write /title"]),
        (json!({ "code": "d" }), vec!["write /code"]),
        (json!({ "chief": "x" }), vec!["write /chief"]),
        (json!({ "note": "other" }), vec!["write /note"]),
        (json!({ "createdAt": "x" }), vec!["stamp /createdAt"]),
        (
            json!({ "stats": { "label": "x", "mean": 1 } }),
            vec!["write /stats/label"],
        ),
        (
            json!({ "offers": [{ "id": "o", "name": "x" }] }),
            vec!["write /offers/o/name"],
        ),
        // Neither a role in `delete` nor the right to a part of it is enough.
        (json!({ "offers": [] }), vec!["delete /offers/o"]),
        (json!({ "parts": [] }), vec!["delete /parts/p"]),
        (
            json!({ "parts": [{ "id": "p", "by": "x" }] }),
            vec!["write /parts/p/by"],
        ),
    ] {
        assert_eq!(refused(&shop, &service, &body), expected, "{body}");
    }
    // Kept where the caller wants that, as anything else that is protected.
    let options = MergeOptions {
        protected: Protected::Keep,
        ..MergeOptions::default()
    };
    let body = json!({ "title": "Two", "rating": 3 });
    let shop = admitted(write(&shop, &service, &body, &options, Origin::Server).unwrap());
    assert_eq!(
        (&shop.presented()["title"], &shop.presented()["rating"]),
        (&json!("One"), &json!(3))
    );
    for stranger in [who(&["editor"]), who(&["importer"]), Principal::anonymous()] {
        let options = MergeOptions::default();
        let body = json!({ "rating": 1 });
        let verdict = write(&shop, &stranger, &body, &options, Origin::Server);
        let through = verdict.is_ok_and(|verdict| verdict.admitted.is_some());
        assert!(!through, "{stranger} writes the system's field");
    }
}

#[test]
fn changes_of_a_client_are_judged_alike() {
    let shop = shop(&json!({}));
    let check = |roles: &[&str],
                 edit: &dyn Fn(&mut automerge::transaction::Transaction<'_>, &Client),
                 expected: &[&str]| {
        let mut client = Client::on(&shop, "x", 1);
        client.principal = who(roles);
        let twin = Client::on(&shop, "x", 1);
        let change = client.change(|tx| edit(tx, &twin));
        let verdict = judge(&shop, &client.principal, vec![change], Origin::Client);
        let told: Vec<String> = verdict
            .refused
            .iter()
            .flat_map(|refusal| &refusal.violations)
            .map(|v| format!("{} {}", v.rule, v.pointer))
            .collect();
        assert_eq!(told, expected, "{roles:?}");
        assert_eq!(verdict.admitted.is_some(), expected.is_empty());
    };
    check(
        &["reviews"],
        &|tx, _| tx.put(ROOT, "rating", 4.5).unwrap(),
        &[],
    );
    check(
        &["reviews"],
        &|tx, _| tx.increment(ROOT, "count", 1).unwrap(),
        &[],
    );
    check(
        &["reviews"],
        &|tx, c| tx.splice_text(c.object(&["digest"]), 0, 0, "x").unwrap(),
        &[],
    );
    check(
        &["reviews"],
        &|tx, c| tx.insert(c.object(&["words"]), 0, "x").unwrap(),
        &[],
    );
    let add = |list: &'static str| {
        move |tx: &mut automerge::transaction::Transaction<'_>, c: &Client| {
            let item = tx
                .put_object(c.object(&[list]), "new", ObjType::Map)
                .unwrap();
            tx.put(&item, "$position", "n").unwrap();
            tx.put_object(&item, "text", ObjType::Text).unwrap();
        }
    };
    check(&["reviews"], &add("reviews"), &[]);
    check(&["reviews"], &add("parts"), &["write /parts/new"]);
    check(&["editor"], &add("reviews"), &["system /reviews/new"]);
    check(
        &["reviews"],
        &|tx, _| tx.put(ROOT, "title", "x").unwrap(),
        &["write /title"],
    );
    check(
        &["reviews"],
        &|tx, c| tx.splice_text(c.object(&["note"]), 0, 0, "x").unwrap(),
        &["write /note"],
    );
    check(
        &["reviews"],
        &|tx, c| tx.put(c.object(&["parts", "p"]), "$deleted", true).unwrap(),
        &["delete /parts/p"],
    );
    check(
        &["reviews"],
        &|tx, c| tx.put(c.object(&["parts", "p"]), "$position", "z").unwrap(),
        &["write /parts/p/$position"],
    );
    check(
        &["reviews"],
        &|tx, c| tx.put(c.object(&["offers", "o"]), "score", 1.5).unwrap(),
        &[],
    );
    // With both words, both; with neither, nothing at all.
    check(
        &["reviews", "editor"],
        &|tx, _| {
            tx.put(ROOT, "rating", 1.5).unwrap();
            tx.put(ROOT, "title", "x").unwrap();
        },
        &[],
    );
    check(
        &["importer"],
        &|tx, _| tx.put(ROOT, "rating", 1.5).unwrap(),
        &["forbidden "],
    );
}

#[test]
fn at_creation_it_takes_the_right_to_create() {
    let id: EntityId = "shop/two".parse().unwrap();
    let entity = Entity::genesis(&id, Epoch::FIRST, &policy(&json!({})));
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let body = json!({ "title": "Two", "code": "c", "rating": 4, "reviews": [{ "by": "jo" }] });
    let make = |roles: &[&str]| {
        let author = who(roles);
        write(&entity, &author, &body, &options, Origin::Creation)
    };
    let made = admitted(make(&["importer", "reviews"]).unwrap());
    assert_eq!(
        (&made.presented()["rating"], &made.presented()["code"]),
        (&json!(4), &json!("c"))
    );
    assert!(matches!(make(&["importer"]), Err(MergeError::Refused(found)) if found.len() == 2));
    let alone = make(&["reviews"]).map(|verdict| verdict.refused.map(|refusal| refusal.code));
    assert_eq!(alone.unwrap(), Some(RefusalCode::Forbidden));
}

#[test]
fn without_reading_a_service_learns_nothing() {
    let shop = shop(&json!({ "read": ["editor"] }));
    let service = who(&["reviews"]);
    assert!(!shop.policy().readable(&service));
    let next = put(
        &shop,
        &service,
        &json!({ "rating": 2, "stats": { "mean": 1 } }),
    );
    assert_eq!(next.presented()["rating"], 2);
    let keep = MergeOptions {
        protected: Protected::Keep,
        ..MergeOptions::default()
    };
    // The same answer whether a guess is right or wrong, and no value in it.
    let made = shop.presented()["createdAt"].clone();
    assert!(made.is_string());
    for (title, made) in [("One", made), ("Two", json!("1999-01-01T00:00:00.000Z"))] {
        for options in [MergeOptions::default(), keep.clone()] {
            let body = json!({ "rating": 2, "title": title, "parts": [],
                               "stats": { "label": "x" }, "createdAt": made });
            let actor = server_actor(shop.id(), shop.epoch(), &service.id);
            let Err(MergeError::Refused(found)) = merge(&shop, &service, &actor, &body, &options)
            else {
                panic!("{title} is let through");
            };
            let places: Vec<_> = found.iter().map(|v| v.pointer.to_string()).collect();
            assert_eq!(places, ["/createdAt", "/parts", "/stats/label", "/title"]);
            assert!(
                found
                    .iter()
                    .all(|v| v.kept.is_none() && v.attempted.is_none())
            );
        }
    }
}

#[test]
fn the_word_is_compared_and_kept_from_the_public() {
    let (old, new) = (policy(&json!({ "system": [] })), policy(&json!({})));
    let service = who(&["reviews"]);
    assert!(!old.rights(&service).any() && new.rights(&service).any());
    assert!(new.may(&service, Permission::System) && !new.may(&service, Permission::Edit));
    let found = compare(&old, &new);
    let told: Vec<_> = found
        .iter()
        .map(|d| (d.alteration, d.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [(Alteration::Gained, "may write the system's fields of shop")]
    );
    assert!(found[0].roles.contains("reviews") && found[0].roles.len() == 1);

    let text = schema(&json!({ "system": ["reviews", "public"] })).to_string();
    let mistakes = schema::compile("shop.json", &text).unwrap_err();
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].pointer.to_string(), "/x-indelible/system");
    assert_eq!(mistakes[0].mistake.code(), "value");
}
