//! A server, its log, and five clients that write at random.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::{Automerge, Change, ChangeHash};
use indelible_engine::admission::{Admitted, Origin, Proposal, Verdict, admit};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, ProposalId, Seq};
use indelible_engine::ledger::{EntryKind, Logged};
use indelible_engine::limits::Limits;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use serde_json::{Map, Value};

use super::client::Client;
use super::dice::Dice;
use super::forge::Catalogue;
use super::raw::{self, Entries};
use super::spec::{Author, Spec};
use super::{checks, model};

/// The entity after one entry of its log.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) heads: Vec<ChangeHash>,
    pub(crate) raw: Entries,
    pub(crate) value: Map<String, Value>,
    pub(crate) changes: Vec<Vec<u8>>,
    pub(crate) author: &'static str,
    pub(crate) at: Timestamp,
    pub(crate) hash: Hash,
}

/// What happened, so that a run can check that it tried what it is for.
pub type Counts = BTreeMap<String, u64>;

pub(crate) struct World {
    pub(crate) spec: Arc<Spec>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) id: EntityId,
    pub(crate) entity: Entity,
    /// The same log in Automerge alone, change by change.
    pub(crate) mirror: Automerge,
    pub(crate) catalogue: Catalogue,
    pub(crate) records: Vec<Record>,
    pub(crate) clients: Vec<Client>,
    /// The last change of each actor that was admitted.
    pub(crate) forgers: BTreeMap<automerge::ActorId, u64>,
    pub(crate) actors: usize,
    pub(crate) proposals: u8,
    pub(crate) now: Timestamp,
    pub(crate) dice: Dice,
    pub(crate) counts: Counts,
}

impl World {
    pub(crate) fn new(mut dice: Dice) -> Self {
        let spec = Arc::new(Spec::random(&mut dice));
        let policy = schema::compile("thing.json", &spec.schema)
            .unwrap_or_else(|mistakes| panic!("{mistakes:?} in {}", spec.schema));
        let policy = Arc::new(policy);
        let id: EntityId = "thing/one".parse().expect("a name");
        let entity = Entity::genesis(&id, Epoch::FIRST, &policy);
        let mirror = raw::load(&entity.document());
        // The robot writes what the system writes, and nothing else.
        let names = ["alice", "bob", "carol", "robot", "mallory", "trudy"];
        let clients = names.iter().enumerate().map(|(index, name)| {
            let hostile = index >= 4;
            let share = if hostile { 15 } else { 40 };
            let robot = *name == "robot";
            let author = Author {
                name,
                edits: !robot,
                chief: dice.percent(share),
                serves: robot || dice.percent(10),
                system: false,
            };
            Client::new(author, hostile)
        });
        let clients = clients.collect();
        let mut world = Self {
            spec,
            policy,
            id,
            records: Vec::new(),
            catalogue: Catalogue::default(),
            entity,
            mirror,
            clients,
            forgers: BTreeMap::new(),
            actors: 0,
            proposals: 0,
            now: Timestamp(1_770_000_000_000),
            dice,
            counts: Counts::new(),
        };
        for change in world.mirror.get_changes(&[]) {
            world.catalogue.add(&change);
        }
        world.record(Vec::new(), "system", Hash::ZERO);
        world.create();
        for client in 0..world.clients.len() {
            world.reload(client);
        }
        world
    }

    pub(crate) fn record(&mut self, changes: Vec<Vec<u8>>, author: &'static str, hash: Hash) {
        self.records.push(Record {
            heads: self.mirror.get_heads(),
            raw: raw::read(&self.mirror),
            value: self.value(),
            changes,
            author,
            at: self.now,
            hash,
        });
    }

    pub(crate) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// The entity's value without stamps.
    pub(crate) fn value(&self) -> Map<String, Value> {
        let Value::Object(mut value) = self.entity.presented() else {
            panic!("an entity is an object");
        };
        for name in self.entity.stamp_fields().keys() {
            value.remove(name);
        }
        value
    }

    pub(crate) fn last(&self) -> &Record {
        self.records.last().expect("the genesis is recorded first")
    }

    /// The client takes some of what it has not seen.
    pub(crate) fn receive(&mut self, client: usize) {
        let unseen = self.records.len() - self.clients[client].seen;
        let count = if self.dice.percent(60) {
            unseen
        } else {
            self.dice.below(unseen + 1)
        };
        self.deliver(client, count);
    }

