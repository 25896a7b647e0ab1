//! Guards against values that a new version of a schema loses, alters or leaves half-way, and
//! against clients of the old version that get something in afterwards.

use std::sync::Arc;

use automerge::ObjType;
use automerge::transaction::Transactable;
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{Epoch, GlobalSeq, Hash};
use indelible_engine::ledger::{EntryDraft, EntryKind, Logged, Sealed};
use indelible_engine::lifecycle;
use indelible_engine::merge::{Absent, MergeOptions, merge};
use indelible_engine::migration::{Hindsight, MigrationError, migrate, obstacles};
use indelible_engine::policy::{Policy, PolicyBook};
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::violation::Violation;
use serde_json::{Value, json};

use crate::fixture::{Client, NOW, editor, judge};

/// A kind with these properties, which anybody may edit.
pub(crate) fn kind(properties: &Value) -> Arc<Policy> {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "note", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "delete": ["editor"], "history": ["editor"] },
        "properties": properties
    });
    match schema::compile("note.json", &schema.to_string()) {
        Ok(policy) => Arc::new(policy),
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}\n{schema}", lines.join("\n"))
        }
    }
}

/// An entity with its log.
pub(crate) struct Kept {
    pub(crate) entity: Entity,
    log: Vec<Sealed>,
}

impl Kept {
    /// Created by alice with this value.
    pub(crate) fn new(policy: &Arc<Policy>, value: &Value) -> Self {
        let genesis = Entity::genesis(&"note/one".parse().unwrap(), Epoch::FIRST, policy);
        let mut kept = Self {
            entity: genesis.clone(),
            log: Vec::new(),
        };
        kept.seal(lifecycle::genesis(&genesis, NOW));
        let verdict = kept.merged(value, Absent::Stays, Origin::Creation);
        kept.take(verdict);
        kept
    }

    fn seal(&mut self, draft: EntryDraft) {
        let previous = self.log.last().map_or(Hash::ZERO, |sealed| sealed.hash);
        let global = GlobalSeq(self.log.len() as u64 + 1);
        let sealed = draft.seal(global, NOW, previous);
        self.entity.confirm(Logged::of(&sealed.entry, sealed.hash));
        self.log.push(sealed);
    }

    fn merged(&self, body: &Value, absent: Absent, origin: Origin) -> Verdict {
        let alice = editor("alice");
        let actor = server_actor(self.entity.id(), Epoch::FIRST, &alice.id);
        let options = MergeOptions {
            absent,
            creation: origin == Origin::Creation,
            ..MergeOptions::default()
        };
        let merged = merge(&self.entity, &alice, &actor, body, &options);
        let merged = merged.unwrap_or_else(|error| panic!("{error:?}\n{body:#}"));
        let changes = merged.changes;
        judge(&self.entity, &alice, changes, origin)
    }

    fn take(&mut self, verdict: Verdict) {
        assert_eq!(verdict.refused, None);
        let (entity, draft, _) = verdict.admitted.expect("it is good").into_parts();
        self.entity = entity;
        self.seal(draft);
    }

    /// Brings the entity to a value; items that are not in it are deleted.
    pub(crate) fn put(&mut self, body: &Value) {
        let verdict = self.merged(body, Absent::Stays, Origin::Server);
        if verdict.admitted.is_some()
            || verdict
                .refused
                .as_ref()
                .is_some_and(|r| r.code != "malformed")
        {
            self.take(verdict);
        }
    }

    pub(crate) fn migrate(&mut self, policy: &Arc<Policy>) {
        let before = self.entity.presented();
        let step = migrate(&self.entity, policy, NOW).expect("it can follow");
        let step = step.expect("it is another policy");
        let again = migrate(&self.entity, policy, NOW).unwrap().unwrap();
        assert_eq!(again.draft(), step.draft(), "the same twice");
        let (entity, draft, effects) = step.into_parts();
        assert_eq!(
            (draft.kind, &*draft.header.author.id),
            (EntryKind::Policy, "system")
        );
        assert_eq!(draft.header.policy_hash, policy.hash());
        assert!(draft.changes.len() <= 1);
        assert_eq!(
            effects.is_empty(),
            before == entity.presented(),
            "{effects:?}"
        );
        self.entity = entity;
        self.seal(draft);
        let second = migrate(&self.entity, policy, NOW).unwrap();
        assert!(second.is_none(), "a second time there is nothing to do");
    }

