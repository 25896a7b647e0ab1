//! Pending edits after a refusal or a new beginning: what survives remains pending, under a fresh
//! actor.
//!
//! An edit is kept until it is saved, or reported as dropped with all that it lost. Each refusal
//! makes the pending edits fewer or smaller, so that refusals come to an end.

use std::collections::VecDeque;
use std::sync::Arc;

use indelible_engine::entity::{Entity, LoadError};
use indelible_engine::limits::Limits;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::rebase::{self, Dropped, RebaseError, RebaseTarget, Rebased, RefusedOps};
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Recovery, RefusalCode};

use super::flight::Edit;
use super::losses::views;
use super::{Author, Losses, Refused, Replica, Snapshot};

impl Refused<'_> {
    /// What becomes of the pending edits. When proposing them again was `tried` already, they are
    /// what is at fault.
    fn recovery(&self, tried: bool) -> Recovery {
        match self.code.recovery() {
            Recovery::Again if tried => Recovery::DropNamed,
            recovery => recovery,
        }
    }

    /// What is named, by the index of the pending change. Where an edit of several `parts` is named
    /// as a whole, all of them are.
    fn named(&self, admitted: usize, parts: usize) -> Vec<RefusedOps> {
        let mut named: Vec<RefusedOps> = self.violations.iter().map(RefusedOps::from).collect();
        named.retain(|one| one.change >= admitted);
        for one in &mut named {
            one.change -= admitted;
        }
        if named.is_empty() {
            named.push(RefusedOps {
                change: 0,
                ops: Vec::new(),
                rule: self.code.to_string(),
            });
        }
        if let Some(one) = named.iter().find(|one| one.ops.is_empty() && parts > 1) {
            let rule = one.rule.clone();
            return (0..parts)
                .map(|change| RefusedOps {
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
    /// The server refused the proposal in flight. Returns the ordinal of the last edit that it
    /// admitted, if any, and what became of the rest.
    ///
    /// # Errors
    /// When the server's state is not here as it was when it judged; then the replica must start
    /// over, and everything is pending still.
    pub(crate) fn refused(
        &mut self,
        refused: &Refused<'_>,
        author: &Author<'_>,
    ) -> Result<(Option<u64>, Losses), LoadError> {
        let Some(flight) = self.pending.take_flight() else {
            return Ok((None, Losses::default()));
        };
        let admitted = usize::try_from(refused.admitted).unwrap_or(usize::MAX);
        let admitted = admitted.min(flight.edits.len());
        let (taken, rest) = flight.edits.split_at(admitted);
        let parts = if flight.whole { rest.len() } else { 1 };
        let known = taken
            .iter()
            .all(|edit| self.confirmed().holds(&edit.change));
        let pending: Vec<Edit> = rest.iter().chain(self.pending.unsent()).cloned().collect();
        let saved = taken.last().map(|edit| edit.ordinal);
        let taken = taken.to_vec();
        let recovery = refused.recovery(self.doubted);
        // Another epoch has begun, which the snapshot to come will show.
        let moved = *refused.code == RefusalCode::Epoch && recovery == Recovery::Again;
        if moved || !known {
            self.doubted |= moved;
            if moved {
                self.pending.replace(pending.into());
            } else {
                self.pending.resume(flight);
            }
            return Err(self.lacking());
        }
        self.acknowledged.extend(&taken);
        let ground = (self.confirmed(), author);
        let policy = Arc::clone(self.policy());
        let rebased = match recovery {
            Recovery::DropAll => Ok(everything(ground, &policy, &pending, refused.code.code())),
            Recovery::DropNamed => {
                by_ids(ground, &policy, &pending, &refused.named(admitted, parts))
            }
            Recovery::Again => by_ids(ground, &policy, &pending, &[]),
        };
        let rebased =
            rebased.unwrap_or_else(|_| everything(ground, &policy, &pending, refused.code.code()));
        self.doubted = recovery == Recovery::Again;
        let losses = self.adopt(&pending, rebased, &self.shown().clone(), author)?;
        Ok((saved, losses))
    }

    /// Drops all pending edits. The next edit gets a fresh actor: the old one's dropped changes
    /// would leave a gap.
    pub(crate) fn discard(&mut self, code: &str, limits: &Limits) -> Losses {
        // Nothing is written, so that the author does not matter.
        let author = Author {
            principal: &Principal::new(&self.me, [""; 0]),
            limits,
            now: Timestamp(0),
            fresh: [0; 16],
        };
        let pending: Vec<Edit> = self.pending.edits().cloned().collect();
        let policy = Arc::clone(self.policy());
        let dropped = everything((self.confirmed(), &author), &policy, &pending, code).dropped;
        let shown = self.shown().clone();
        self.pending.replace(VecDeque::new());
        self.state.show(None);
        self.actor = None;
        Losses {
            dropped: self.name_deleters(views(
                self.policy(),
                (shown.policy(), &shown.presented()),
                &dropped,
            )),
            first: pending.first().map_or(0, |edit| edit.of),
            settled: pending.last().map_or(0, |edit| edit.ordinal),
        }
    }

    /// What edits that are in the log wrote into what others deleted.
    pub(super) fn gone(&self, saved: &[Edit], limits: &Limits) -> Losses {
        let dropped = rebase::gone(self.confirmed(), &changes(saved), limits);
        let ordinal = |one: &Dropped| saved.get(one.change).map_or(0, |edit| edit.of);
        let Some(first) = dropped.iter().map(ordinal).min() else {
            return Losses::default();
        };
        // As it was when the last of them was made.
        let last = saved.last().map(|edit| &edit.change);
        let value = last.and_then(|change| self.confirmed().presented_with(change));
        let value = value.unwrap_or_default();
        Losses {
            dropped: self.name_deleters(views(self.policy(), (self.policy(), &value), &dropped)),
            first,
            settled: saved.last().map_or(0, |edit| edit.ordinal),
        }
    }

    fn lacking(&self) -> LoadError {
        LoadError::Change {
            entity: self.confirmed().id().clone(),
            seq: self.confirmed().seq(),
            reason: "what the server admitted before is not here".to_owned(),
        }
    }

    /// Starts over from a snapshot, with the pending edits: as they are where they still apply,
    /// otherwise rebased. Returns the ordinal of the last edit that the snapshot holds, if any, what
    /// became of the others, and which of the acknowledged ones the server does not have any more.
    ///
    /// # Errors
    /// When the snapshot cannot be read or the edits cannot be brought to it. The replica is
    /// unchanged then, and its edits are lost if it is dropped.
    pub(crate) fn reload(
        &mut self,
        policy: &Arc<Policy>,
        snapshot: &Snapshot<'_>,
        author: &Author<'_>,
    ) -> Result<(Option<u64>, Losses, Losses), LoadError> {
        let id = self.confirmed().id().clone();
        let mut fresh = Self::load(&id, &self.me, policy, snapshot)?;
        let forgotten = self.forgotten(&mut fresh, author);
        let same =
            snapshot.epoch == self.confirmed().epoch() && policy.hash() == self.policy().hash();
        let (mut saved, mut losses) = (None, Losses::default());
        if self.pending() > 0 {
            match fresh.with_edits(self.pending.edits()) {
                Ok(local) if same => {
                    fresh.state.show(Some(local));
                    // Which changes of our actor the snapshot holds is not known: the next edit gets
                    // a fresh one.
                    fresh.pending = std::mem::take(&mut self.pending);
                }
                _ => (saved, losses) = self.move_to(&mut fresh, author)?,
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
        fresh.reported = self.reported.take();
        *self = fresh;
        Ok((saved, losses, forgotten))
    }

    /// Brings the pending edits to another state: another epoch, genesis or schema.
    fn move_to(
        &self,
        fresh: &mut Self,
        author: &Author<'_>,
    ) -> Result<(Option<u64>, Losses), LoadError> {
        // What was admitted, its answer lost, is not rebased.
        let (held, pending): (Vec<Edit>, Vec<Edit>) = self
            .pending
            .edits()
            .cloned()
            .partition(|edit| fresh.confirmed().holds(&edit.change));
        let saved = held.last().map(|edit| edit.ordinal);
        fresh.acknowledged.extend(&held);
        let ground = (fresh.confirmed(), author);
        let rebased = match by_ids(ground, self.policy(), &pending, &[]) {
            Err(RebaseError::NotThere { .. }) => {
                let changes = changes(&pending);
                with_ground(ground, |ground| {
                    rebase::rebase_values(ground, self.confirmed(), &changes)
                })
            }
            other => other,
        };
        let rebased = rebased.map_err(|error| LoadError::Change {
            entity: fresh.confirmed().id().clone(),
            seq: fresh.confirmed().seq(),
            reason: error.to_string(),
        })?;
        let mut losses = fresh.adopt(&pending, rebased, self.shown(), author)?;
        // An epoch begins without what was deleted in the one before.
        if fresh.confirmed().epoch() > self.confirmed().epoch() {
            losses.dropped = self.name_deleters(losses.dropped);
        }
        Ok((saved, losses))
    }

    /// Puts rebased edits in the place of the pending ones; `shown` is the state with those.
    fn adopt(
        &mut self,
        pending: &[Edit],
        rebased: Rebased,
        shown: &Entity,
        author: &Author<'_>,
    ) -> Result<Losses, LoadError> {
        let dropped = &rebased.dropped;
        let first = |change: usize| pending.get(change).map_or(0, |edit| edit.of);
        let losses = Losses {
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
        self.actor = (!unsent.is_empty()).then_some(author.fresh);
        self.pending.replace(unsent);
        if self.actor.is_some() {
            self.conflicts.edited(author.fresh);
        }
        self.rebuild()?;
        Ok(Losses { settled, ..losses })
    }
}

fn changes(pending: &[Edit]) -> Vec<Vec<u8>> {
    pending.iter().map(|edit| edit.change.clone()).collect()
}

pub(super) type At<'a> = (&'a Entity, &'a Author<'a>);

fn with_ground<T>((entity, author): At<'_>, use_it: impl FnOnce(&RebaseTarget<'_>) -> T) -> T {
    use_it(&RebaseTarget {
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
    named: &[RefusedOps],
) -> Result<Rebased, RebaseError> {
    let changes = changes(pending);
    with_ground(at, |ground| rebase::rebase(ground, policy, &changes, named))
}

/// A rebase in which everything is dropped.
pub(super) fn everything(
    at: At<'_>,
    policy: &Arc<Policy>,
    pending: &[Edit],
    code: &str,
) -> Rebased {
    let all = (0..pending.len()).map(|change| RefusedOps {
        change,
        ops: Vec::new(),
        rule: code.to_owned(),
    });
    let named: Vec<RefusedOps> = all.collect();
    let mut rebased = by_ids(at, policy, pending, &named).unwrap_or_else(|_| Rebased {
        dropped: named.into_iter().map(whole).collect(),
        ..Rebased::default()
    });
    if matches!(code, "deleted" | "not-found") {
        for one in &mut rebased.dropped {
            one.why = rebase::DropReason::Gone;
        }
    }
    rebased
}

/// What is reported of a change that cannot be decoded.
fn whole(named: RefusedOps) -> Dropped {
    Dropped {
        change: named.change,
        op: None,
        pointer: Pointer::root(),
        attempted: None,
        why: rebase::DropReason::Refused(named.rule),
    }
}
