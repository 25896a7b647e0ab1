//! A proposal on its way through the checks, on a copy of the document.
//!
//! Invariant: the copy holds the entity and the changes that passed, nothing else; a copy in which
//! something failed is dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use automerge::{Automerge, Change, ChangeHash, ReadDoc};
use serde_json::{Map, Value};

use super::judge::{self, Touched};
use super::operations::{Division, Fault, Operations};
use super::staging::Backup;
use super::whole::{introduced, overlong};
use super::{Admitted, Origin, Proposal, Verdict, doubled, references};
use crate::change::{self, ParsedChange};
use crate::conflicts::{Around, Conflict, conflicts};
use crate::document::Reader;
use crate::effects::effects;
use crate::entity::{Document, Entity, Standing, Step};
use crate::id::Hash;
use crate::ledger::EntryKind;
use crate::limits::Limits;
use crate::policy::Rules;
use crate::time::Timestamp;
use crate::value;
use crate::violation::{Refusal, RefusalCode, Violation};

/// Where the document is found again as it was before the proposal.
enum Before<'a> {
    /// With the entity.
    Kept(&'a Document),
    /// It is made again.
    Staged(&'a mut Backup),
    /// Nowhere: nothing is taken back, and what fails ends the trial.
    Gone,
}

/// A proposal on its way through the checks: the working copy and what was let through so far.
pub(super) struct Trial<'a> {
    standing: &'a Standing,
    pub(super) proposal: &'a Proposal,
    pub(super) limits: &'a Limits,
    /// The entity's own document until a change is applied, then a copy.
    document: Document,
    before: Before<'a>,
    /// The heads of the document before the proposal.
    heads: Vec<ChangeHash>,
    /// The proposal's changes, where they need not be read.
    made: Vec<ParsedChange>,
    passed: Vec<(ParsedChange, Touched)>,
    refused: Option<Refusal>,
    pub(super) known: Vec<Hash>,
    dropped: Vec<Hash>,
}

