//! Guards against a bundle in which an entity stays behind while its kind migrates to another
//! schema: what is written to it meanwhile keeps to rules that are no longer in force, and a value
//! that only one may have by then gets to a second one.

use std::sync::Arc;

use indelible_engine::bundle::Depth;
use indelible_engine::lifecycle::{delete, undelete};
use indelible_engine::policy::Policy;
use indelible_engine::schema;
use serde_json::{Value, json};

use crate::fixture::policy;
use crate::ledgers::Ledger;

/// The kind after `alter`.
fn altered(alter: impl FnOnce(&mut Value)) -> Arc<Policy> {
    let mut schema = policy().schema().clone();
    alter(&mut schema["properties"]);
    Arc::new(schema::compile("thing.json", &schema.to_string()).unwrap())
}

/// The kind with a tagline that only one may have.
fn unique() -> Arc<Policy> {
    altered(|fields| fields["tagline"]["x-indelible"] = json!({ "unique": true }))
}

fn body(tagline: &str) -> Value {
    json!({ "title": "T", "tagline": tagline })
}

/// One and two, each with a tagline of its own, under the first schema.
fn two() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.merge("thing/one", "alice", body("a"));
    ledger.merge("thing/two", "alice", body("b"));
    ledger
}

/// The last entry is not good, although all hashes fit, and everything before it is.
fn check_last(ledger: &Ledger, why: &str) {
    let mut before = ledger.clone();
    before.drafts.pop();
    assert!(before.verify(Depth::Admission).is_ok());
    assert!(ledger.verify(Depth::Records).is_ok());
    let fault = ledger.verify(Depth::Admission).unwrap_err();
    let line = 1 + ledger.policies.iter().count() + ledger.drafts.len();
    assert_eq!(fault.line, line as u64, "{fault}");
    assert!(fault.to_string().contains(why), "{fault}");
}

#[test]
fn who_stays_behind_does_not_write_on_by_the_old_rules() {
    let mut ledger = two();
    ledger.follow("thing/one", &unique());
    // By the old schema it may: nobody could tell afterwards who had the value first.
    let mut taken = ledger.clone();
    taken.merge("thing/two", "bob", body("a"));
    check_last(&taken, "(thing/two, epoch 1, seq 2): it names policy");
    let mut deleted = ledger.clone();
    deleted.lifecycle("thing/two", "alice", delete);
    check_last(&deleted, "was in force");
    let mut renewed = ledger.clone();
    renewed.epoch("thing/two");
    check_last(&renewed, "was in force");
    // A new one under the old schema has a genesis and a creation.
    let mut made = ledger.clone();
    made.merge("thing/three", "bob", body("a"));
    made.drafts.pop();
    check_last(&made, "(thing/three, epoch 1, seq 0): it names policy");
}

#[test]
fn nothing_is_written_before_all_have_gone_over() {
    let mut ledger = two();
    ledger.follow("thing/one", &unique());
    ledger.merge("thing/one", "alice", body("b"));
    check_last(
        &ledger,
        "(thing/one, epoch 1, seq 3): out of order: thing/two is under an earlier policy",
    );
    let mut ledger = two();
    ledger.lifecycle("thing/two", "alice", delete);
    ledger.follow("thing/one", &unique());
    let mut early = ledger.clone();
    early.merge("thing/one", "alice", body("b"));
    check_last(&early, "thing/two is under an earlier policy");
    ledger.follow("thing/two", &unique());
    ledger.merge("thing/one", "alice", body("b"));
    assert!(ledger.verify(Depth::Admission).is_ok());
    ledger.lifecycle("thing/two", "alice", undelete);
    check_last(&ledger, "unique: thing/one has this value of /tagline");
}

/// A start that was cut short is finished by the next, whatever schema that one brings.
#[test]
fn a_start_that_was_cut_short_is_finished_by_another() {
    let mut cut = two();
    cut.follow("thing/one", &unique());
    let mut finished = cut.clone();
    finished.follow("thing/two", &unique());
    let other = altered(|fields| fields["added"] = json!({ "type": "string" }));
    let mut onward = cut.clone();
    onward.migrate(&other);
    let mut back = cut;
    back.follow("thing/one", &policy());
    for ledger in [&mut finished, &mut onward, &mut back] {
        ledger.merge("thing/one", "alice", body("c"));
        ledger.merge("thing/two", "alice", body("d"));
        assert!(ledger.verify(Depth::Admission).is_ok());
    }
}

/// Forged: what was admitted by the old schema, at a place behind the change of the schema.
#[test]
fn an_entry_does_not_stand_behind_the_change_of_its_schema() {
    let mut ledger = two();
    ledger.merge("thing/two", "bob", body("a"));
    ledger.migrate(&unique());
    assert!(ledger.verify(Depth::Admission).is_ok());
    let edit = ledger.drafts.remove(4);
    let (one, two) = (ledger.drafts.remove(4), ledger.drafts.remove(4));
    let times = [edit.header.at, one.header.at, two.header.at];
    ledger.drafts.extend([one, edit, two]);
    for (draft, at) in ledger.drafts[4..].iter_mut().zip(times) {
        draft.header.at = at;
    }
    assert!(ledger.verify(Depth::Records).is_ok());
    let fault = ledger.verify(Depth::Admission).unwrap_err().to_string();
    let place = "line 9 (thing/two, epoch 1, seq 2): it names policy";
    assert!(fault.starts_with(place), "{fault}");
}

/// A value is its holder's under the new name of its field too, and nobody's when the field is
/// unique no more.
#[test]
fn claims_go_along_with_their_field() {
    let renamed = altered(|fields| {
        let field = fields.as_object_mut().unwrap().remove("tagline").unwrap();
        fields["motto"] = field;
        fields["motto"]["x-indelible"] = json!({ "unique": true, "was": "tagline" });
    });
    let mut ledger = Ledger::under(unique());
    ledger.merge("thing/one", "alice", body("a"));
    ledger.merge("thing/two", "alice", body("b"));
    ledger.migrate(&renamed);
    let motto = json!({ "motto": "a" });
    let mut taken = ledger.clone();
    taken.merge("thing/two", "bob", motto.clone());
    check_last(&taken, "unique: thing/one has this value of /motto");
    ledger.migrate(&altered(|fields| {
        fields.as_object_mut().unwrap().remove("tagline");
        fields["motto"] = json!({ "type": "string" });
    }));
    ledger.merge("thing/two", "bob", motto);
    assert!(ledger.verify(Depth::Admission).is_ok());
}
