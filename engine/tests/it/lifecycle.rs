//! Guards against entities that come and go without the right to, that take edits while they are
//! deleted, or that come back from their log as something else.

use std::sync::Arc;

use indelible_engine::admission::{Admitted, Origin, Verdict};
use indelible_engine::entity::{Entity, LoadError};
use indelible_engine::id::{Epoch, GlobalSeq, Hash, LogPlace, ProposalId, Seq};
use indelible_engine::ledger::{
    EntryDraft, EntryKind, Header, Logged, Presence, Sealed, verify_chain,
};
use indelible_engine::lifecycle::{self, Request, delete, next_epoch, undelete};
use indelible_engine::merge::MergeOptions;
use indelible_engine::policy::{Policy, PolicyBook};
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use serde_json::json;

use crate::fixture::{NOW, editor, policy, write};

fn by(author: &Principal) -> Request {
    Request {
        id: ProposalId([9; 16]),
        author: author.clone(),
        session: None,
    }
}

fn code(verdict: &Verdict) -> &str {
    assert!(verdict.admitted.is_none());
    verdict.refused.as_ref().expect("it is refused").code.code()
}

/// An entity with its log.
struct Log {
    entity: Entity,
    entries: Vec<Sealed>,
}

impl Log {
    fn new() -> Self {
        let id = "thing/one".parse().unwrap();
        let entity = Entity::genesis(&id, Epoch::FIRST, &policy());
        let draft = lifecycle::genesis(&entity, NOW);
        let mut log = Self {
            entity: entity.clone(),
            entries: Vec::new(),
        };
        log.seal(entity, draft);
        log
    }

    /// Commits an entry, a second after the one before it.
    fn seal(&mut self, mut entity: Entity, draft: EntryDraft) {
        let count = self.entries.len();
        let previous = self.entries.last().map_or(Hash::ZERO, |last| last.hash);
        let at = Timestamp(NOW.0 + 1_000 * i64::try_from(count).unwrap());
        let sealed = draft.seal(GlobalSeq(count as u64 + 1), at, previous);
        entity.confirm(Logged::of(&sealed.entry, sealed.hash));
        self.entity = entity;
        self.entries.push(sealed);
    }

    fn take(&mut self, verdict: Verdict) {
        assert_eq!(verdict.refused, None);
        let (entity, draft, _) = verdict.admitted.map(Admitted::into_parts).unwrap();
        self.seal(entity, draft);
    }

    fn merge(&mut self, author: &str, body: serde_json::Value, origin: Origin) {
        let options = MergeOptions {
            creation: origin == Origin::Creation,
            ..MergeOptions::default()
        };
        let verdict = write(&self.entity, &editor(author), &body, &options, origin).unwrap();
        self.take(verdict);
    }

    fn replayed(&self) -> Entity {
        let mut logged = self.entries.iter().map(|e| Logged::of(&e.entry, e.hash));
        let first = logged.next().unwrap();
        let mut entity = Entity::begin(self.entity.id(), first, &policy()).unwrap();
        entity.apply_log(logged).unwrap();
        entity
    }

    fn check(&self) {
        let snapshot = self.entity.to_snapshot().unwrap();
        let epoch = self.entity.epoch();
        let loaded = Entity::from_snapshot(self.entity.id(), epoch, &policy(), &snapshot).unwrap();
        for other in [self.replayed(), loaded] {
            assert_eq!(other.presence(), self.entity.presence());
            assert_eq!(other.presented(), self.entity.presented());
            assert_eq!(other.stamps(), self.entity.stamps());
            assert_eq!(other.heads(), self.entity.heads());
            assert_eq!(
                (other.seq(), other.hash()),
                (self.entity.seq(), self.entity.hash())
            );
        }
    }
}

