//! Makes the cases of the catalogue, and says by hand what each must be answered.
//!
//! Invariant: the same on every machine and at any time: no clock, no randomness.
//! What is expected is never asked of the engine.

mod chunks;
mod columns;
mod divided;
mod items;
mod operations;
mod policy;
mod predecessors;
mod proposals;
mod references;
mod values;
mod wire;

use std::sync::{Arc, LazyLock};

use automerge::legacy::{ElementId, Key, OpId};
use automerge::transaction::{Transactable, Transaction};
use automerge::{Change, ChangeHash, ExpandedChange, ROOT};
use indelible_engine::admission::Origin;
use indelible_engine::entity::Entity;
use indelible_engine::id::EntityId;
use indelible_engine::policy::Policy;
use indelible_engine::testing;
pub(crate) use indelible_engine::testing::{Client, judge, maker, op};
use indelible_tests::hostile::{self, ADMITTED, Bytes, CREATOR, Case, Expect, Step};

/// The attacker's actor, unless the attack is about actors.
pub(crate) const MALLORY: u8 = 0x66;
/// The actor of the honest other.
pub(crate) const BOB: u8 = 0x0b;

/// The cases of each file.
pub(crate) fn files() -> Vec<(&'static str, Vec<Case>)> {
    let made = |name, fill: fn(&mut Book)| {
        let mut book = Book::default();
        fill(&mut book);
        (name, book.cases)
    };
    vec![
        made("chunks", chunks::fill),
        made("columns", columns::fill),
        made("references", references::fill),
        made("operations", operations::fill),
        made("predecessors", predecessors::fill),
        made("policy", policy::fill),
        made("items", items::fill),
        made("values", values::fill),
        made("proposals", proposals::fill),
        made("divided", divided::fill),
    ]
}

/// Collects cases.
#[derive(Default)]
pub(crate) struct Book {
    cases: Vec<Case>,
}

impl Book {
    /// A case of any form.
    pub(crate) fn case(
        &mut self,
        name: &str,
        guards: &str,
        expect: Expect,
        attack: impl FnOnce(&mut Stage) -> Step,
    ) {
        let mut stage = Stage::new(name);
        let attack = attack(&mut stage);
        self.cases.push(Case {
            name: name.to_owned(),
            guards: guards.to_owned(),
            setup: stage.setup,
            attack,
            expect,
        });
    }

    /// One change by mallory that is refused with a code.
    pub(crate) fn refused(
        &mut self,
        name: &str,
        guards: &str,
        code: &str,
        attack: impl FnOnce(&mut Stage) -> Vec<u8>,
    ) {
        self.case(name, guards, expect(code, &[]), |stage| {
            by_mallory(vec![attack(stage)])
        });
    }

    /// One change by mallory that the policy refuses, with rule and pointer of each violation.
    pub(crate) fn policy(
        &mut self,
        name: &str,
        guards: &str,
        violations: &[&str],
        attack: impl FnOnce(&mut Stage) -> Vec<u8>,
    ) {
        self.case(name, guards, expect("policy", violations), |stage| {
            by_mallory(vec![attack(stage)])
        });
    }

