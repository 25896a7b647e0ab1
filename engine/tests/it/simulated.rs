//! What random clients found: each of these got through, or was refused, when it should not have.

use automerge::legacy::{ElementId, Key, OpType};
use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ReadDoc};
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::merge::{MergeOptions, Protected};
use serde_json::json;

use crate::fixture::{Client, editor, judge, op, thing, write};

fn rules(verdict: &Verdict) -> Vec<&str> {
    let violations = verdict
        .refused
        .iter()
        .flat_map(|refusal| &refusal.violations);
    violations.map(|violation| violation.rule.code()).collect()
}

#[test]
fn an_insertion_that_deletes_is_refused_before_it_is_tried() {
    let entity = thing();
    let client = Client::on(&entity, "bob", 1);
    for (text, element) in [("body", ElementId::Head), ("tags", ElementId::Head)] {
        let change = client.forged(|change| {
            let mut delete = op(&client.object(&[text]), Key::Seq(element), OpType::Delete);
            delete.insert = true;
            change.operations.push(delete);
        });
        let verdict = judge(&entity, &client.principal, vec![change], Origin::Client);
        assert_eq!(rules(&verdict), ["pred"], "{text}");
    }
}

#[test]
fn adding_an_item_takes_the_right_to_write_items() {
    let entity = thing();
    let mut client = Client::on(&entity, "bob", 1);
    let owned = client.object(&["owned"]);
    let change = client.change(|tx| {
        let item = tx.put_object(&owned, "x", ObjType::Map).unwrap();
        tx.put(&item, "$position", "n").unwrap();
    });
    let verdict = judge(
        &entity,
        &client.principal,
        vec![change.clone()],
        Origin::Client,
    );
    assert_eq!(rules(&verdict), ["write"]);
    client.principal.roles.insert("chief".to_owned());
    let verdict = judge(&entity, &client.principal, vec![change], Origin::Client);
    assert_eq!(verdict.refused, None);

    let keep = MergeOptions {
        protected: Protected::Keep,
        ..MergeOptions::default()
    };
    let body = json!({ "title": "Two", "owned": [{ "name": "mine" }] });
    let verdict = write(&entity, &editor("bob"), &body, &keep, Origin::Server).unwrap();
    let admitted = verdict
        .admitted
        .expect("what the author may write is written");
    assert_eq!(admitted.entity().presented()["owned"], json!(null));
    assert_eq!(admitted.entity().presented()["title"], "Two");
}

#[test]
fn a_new_item_holds_protected_texts_and_lists_with_their_defaults_or_empty() {
    let entity = thing();
    let body = json!({ "guarded": [{ "id": "g1" }, { "name": "jug" }] });
    let options = MergeOptions::default();
    let verdict = write(&entity, &editor("bob"), &body, &options, Origin::Server).unwrap();
    assert_eq!(verdict.refused, None);
    let made = verdict.admitted.unwrap();
    let jug = &made.entity().presented()["guarded"][1];
    assert_eq!(
        (&jug["story"], &jug["marks"]),
        (&json!("Öl 🦀"), &json!([1, 2]))
    );

    for (story, marks, allowed) in [
        ("", &[][..], true),
        ("Öl 🦀", &[1.0, 2.0], true),
        ("Öl", &[], false),
        ("Öl 🦀!", &[], false),
        ("oil", &[], false),
        ("", &[1.0], false),
        ("", &[2.0, 1.0], false),
        ("", &[1.0, 2.0, 2.0], false),
    ] {
        let mut client = Client::on(&entity, "bob", 1);
        let list = client.object(&["guarded"]);
        let change = client.change(|tx| {
            let item = tx.put_object(&list, "x", ObjType::Map).unwrap();
            tx.put(&item, "$position", "n").unwrap();
            let text = tx.put_object(&item, "story", ObjType::Text).unwrap();
            tx.splice_text(&text, 0, 0, story).unwrap();
            let list = tx.put_object(&item, "marks", ObjType::List).unwrap();
            for (index, mark) in marks.iter().enumerate() {
                tx.insert(&list, index, *mark).unwrap();
            }
        });
        let verdict = judge(&entity, &client.principal, vec![change], Origin::Client);
        assert_eq!(verdict.admitted.is_some(), allowed, "{story:?} {marks:?}");
    }
}

/// Automerge makes such a write into a deletion of the values that lost.
#[test]
fn writing_the_winner_of_a_conflict_again_resolves_it() {
    for (register, one, two) in [("$position", "B", "C"), ("$deleted", "true", "false")] {
        let mut entity = thing();
        let mut clients: Vec<Client> = [("bob", 1), ("carol", 2)]
            .map(|(name, actor)| Client::on(&entity, name, actor))
            .into();
        for (client, value) in clients.iter_mut().zip([one, two]) {
            let item = client.object(&["items", "i1"]);
            let change = client.change(|tx| match value.parse::<bool>() {
                Ok(value) => tx.put(&item, register, value).unwrap(),
                Err(_) => tx.put(&item, register, value).unwrap(),
            });
            let verdict = judge(&entity, &client.principal, vec![change], Origin::Client);
            entity = verdict.admitted.unwrap().into_parts().0;
        }
        let mut dave = Client::on(&entity, "dave", 3);
        let item = dave.object(&["items", "i1"]);
        let (winner, _) = dave.doc.get(&item, register).unwrap().unwrap();
        let winner = winner.as_scalar().unwrap().clone();
        let change = dave.change(|tx| tx.put(&item, register, winner.clone()).unwrap());
        let verdict = judge(&entity, &dave.principal, vec![change], Origin::Client);
        assert_eq!(verdict.refused, None, "{register}");
        let after = verdict.admitted.unwrap().into_parts().0;
        assert_eq!(after.presented()["items"], entity.presented()["items"]);
    }
}

#[test]
fn an_item_keeps_a_position() {
    let entity = thing();
    let mut client = Client::on(&entity, "bob", 1);
    let item = client.object(&["items", "i1"]);
    let change = client.change(|tx| tx.delete(&item, "$position").unwrap());
    let verdict = judge(&entity, &client.principal, vec![change], Origin::Client);
    assert_eq!(rules(&verdict), ["position"]);
    let change = client.change(|tx| tx.put(ROOT, "title", "Two").unwrap());
    let verdict = judge(&entity, &client.principal, vec![change], Origin::Client);
    assert_eq!(rules(&verdict), ["unknown-deps"]);
}

/// A schema may spell a whole number as it likes.
#[test]
fn a_default_is_known_again_however_the_schema_writes_it() {
    let entity = thing();
    let body = json!({ "guarded": [{ "id": "g1" }, { "name": "jug" }] });
    let options = MergeOptions::default();
    let verdict = write(&entity, &editor("bob"), &body, &options, Origin::Server).unwrap();
    assert_eq!(verdict.refused, None);
    let made = verdict.admitted.unwrap();
    assert_eq!(made.entity().presented()["guarded"][1]["weight"], 3);
}