    pub(crate) fn deliver(&mut self, client: usize, count: usize) {
        let from = self.clients[client].seen;
        let entries = self.records[from..from + count]
            .iter()
            .map(|r| r.changes.as_slice());
        let taken = self.clients[client].receive(entries);
        if !taken {
            assert!(
                self.clients[client].hostile,
                "an honest replica takes every entry"
            );
            self.reload(client);
        }
        if self.records.len().is_multiple_of(4) {
            let (doc, seen) = (&self.clients[client].doc, self.clients[client].seen);
            let record = &self.records[seen - 1];
            if doc.get_heads() == record.heads {
                assert_eq!(raw::read(doc), record.raw, "equal heads, equal values");
            }
        }
    }

    /// The client loses its replica and takes the server's.
    pub(crate) fn reload(&mut self, client: usize) {
        self.actors += 1;
        let doc = raw::load(&self.entity.document());
        let seen = self.records.len();
        self.clients[client].reload(doc, seen, self.actors);
    }

    /// The server loses its memory: it starts from a snapshot, or from the log alone.
    pub(crate) fn restart(&mut self) {
        let again = if self.dice.percent(70) {
            let snapshot = self.entity.to_snapshot().expect("it saves and loads");
            Entity::from_snapshot(&self.id, Epoch::FIRST, &self.policy, &snapshot)
                .expect("it saves and loads")
        } else {
            self.replayed(self.records.len())
        };
        self.same(&again);
        self.entity = again;
        self.count("restarts");
    }

    /// The entity after the first entries of the log, from nothing.
    pub(crate) fn replayed(&self, count: usize) -> Entity {
        let mut entity = Entity::genesis(&self.id, Epoch::FIRST, &self.policy);
        let entries = self.records[..count]
            .iter()
            .zip(0..)
            .map(|(record, seq)| Logged {
                kind: match seq {
                    0 => EntryKind::Genesis,
                    _ => EntryKind::Changes,
                },
                place: LogPlace::new(Epoch::FIRST, Seq(seq)),
                policy_hash: self.policy.hash(),
                hash: record.hash,
                at: record.at,
                author: record.author,
                claimed: None,
                changes: &record.changes,
            });
        entity.apply_log(entries).expect("the log applies");
        entity
    }

    /// Checks that an entity is the server's in every respect.
    pub(crate) fn same(&self, other: &Entity) {
        assert_eq!(other.heads(), self.entity.heads());
        assert_eq!(other.presented(), self.entity.presented());
        assert_eq!(other.seq(), self.entity.seq());
        assert_eq!(other.hash(), self.entity.hash());
        let doc = raw::load(&other.document());
        assert_eq!(raw::hashes(&doc), raw::hashes(&self.mirror));
        assert_eq!(raw::read(&doc), self.last().raw);
    }

    /// Proposes changes, checks the verdict and what was admitted; the rules that were broken, or
    /// the code of the refusal, where not all was admitted.
    pub(crate) fn submit(
        &mut self,
        author: Author,
        origin: Origin,
        changes: Vec<Vec<u8>>,
    ) -> Option<Vec<String>> {
        self.proposals = self.proposals.wrapping_add(1);
        let proposal = Proposal::new(
            ProposalId([self.proposals; 16]),
            principal(author),
            origin,
            changes,
        );
        let saved = self.dice.percent(10).then(|| self.entity.document());
        let verdict = admit(&self.entity, &proposal, self.now, &Limits::default());
        let heads: Vec<Hash> = self.last().heads.iter().map(|&head| head.into()).collect();
        assert_eq!(self.entity.heads(), heads, "admission touches nothing");
        if let Some(saved) = saved {
            assert_eq!(self.entity.document(), saved, "admission touches nothing");
        }
        self.repeatable(&proposal, &verdict);
        let Verdict {
            admitted, refused, ..
        } = verdict;
        if let Some(refused) = &refused {
            assert_ne!(
                refused.code,
                "inapplicable",
                "the checks before it let it through: {:#?}\n{:#?}",
                decoded(&proposal.changes),
                self.catalogue
            );
            assert!(!refused.violations.is_empty());
            self.count(&format!("code {}", refused.code));
        }
        if let Some(admitted) = admitted {
            self.advance(author, admitted, origin == Origin::Creation);
            if origin == Origin::Client && refused.is_none() && self.records.len().is_multiple_of(3)
            {
                self.repeat(&proposal);
            }
        }
        refused.map(|refused| {
            let rules = refused.violations.iter().map(|v| v.rule.code().to_owned());
            rules.collect()
        })
    }

