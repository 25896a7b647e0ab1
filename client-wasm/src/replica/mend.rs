//! Pending edits after a refusal or a new beginning: what survives goes on, under a fresh actor.
//!
//! Invariant: an edit is kept until it is saved, or told as dropped with all that it lost; each
//! refusal makes the pending edits fewer or smaller, so that refusals come to an end.
//! Must never know: frames, what is told to the program.

use std::collections::VecDeque;
use std::sync::Arc;

use indelible_engine::entity::{Entity, LoadError};
use indelible_engine::limits::Limits;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Policy, Shape};
use indelible_engine::principal::Principal;
use indelible_engine::rebase::{self, Dropped, Ground, Named, RebaseError, Rebased};
use indelible_engine::time::Timestamp;
use serde_json::Value;

use super::{Edit, Replica};
use crate::edit::{Author, Mended, Refused, Snapshot};
use crate::event::DroppedView;
use indelible_engine::violation::{Recovery, RefusalCode};

impl Refused<'_> {
    /// What becomes of the pending edits. When proposing them again was `tried` already, they are
    /// what is at fault.
    fn recovery(&self, tried: bool) -> Recovery {
        match self.code.recovery() {
            Recovery::Again if tried => Recovery::DropNamed,
            recovery => recovery,
        }
    }

    /// What is named, by the index of the pending change. What is said of one edit as a whole is
    /// said of all of its `parts`.
    fn named(&self, admitted: usize, parts: usize) -> Vec<Named> {
        let mut named: Vec<Named> = self.violations.iter().map(Named::from).collect();
        named.retain(|one| one.change >= admitted);
        for one in &mut named {
            one.change -= admitted;
        }
        if named.is_empty() {
            named.push(Named {
                change: 0,
                ops: Vec::new(),
                rule: self.code.to_string(),
            });
        }
        if let Some(one) = named.iter().find(|one| one.ops.is_empty() && parts > 1) {
            let rule = one.rule.clone();
            return (0..parts)
                .map(|change| Named {
                    change,
                    ops: Vec::new(),
                    rule: rule.clone(),
                })
                .collect();
        }
        named
    }
}

impl Replica {
    /// The server refused the proposal in flight. Gives the ordinal of the last edit that it
    /// admitted, if any, and what became of the rest.
    ///
    /// # Errors
    /// When the server's state is not here as it was when it judged; then the replica must start
    /// over, and everything is pending still.
    pub(crate) fn refused(
        &mut self,
        refused: &Refused<'_>,
        author: &Author<'_>,
    ) -> Result<(Option<u64>, Mended), LoadError> {
        let Some(flight) = self.flight.take() else {
            return Ok((None, Mended::default()));
        };
        let admitted = usize::try_from(refused.admitted).unwrap_or(usize::MAX);
        let admitted = admitted.min(flight.edits.len());
        let (taken, rest) = flight.edits.split_at(admitted);
        let parts = if flight.whole { rest.len() } else { 1 };
        let known = taken.iter().all(|edit| self.confirmed.holds(&edit.change));
        let pending: Vec<Edit> = rest.iter().chain(&self.unsent).cloned().collect();
        let saved = taken.last().map(|edit| edit.ordinal);
        let taken = taken.to_vec();
        let recovery = refused.recovery(self.doubted);
        // Another epoch has begun, which the snapshot to come will show.
        let moved = *refused.code == RefusalCode::Epoch && recovery == Recovery::Again;
        if moved || !known {
            self.doubted |= moved;
            self.flight = Some(flight).filter(|_| !moved);
            if moved {
                self.unsent = pending.into();
            }
            return Err(self.lacking());
        }
        self.acknowledge(&taken);
        let ground = (&self.confirmed, author);
        let policy = Arc::clone(self.policy());
        let rebased = match recovery {
            Recovery::DropAll => Ok(everything(ground, &policy, &pending, refused.code.code())),
            Recovery::DropNamed => {
                by_ids(ground, &policy, &pending, &refused.named(admitted, parts))
            }
            Recovery::Again => by_ids(ground, &policy, &pending, &[]),
        };
        self.doubted = recovery == Recovery::Again;
        let rebased =
            rebased.unwrap_or_else(|_| everything(ground, &policy, &pending, refused.code.code()));
        let mended = self.adopt(&pending, rebased, &self.shown().clone(), author)?;
        Ok((saved, mended))
    }

    /// Drops all pending edits. The next edit gets a fresh actor: the old one's dropped changes
    /// would leave a gap.
    pub(crate) fn discard(&mut self, code: &str, limits: &Limits) -> Mended {
        // Nothing is written, so that it is nobody's.
        let author = Author {
            principal: &Principal::new(&self.me, [""; 0]),
            limits,
            now: Timestamp(0),
            fresh: [0; 16],
        };
        let pending: Vec<Edit> = self.edits().cloned().collect();
        let policy = Arc::clone(self.policy());
        let dropped = everything((&self.confirmed, &author), &policy, &pending, code).dropped;
        let shown = self.shown().clone();
        self.flight = None;
        self.unsent.clear();
        self.local = None;
        self.actor = None;
        Mended {
            dropped: self.name_deleters(views(
                self.policy(),
                (shown.policy(), &shown.presented()),
                &dropped,
            )),
            first: pending.first().map_or(0, |edit| edit.of),
            settled: pending.last().map_or(0, |edit| edit.ordinal),
        }
    }

