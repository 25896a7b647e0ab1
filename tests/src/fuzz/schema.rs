//! Text → a policy, or mistakes; and from a policy the genesis of an entity, which reads, saves and
//! loads.

use std::sync::Arc;

use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch};
use indelible_engine::schema;

use super::texts;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    ["../server/demo", "data/museum", "data/hostile/schema"]
        .iter()
        .flat_map(|folder| texts(folder))
        .collect()
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let policy = match schema::compile("fuzz.json", text) {
        Ok(policy) => Arc::new(policy),
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            return;
        }
    };
    let id = (!policy.is_singleton()).then_some("one");
    let id = EntityId::new(policy.kind().clone(), id).expect("a name");
    let entity = Entity::genesis(&id, Epoch::FIRST, &policy);
    let snapshot = entity.to_snapshot().expect("a genesis saves");
    let back = Entity::from_snapshot(&id, Epoch::FIRST, &policy, &snapshot).expect("and loads");
    assert_eq!(back.presented(), entity.presented());
}
