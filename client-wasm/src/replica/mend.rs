//! Pending edits after a refusal or a new beginning: what survives goes on, under a fresh actor.
//!
//! Invariant: an edit is kept until it is saved, or told as dropped with all that it lost; each
//! refusal makes the pending edits fewer or smaller, so that refusals come to an end.
//! Must never know: frames, what is told to the program.

use std::collections::VecDeque;
use std::sync::Arc;

use indelible_engine::entity::LoadError;
use indelible_engine::policy::{Policy, Shape};
use indelible_engine::rebase::{self, Dropped, Ground, Named, RebaseError, Rebased};
use serde_json::Value;

use super::{Edit, Replica};
use crate::edit::{Author, Mended, Refused, Snapshot};
use crate::event::DroppedView;

/// What to take out of the pending edits.
enum Take {
    /// What the refusal names.
    Named,
    /// Nothing: a fresh actor on the present state may be all that it needs.
    Nothing,
    /// All of it: nothing of ours is welcome there.
    Everything,
}

impl Refused<'_> {
    fn takes(&self, doubted: bool) -> Take {
        match self.code {
            "forbidden" | "not-found" | "mode" | "actor-limit" => Take::Everything,
            "unknown-deps" | "depends-on-refused" | "repeated" | "seq" | "own-past"
            | "start-op" | "heads-limit" | "actor-taken" | "epoch"
                if !doubted =>
            {
                Take::Nothing
            }
            _ => Take::Named,
        }
    }

    /// What is named, by the index of the pending change.
    fn named(&self, admitted: usize) -> Vec<Named> {
        let mut named: Vec<Named> = self.violations.iter().map(Named::from).collect();
        named.retain(|one| one.change >= admitted);
        for one in &mut named {
            one.change -= admitted;
        }
        if named.is_empty() {
            named.push(Named {
                change: 0,
                ops: Vec::new(),
                rule: self.code.to_owned(),
            });
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
        let known = taken.iter().all(|edit| self.confirmed.holds(&edit.change));
        let pending: Vec<Edit> = rest.iter().chain(&self.unsent).cloned().collect();
        let saved = taken.last().map(|edit| edit.ordinal);
        let takes = refused.takes(self.doubted);
        // Another epoch has begun, which the snapshot to come will show.
        let moved = refused.code == "epoch" && matches!(takes, Take::Nothing);
        if moved || !known {
            self.doubted |= moved;
            self.flight = Some(flight).filter(|_| !moved);
            if moved {
                self.unsent = pending.into();
            }
            return Err(self.lacking());
        }
        let ground = (&self.confirmed, author);
        let policy = Arc::clone(self.policy());
        let rebased = match takes {
            Take::Everything => Ok(everything(&pending, refused.code)),
            Take::Named => by_ids(ground, &policy, &pending, &refused.named(admitted)),
            Take::Nothing => by_ids(ground, &policy, &pending, &[]),
        };
        self.doubted = matches!(takes, Take::Nothing);
        let rebased = rebased.unwrap_or_else(|_| everything(&pending, refused.code));
        let mended = self.adopt(&pending, rebased, author)?;
        Ok((saved, mended))
    }

    /// Drops all pending edits. The next edit gets a fresh actor: the old one's dropped changes
    /// would leave a gap.
    pub(crate) fn discard(&mut self, code: &str) -> Mended {
        let pending: Vec<Edit> = self.edits().cloned().collect();
        self.flight = None;
        self.unsent.clear();
        self.local = None;
        self.actor = None;
        Mended {
            dropped: views(self.policy(), &everything(&pending, code).dropped),
            first: pending.first().map_or(0, |edit| edit.ordinal),
            settled: pending.last().map_or(0, |edit| edit.ordinal),
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
    /// otherwise rebased.
    ///
    /// # Errors
    /// When the snapshot cannot be read or the edits cannot be brought to it. The replica is
    /// unchanged then, and its edits are lost if it is dropped.
    pub(crate) fn reload(
        &mut self,
        policy: &Arc<Policy>,
        snapshot: &Snapshot<'_>,
        author: &Author<'_>,
    ) -> Result<Mended, LoadError> {
        let id = self.confirmed.id().clone();
        let mut fresh = Self::load(&id, &self.me, policy, snapshot)?;
        let same =
            snapshot.epoch == self.confirmed.epoch() && policy.hash() == self.policy().hash();
        let mut mended = Mended::default();
        if self.pending() > 0 {
            match fresh.with_edits(self.edits()) {
                Ok(local) if same => {
                    fresh.local = Some(local);
                    fresh.actor = self.actor;
                    fresh.flight = self.flight.take();
                    fresh.unsent = std::mem::take(&mut self.unsent);
                }
                _ => mended = self.move_to(&mut fresh, author)?,
            }
        }
        fresh.doubted = self.doubted;
        fresh.revisions = std::mem::take(&mut self.revisions);
        *self = fresh;
        Ok(mended)
    }

    /// Brings the pending edits to another state: another epoch, genesis or schema.
    fn move_to(&self, fresh: &mut Self, author: &Author<'_>) -> Result<Mended, LoadError> {
        let held = |edit: &&Edit| !fresh.confirmed.holds(&edit.change);
        let pending: Vec<Edit> = self.edits().filter(held).cloned().collect();
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
        fresh.adopt(&pending, rebased, author)
    }

    /// Goes on with rebased edits in the place of the pending ones.
    fn adopt(
        &mut self,
        pending: &[Edit],
        rebased: Rebased,
        author: &Author<'_>,
    ) -> Result<Mended, LoadError> {
        let dropped = &rebased.dropped;
        let ordinal = |change: usize| pending.get(change).map_or(0, |edit| edit.ordinal);
        let mended = Mended {
            first: dropped
                .iter()
                .map(|one| ordinal(one.change))
                .min()
                .unwrap_or(0),
            settled: 0,
            dropped: views(self.policy(), dropped),
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
        self.rebuild()?;
        Ok(Mended { settled, ..mended })
    }
}

fn changes(pending: &[Edit]) -> Vec<Vec<u8>> {
    pending.iter().map(|edit| edit.change.clone()).collect()
}

type At<'a> = (&'a indelible_engine::entity::Entity, &'a Author<'a>);

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

/// A rebase that leaves nothing; what each edit held is not looked into.
fn everything(pending: &[Edit], code: &str) -> Rebased {
    let dropped = (0..pending.len()).map(|change| Dropped {
        change,
        op: None,
        pointer: indelible_engine::pointer::Pointer::root(),
        attempted: None,
        why: rebase::Why::Named(code.to_owned()),
    });
    Rebased {
        dropped: dropped.collect(),
        ..Rebased::default()
    }
}

/// What was dropped, with what was typed into a text as one piece.
fn views(policy: &Policy, dropped: &[Dropped]) -> Vec<DroppedView> {
    let mut views: Vec<DroppedView> = Vec::new();
    for one in dropped {
        let node = one
            .pointer
            .tokens()
            .iter()
            .try_fold(policy.root(), |node, token| policy.child(node, token));
        let text = node.is_some_and(|node| matches!(policy.node(node).shape, Shape::Text { .. }));
        let view = DroppedView::from(one);
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
            _ => views.push(view),
        }
    }
    views
}