    /// Replaying the log alone gives the same.
    pub(crate) fn check_replay(&self, policies: &[&Arc<Policy>]) {
        let book: PolicyBook = policies.iter().map(|&policy| Arc::clone(policy)).collect();
        let mut logged = self.log.iter().map(|s| Logged::of(&s.entry, s.hash));
        let first = logged.next().unwrap();
        let mut replayed = Entity::begin(self.entity.id(), first, &book).unwrap();
        replayed.replay(logged, &book).unwrap();
        assert_eq!(replayed.heads(), self.entity.heads());
        assert_eq!(replayed.presented(), self.entity.presented());
        assert_eq!(replayed.policy().hash(), self.entity.policy().hash());
        assert_eq!(replayed.stamps(), self.entity.stamps());
        let snapshot = self.entity.to_snapshot().unwrap();
        let id = self.entity.id();
        let loaded = Entity::from_snapshot(id, Epoch::FIRST, &book, &snapshot).unwrap();
        assert_eq!(loaded.presented(), self.entity.presented());
    }
}

fn codes(verdict: &Verdict) -> Vec<(String, String)> {
    let violations = verdict
        .refused
        .iter()
        .flat_map(|refusal| &refusal.violations);
    let code = |v: &Violation| (v.pointer.to_string(), v.rule.code().to_owned());
    violations.map(code).collect()
}

fn old() -> Value {
    json!({
        "title": { "type": "string" },
        "body": { "type": "string", "x-indelible": { "merge": "text" } },
        "gone": { "type": "string" },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "name": { "type": "string" },
            "code": { "type": "string", "x-indelible": { "write": "create" } } } } }
    })
}

fn new() -> Value {
    json!({
        "title": { "type": "string", "maxLength": 3 },
        "story": { "type": "string", "x-indelible": { "merge": "text", "was": "body" } },
        "level": { "type": "integer", "default": 2 },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "label": { "type": "string", "x-indelible": { "was": "name" } },
            "serial": { "type": "string", "x-indelible": { "write": "create", "was": "code" } },
            "notes": { "type": "array", "items": { "type": "string" }, "default": ["new"] } } } }
    })
}

fn value() -> Value {
    json!({
        "title": "Long title", "body": "Once 🦀", "gone": "x",
        "steps": [ { "id": "a", "name": "A", "code": "1" }, { "id": "b", "name": "B" },
                   { "id": "c" } ]
    })
}

#[test]
fn a_new_schema_takes_everything_along() {
    let (before, after) = (kind(&old()), kind(&new()));
    let mut kept = Kept::new(&before, &value());
    kept.put(&json!({ "steps": [ { "id": "c" }, { "id": "a" } ] }));
    kept.migrate(&after);
    assert_eq!(
        kept.entity.presented(),
        json!({
            "title": "Long title", "story": "Once 🦀", "level": 2,
            "steps": [ { "id": "c", "notes": ["new"] },
                       { "id": "a", "label": "A", "serial": "1", "notes": ["new"] } ]
        })
    );
    kept.check_replay(&[&before, &after]);

    // What a tighter rule finds faulty stays and is in nobody's way; a new fault is refused.
    kept.put(&json!({ "level": 3 }));
    let verdict = judge_merge(&kept, &json!({ "title": "Longer title" }));
    assert_eq!(
        codes(&verdict),
        [("/title".to_owned(), "maxLength".to_owned())]
    );

    // Deleted items went along: this one comes back with what it held and what is new.
    let mut client = Client::on(&kept.entity, "alice", 9);
    let item = client.object(&["steps", "b"]);
    let change = client.change(|tx| tx.put(&item, "$deleted", false).unwrap());
    kept.take(judge(
        &kept.entity,
        &client.principal,
        vec![change],
        Origin::Client,
    ));
    let steps = &kept.entity.presented()["steps"];
    assert_eq!(steps[2]["id"], "b", "{steps}");
    assert_eq!(
        (&steps[2]["label"], &steps[2]["notes"]),
        (&json!("B"), &json!(["new"]))
    );
    kept.put(&json!({ "steps": [{ "id": "c", "notes": ["x"] }, { "id": "a" }, { "id": "b" }] }));
    kept.check_replay(&[&before, &after]);
}

