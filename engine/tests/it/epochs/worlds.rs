//! The same edits, made from the same earlier values, with and without epochs that begin in between:
//! values, conflicts, refusals and what is kept come out alike.

mod alike;
mod edit;

use std::collections::BTreeSet;

use automerge::ActorId;
use indelible_engine::admission::{Admitted, Origin};
use indelible_engine::change::server_actor;
use indelible_engine::conflicts::{Conflict, Outcome};
use indelible_engine::effects::EffectChange;
use indelible_engine::entity::Entity;
use indelible_engine::history::{Deletions, Derived, InMemory, Record, name_former_authors};
use indelible_engine::id::{Epoch, GlobalSeq, Hash};
use indelible_engine::ledger::EntryDraft;
use indelible_engine::lifecycle::{self, next_epoch};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{
    Attempts, MergeError, MergeOptions, Protected, merge, merge_watched,
};
use indelible_engine::pointer::Pointer;
use indelible_engine::principal::Principal;
use indelible_engine::rebase::{Read, RebaseTarget, gone, rebase_values};
use serde_json::{Map, Value};

use self::alike::{alike, nameless};
use self::edit::{Edit, place};
use super::conflicts_of;
use crate::fixture::{NOW, editor, judge, rich_kind, write};
use crate::history::Dice;

const STEPS: usize = 30;
const SEEDS: u64 = 60;

/// One course of events.
struct World {
    entity: Entity,
    /// After each step.
    read: Vec<Entity>,
    /// How long the log was then.
    lengths: Vec<usize>,
    /// What of the log there is since the creation.
    log: Vec<Record>,
    deletions: Deletions,
    /// How often a body had what was deleted in a former epoch.
    remade: usize,
    /// The conflicts that were compared: index in the log, and place.
    told: Vec<(usize, Pointer)>,
}

/// The result of a step, without ids that differ between the worlds.
#[derive(Debug, PartialEq, Default)]
struct Told {
    value: Value,
    /// Places that stayed though the body differed.
    preserved: BTreeSet<String>,
    /// Place and value of what was tried at protected fields.
    attempts: BTreeSet<String>,
    /// Place and rule of what was refused.
    refused: BTreeSet<String>,
    /// Place, and both values.
    conflicts: BTreeSet<String>,
    /// Items and entries in which a replica's edits are lost.
    gone: BTreeSet<String>,
}

/// How an edit comes in.
#[derive(Debug, Clone)]
enum Way {
    /// As a body, relative to what was read or not.
    Body {
        has_base: bool,
        protected: Protected,
        preserve: Option<usize>,
        remove: Option<usize>,
    },
    /// As changes of a replica that was away since.
    Replica,
}

impl Way {
    fn random(dice: &mut Dice) -> Self {
        let place = |dice: &mut Dice| (dice.below(4) == 0).then(|| dice.below(40));
        match dice.below(4) {
            0 => Self::Replica,
            _ => Self::Body {
                has_base: dice.below(3) > 0,
                protected: [Protected::Keep, Protected::Refuse][dice.below(2)],
                preserve: place(dice),
                remove: place(dice),
            },
        }
    }
}

impl World {
    fn new() -> Self {
        let (policy, value) = rich_kind();
        let genesis = Entity::genesis(&"thing/one".parse().unwrap(), Epoch::FIRST, &policy);
        let mut world = Self {
            entity: genesis.clone(),
            read: Vec::new(),
            lengths: Vec::new(),
            log: Vec::new(),
            deletions: Deletions::default(),
            remade: 0,
            told: Vec::new(),
        };
        world.record(lifecycle::genesis(&genesis, NOW), Derived::default());
        let options = MergeOptions {
            creation: true,
            ..MergeOptions::default()
        };
        let alice = editor("alice");
        let verdict = write(&genesis, &alice, &value, &options, Origin::Creation).unwrap();
        let (entity, draft, effects) = verdict.admitted.unwrap().into_parts();
        world.record(
            draft,
            Derived {
                effects,
                ..Derived::default()
            },
        );
        world.entity = entity;
        world.note();
        world
    }

    /// A world of its own from here on, in which nothing is known of deletions.
    fn aside(&self) -> Self {
        Self {
            entity: self.entity.clone(),
            read: self.read.clone(),
            lengths: self.lengths.clone(),
            log: self.log.clone(),
            deletions: Deletions::default(),
            remade: 0,
            told: Vec::new(),
        }
    }

    /// The entity goes on in its next epoch.
    fn begin_epoch(&mut self) {
        let made = next_epoch(&self.entity, self.entity.policy(), NOW).unwrap();
        assert_eq!(made.effects(), []);
        let (entity, draft, effects) = made.into_parts();
        self.record(
            draft,
            Derived {
                effects,
                ..Derived::default()
            },
        );
        self.entity = entity;
    }