    /// The author has lost the answer and proposes the same again.
    fn repeat(&mut self, proposal: &Proposal) {
        let verdict = admit(&self.entity, proposal, self.now, &Limits::default());
        assert!(verdict.admitted.is_none(), "nothing is applied twice");
        assert_eq!(verdict.refused, None, "what was admitted stays so");
        let hashes: BTreeSet<Hash> = verdict.known.into_iter().collect();
        let proposed = proposal.changes.iter().map(|bytes| {
            let change = Change::try_from(bytes.as_slice()).expect("it was admitted");
            Hash::from(change.hash())
        });
        assert_eq!(hashes, proposed.collect(), "each is known");
        self.count("repeats");
    }

    /// The verdict is the same after a restart, and, where only single changes are judged, the same
    /// when each change is a proposal of its own.
    pub(crate) fn repeatable(&mut self, proposal: &Proposal, verdict: &Verdict) {
        let limits = Limits::default();
        if self.dice.percent(8) {
            let snapshot = self.entity.to_snapshot().expect("it saves and loads");
            let again = Entity::from_snapshot(&self.id, Epoch::FIRST, &self.policy, &snapshot)
                .expect("it saves and loads");
            let again = admit(&again, proposal, self.now, &limits);
            assert_eq!(again.refused, verdict.refused);
            assert_eq!(again.known, verdict.known);
            assert_eq!(again.dropped, verdict.dropped);
            let parts = |v: &Verdict| {
                v.admitted.as_ref().map(|admitted| {
                    let value = admitted.entity().presented();
                    (admitted.draft().clone(), admitted.effects().to_vec(), value)
                })
            };
            assert_eq!(parts(&again), parts(verdict));
        }
        let several = proposal.changes.len() > 1 && self.spec.bounds.is_none();
        if !several || !self.dice.percent(30) {
            return;
        }
        let mut entity = self.entity.clone();
        let mut taken = Vec::new();
        let mut refused = None;
        for (index, change) in proposal.changes.iter().enumerate() {
            let single = Proposal {
                changes: vec![change.clone()],
                ..proposal.clone()
            };
            let verdict = admit(&entity, &single, self.now, &limits);
            if let Some(admitted) = verdict.admitted {
                let (next, draft, _) = admitted.into_parts();
                entity = next;
                taken.extend(draft.changes);
            }
            if let Some(mut refusal) = verdict.refused {
                refusal.violations.iter_mut().for_each(|v| v.change = index);
                refused = Some(refusal);
                break;
            }
        }
        let (whole, value) = match &verdict.admitted {
            Some(admitted) => (&admitted.draft().changes[..], admitted.entity().presented()),
            None => (&[][..], self.entity.presented()),
        };
        assert_eq!(taken, whole, "one by one");
        assert_eq!(entity.presented(), value, "one by one");
        let told = |refusal: &indelible_engine::violation::Refusal| {
            (refusal.code.clone(), refusal.violations.clone())
        };
        let (one, all) = (
            refused.as_ref().map(told),
            verdict.refused.as_ref().map(told),
        );
        assert_eq!(one, all, "one by one");
    }