/// After a schema is taken back, perhaps after a start that was cut short, the values are back.
#[test]
fn an_earlier_schema_has_its_names_back() {
    let (before, after) = (kind(&old()), kind(&new()));
    let mut kept = Kept::new(&before, &value());
    let mut value = kept.entity.presented();
    for there in 0..2 {
        kept.migrate(&after);
        kept.put(&json!({ "story": format!("Once {there}") }));
        kept.migrate(&before);
        value.as_object_mut().unwrap().remove("gone");
        value["body"] = json!(format!("Once {there}"));
        assert_eq!(kept.entity.presented(), value);
    }
    kept.check_replay(&[&before, &after]);

    // A property that has never been called so is a new one.
    let mut other = old();
    other["story"] = json!({ "type": "string" });
    other.as_object_mut().unwrap().remove("body");
    kept.migrate(&kind(&other));
    assert_eq!(kept.entity.presented().get("story"), None);
}

fn judge_merge(kept: &Kept, body: &Value) -> Verdict {
    let actor = server_actor(kept.entity.id(), Epoch::FIRST, "alice");
    let mut doc = Client::on(&kept.entity, "alice", 8);
    doc.doc.set_actor(actor);
    let (name, text) = body.as_object().unwrap().iter().next().unwrap();
    let text = text.as_str().unwrap().to_owned();
    let change = doc.change(|tx| tx.put(automerge::ROOT, name.as_str(), text).unwrap());
    judge(&kept.entity, &editor("alice"), vec![change], Origin::Server)
}

#[test]
fn what_was_made_under_the_old_schema_is_refused_with_its_place() {
    let (before, after) = (kind(&old()), kind(&new()));
    let mut kept = Kept::new(&before, &value());
    let client = || Client::on(&kept.entity, "alice", 1);
    let mut changes = Vec::new();
    let mut add = |expected: &[(&str, &str)], change: Vec<u8>| {
        let expected: Vec<_> = expected
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect();
        changes.push((expected, change));
    };
    let mut c = client();
    let title = c.change(|tx| tx.put(automerge::ROOT, "title", "abc").unwrap());
    add(&[], title);
    let mut c = client();
    let gone = c.change(|tx| tx.put(automerge::ROOT, "gone", "y").unwrap());
    add(&[("/gone", "unknown-field")], gone);
    let mut c = client();
    let body = c.object(&["body"]);
    let text = c.change(|tx| tx.splice_text(&body, 0, 0, "x").unwrap());
    add(&[("/body", "unknown-field")], text);
    let mut c = client();
    let item = c.object(&["steps", "a"]);
    let name = c.change(|tx| tx.put(&item, "name", "AA").unwrap());
    add(&[("/steps/a/name", "unknown-field")], name);
    let mut c = client();
    let steps = c.object(&["steps"]);
    let made = c.change(|tx| {
        let item = tx.put_object(&steps, "d", ObjType::Map).unwrap();
        tx.put(&item, "$position", "zz").unwrap();
    });
    add(&[("/steps/d/notes", "incomplete")], made);

    kept.migrate(&after);
    let alice = editor("alice");
    for (expected, change) in changes {
        let verdict = judge(&kept.entity, &alice, vec![change], Origin::Client);
        assert_eq!(codes(&verdict), expected);
        assert_eq!(verdict.admitted.is_some(), expected.is_empty());
    }
}