    fn note(&mut self) {
        self.read.push(self.entity.clone());
        self.lengths.push(self.log.len());
    }

    fn record(&mut self, draft: EntryDraft, derived: Derived) {
        let sealed = draft.seal(GlobalSeq(9), NOW, Hash::ZERO);
        self.log
            .push(Record::with(&sealed.entry, sealed.hash, derived));
    }

    /// Who wrote the other values of the conflicts that were compared, by the whole log.
    fn authors(&self) -> Vec<Option<String>> {
        let mut log = self.log.clone();
        name_former_authors(&mut log, self.entity.policy());
        let authors = self.told.iter().map(|(own, at)| {
            let mut found = log[*own].conflicts.iter();
            found.find(|one| one.pointer == *at).unwrap().by.clone()
        });
        authors.collect()
    }

    /// Takes an entry in, and gives its conflicts.
    fn take(
        &mut self,
        base: usize,
        admitted: Admitted,
        (after, conflicts): (Entity, Vec<Conflict>),
    ) -> BTreeSet<String> {
        let (_, draft, effects) = admitted.into_parts();
        let mut told = BTreeSet::new();
        for one in &conflicts {
            if let Some(words) = self.told(base, one) {
                told.insert(words);
                self.told.push((self.log.len(), one.pointer.clone()));
            }
        }
        self.record(draft, Derived { effects, conflicts });
        self.entity = after;
        told
    }

    fn step(&mut self, author: &str, base: usize, (edit, way): (&Edit, &Way)) -> Told {
        let author = editor(author);
        let body = edit.make(&self.read[base]);
        let mut told = match way {
            Way::Body {
                has_base,
                protected,
                preserve,
                remove,
            } => {
                let place = |which: &Option<usize>| -> Vec<Pointer> {
                    let at = which.map(|which| place(&self.read[base], which));
                    at.into_iter().collect()
                };
                let mut options = MergeOptions {
                    protected: *protected,
                    preserve: place(preserve),
                    remove: place(remove),
                    ..MergeOptions::default()
                };
                let mut body = body;
                if *has_base {
                    let followed = self
                        .read(base)
                        .follow(&self.entity, &body, (&[], &[]))
                        .unwrap();
                    assert_eq!(followed.lost, []);
                    (body, options.base) = (followed.body, Some(followed.base));
                }
                self.put(&author, (base, &body), options)
            }
            Way::Replica => self.bring(&author, base, &body),
        };
        self.note();
        told.value = alike(&self.entity);
        told
    }

    fn read(&self, base: usize) -> Read {
        let base = &self.read[base];
        Read {
            policy: base.policy().clone(),
            heads: base.heads(),
            stamps: Map::new(),
            value: (base.epoch() != self.entity.epoch()).then(|| plain(base)),
        }
    }

    /// Whether a server knows of a place.
    fn knows(&mut self, at: &Pointer) -> bool {
        let log = &mut InMemory(&self.log);
        let asked = (log, self.entity.policy() as &_);
        self.entity.holds_at(at) || self.deletions.know(at, &self.entity, asked).unwrap()
    }

    fn put(
        &mut self,
        author: &Principal,
        (base, body): (usize, &Value),
        mut options: MergeOptions,
    ) -> Told {
        let mut told = Told::default();
        for at in options.preserve.iter().chain(&options.remove) {
            let around = outermost(&self.entity, at).unwrap_or_else(|| at.clone());
            let known = format!("{at} is known: {}", self.knows(&around));
            told.attempts.insert(known);
        }
        let log = &mut InMemory(&self.log);
        let asked = (log, self.entity.policy() as &_);
        options.deleted = self.deletions.named_in(body, &self.entity, asked).unwrap();
        self.remade += options.deleted.len();
        let actor = server_actor(self.entity.id(), self.entity.epoch(), &author.id);
        let mut attempts = Attempts::new();
        let asked = (body, &options);
        let merged = merge_watched(&self.entity, author, &actor, asked, &mut attempts);
        let attempts = attempts.iter();
        told.attempts
            .extend(attempts.map(|one| format!("{} {:?}", one.pointer, one.attempted)));
        match merged {
            Err(MergeError::Refused(violations)) => {
                let named = violations
                    .iter()
                    .map(|one| format!("{} {}", one.pointer, one.rule));
                told.refused = named.collect();
            }
            Err(error) => panic!("{error}"),
            Ok(merged) => {
                told.preserved = merged.preserved.iter().map(ToString::to_string).collect();
                if !merged.changes.is_empty() {
                    self.admit(author, (base, merged.changes, Origin::Server), &mut told);
                }
            }
        }
        told
    }