    /// Commits what was admitted, and holds it against the model.
    pub(crate) fn advance(&mut self, author: Author, admitted: Admitted, creation: bool) {
        let (mut entity, draft, effects) = admitted.into_parts();
        for bytes in &draft.changes {
            let change = Change::try_from(bytes.as_slice()).expect("it was admitted");
            self.catalogue.add(&change);
            self.forgers.insert(change.actor_id().clone(), change.seq());
            self.mirror
                .apply_changes([change])
                .expect("it was admitted");
        }
        let before = self.last();
        let heads: Vec<Hash> = self
            .mirror
            .get_heads()
            .into_iter()
            .map(Hash::from)
            .collect();
        assert_eq!(entity.heads(), heads);
        assert_eq!(draft.heads, heads);
        let after = raw::read(&self.mirror);
        if let Err(fault) = model::transition(&self.spec, &before.raw, &after, author, creation) {
            panic!("{author:?} got through: {fault}\n{}", self.spec.schema);
        }
        let hash = Hash::of(&[&before.hash.0, &draft.header.place.seq.0.to_be_bytes()]);
        entity.confirm(Logged {
            kind: draft.kind,
            place: LogPlace::new(draft.header.place.epoch, draft.header.place.seq),
            policy_hash: draft.header.policy_hash,
            hash,
            at: self.now,
            author: author.name,
            claimed: draft.claimed.as_ref(),
            changes: &draft.changes,
        });
        let old = self.entity.presented();
        self.entity = entity;
        let value = self.value();
        assert_eq!(
            value,
            model::present(&self.spec, &after),
            "what a reader sees"
        );
        checks::effects(&self.last().value, &value, &effects);
        checks::patch(&self.policy, &old, &self.entity.presented());
        let stamps = self.entity.stamps();
        assert_eq!(stamps.updated_by.as_deref(), Some(author.name));
        assert_eq!(stamps.updated_at, Some(self.now));
        if self.dice.percent(10) {
            let doc = raw::load(&self.entity.document());
            assert_eq!(doc.get_heads(), self.mirror.get_heads(), "save and load");
            assert_eq!(raw::read(&doc), after, "save and load");
        }
        self.record(draft.changes, author.name, hash);
        self.count("admitted");
    }

    /// What must hold when everything has arrived everywhere.
    pub(crate) fn settle(&mut self) {
        self.same(&self.replayed(self.records.len()));
        let hashes = raw::hashes(&self.mirror);
        for client in 0..self.clients.len() {
            if !self.clients[client].pending.is_empty() || self.clients[client].hostile {
                continue;
            }
            let unseen = self.records.len() - self.clients[client].seen;
            self.deliver(client, unseen);
            let doc = &self.clients[client].doc;
            assert_eq!(doc.get_heads(), self.mirror.get_heads());
            assert_eq!(raw::hashes(doc), hashes);
            assert_eq!(raw::read(doc), self.last().raw, "equal heads, equal values");
        }
        self.agree();
        for _ in 0..2 {
            let at = self.dice.below(self.records.len());
            let record = &self.records[at];
            let heads: Vec<Hash> = record.heads.iter().map(|&head| head.into()).collect();
            let mut then = self.entity.presented_at(&heads).expect("heads of the past");
            for name in self.entity.stamp_fields().keys() {
                then.as_object_mut().and_then(|map| map.remove(name));
            }
            assert_eq!(
                then,
                Value::Object(record.value.clone()),
                "as it was after entry {at}"
            );
        }
        let before = self.dice.below(self.records.len());
        let entity = self.replayed(before + 1);
        let doc = raw::load(&entity.document());
        assert_eq!(
            raw::read(&doc),
            self.records[before].raw,
            "a part of the log"
        );
    }
}

impl World {
    /// Replicas with equal heads hold the same, whoever they belong to and whatever was refused.
    fn agree(&mut self) {
        let mut seen: BTreeMap<Vec<ChangeHash>, (Vec<ChangeHash>, Entries)> = BTreeMap::new();
        let mut pairs = 0;
        for client in &self.clients {
            let doc = &client.doc;
            let holds = (raw::hashes(doc), raw::read(doc));
            match seen.get(&doc.get_heads()) {
                Some(other) => {
                    assert_eq!(other, &holds, "equal heads, equal values");
                    pairs += 1;
                }
                None => drop(seen.insert(doc.get_heads(), holds)),
            }
        }
        *self
            .counts
            .entry("replicas that agree".to_owned())
            .or_default() += pairs;
    }
}

fn decoded(changes: &[Vec<u8>]) -> Vec<automerge::ExpandedChange> {
    let changes = changes.iter();
    changes
        .filter_map(|bytes| Some(Change::try_from(bytes.as_slice()).ok()?.decode()))
        .collect()
}

pub(crate) fn principal(author: Author) -> Principal {
    if author.system {
        return Principal::system();
    }
    let roles = [
        (author.edits, "editor"),
        (author.chief, "chief"),
        (author.serves, "robot"),
    ];
    let held = roles.into_iter().filter(|(held, _)| *held);
    Principal::new(author.name, held.map(|(_, role)| role))
}