#[test]
fn a_field_that_comes_back_begins_anew() {
    let with = |words: Value| kind(&json!({ "a": { "type": "integer" }, "text": words }));
    let text = with(json!({ "type": "string", "x-indelible": { "merge": "text" } }));
    let without = kind(&json!({ "a": { "type": "integer" } }));
    let open =
        json!({ "type": "object", "properties": {}, "additionalProperties": { "type": "string" } });
    let mut kept = Kept::new(&text, &json!({ "a": 1, "text": "old" }));
    let mut stale = Client::on(&kept.entity, "alice", 1);
    let object = stale.object(&["text"]);
    let stale = stale.change(|tx| tx.splice_text(&object, 0, 0, "hidden ").unwrap());
    kept.migrate(&without);
    assert_eq!(kept.entity.presented(), json!({ "a": 1 }));
    kept.migrate(&text);
    assert_eq!(kept.entity.presented(), json!({ "a": 1 }));
    // The text of the first time is not the one of today.
    let verdict = judge(&kept.entity, &editor("alice"), vec![stale], Origin::Client);
    assert_eq!(
        codes(&verdict),
        [("/text".to_owned(), "container".to_owned())]
    );
    kept.check_replay(&[&text, &without]);

    // Nor does it appear in a map that is opened.
    let closed =
        kind(&json!({ "m": { "type": "object", "properties": { "x": { "type": "string" } } } }));
    let opened = kind(&json!({ "m": open }));
    let mut kept = Kept::new(&closed, &json!({ "m": { "x": "old" } }));
    kept.migrate(&opened);
    assert_eq!(kept.entity.presented(), json!({}));
    kept.put(&json!({ "m": { "x": "new" } }));
    assert_eq!(kept.entity.presented(), json!({ "m": { "x": "new" } }));
}

