//! Whatever a policy protects, refusing and rebasing come to an end, and what is left is what was
//! never refused: random write rules and limits, over several rounds of real verdicts.

use std::collections::BTreeSet;
use std::sync::Arc;

use automerge::Automerge;
use indelible_engine::admission::Origin;
use indelible_engine::entity::Entity;
use indelible_engine::migration::migrate;
use indelible_engine::rebase::{DropReason, RefusedOps};
use indelible_engine::schema;
use serde_json::{Value, json};

use super::model::{Place, expected};
use super::writer::{Dice, Writer};
use super::{concurrent, load, places, read, rebased, run_all, view};
use crate::fixture::{NOW, editor, judge, policy, thing};

/// The thing of the fixture under a policy that protects some of what an editor may write there.
pub(crate) fn guarded(dice: &mut Dice) -> Entity {
    let mut schema: Value = policy().schema().clone();
    for at in [
        "/title",
        "/tagline",
        "/number",
        "/body",
        "/hits",
        "/tags",
        "/place/properties/street",
        "/prices",
        "/labels",
        "/items/items/properties/name",
        "/items/items/properties/note",
        "/items/items/properties/tags",
    ] {
        let field = schema.pointer_mut(&format!("/properties{at}")).unwrap();
        match dice.below(6) {
            0 => field["x-indelible"]["write"] = json!(["chief"]),
            1 if field["type"] == "string" => field["maxLength"] = json!(12),
            _ => {}
        }
    }
    let policy = Arc::new(schema::compile("thing.json", &schema.to_string()).unwrap());
    let thing = thing();
    let step = migrate(&thing, &policy, NOW).unwrap();
    step.map_or(thing, |step| step.into_parts().0)
}

fn case(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut server = guarded(&mut dice);
    let mut alice = Writer::on(&server, "alice", 1);
    let mut pending: Vec<Vec<u8>> = Vec::new();
    for _ in 0..dice.between(1, 4) {
        pending.extend(alice.edit(&mut dice));
    }
    let mut others = 0x40;
    let alone = dice.percent(50);
    if !alone {
        server = concurrent(&server, &mut others, &mut dice);
    }
    let (first, original) = (load(&server), pending.clone());
    let all = places(&original);
    // Which of the first operations each of the present ones is.
    let mut origin: Vec<Vec<Place>> = Vec::new();
    for (change, one) in read(&pending).iter().enumerate() {
        origin.push((0..one.len()).map(|op| (change, op)).collect());
    }
    let mut refused: BTreeSet<Place> = BTreeSet::new();
    let mut gone: BTreeSet<Place> = BTreeSet::new();
    let mut saved: Vec<Place> = Vec::new();
    for actor in 2.. {
        assert!(
            usize::from(actor) < all.len() + 3,
            "each round takes something"
        );
        if pending.is_empty() {
            break;
        }
        let verdict = judge(&server, &editor("alice"), pending.clone(), Origin::Client);
        let count = verdict
            .refused
            .as_ref()
            .map_or(pending.len(), |refusal| refusal.admitted);
        if let Some(admitted) = verdict.admitted {
            server = admitted.into_parts().0;
        }
        pending.drain(..count);
        saved.extend(origin.drain(..count).flatten());
        let Some(refusal) = verdict.refused else {
            break;
        };
        let mut named: Vec<RefusedOps> = refusal.violations.iter().map(RefusedOps::from).collect();
        for one in &mut named {
            one.change -= count;
        }
        let result = rebased(&server, actor, &pending, &named);
        if !result.carried.is_empty() {
            return;
        }
        for one in &result.dropped {
            let place = origin[one.change][one.op.unwrap()];
            gone.insert(place);
            if matches!(one.why, DropReason::Refused(_)) {
                refused.insert(place);
            }
        }
        let mut kept = result.kept.iter().map(|&(change, op)| origin[change][op]);
        let next = read(
            &result
                .changes
                .iter()
                .map(|one| one.change.clone())
                .collect::<Vec<_>>(),
        );
        origin = next
            .iter()
            .map(|one| kept.by_ref().take(one.len()).collect())
            .collect();
        pending = result.changes.into_iter().map(|one| one.change).collect();
    }
    // Saved and lost are everything, once.
    saved.extend(&gone);
    saved.sort_unstable();
    assert_eq!(saved, all);
    let wanted = expected(&first.get_changes(&[]), &read(&original), &refused);
    // What was admitted at once merged with what others wrote, instead of coming after it.
    if alone && wanted.carried.is_empty() {
        let doc: Automerge = load(&server);
        assert_eq!(view(&doc, &automerge::ROOT), wanted.state.view());
    }
}

#[test]
fn what_no_verdict_refuses_is_saved_whatever_the_policy() {
    run_all(case);
}