impl<'a> Trial<'a> {
    /// Checks and applies the proposal's changes, up to the first that fails; all or none of what is
    /// one edit.
    ///
    /// `made` are changes that were made here. They are read from the proposal where it has others,
    /// and where they are beyond the limits, so that it is said why.
    pub(super) fn new(
        entity: &'a Entity,
        (proposal, made): (&'a Proposal, Vec<ParsedChange>),
        limits: &'a Limits,
    ) -> Self {
        let kept = entity.live_document().clone();
        let before = Before::Kept(entity.live_document());
        let mut trial = Self::on((kept, before), entity.standing(), proposal, limits);
        let is_within = |change: &ParsedChange| change::operations(change.bytes(), limits).is_ok();
        if made.iter().map(ParsedChange::bytes).eq(&proposal.changes) && made.iter().all(is_within)
        {
            debug_assert!(made.iter().all(|change| change.is_as_read(limits)));
            trial.made = made;
        }
        trial.run()
    }

    /// The same on a document that is not kept. Without a copy a change costs what applying it
    /// costs; after one that failed there is nothing to go back to.
    pub(super) fn of_only(
        standing: &'a Standing,
        document: Document,
        proposal: &'a Proposal,
        limits: &'a Limits,
    ) -> Self {
        Self::on((document, Before::Gone), standing, proposal, limits).run()
    }

    /// The same, where `backup` makes the document again if need be. It gets the document back
    /// where nothing is admitted.
    pub(super) fn staged(
        standing: &'a Standing,
        (document, backup): (Document, &'a mut Backup),
        proposal: &'a Proposal,
        limits: &'a Limits,
    ) -> Self {
        let own = (document, Before::Staged(backup));
        Self::on(own, standing, proposal, limits).run()
    }

    /// Whether the working copy is the only document there is.
    fn is_only(&self) -> bool {
        matches!(self.before, Before::Gone)
    }

    fn run(mut self) -> Self {
        if self.proposal.origin.is_whole() {
            self.run_whole();
        } else if !(self.is_only() && self.together().is_some_and(|judged| judged.is_ok())) {
            // Of what a log holds, nothing says whether it was one edit: either way will do.
            self.in_runs();
        }
        self
    }

    /// Takes all changes or refuses all.
    fn run_whole(&mut self) {
        match self.together() {
            Some(Ok(())) => {}
            Some(Err(refusal)) => self.refused = Some(refusal),
            None => self.in_runs(),
        }
        if let Some(refusal) = &mut self.refused {
            refusal.admitted = 0;
            let changes = self.proposal.changes.iter();
            self.dropped = changes
                .filter_map(|bytes| hash_of(bytes, self.limits))
                .filter(|hash| !self.known.contains(hash))
                .collect();
        }
    }

    /// Checks the changes as if they were one, and applies them in one go. `None` where they are
    /// not the parts of one change, so that nothing was looked at.
    fn together(&mut self) -> Option<Result<(), Refusal>> {
        let mut changes = std::mem::take(&mut self.made);
        if changes.is_empty() {
            let parsed = self.proposal.changes.iter();
            let parsed: Result<Vec<ParsedChange>, _> = parsed
                .map(|bytes| change::parse(bytes, self.limits))
                .collect();
            changes = parsed.ok().filter(|changes| changes.len() > 1)?;
        }
        if !references::is_chain(&changes) || changes.iter().any(|change| self.knows(change)) {
            return None;
        }
        Some(self.step(0, &mut changes, Division::OneEdit))
    }

    /// Ends at the refusal of the change at a place of the proposal.
    pub(super) fn end(&mut self, (index, refusal): (usize, Refusal)) {
        self.refused = Some(refusal);
        let rest = &self.proposal.changes[index..];
        let hashes = rest.iter().filter_map(|bytes| hash_of(bytes, self.limits));
        self.dropped.extend(hashes);
    }

    /// Whether a change is in the document.
    pub(super) fn knows(&self, change: &ParsedChange) -> bool {
        let hash = change.hash().into();
        let doc = self.document.doc();
        doc.get_change_meta_by_hash(&hash).is_some()
    }

    fn on(
        (document, before): (Document, Before<'a>),
        standing: &'a Standing,
        proposal: &'a Proposal,
        limits: &'a Limits,
    ) -> Self {
        Self {
            standing,
            proposal,
            limits,
            heads: document.doc().get_heads(),
            document,
            before,
            made: Vec::new(),
            passed: Vec::new(),
            refused: None,
            known: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Forgets what was applied.
    fn rewind(&mut self) {
        self.document = match &mut self.before {
            Before::Kept(document) => document.clone(),
            Before::Staged(backup) => backup.restore(),
            Before::Gone => return,
        };
    }

    /// Checks and applies changes that directly follow one another, the first of which is the one
    /// at `index` of the proposal. What passes is taken out of them; what fails is not applied.
    pub(super) fn step(
        &mut self,
        index: usize,
        changes: &mut Vec<ParsedChange>,
        division: Division,
    ) -> Result<(), Refusal> {
        let fault = |(code, message): Fault| Refusal::structural(code, index, message);
        let graph = references::Graph {
            standing: self.standing,
            document: &self.document,
            proposal: self.proposal,
            limits: self.limits,
        };
        let past = references::check_run(&graph, changes).map_err(fault)?;
        let creation = self.proposal.origin == Origin::Creation;
        let (policy, author) = (self.standing.policy(), &self.proposal.author);
        let case = judge::Case {
            doc: self.document.doc(),
            policy,
            rights: match creation {
                true => policy.rights_at_creation(author),
                false => policy.rights(author),
            },
            creation,
        };
        let operations = Operations::of(changes, division);
        let (touched, violations) = judge::judge(&case, &operations, &past).map_err(fault)?;
        if !violations.is_empty() {
            let violations = by_change(index, changes, violations);
            return Err(Refusal::policy(index, violations));
        }
        self.apply(index, changes)?;
        let touched = touched
            .into_iter()
            .chain(std::iter::repeat_with(Touched::default));
        self.passed.extend(changes.drain(..).zip(touched));
        Ok(())
    }

    /// Applies checked changes to the working copy and proves that the copy holds them.
    fn apply(&mut self, index: usize, changes: &[ParsedChange]) -> Result<(), Refusal> {
        let doc = self.document.doc_mut();
        let applied = catch_unwind(AssertUnwindSafe(|| {
            let raw: Vec<Change> = changes.iter().map(|change| change.raw().clone()).collect();
            let before = doc.get_heads();
            doc.apply_changes(raw).map_err(|error| error.to_string())?;
            if hold(doc, &before, changes) {
                Ok(())
            } else {
                Err("it does not come back from the document as it went in".to_owned())
            }
        }));
        let reason = match applied {
            Ok(Ok(())) => {
                let author = &self.proposal.author.id;
                for change in changes {
                    self.document.note(author, change.raw());
                }
                return Ok(());
            }
            Ok(Err(reason)) => reason,
            Err(_) => "applying it failed".to_owned(),
        };
        // The copy may be broken now: drop it and bring a new one to where it was.
        let passed = std::mem::take(&mut self.passed);
        if !self.is_only() {
            self.rewind();
            self.replay(passed);
        }
        Err(Refusal::structural(
            RefusalCode::Inapplicable,
            index,
            reason,
        ))
    }

    /// Applies again what was applied before.
    fn replay(&mut self, passed: Vec<(ParsedChange, Touched)>) {
        let (changes, touched): (Vec<_>, Vec<_>) = passed.into_iter().unzip();
        if self.apply(0, &changes).is_ok() {
            self.passed.extend(changes.into_iter().zip(touched));
        }
    }

    /// Judges the end state, and gives the verdict.
    pub(super) fn decide(mut self, now: Timestamp) -> Verdict {
        let creation = self.proposal.origin == Origin::Creation;
        let whole_or_nothing = self.proposal.origin.is_whole() || self.is_only();
        let mut waits = match &self.refused {
            Some(_) => !whole_or_nothing && !self.passed.is_empty(),
            None => creation || !self.passed.is_empty(),
        };
        while waits {
            let next = self.next_standing(now);
            if let Some(refusal) = self.oversize(&next) {
                self.refused = Some(refusal);
                break;
            }
            let violations = self.faults(&next);
            if violations.is_empty() {
                return self.admitted(next, now);
            }
            if whole_or_nothing {
                self.refused = Some(Refusal::policy(0, violations));
                break;
            }
            self.shorten(violations, now);
            waits = !self.passed.is_empty();
        }
        self.give_back();
        Verdict {
            admitted: None,
            refused: self.refused,
            known: self.known,
            dropped: self.dropped,
        }
    }

    /// Gives the document back as it was, where it was lent.
    fn give_back(&mut self) {
        if !self.passed.is_empty() {
            self.rewind();
        }
        if let Before::Staged(backup) = &mut self.before {
            backup.returned = Some(self.document.clone());
        }
    }

    /// Refuses a proposal after which the value would be larger than an entity may be. What makes
    /// it smaller passes, so that an entity that is too large can be mended.
    fn oversize(&self, next: &Standing) -> Option<Refusal> {
        let (before, after) = (self.standing.value(), next.value());
        let (before, after) = (value::size(&**before), value::size(&**after));
        let max = self.limits.entity_bytes_max;
        (after > max && after > before).then(|| {
            let message = format!("the entity would hold {after} bytes, {max} are allowed");
            Refusal::structural(RefusalCode::EntitySize, 0, message)
        })
    }

    /// The root fields that the changes that passed work on.
    fn roots(&self) -> BTreeSet<&String> {
        let passed = self.passed.iter();
        passed.flat_map(|(_, touched)| &touched.roots).collect()
    }

    /// What is wrong with `next`, the standing after the changes that passed, and was not before.
    fn faults(&self, next: &Standing) -> Vec<Violation> {
        let creation = self.proposal.origin == Origin::Creation;
        let mut faults = overlong(self.standing, next, &self.roots());
        if !faults.is_empty() && next.policy().rules() >= Rules::V4 {
            return faults;
        }
        faults.extend(introduced(self.standing, next, creation));
        faults.extend(doubled::doubled(
            self.document.doc(),
            next.policy(),
            &self.passed,
        ));
        faults
    }

    /// The entry that the changes that passed make.
    fn entry(&self, now: Timestamp) -> Step<'a> {
        Step {
            kind: EntryKind::Changes,
            author: &self.proposal.author,
            proposal: Some(self.proposal.id),
            session: self.proposal.session,
            at: now,
            claimed: self.proposal.claimed.as_ref(),
        }
    }

    /// The standing after the changes that passed.
    fn next_standing(&self, now: Timestamp) -> Standing {
        let policy = self.standing.policy();
        let reader = Reader::now(self.document.doc(), policy);
        let roots = self.roots();
        let untouched = self.standing.value().iter();
        let untouched = untouched.filter(|(name, _)| !roots.contains(name));
        let mut value: Map<String, Value> = untouched
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for name in roots {
            let Some(node) = policy.child(policy.root(), name) else {
                continue;
            };
            if let Some(present) = reader.property(&automerge::ROOT, name, node) {
                value.insert(name.clone(), present);
            }
        }
        let step = self.entry(now);
        self.standing.after(&step, policy, Arc::new(value))
    }

    /// Refuses a change that introduced a fault of the whole, and all after it; `violations` are
    /// those of the end state. Before that change there is no fault. Where later changes mended
    /// what an earlier one broke there are several such changes: halving finds one of them, with as
    /// few looks at the whole as there can be.
    fn shorten(&mut self, violations: Vec<Violation>, now: Timestamp) {
        let passed = std::mem::take(&mut self.passed);
        let (mut good, mut bad, mut found) = (0, passed.len(), violations);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            self.restart(&passed[..middle]);
            let faults = self.faults(&self.next_standing(now));
            if faults.is_empty() {
                good = middle;
            } else {
                (bad, found) = (middle, faults);
            }
        }
        let raw = passed[good].0.raw().raw_bytes();
        let mut sent = self.proposal.changes.iter();
        let change = sent.position(|bytes| bytes == raw).unwrap_or(good);
        for violation in &mut found {
            violation.change = change;
        }
        let rest = self.proposal.changes[change..].iter();
        self.dropped = rest
            .filter_map(|bytes| hash_of(bytes, self.limits))
            .collect();
        self.refused = Some(Refusal::policy(change, found));
        self.restart(&passed[..good]);
    }

    /// Brings the copy to where it is after `passed` changes alone.
    fn restart(&mut self, passed: &[(ParsedChange, Touched)]) {
        self.passed.clear();
        self.rewind();
        self.replay(passed.to_vec());
    }

    fn admitted(mut self, next: Standing, now: Timestamp) -> Verdict {
        if let Some(refusal) = &mut self.refused {
            refusal.admitted = self.passed.len() + self.known.len();
        }
        let effects = effects(next.policy(), self.standing.value(), next.value());
        let conflicts = self.conflicts();
        let step = self.entry(now);
        let passed = self.passed.iter();
        let changes = passed.map(|(change, _)| change.bytes().to_vec());
        let changes = changes.collect();
        let entity = Entity::new(next, self.document);
        Verdict {
            admitted: Some(Admitted {
                draft: entity.entry(&step, changes),
                entity,
                effects,
                conflicts,
            }),
            refused: self.refused,
            known: self.known,
            dropped: self.dropped,
        }
    }
}

/// Whether a document gives back, as they went in, changes that were applied to it at `before`.
fn hold(doc: &Automerge, before: &[ChangeHash], changes: &[ParsedChange]) -> bool {
    let is_same = |back: &Change, change: &ParsedChange| back.raw_bytes() == change.bytes();
    if let [change] = changes {
        let back = doc.get_change_by_hash(&change.raw().hash());
        return back.is_some_and(|back| is_same(&back, change));
    }
    // Looking for them singly would go through the whole document for each.
    let back: HashMap<ChangeHash, Change> = doc
        .get_changes(before)
        .into_iter()
        .map(|change| (change.hash(), change))
        .collect();
    changes.iter().all(|change| {
        let back = back.get(&change.raw().hash());
        back.is_some_and(|back| is_same(back, change))
    })
}

/// Violations of operations that were judged in one go, split by the changes that hold them.
fn by_change(first: usize, changes: &[ParsedChange], found: Vec<Violation>) -> Vec<Violation> {
    let mut ends = Vec::with_capacity(changes.len());
    let mut end = 0;
    for change in changes {
        end += change.ops().len();
        ends.push(end);
    }
    let mut told = Vec::with_capacity(found.len());
    for mut violation in found {
        let ops = std::mem::take(&mut violation.ops);
        let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for op in ops {
            let part = ends.partition_point(|end| *end <= op);
            let start = part.checked_sub(1).map_or(0, |before| ends[before]);
            parts.entry(part).or_default().push(op - start);
        }
        if parts.is_empty() {
            parts.insert(0, Vec::new());
        }
        told.extend(parts.into_iter().map(|(part, ops)| Violation {
            change: first + part,
            ops,
            ..violation.clone()
        }));
    }
    told
}

impl Trial<'_> {
    /// Which of the writes that passed were concurrent with other writes. Where the document is
    /// the only one, the caller does not need them.
    fn conflicts(&self) -> Vec<Conflict> {
        if self.is_only() {
            return Vec::new();
        }
        let changes: Vec<&Change> = self.passed.iter().map(|(change, _)| change.raw()).collect();
        let around = Around {
            doc: self.document.doc(),
            policy: self.standing.policy(),
            actors: self.document.actors(),
            before: &self.heads,
            after: &self.document.doc().get_heads(),
        };
        conflicts(around, &changes)
    }
}

/// The hash of a change that is well-formed.
fn hash_of(bytes: &[u8], limits: &Limits) -> Option<Hash> {
    change::parse(bytes, limits)
        .ok()
        .map(|change| change.hash())
}