#[test]
fn what_cannot_follow_is_refused_with_its_place_and_a_way_out() {
    let one = |name: &str, words: Value| kind(&json!({ name: words }));
    let text = json!({ "type": "string", "x-indelible": { "merge": "text" } });
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let string = json!({ "type": "string" });
    for (before, after, reason) in [
        (
            &string,
            &text,
            "/x: was a single value and is a text; give the property another name",
        ),
        (&text, &list, "/x: was a text and is a list of values"),
    ] {
        let found = obstacles(&one("x", before.clone()), &one("x", after.clone()));
        assert!(found[0].to_string().starts_with(reason), "{}", found[0]);
    }
    let renamed = |mut words: Value| {
        words["x-indelible"]["was"] = "x".into();
        one("y", words)
    };
    let found = obstacles(&one("x", string.clone()), &renamed(list.clone()));
    assert!(
        found[0].reason.starts_with("no value of what it was"),
        "{}",
        found[0]
    );
    assert_eq!(obstacles(&one("x", string.clone()), &renamed(text)), []);

    // Whether these follow depends on what an entity holds.
    let atomic = json!({ "type": "array", "x-indelible": { "merge": "atomic" } });
    for (held, fits) in [(json!(["a"]), true), (json!(["a", { "b": 1 }]), false)] {
        let kept = Kept::new(&one("x", atomic.clone()), &json!({ "x": held }));
        match migrate(&kept.entity, &renamed(list.clone()), NOW) {
            Ok(step) => assert!(fits && step.unwrap().entity().presented()["y"] == held),
            Err(MigrationError::Values(found)) => {
                assert!(!fits);
                assert_eq!(found[0].pointer.to_string(), "/y/1");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn values_that_cannot_be_carried_over_are_told_with_their_place_and_what_they_must_be() {
    let atomic =
        |kind: &str| json!({ "x": { "type": kind, "x-indelible": { "merge": "atomic" } } });
    let renamed = |mut words: Value| {
        words["x-indelible"]["was"] = "x".into();
        kind(&json!({ "y": words }))
    };
    let rows = json!({ "type": "array", "items": {
        "type": "object", "properties": { "name": { "type": "string" } } } });
    let map = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    for (stored, held, to, said) in [
        (
            "array",
            json!(["a", 1]),
            &texts,
            "/y/1: the value there must be a string to be carried over",
        ),
        (
            "array",
            json!([{ "id": "a" }, { "id": "b" }, { "id": "a" }]),
            &rows,
            "/y/2/id: an item before it has the same id",
        ),
        (
            "array",
            json!([{ "id": "a b" }]),
            &rows,
            "/y/0/id: item id \"a b\" must be 1 to 64 ASCII letters, digits, '_' or '-'",
        ),
        (
            "array",
            json!([{ "id": 5 }]),
            &rows,
            "/y/0/id: must be a string, as the id of an item",
        ),
        (
            "array",
            json!([{ "size": 5 }]),
            &rows,
            "/y/0/size: the schema declares no such property",
        ),
        (
            "object",
            json!({ "$a": "x" }),
            &map,
            "/y/$a: map key \"$a\" must be 1 to 128 bytes without control characters and must not \
             begin with '$'",
        ),
    ] {
        let kept = Kept::new(&kind(&atomic(stored)), &json!({ "x": held }));
        let error = migrate(&kept.entity, &renamed(to.clone()), NOW).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("values cannot be carried over: {said}")
        );
    }
}

/// A body for a new item replaces the default of a list in it.
#[test]
fn a_list_with_a_default_in_a_new_item_is_what_the_body_says() {
    let after = kind(&new());
    let mut kept = Kept::new(&after, &json!({ "title": "T" }));
    kept.put(&json!({ "steps": [{ "notes": ["mine"] }, { "label": "L" }] }));
    let steps = &kept.entity.presented()["steps"];
    assert_eq!(steps[0]["notes"], json!(["mine"]));
    assert_eq!(steps[1]["notes"], json!(["new"]));
}

#[test]
fn edits_of_the_past_are_judged_by_what_they_changed() {
    let policy = kind(&old());
    let mut schema = new();
    schema["story"]["x-indelible"]["write"] = json!(["chief"]);
    schema["steps"]["items"]["properties"]["label"]["maxLength"] = 1.into();
    let later = kind(&schema);
    let genesis = Entity::genesis(&"note/one".parse().unwrap(), Epoch::FIRST, &policy);
    let mut kept = Kept::new(&policy, &value());
    let mut hindsight = Hindsight::new(&genesis, &later).unwrap();
    let mut judged = |kept: &Kept| {
        let found = hindsight
            .judge(&kept.entity, EntryKind::Changes, &editor("alice"))
            .unwrap();
        let code = |v: &Violation| format!("{} {}", v.pointer, v.rule.code());
        found.iter().map(code).collect::<Vec<_>>()
    };
    assert_eq!(
        judged(&kept),
        ["/gone unknown-field", "/story write", "/title maxLength"]
    );
    // Renamed fields are looked at under their new names; a fault that was there before is not a new one.
    kept.put(&json!({ "body": "Twice" }));
    assert_eq!(judged(&kept), ["/story write"]);
    kept.put(&json!({ "gone": "y", "title": "abc" }));
    assert_eq!(judged(&kept), ["/gone unknown-field"]);
    let steps = json!([{ "id": "a", "name": "AA", "code": "1" }, { "name": "BB" }]);
    kept.put(&json!({ "steps": steps }));
    let found = judged(&kept);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found.contains(&"/steps/a/label maxLength".to_owned()),
        "{found:?}"
    );
    // A chief may write the story.
    kept.put(&json!({ "body": "Thrice" }));
    let mut chief = editor("carla");
    chief.roles.insert("chief".to_owned());
    let found = hindsight.judge(&kept.entity, EntryKind::Changes, &chief);
    assert_eq!(found.unwrap(), []);
    // Editors may delete, and nobody else; what the system does is not judged.
    let guest = Principal::new("gus", ["guest"]);
    let found = hindsight.judge(&kept.entity, EntryKind::Deleted, &chief);
    assert_eq!(found.unwrap(), []);
    let found = hindsight.judge(&kept.entity, EntryKind::Undeleted, &guest);
    assert_eq!(found.unwrap()[0].message, "gus may not undelete note");
    let found = hindsight.judge(&kept.entity, EntryKind::Policy, &Principal::system());
    assert_eq!(found.unwrap(), []);
}
