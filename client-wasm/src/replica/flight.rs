//! The edits that the server has not admitted yet, and the proposal that carries the first of them.
//!
//! One proposal is in flight at a time. It keeps its id and its changes until it is answered, so
//! that it can be sent again after the connection is lost.

use std::collections::VecDeque;

use indelible_engine::id::ProposalId;
use indelible_engine::limits::Limits;
use indelible_engine::violation::{RefusalCode, ViolationReport};

use super::losses::Losses;
use crate::frame::payload_bytes_max;

/// One local edit, or a part of one that is more than a change may hold.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    /// The last edit that is durable as a whole when this is.
    pub(super) ordinal: u64,
    /// The edit that it belongs to; its parts follow one another.
    pub(super) of: u64,
    pub(super) change: Vec<u8>,
}

/// What is to be sent of an entity.
pub(crate) struct Proposed {
    pub(crate) id: ProposalId,
    pub(crate) changes: Vec<Vec<u8>>,
    /// Whether the changes are one edit, which may not be admitted in part.
    pub(crate) whole: bool,
}

/// What became of the proposal in flight.
#[derive(Debug)]
pub(crate) enum Settled {
    /// All edits up to this ordinal are durable; what is lost shows nowhere all the same, since
    /// others deleted what it was written into.
    Saved(u64, Losses),
    /// It was not about the proposal in flight.
    Nothing,
}

/// A refusal of the proposal in flight.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) code: &'a RefusalCode,
    /// How many of its changes were admitted.
    pub(crate) admitted: u32,
    pub(crate) violations: &'a [ViolationReport],
}

/// A proposal that is sent, or to be sent again, until it is answered.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    id: ProposalId,
    pub(super) edits: Vec<Edit>,
    /// Whether these are the parts of one edit, which may not be admitted in part.
    pub(super) whole: bool,
    /// Whether it has been sent on the present connection.
    sent: bool,
}

/// The edits that are not known to be durable, in their order.
#[derive(Debug, Default)]
pub(super) struct Pending {
    flight: Option<Flight>,
    unsent: VecDeque<Edit>,
}

impl Pending {
    pub(super) fn edits(&self) -> impl Iterator<Item = &Edit> {
        let in_flight = self.flight.iter().flat_map(|flight| &flight.edits);
        in_flight.chain(&self.unsent)
    }

    /// Those that are not in flight.
    pub(super) fn unsent(&self) -> &VecDeque<Edit> {
        &self.unsent
    }

    /// How many edits there are; the parts of one count once.
    pub(super) fn count(&self) -> usize {
        let mut last = None;
        let edits = self.edits();
        edits
            .filter(|edit| last.replace(edit.of) != Some(edit.of))
            .count()
    }

    /// Adds an edit, which is durable when the last of its changes is.
    pub(super) fn push(&mut self, ordinal: u64, changes: Vec<Vec<u8>>) {
        let last = changes.len().saturating_sub(1);
        let parts = changes.into_iter().enumerate();
        self.unsent.extend(parts.map(|(part, change)| Edit {
            ordinal: if part == last {
                ordinal
            } else {
                ordinal.saturating_sub(1)
            },
            of: ordinal,
            change,
        }));
    }

    /// Puts others in the place of all edits; none of them is in flight.
    pub(super) fn replace(&mut self, edits: VecDeque<Edit>) {
        self.flight = None;
        self.unsent = edits;
    }

    /// Puts edits that were in flight before all that are not.
    pub(super) fn put_back(&mut self, edits: Vec<Edit>) {
        for edit in edits.into_iter().rev() {
            self.unsent.push_front(edit);
        }
    }

    /// Whether this is the proposal in flight.
    pub(super) fn is_in_flight(&self, id: ProposalId) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.id == id)
    }

    /// Takes the proposal out of flight.
    pub(super) fn take_flight(&mut self) -> Option<Flight> {
        self.flight.take()
    }

    /// Takes the proposal out of flight where this is it and all of its edits are `held`.
    pub(super) fn land(
        &mut self,
        id: Option<ProposalId>,
        held: impl Fn(&Edit) -> bool,
    ) -> Option<Vec<Edit>> {
        let landed = self
            .flight
            .take_if(|flight| id == Some(flight.id) && flight.edits.iter().all(held));
        landed.map(|flight| flight.edits)
    }

    /// Puts a proposal back into flight.
    pub(super) fn resume(&mut self, flight: Flight) {
        self.flight = Some(flight);
    }

    /// What was in flight was not taken, or that is not known: it must be sent again.
    pub(super) fn send_again(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.sent = false;
        }
    }

    /// The proposal to send now, if one is due.
    pub(super) fn next(
        &mut self,
        limits: &Limits,
        id: impl FnOnce() -> ProposalId,
    ) -> Option<Proposed> {
        if self.flight.is_none() && !self.unsent.is_empty() {
            let (edits, whole) = self.take_batch(limits);
            self.flight = Some(Flight {
                id: id(),
                edits,
                whole,
                sent: false,
            });
        }
        let flight = self.flight.as_mut().filter(|flight| !flight.sent)?;
        flight.sent = true;
        let changes = flight.edits.iter().map(|edit| edit.change.clone());
        Some(Proposed {
            id: flight.id,
            changes: changes.collect(),
            whole: flight.whole,
        })
    }

    /// As many edits as one frame takes; each alone fits, or it would not have been taken in. One
    /// of several parts goes alone. Also returns whether the batch is that.
    fn take_batch(&mut self, limits: &Limits) -> (Vec<Edit>, bool) {
        let max = payload_bytes_max(limits);
        let parts = |edits: &VecDeque<Edit>| {
            let of = edits.front().map(|edit| edit.of);
            edits.iter().take_while(|edit| Some(edit.of) == of).count()
        };
        let whole = parts(&self.unsent) > 1;
        let mut left = if whole {
            parts(&self.unsent)
        } else {
            usize::MAX
        };
        let mut bytes = 0;
        let mut batch = Vec::new();
        while let Some(edit) = self.unsent.front() {
            bytes += bytes_in_frame(&edit.change);
            let full = bytes > max || batch.len() >= limits.changes_per_proposal_max;
            let ends = left == 0 || (!whole && parts(&self.unsent) > 1);
            if (full || ends) && !batch.is_empty() {
                break;
            }
            left -= 1;
            batch.extend(self.unsent.pop_front());
        }
        (batch, whole && left == 0)
    }
}

/// The bytes that a change takes in a frame.
pub(super) fn bytes_in_frame(change: &[u8]) -> usize {
    change.len() + 9
}