    fn admit(
        &mut self,
        author: &Principal,
        (base, changes, origin): (usize, Vec<Vec<u8>>, Origin),
        told: &mut Told,
    ) {
        let verdict = judge(&self.entity, author, changes, origin);
        if let Some(refusal) = &verdict.refused {
            let violations = refusal.violations.iter();
            let named = violations.map(|one| format!("{} {}", one.pointer, one.rule));
            told.refused = named.collect();
            return;
        }
        let admitted = verdict.admitted.clone().unwrap();
        let (after, found) = conflicts_of(&self.entity, verdict);
        told.conflicts = self.take(base, admitted, (after, found));
    }

    /// What a replica wrote when it knew no more than `base` comes in.
    fn bring(&mut self, author: &Principal, base: usize, body: &Value) -> Told {
        let mut told = Told::default();
        let before = &self.read[base].clone();
        let (own, fresh) = (actor(author, 1), actor(author, 2));
        let made = merge(before, author, &own, body, &MergeOptions::default());
        let made = match made {
            Ok(made) => made.changes,
            // It is not even shown.
            Err(_) => return told,
        };
        if made.is_empty() {
            return told;
        }
        let limits = Limits::default();
        let outermost = |at: &Pointer| outermost(before, at).map(|at| at.to_string());
        if before.epoch() == self.entity.epoch() {
            self.admit(author, (base, made.clone(), Origin::Client), &mut told);
            let gone = gone(&self.entity, &made, &limits);
            told.gone = gone
                .iter()
                .filter_map(|one| outermost(&one.pointer))
                .collect();
            return told;
        }
        let ground = RebaseTarget {
            entity: &self.entity,
            author,
            actor: &fresh,
            limits: &limits,
        };
        let rebased = rebase_values(&ground, before, &made).unwrap();
        let lost = rebased.dropped.iter();
        told.gone = lost.filter_map(|one| outermost(&one.pointer)).collect();
        let changes: Vec<_> = rebased.changes.into_iter().map(|one| one.change).collect();
        if !changes.is_empty() {
            self.admit(author, (base, changes, Origin::Client), &mut told);
        }
        told
    }

    /// A conflict in words. What came back from a deletion is left out: a document knows whether its
    /// values were written since, and values do not. So are places, which are not values, and values
    /// that were others in between; and of texts in deleted items, what others typed.
    fn told(&self, base: usize, one: &Conflict) -> Option<String> {
        let policy = self.entity.policy();
        let seen = self.read[base].presented();
        let seen = |at: &Pointer| policy.value_at(&seen, at);
        let is_back = outermost(&self.entity, &one.pointer).is_some_and(|at| seen(&at).is_none());
        if is_back || seen(&one.pointer) == one.other.as_ref() {
            return None;
        }
        let before = self.entity.presented();
        let is_value = !one.pointer.last().unwrap_or_default().starts_with('$');
        let is_there = self
            .entity
            .policy()
            .value_at(&before, &one.pointer)
            .is_some();
        let other = one.other.as_ref().filter(|_| one.removed.is_none());
        let told = format!("{} {:?} {other:?}", one.pointer, one.wrote);
        let is_told =
            one.outcome == Outcome::Replaced && is_value && (is_there || one.other.is_none());
        is_told.then_some(told)
    }

    /// Whether an edit of `base` writes a value that others have written since, or into what is gone
    /// since: within an epoch the order of both decides which one stands, and what is written into
    /// what was deleted comes back with it. Nor does a replica know what an entry held that it makes
    /// anew.
    fn is_contended(&self, base: usize, edit: &Edit) -> bool {
        let since = &self.log[self.lengths[base]..];
        let base = &self.read[base];
        let policy = base.policy();
        let body = edit.make(base);
        let made = merge(
            base,
            &editor("try"),
            &actor(&editor("try"), 3),
            &body,
            &MergeOptions::default(),
        );
        let Ok(made) = made else { return false };
        if made.changes.is_empty() {
            return false;
        }
        let verdict = judge(base, &editor("try"), made.changes, Origin::Client);
        let Some(admitted) = verdict.admitted else {
            return true;
        };
        let own = admitted.effects();
        own.iter().any(|own| {
            let is_put = matches!(own.change, EffectChange::Put { .. });
            let is_new = matches!(own.change, EffectChange::Put { from: None, .. });
            let node = policy.find(&own.pointer).unwrap();
            if is_new && policy.is_dynamic(node) && self.entity.holds_at(&own.pointer) {
                return true;
            }
            let mut others = since.iter().flat_map(|record| &record.effects);
            others.any(|other| {
                let touches =
                    own.pointer.contains(&other.pointer) || other.pointer.contains(&own.pointer);
                let is_gone = matches!(other.change, EffectChange::Put { to: None, .. });
                touches && (is_put || is_gone)
            })
        })
    }
}

