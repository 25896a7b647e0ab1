//! Guards against long texts that are doubled, or lose an edit, where two edited them and one was
//! offline: on the way of a proposal, into a new epoch, and over to another schema.

use indelible_engine::principal::Principal;
use serde_json::{Value, json};

use crate::pair::{JANE, Pair};
use crate::refusals::later;
use crate::server::entity;

fn text() -> String {
    (0..400)
        .map(|n| format!("word {} ", n * n % 1_009))
        .collect()
}

/// The text with another first word and a sentence more.
fn edited(text: &str, who: &str) -> Value {
    let rest = text.strip_prefix("word").expect("the text begins so");
    json!({ "bio": format!("{who}{rest}({who})") })
}

/// Somebody was offline and edited what Bob edits on the server meanwhile.
fn both_edited(meanwhile: impl FnOnce(&mut Pair, &Value)) -> Pair {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "bio": text() })).expect("allowed");
    pair.run();
    assert!(text().len() > 2_050);
    pair.session.disconnected(None);
    pair.edit(&edited(&text(), "ALICE")).expect("allowed");
    meanwhile(&mut pair, &edited(&text(), "BOB"));
    pair.connect();
    pair
}

fn check(pair: &Pair) {
    assert_eq!(pair.value, pair.on_server());
    let bio = pair.value["bio"].as_str().expect("a text");
    let rest = text();
    let rest = rest.strip_prefix("word").expect("the text begins so");
    assert_eq!(bio.matches(rest).count(), 1, "what both kept is there once");
    let (head, tail) = bio.split_once(rest).expect("it is there");
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    assert_eq!(sorted(head), sorted("ALICEBOB"), "{head}");
    assert_eq!(sorted(tail), sorted("(ALICE)(BOB)"), "{tail}");
}

fn write(pair: &mut Pair, body: &Value) {
    let bob = Principal::new("bob", ["editor"]);
    pair.server.write(&entity(JANE), &bob, body, false);
}

#[test]
fn an_edit_made_offline_meets_another_one() {
    check(&both_edited(write));
}

#[test]
fn a_new_epoch_with_another_edit_doubles_nothing() {
    let pair = both_edited(|pair, body| {
        let mut body = body.clone();
        body["name"] = json!("Jane");
        body["number"] = json!("E-1");
        pair.server.begin_epoch(&entity(JANE), &body);
    });
    check(&pair);
}

#[test]
fn another_schema_with_another_edit_doubles_nothing() {
    let pair = both_edited(|pair, body| {
        write(pair, body);
        pair.server.migrate(&later());
    });
    check(&pair);
}