    /// What of edits that are in the log lies in what others deleted.
    pub(super) fn gone(&self, saved: &[Edit], limits: &Limits) -> Mended {
        let dropped = rebase::gone(&self.confirmed, &changes(saved), limits);
        let ordinal = |one: &Dropped| saved.get(one.change).map_or(0, |edit| edit.of);
        let Some(first) = dropped.iter().map(ordinal).min() else {
            return Mended::default();
        };
        // As it was when the last of them was made.
        let last = saved.last().map(|edit| &edit.change);
        let value = last.and_then(|change| self.confirmed.presented_with(change));
        let value = value.unwrap_or_default();
        Mended {
            dropped: self.name_deleters(views(self.policy(), (self.policy(), &value), &dropped)),
            first,
            settled: saved.last().map_or(0, |edit| edit.ordinal),
        }
    }

    fn lacking(&self) -> LoadError {
        LoadError::Change {
            entity: self.confirmed.id().clone(),
            seq: self.confirmed.seq(),
            reason: "what the server admitted before is not here".to_owned(),
        }
    }

    /// Starts over from a snapshot, with the pending edits: as they are where they still apply,
    /// otherwise rebased. Gives the ordinal of the last edit that the snapshot holds, if any, what
    /// became of the others, and what of the acknowledged ones the server does not have any more.
    ///
    /// # Errors
    /// When the snapshot cannot be read or the edits cannot be brought to it. The replica is
    /// unchanged then, and its edits are lost if it is dropped.
    pub(crate) fn reload(
        &mut self,
        policy: &Arc<Policy>,
        snapshot: &Snapshot<'_>,
        author: &Author<'_>,
    ) -> Result<(Option<u64>, Mended, Mended), LoadError> {
        let id = self.confirmed.id().clone();
        let mut fresh = Self::load(&id, &self.me, policy, snapshot)?;
        let forgotten = self.forgotten(&mut fresh, author);
        let same =
            snapshot.epoch == self.confirmed.epoch() && policy.hash() == self.policy().hash();
        let (mut saved, mut mended) = (None, Mended::default());
        if self.pending() > 0 {
            match fresh.with_edits(self.edits()) {
                Ok(local) if same => {
                    fresh.local = Some(local);
                    // Of what the snapshot holds of our actor, nothing is known: the next edit gets a
                    // fresh one.
                    fresh.flight = self.flight.take();
                    fresh.unsent = std::mem::take(&mut self.unsent);
                }
                _ => (saved, mended) = self.move_to(&mut fresh, author)?,
            }
        }
        fresh.doubted = self.doubted;
        fresh.conflicts = std::mem::take(&mut self.conflicts);
        if same {
            fresh.search();
        } else {
            fresh.conflicts.forget();
        }
        fresh.revisions = std::mem::take(&mut self.revisions);
        fresh.told = self.told.take();
        *self = fresh;
        Ok((saved, mended, forgotten))
    }

    /// Brings the pending edits to another state: another epoch, genesis or schema.
    fn move_to(
        &self,
        fresh: &mut Self,
        author: &Author<'_>,
    ) -> Result<(Option<u64>, Mended), LoadError> {
        // What was admitted, and the answer lost, is nobody's to rebase.
        let (held, pending): (Vec<Edit>, Vec<Edit>) = self
            .edits()
            .cloned()
            .partition(|edit| fresh.confirmed.holds(&edit.change));
        let saved = held.last().map(|edit| edit.ordinal);
        fresh.acknowledge(&held);
        let ground = (&fresh.confirmed, author);
        let rebased = match by_ids(ground, self.policy(), &pending, &[]) {
            Err(RebaseError::NotThere { .. }) => {
                let changes = changes(&pending);
                with_ground(ground, |ground| {
                    rebase::rebase_values(ground, &self.confirmed, &changes)
                })
            }
            other => other,
        };
        let rebased = rebased.map_err(|error| LoadError::Change {
            entity: fresh.confirmed.id().clone(),
            seq: fresh.confirmed.seq(),
            reason: error.to_string(),
        })?;
        let mut mended = fresh.adopt(&pending, rebased, self.shown(), author)?;
        // An epoch begins without what was deleted in the one before.
        if fresh.confirmed.epoch() > self.confirmed.epoch() {
            mended.dropped = self.name_deleters(mended.dropped);
        }
        Ok((saved, mended))
    }