/// The outermost item or entry that a place is, or lies in.
fn outermost(entity: &Entity, at: &Pointer) -> Option<Pointer> {
    let policy = entity.policy();
    let mut around = Pointer::root();
    at.tokens().iter().find_map(|token| {
        around.push(token.as_str());
        let node = policy.find(&around)?;
        policy.is_dynamic(node).then(|| around.clone())
    })
}

/// An actor that only this author has.
fn actor(author: &Principal, number: u8) -> ActorId {
    let mut id = [number; 16];
    id[1..].copy_from_slice(&Hash::of(&[author.id.as_bytes()]).as_bytes()[..15]);
    ActorId::from(id)
}

/// What is presented, without stamps.
fn plain(entity: &Entity) -> Map<String, Value> {
    let mut value = entity.presented().as_object().unwrap().clone();
    value.retain(|name, _| !["createdAt", "updatedBy"].contains(&name.as_str()));
    value
}

/// What was compared.
#[derive(Debug, Default)]
struct Counts {
    steps: usize,
    across: usize,
    replicas: usize,
    conflicts: usize,
    authors: usize,
    gone: usize,
    remade: usize,
}

/// One course of events in both worlds; where they differ is an error.
fn course(seed: u64, counts: &mut Counts) -> Result<(), String> {
    let mut dice = Dice(seed);
    let (mut without, mut with) = (World::new(), World::new());
    for step in 0..STEPS {
        if dice.below(4) == 0 {
            with.begin_epoch();
        }
        let (mut edit, mut way) = (Edit::random(&mut dice, step), Way::random(&mut dice));
        let base = without.read.len() - 1 - dice.below(without.read.len().min(8));
        if let Way::Body {
            has_base,
            remove: Some(_),
            ..
        } = &mut way
        {
            // What is written and removed in one go was never shown, and only a document has it.
            (edit.what, *has_base) = (0, true);
        }
        // Everybody writes once: what one has written oneself is another matter.
        let author = format!("p{step}");
        let compare = |plain: &Told, renewed: &Told, way: &Way| match plain == renewed {
            true => Ok(()),
            false => Err(format!(
                "seed {seed}, step {step}, {edit:?} of {base}, {way:?}: {plain:#?}\n{renewed:#?}"
            )),
        };
        if matches!(way, Way::Replica) && without.is_contended(base, &edit) {
            // What is lost of it is the same; what stands follows from the order of both.
            let lost = |world: &World| {
                let mut world = world.aside();
                let body = edit.make(&world.read[base]);
                let told = world.bring(&editor(&author), base, &body);
                Told {
                    gone: nameless(told, &world.read).gone,
                    ..Told::default()
                }
            };
            let (plain, renewed) = (lost(&without), lost(&with));
            compare(&plain, &renewed, &way)?;
            counts.gone += plain.gone.len();
            way = Way::Body {
                has_base: true,
                protected: Protected::Keep,
                preserve: None,
                remove: None,
            };
        }
        let told = |world: &mut World| {
            let told = world.step(&author, base, (&edit, &way));
            nameless(told, &world.read)
        };
        let (plain, renewed) = (told(&mut without), told(&mut with));
        compare(&plain, &renewed, &way)?;
        counts.steps += 1;
        counts.across += usize::from(with.read[base].epoch() != with.entity.epoch());
        counts.replicas += usize::from(matches!(way, Way::Replica));
        counts.conflicts += plain.conflicts.len();
    }
    let (plain, renewed) = (without.authors(), with.authors());
    if plain != renewed {
        return Err(format!("seed {seed}: {plain:?}\n{renewed:?}"));
    }
    counts.authors += plain.iter().flatten().count();
    counts.remade += with.remade;
    Ok(())
}

#[test]
fn epochs_make_no_difference_to_bodies_and_replicas() {
    let mut counts = Counts::default();
    let courses = (0..SEEDS).map(|seed| course(seed, &mut counts));
    let failed: Vec<String> = courses.filter_map(Result::err).collect();
    assert!(
        failed.is_empty(),
        "{} differ: {}",
        failed.len(),
        failed[..failed.len().min(6)].join("\n\n")
    );
    let Counts {
        steps,
        across,
        replicas,
        conflicts,
        authors,
        gone,
        remade,
    } = counts;
    assert!(
        steps > 1_500 && across > 400 && replicas > 100,
        "{counts:?}"
    );
    assert!(conflicts > 40 && authors > 40, "{counts:?}");
    assert!(gone > 10 && remade > 20, "{counts:?}");
}
