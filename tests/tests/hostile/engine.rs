//! Guards against a hostile change that the engine lets through, chokes on, or that keeps anybody
//! else from going on.

use automerge::ROOT;
use automerge::transaction::Transactable;
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::entity::Entity;
use indelible_engine::id::{Epoch, Hash, LogPlace, Seq};
use indelible_engine::ledger::{EntryKind, Logged};
use indelible_engine::testing::NOW;
use indelible_tests::hostile::{self, ADMITTED, CREATOR, Case, Step};

use super::builder::{Client, created, judge, policy, taken};

fn judged(entity: &Entity, step: &Step) -> Verdict {
    let origin = match step.whole {
        true => Origin::Edit,
        false => Origin::Client,
    };
    let author = hostile::principal(&step.by);
    judge(entity, &author, step.bytes(), origin)
}

/// What was answered, in the words of the catalogue.
fn answer(verdict: &Verdict) -> (String, Vec<String>, usize) {
    let Some(refusal) = &verdict.refused else {
        return (ADMITTED.to_owned(), Vec::new(), 0);
    };
    let place = |violation: &indelible_engine::violation::Violation| {
        let pointer = violation.pointer.to_string();
        let pointer = if pointer.is_empty() { "/" } else { &pointer };
        format!("{} {pointer}", violation.rule)
    };
    let violations = match refusal.code.is_recorded() {
        true => refusal.violations.iter().map(place).collect(),
        false => Vec::new(),
    };
    (refusal.code.to_string(), violations, refusal.admitted)
}

/// An edit by bob as his replica makes it.
fn honest(entity: &Entity, actor: u8) -> Entity {
    let mut bob = Client::on(entity, "bob", actor);
    let (body, item) = (bob.object(&["body"]), bob.object(&["items", "i2"]));
    let change = bob.change(|tx| {
        tx.splice_text(&body, 0, 1, "o").unwrap();
        tx.put(ROOT, "tagline", "bob goes on").unwrap();
        tx.put(&item, "name", "bob's").unwrap();
        tx.increment(ROOT, "hits", 1).unwrap();
    });
    let step = Step {
        by: "bob".to_owned(),
        changes: vec![hostile::Bytes(change)],
        whole: false,
    };
    taken(entity, &step)
}

/// The entity saves and loads, and its log gives the same again.
fn survives(entity: &Entity, log: &[Vec<Vec<u8>>]) {
    let snapshot = entity.to_snapshot().expect("it saves");
    let (id, policy) = (entity.id(), policy());
    let loaded = Entity::from_snapshot(id, Epoch::FIRST, &policy, &snapshot).expect("it loads");
    let mut replayed = Entity::genesis(id, Epoch::FIRST, &policy);
    for (index, changes) in log.iter().enumerate() {
        let logged = Logged {
            kind: EntryKind::Changes,
            place: LogPlace::new(Epoch::FIRST, Seq(index as u64 + 1)),
            policy_hash: policy.hash(),
            hash: Hash::ZERO,
            at: NOW,
            author: CREATOR,
            claimed: None,
            changes,
        };
        replayed.apply_log([logged]).expect("the log applies");
    }
    for other in [&loaded, &replayed] {
        assert_eq!(other.heads(), entity.heads());
        let without_stamps = |entity: &Entity| {
            let mut value = entity.presented();
            let fields = value.as_object_mut().unwrap();
            fields.retain(|name, _| !name.starts_with("created") && !name.starts_with("updated"));
            value
        };
        assert_eq!(without_stamps(other), without_stamps(entity));
    }
}

fn run(case: &Case) -> Result<(), String> {
    let mut entity = created(&case.entity());
    let mut log = vec![log_of_creation(&entity)];
    for step in &case.setup {
        entity = taken(&entity, step);
        log.push(step.bytes());
    }
    let (before, kept) = (entity.presented(), hostile::protected(&entity));
    let verdict = judged(&entity, &case.attack);
    let expected = &case.expect;
    let found = answer(&verdict);
    if found
        != (
            expected.code.clone(),
            expected.violations.clone(),
            expected.admitted,
        )
    {
        let message = verdict.refused.map(|r| r.violations[0].message.clone());
        return Err(format!("{found:?} instead of {expected:?}: {message:?}"));
    }
    match verdict.admitted {
        Some(admitted) => {
            log.push(admitted.draft().changes.clone());
            entity = admitted.into_parts().0;
        }
        None => assert_eq!(entity.presented(), before),
    }
    assert_eq!(hostile::protected(&entity), kept);
    survives(&entity, &log);
    // Bob goes on under his old actor and under a new one.
    for actor in [super::builder::BOB, 0x0d] {
        entity = honest(&entity, actor);
    }
    entity.to_snapshot().expect("it saves");
    // What was refused is refused again, and in the same words.
    if !case.is_admitted() && expected.admitted == 0 && expected.code != "start-op" {
        let again = answer(&judged(&entity, &case.attack));
        assert_eq!(again.0, expected.code, "again");
    }
    Ok(())
}

fn log_of_creation(entity: &Entity) -> Vec<Vec<u8>> {
    let client = Client::on(entity, "bob", 1);
    let changes = client.doc.get_changes(&[]);
    changes[1..]
        .iter()
        .map(|change| change.raw_bytes().to_vec())
        .collect()
}

#[test]
fn every_case_is_answered_as_it_should_be() {
    let mut failures = Vec::new();
    for case in hostile::cases() {
        let outcome = std::panic::catch_unwind(|| run(&case));
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => failures.push(format!("{}: {failure}", case.name)),
            Err(_) => failures.push(format!("{}: a panic", case.name)),
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