#[test]
fn what_is_deleted_takes_no_edits_until_it_is_undeleted() {
    let mut log = Log::new();
    log.check();
    assert_eq!(log.entity.presence(), Presence::Unborn);
    let (alice, bob) = (editor("alice"), editor("bob"));
    assert_eq!(code(&delete(&log.entity, &by(&alice), NOW)), "not-found");
    assert_eq!(code(&undelete(&log.entity, &by(&alice), NOW)), "not-found");
    log.merge("alice", json!({ "title": "One" }), Origin::Creation);
    assert_eq!(log.entity.presence(), Presence::Present);
    log.check();
    assert_eq!(code(&undelete(&log.entity, &by(&alice), NOW)), "exists");

    let heads = log.entity.heads();
    log.take(delete(&log.entity, &by(&bob), NOW));
    log.check();
    assert_eq!(log.entity.presence(), Presence::Deleted);
    assert_eq!(log.entity.heads(), heads);
    let entry = &log.entries[2].entry;
    assert_eq!((entry.kind, entry.changes.len()), (EntryKind::Deleted, 0));
    assert_eq!(log.entity.presented()["updatedBy"], "bob");
    assert_eq!(log.entity.stamps().created_by.as_deref(), Some("alice"));
    assert_eq!(code(&delete(&log.entity, &by(&bob), NOW)), "not-found");
    let body = json!({ "title": "Two" });
    let options = MergeOptions::default();
    let edit = write(&log.entity, &bob, &body, &options, Origin::Server).unwrap();
    assert_eq!(code(&edit), "not-found");

    log.take(undelete(&log.entity, &by(&alice), NOW));
    log.check();
    assert_eq!(log.entity.presented()["title"], "One");
    log.merge("bob", body, Origin::Server);
    assert_eq!(log.entity.presented()["title"], "Two");
    log.check();
}

#[test]
fn only_who_may_delete_deletes() {
    let mut log = Log::new();
    log.merge("alice", json!({ "title": "One" }), Origin::Creation);
    let visitor = Principal::new("eve", ["viewer"]);
    assert_eq!(code(&delete(&log.entity, &by(&visitor), NOW)), "forbidden");
    let system = delete(&log.entity, &by(&Principal::system()), NOW);
    let (gone, ..) = system.admitted.unwrap().into_parts();
    assert_eq!(code(&undelete(&gone, &by(&visitor), NOW)), "forbidden");
}

#[test]
fn what_exists_is_not_created_again() {
    let mut log = Log::new();
    log.merge("alice", json!({ "title": "One" }), Origin::Creation);
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let body = json!({ "title": "Two" });
    let again = write(
        &log.entity,
        &editor("bob"),
        &body,
        &options,
        Origin::Creation,
    )
    .unwrap();
    assert_eq!(code(&again), "exists");
}

/// The fixture's policy with one limit changed.
fn next_policy() -> Arc<Policy> {
    let mut schema = policy().schema().clone();
    schema["properties"]["title"]["maxLength"] = json!(20);
    Arc::new(schema::compile("thing.json", &schema.to_string()).unwrap())
}

#[test]
fn a_log_goes_on_under_another_policy() {
    let mut log = Log::new();
    log.merge("alice", json!({ "title": "One" }), Origin::Creation);
    let next = next_policy();
    let draft = EntryDraft {
        kind: EntryKind::Policy,
        header: Header {
            entity: log.entity.id().clone(),
            place: LogPlace::new(Epoch::FIRST, log.entity.seq().next()),
            proposal: None,
            author: Principal::system(),
            session: None,
            at: NOW,
            policy_hash: next.hash(),
        },
        changes: Vec::new(),
        heads: log.entity.heads(),
        claimed: None,
    };
    let before = log.entity.stamps().clone();
    log.seal(log.entity.clone(), draft);
    assert_eq!(log.entity.stamps(), &before, "nobody has written");

    let logged: Vec<_> = log
        .entries
        .iter()
        .map(|sealed| Logged::of(&sealed.entry, sealed.hash))
        .collect();
    let id = log.entity.id();
    let mut entity = Entity::begin(id, logged[0], &policy()).unwrap();
    let unknown = entity.apply_log(logged[1..].iter().copied());
    assert!(matches!(unknown, Err(LoadError::Policy { .. })));
    assert_eq!(entity.seq().0, 0, "it is as it was");
    let book: PolicyBook = [policy(), next].into_iter().collect();
    entity.replay(logged[1..].iter().copied(), &book).unwrap();
    assert_eq!(
        entity.policy().hash(),
        log.entries[2].entry.header.policy_hash
    );
    assert_eq!(entity.stamps(), &before);
    assert_eq!(entity.presence(), Presence::Present);
    assert_eq!(entity.presented()["title"], "One");

    let snapshot = entity.to_snapshot().unwrap();
    let loaded = Entity::from_snapshot(id, Epoch::FIRST, &book, &snapshot).unwrap();
    assert_eq!(loaded.policy().hash(), entity.policy().hash());
    let unknown = Entity::from_snapshot(id, Epoch::FIRST, &policy(), &snapshot);
    assert!(matches!(unknown, Err(LoadError::Policy { .. })));
}

