//! What the program knows of what is shown, and what has changed in it since.
//!
//! The splices of a text that are reported are where the letters went, whoever wrote them. Applied to
//! the text that was reported before, they give the one that is shown.

use std::collections::BTreeSet;

use indelible_engine::effects::{PatchOp, spliced_patch};
use indelible_engine::entity::Entity;
use indelible_engine::id::Hash;
use indelible_engine::policy::Policy;
use indelible_engine::splice::Texts;
use serde_json::{Map, Value};

use super::state::Touched;
use super::{News, Replica};

/// What was reported to the program last.
#[derive(Debug)]
pub(super) struct Reported {
    value: Value,
    state: Entity,
    /// Heads of the server's state at that time.
    confirmed: Vec<Hash>,
}

impl Replica {
    /// What changed in what is shown since this was last asked. Where nothing has touched the
    /// replica since, nothing is compared; after an edit, the fields that it has effects in.
    pub(crate) fn poll(&mut self) -> Option<News> {
        let touched = self.state.take_touched();
        let Some(reported) = self.reported.take() else {
            let value = self.shown().presented();
            self.report(value.clone());
            return Some(News::Whole(value));
        };
        if touched == Touched::Nowhere {
            self.reported = Some(reported);
            return None;
        }
        #[cfg(test)]
        {
            self.comparisons += 1;
        }
        let value = self.shown().presented();
        let texts = Texts::between(&reported.state, self.shown(), &reported.confirmed);
        let policy = self.policy();
        // Letters that others have replaced by equal ones are not a change.
        let patch = match (&touched, reported.value, &value) {
            (Touched::Fields(names), Value::Object(before), Value::Object(after)) => {
                patch_of(names, policy, (before, after), &texts)
            }
            (_, before, after) => spliced_patch(policy, &before, after, &texts),
        };
        self.report(value);
        (!patch.is_empty()).then_some(News::Changes(patch))
    }

    fn report(&mut self, value: Value) {
        self.reported = Some(Reported {
            value,
            state: self.shown().clone(),
            confirmed: self.confirmed().heads(),
        });
    }

    /// Has the whole value reported again.
    pub(crate) fn forget_reported(&mut self) {
        self.reported = None;
    }
}

/// The patch of these fields; no other one differs.
fn patch_of(
    names: &BTreeSet<String>,
    policy: &Policy,
    (mut before, after): (Map<String, Value>, &Map<String, Value>),
    texts: &Texts<'_>,
) -> Vec<PatchOp> {
    let named = |name: &String| Some((name.clone(), after.get(name)?.clone()));
    let after: Map<String, Value> = names.iter().filter_map(named).collect();
    before.retain(|name, _| names.contains(name));
    spliced_patch(policy, &before.into(), &after.into(), texts)
}

#[cfg(test)]
mod tests {
    //! Guards against polls that look at values that nothing has touched.

    use std::sync::Arc;

    use indelible_engine::id::{EntityId, Epoch, Hash, Seq};
    use indelible_engine::limits::Limits;
    use indelible_engine::principal::Principal;
    use indelible_engine::schema;
    use indelible_engine::time::Timestamp;
    use serde_json::json;

    use super::super::{Author, EditOptions, Snapshot};
    use super::*;

    const SCHEMA: &str = r#"{
      "type": "object",
      "properties": { "name": { "type": "string" }, "bio": { "type": "string" } },
      "x-indelible": { "kind": "team", "read": ["public"], "edit": ["editor"] }
    }"#;

    fn replica() -> Replica {
        let policy = Arc::new(schema::compile("team.json", SCHEMA).expect("the schema is sound"));
        let id: EntityId = "team/jane".parse().expect("a name");
        let document = Entity::genesis(&id, Epoch::FIRST, &policy).document();
        let snapshot = Snapshot {
            epoch: Epoch::FIRST,
            seq: Seq(0),
            hash: Hash::ZERO,
            document: &document,
            stamps: &Map::new(),
        };
        Replica::load(&id, "alice", &policy, &snapshot).expect("it is a document")
    }

    #[test]
    fn what_nothing_has_touched_is_not_compared() {
        let mut replica = replica();
        let polled = |replica: &mut Replica| {
            let news = replica.poll().map(|news| match news {
                News::Whole(_) => "whole".to_owned(),
                News::Changes(patch) => json!(patch).to_string(),
            });
            (news, replica.comparisons)
        };
        assert_eq!(polled(&mut replica), (Some("whole".to_owned()), 0));
        assert_eq!(polled(&mut replica), (None, 0));
        let author = Author {
            principal: &Principal::new("alice", ["editor"]),
            limits: &Limits::default(),
            now: Timestamp(1),
            fresh: [7; 16],
        };
        let edited = replica.edit(&author, 1, &json!({ "name": "J" }), &EditOptions::default());
        edited.expect("allowed");
        let patch = r#"[{"op":"add","path":"/name","value":"J"}]"#;
        assert_eq!(polled(&mut replica), (Some(patch.to_owned()), 1));
        assert_eq!(polled(&mut replica), (None, 1));
        let same = replica.edit(&author, 2, &json!({ "name": "J" }), &EditOptions::default());
        same.expect("nothing differs");
        assert_eq!(polled(&mut replica), (None, 1));
        replica
            .apply(&[], Map::new(), &Limits::default())
            .expect("no entries follow");
        assert_eq!(polled(&mut replica), (None, 2));
        assert_eq!(polled(&mut replica), (None, 2));
    }
}
