//! Guards against a look back at past edits that accuses whom the new schema would have let, or
//! lets pass what it would have refused: random edits under random policies, against admission.
//!
//! Everything in a case follows from its seed, which a failure prints.

use indelible_engine::admission::Origin;
use indelible_engine::ledger::EntryKind;
use indelible_engine::migration::Hindsight;

use crate::fixture::{editor, judge, thing};
use crate::rebase::policies::guarded;
use crate::rebase::run_all;
use crate::rebase::writer::{Dice, Writer};

fn case(seed: u64) {
    let mut dice = Dice::new(seed);
    let before = thing();
    let later = guarded(&mut dice);
    let alice = editor("alice");
    let mut writer = Writer::on(&before, "alice", 1);
    let Some(change) = writer.edit(&mut dice) else {
        return;
    };
    let edit = |entity| judge(entity, &alice, vec![change.clone()], Origin::Client);
    let Some(admitted) = edit(&before).admitted else {
        return;
    };
    let after = admitted.entity();
    let mut hindsight = Hindsight::new(&before, later.policy()).unwrap();
    let found = hindsight.judge(after, EntryKind::Changes, &alice).unwrap();
    let refused = edit(&later).refused;
    if !found.is_empty() {
        assert!(refused.is_some(), "{found:?}");
    }
    // An operation that changes no value is not seen by looking at values.
    let (old, new) = (before.presented(), after.presented());
    for violation in refused.iter().flat_map(|refusal| &refusal.violations) {
        let at = violation.pointer.to_string();
        if old.pointer(&at) != new.pointer(&at) && new.pointer(&at).is_some() {
            let told = found.iter().any(|found| found.pointer == violation.pointer);
            assert!(told, "{violation} is not among {found:?}");
        }
    }
}

#[test]
fn looking_back_agrees_with_admission() {
    run_all(case);
}