    /// Goes on with rebased edits in the place of the pending ones; `shown` was shown with those.
    fn adopt(
        &mut self,
        pending: &[Edit],
        rebased: Rebased,
        shown: &Entity,
        author: &Author<'_>,
    ) -> Result<Mended, LoadError> {
        let dropped = &rebased.dropped;
        let first = |change: usize| pending.get(change).map_or(0, |edit| edit.of);
        let mended = Mended {
            first: dropped
                .iter()
                .map(|one| first(one.change))
                .min()
                .unwrap_or(0),
            settled: 0,
            dropped: self.name_deleters(views(
                self.policy(),
                (shown.policy(), &shown.presented()),
                dropped,
            )),
        };
        let mut unsent: VecDeque<Edit> = VecDeque::new();
        let mut changes = rebased.changes.into_iter().peekable();
        let mut before = pending
            .first()
            .map_or(0, |edit| edit.ordinal.saturating_sub(1));
        let mut settled = before;
        for (index, edit) in pending.iter().enumerate() {
            let mut survives = false;
            while let Some(one) = changes.next_if(|one| one.from == index) {
                survives = true;
                // The edit is saved when its last change is.
                let more = changes.peek().is_some_and(|next| next.from == index);
                unsent.push_back(Edit {
                    ordinal: if more { before } else { edit.ordinal },
                    of: edit.of,
                    change: one.change,
                });
            }
            match unsent.back_mut() {
                // A lost edit is out of the way when what was before it is saved.
                Some(last) if !survives => last.ordinal = edit.ordinal,
                Some(_) => {}
                None => settled = edit.ordinal,
            }
            before = edit.ordinal;
        }
        self.flight = None;
        self.unsent = unsent;
        self.actor = (!self.unsent.is_empty()).then_some(author.fresh);
        if self.actor.is_some() {
            self.conflicts.edited(author.fresh);
        }
        self.rebuild()?;
        Ok(Mended { settled, ..mended })
    }
}

fn changes(pending: &[Edit]) -> Vec<Vec<u8>> {
    pending.iter().map(|edit| edit.change.clone()).collect()
}

pub(super) type At<'a> = (&'a Entity, &'a Author<'a>);

fn with_ground<T>((entity, author): At<'_>, use_it: impl FnOnce(&Ground<'_>) -> T) -> T {
    use_it(&Ground {
        entity,
        author: author.principal,
        actor: &author.fresh.into(),
        limits: author.limits,
    })
}

fn by_ids(
    at: At<'_>,
    policy: &Arc<Policy>,
    pending: &[Edit],
    named: &[Named],
) -> Result<Rebased, RebaseError> {
    let changes = changes(pending);
    with_ground(at, |ground| rebase::rebase(ground, policy, &changes, named))
}

/// A rebase that leaves nothing.
pub(super) fn everything(
    at: At<'_>,
    policy: &Arc<Policy>,
    pending: &[Edit],
    code: &str,
) -> Rebased {
    let all = (0..pending.len()).map(|change| Named {
        change,
        ops: Vec::new(),
        rule: code.to_owned(),
    });
    let named: Vec<Named> = all.collect();
    let mut rebased = by_ids(at, policy, pending, &named).unwrap_or_else(|_| Rebased {
        dropped: named.into_iter().map(whole).collect(),
        ..Rebased::default()
    });
    if matches!(code, "deleted" | "not-found") {
        for one in &mut rebased.dropped {
            one.why = rebase::Why::Gone;
        }
    }
    rebased
}

/// What is told of a change that cannot be looked into.
fn whole(named: Named) -> Dropped {
    Dropped {
        change: named.change,
        op: None,
        pointer: Pointer::root(),
        attempted: None,
        why: rebase::Why::Named(named.rule),
    }
}

/// What was dropped, with what was typed into a text as one piece. A pointer is one of the present
/// policy's or one of that which `shown`, the value with all edits, is under.
pub(super) fn views(
    policy: &Policy,
    (shown_policy, shown): (&Policy, &Value),
    dropped: &[Dropped],
) -> Vec<DroppedView> {
    let is_text = |policy: &Policy, at| {
        let node = policy.find(at).map(|node| policy.node(node));
        node.is_some_and(|node| matches!(node.shape, Shape::Text { .. }))
    };
    let mut views: Vec<DroppedView> = Vec::new();
    for one in dropped {
        let text = is_text(policy, &one.pointer) || is_text(shown_policy, &one.pointer);
        let mut view = DroppedView::from(one);
        match views.last_mut() {
            Some(last) if text && last.continues(&view) => {
                last.operations += 1;
                last.attempted = match (last.attempted.take(), view.attempted) {
                    (Some(Value::String(text)), Some(Value::String(more))) => {
                        Some(Value::String(text + &more))
                    }
                    (None, more) => more,
                    (text, _) => text,
                };
            }
            _ => {
                if text {
                    let whole = shown_policy.value_at(shown, &one.pointer);
                    view.text = whole.and_then(Value::as_str).map(str::to_owned);
                }
                views.push(view);
            }
        }
    }
    views
}