#[test]
fn a_new_epoch_carries_the_value_over() {
    let mut log = Log::new();
    let body = json!({
        "title": "One", "code": "c-1", "body": "hello", "tags": ["a", "b"], "hits": 3,
        "number": 1.5, "secret": null, "place": { "city": "Bern" }, "shape": { "w": 2 },
        "items": [ { "id": "i1", "name": "first", "serial": "s1", "note": "Öl 🦀" },
                   { "id": "i2", "tags": ["x"] }, { "id": "i3" } ],
        "labels": { "x": { "text": "ex" } }, "prices": { "a": 1, "b": 2.5 },
        "guarded": [ { "id": "g1", "name": "vase" } ],
    });
    log.merge("alice", body, Origin::Creation);
    let body = json!({ "items": [ { "id": "i3" }, { "id": "i1" } ], "level": null });
    log.merge("bob", body, Origin::Server);
    let before = log.entity.clone();
    let verdict = next_epoch(&before, before.policy(), NOW).unwrap();
    assert_eq!(verdict.effects(), []);
    let (entity, draft, _) = verdict.into_parts();
    let again = next_epoch(&before, before.policy(), NOW).unwrap();
    assert_eq!(again.draft(), &draft, "it is the same whoever makes it");
    log.seal(entity, draft);
    assert_eq!((log.entity.epoch(), log.entity.seq()), (Epoch(2), Seq(0)));
    assert_eq!(log.entity.presented(), before.presented());
    assert_eq!(log.entity.stamps(), before.stamps());
    log.check();
    let chain = log.entries.iter().map(|e| (e.bytes.clone(), e.hash));
    assert_eq!(verify_chain(chain), Ok(Some(log.entity.hash())));

    // The log goes on in the new epoch, and its end can be read without what was before.
    log.merge("bob", json!({ "title": "Two", "hits": 5 }), Origin::Server);
    log.check();
    log.take(delete(&log.entity, &by(&editor("bob")), NOW));
    let deleted = next_epoch(&log.entity, log.entity.policy(), NOW).unwrap();
    assert_eq!(deleted.entity().presence(), Presence::Deleted);
    let later = log.entries[3..]
        .iter()
        .map(|e| Logged::of(&e.entry, e.hash));
    let mut later: Vec<_> = later.collect();
    let mut entity = Entity::begin(log.entity.id(), later.remove(0), &policy()).unwrap();
    entity.apply_log(later).unwrap();
    assert_eq!(entity.presented(), log.entity.presented());
    assert_eq!(entity.stamps(), log.entity.stamps());
}

#[test]
fn a_log_does_not_begin_with_another_genesis() {
    let log = Log::new();
    let first = &log.entries[0];
    assert_eq!(first.entry.changes.len(), 1);
    let begin = |changes: &[Vec<u8>]| {
        let logged = Logged {
            changes,
            ..Logged::of(&first.entry, first.hash)
        };
        Entity::begin(log.entity.id(), logged, &policy())
    };
    assert_eq!(begin(&[]).unwrap().heads(), log.entity.heads());
    let mut other = first.entry.changes.clone();
    let other_id = "thing/two".parse().unwrap();
    let stranger = Entity::genesis(&other_id, Epoch::FIRST, &policy());
    other[0] = lifecycle::genesis(&stranger, NOW).changes.remove(0);
    assert!(matches!(begin(&other), Err(LoadError::Change { .. })));
}