    /// One edit by mallory, as any Automerge client makes it, that the policy refuses.
    pub(crate) fn edit(
        &mut self,
        name: &str,
        guards: &str,
        violations: &[&str],
        edit: impl FnOnce(&mut Transaction<'_>, &Client),
    ) {
        self.policy(name, guards, violations, |stage| {
            let twin = stage.client(MALLORY);
            stage.client(MALLORY).change(|tx| edit(tx, &twin))
        });
    }

    /// The same after some honest edits.
    pub(crate) fn edit_after(
        &mut self,
        name: &str,
        guards: &str,
        violations: &[&str],
        before: impl FnOnce(&mut Stage),
        edit: impl FnOnce(&mut Transaction<'_>, &Client),
    ) {
        self.policy(name, guards, violations, |stage| {
            before(stage);
            let twin = stage.client(MALLORY);
            stage.client(MALLORY).change(|tx| edit(tx, &twin))
        });
    }

    /// One change by mallory that looks strange and does no harm.
    pub(crate) fn harmless(
        &mut self,
        name: &str,
        guards: &str,
        attack: impl FnOnce(&mut Stage) -> Vec<u8>,
    ) {
        self.refused(name, guards, ADMITTED, attack);
    }
}

pub(crate) fn expect(code: &str, violations: &[&str]) -> Expect {
    Expect {
        code: code.to_owned(),
        violations: violations.iter().map(|&text| text.to_owned()).collect(),
        admitted: 0,
    }
}

pub(crate) fn step(by: &str, changes: Vec<Vec<u8>>) -> Step {
    Step {
        by: by.to_owned(),
        changes: changes.into_iter().map(Bytes).collect(),
        whole: false,
    }
}

pub(crate) fn by_mallory(changes: Vec<Vec<u8>>) -> Step {
    step("mallory", changes)
}

/// The entity of a case, and what led to its present state.
pub(crate) struct Stage {
    pub(crate) entity: Entity,
    setup: Vec<Step>,
}

impl Stage {
    /// Created by alice, edited by bob.
    pub(crate) fn new(name: &str) -> Self {
        let mut stage = Self {
            entity: created(&hostile::entity_of(name)),
            setup: Vec::new(),
        };
        stage.edit("bob", BOB, |tx, client| {
            tx.put(ROOT, "tagline", "bob was here").unwrap();
            tx.splice_text(client.object(&["body"]), 0, 0, "Oh, ")
                .unwrap();
        });
        stage
    }

    /// An honest edit; gives its hash.
    pub(crate) fn edit(
        &mut self,
        who: &str,
        actor: u8,
        edit: impl FnOnce(&mut Transaction<'_>, &Client),
    ) -> ChangeHash {
        let twin = self.client(actor);
        let change = self.client(actor).change(|tx| edit(tx, &twin));
        self.take(who, change)
    }

    /// A change that must be admitted; gives its hash.
    pub(crate) fn take(&mut self, who: &str, change: Vec<u8>) -> ChangeHash {
        let hash = Change::try_from(&change[..]).unwrap().hash();
        let step = step(who, vec![change]);
        self.entity = taken(&self.entity, &step);
        self.setup.push(step);
        hash
    }

    /// A client with the present state.
    pub(crate) fn client(&self, actor: u8) -> Client {
        Client::on(&self.entity, "bob", actor)
    }

    /// A change by mallory's actor, forged by hand from an empty one.
    pub(crate) fn forged(&self, forge: impl FnOnce(&mut ExpandedChange, &Client)) -> Vec<u8> {
        let client = self.client(MALLORY);
        client.forged(|change| forge(change, &client))
    }

    /// A change that would be fine, changed by hand: it puts a tagline.
    pub(crate) fn altered(&self, alter: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
        self.forged(|change, client| {
            change.operations = vec![client.put("tagline", "mallory was here")];
            alter(change);
        })
    }
}

/// The policy of the catalogue's entities.
pub(crate) fn policy() -> Arc<Policy> {
    static COMPILED: LazyLock<Arc<Policy>> = LazyLock::new(compile);
    Arc::clone(&COMPILED)
}

fn compile() -> Arc<Policy> {
    testing::compiled(&hostile::read(&hostile::schema_folder().join("thing.json")))
}

/// The entity as alice creates it.
pub(crate) fn created(id: &EntityId) -> Entity {
    let alice = hostile::principal(CREATOR);
    testing::created(id, &policy(), &alice, &hostile::content())
}

/// The entity after a step that must be admitted whole.
pub(crate) fn taken(entity: &Entity, step: &Step) -> Entity {
    let verdict = judge(
        entity,
        &hostile::principal(&step.by),
        step.bytes(),
        Origin::Client,
    );
    assert_eq!(verdict.refused, None, "{} by {}", entity.id(), step.by);
    verdict.admitted.expect("it is new").into_parts().0
}

/// What is answered when the changes before the refused one are admitted.
pub(crate) fn hostile_expect(code: &str, admitted: usize) -> Expect {
    Expect {
        admitted,
        ..expect(code, &[])
    }
}

/// The key of an element.
pub(crate) fn after(element: &OpId) -> Key {
    Key::Seq(ElementId::Id(element.clone()))
}

pub(crate) fn key(name: &str) -> Key {
    Key::Map(name.into())
}
