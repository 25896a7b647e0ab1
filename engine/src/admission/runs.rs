//! Edits of a proposal that directly follow one another, applied in one go.
//!
//! Invariant: what is admitted and what is refused is as if each edit were applied by itself.

use super::operations::Division;
use super::references;
use super::trial::Trial;
use crate::change::{self, ParsedChange};
use crate::violation::Refusal;

/// How a run is divided in which not all edits pass.
#[derive(Debug, Clone, Copy)]
enum Split {
    /// Up to the first edit that a fault was found in, that one, and the rest. Since edits that are
    /// judged together may be refused where they would pass one after the other, this is done once:
    /// otherwise a proposal of such edits would be judged as often as it has edits.
    AtDoubt,
    /// In the middle.
    InHalves,
}

impl Trial<'_> {
    /// Checks and applies the changes, each an edit of its own, up to the first that fails. Those
    /// that directly follow one another are applied in one go: applying one costs each time what
    /// the entity's history costs.
    pub(super) fn in_runs(&mut self) {
        let (proposal, limits) = (self.proposal, self.limits);
        let mut run: Vec<ParsedChange> = Vec::new();
        for (index, bytes) in proposal.changes.iter().enumerate() {
            let parsed = change::parse(bytes, limits);
            let known = parsed.as_ref().is_ok_and(|change| self.knows(change));
            if let (false, Ok(change)) = (known, &parsed)
                && run
                    .last()
                    .is_none_or(|last| references::joins(last, change))
            {
                run.extend(parsed.ok());
                continue;
            }
            if let Err(end) =
                self.run_of_edits(index - run.len(), std::mem::take(&mut run), Split::AtDoubt)
            {
                return self.end(end);
            }
            match parsed {
                Ok(change) if known || self.knows(&change) => self.known.push(change.hash()),
                Ok(change) => run.push(change),
                Err(error) => {
                    let refusal = Refusal::structural(error.code(), index, error.to_string());
                    return self.end((index, refusal));
                }
            }
        }
        let first = proposal.changes.len() - run.len();
        if let Err(end) = self.run_of_edits(first, run, Split::AtDoubt) {
            self.end(end);
        }
    }

    /// Checks and applies a run of edits, the first of which is the change at `first` of the
    /// proposal: in one go where all pass, else one part after the other. So what passes is applied
    /// in few goes, wherever the one is that fails.
    ///
    /// # Errors
    /// The refusal of the first that fails, with its place in the proposal.
    fn run_of_edits(
        &mut self,
        mut first: usize,
        mut edits: Vec<ParsedChange>,
        split: Split,
    ) -> Result<(), (usize, Refusal)> {
        if edits.is_empty() {
            return Ok(());
        }
        let Err(refusal) = self.step(first, &mut edits, Division::OneEach) else {
            return Ok(());
        };
        if edits.len() == 1 {
            return Err((first, refusal));
        }
        let ends = match split {
            Split::AtDoubt => {
                let doubtful = first_of(&refusal) - first;
                [doubtful, doubtful + 1]
            }
            Split::InHalves => [edits.len() / 2, edits.len()],
        };
        let [middle, end] = ends;
        let rest = edits.split_off(end);
        let second = edits.split_off(middle);
        for part in [edits, second, rest] {
            let count = part.len();
            self.run_of_edits(first, part, Split::InHalves)?;
            first += count;
        }
        Ok(())
    }
}

/// The first change that a refusal is about.
fn first_of(refusal: &Refusal) -> usize {
    let changes = refusal.violations.iter().map(|violation| violation.change);
    changes.min().unwrap_or(refusal.admitted)
}
