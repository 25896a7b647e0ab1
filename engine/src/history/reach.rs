//! The shortest way to a state: from the present one, from a checkpoint, or from the beginning.
//!
//! The state is the same whichever way is taken, and whether or not checkpoints are kept. Records
//! are read in pieces, and none twice.

use std::fmt::Debug;

use super::archive::{Archive, one};
use super::blame::Blame;
use super::checkpoint::{self, Checkpoints, Spacing};
use super::record::Record;
use super::state::{PastError, State};
use crate::id::{Hash, LogPlace, Seq};
use crate::policy::{Policy, PolicySource};

/// Records that are read at once.
const READ_AT_ONCE: usize = 128;

/// The past of one entity: its records, checkpoints of its states, and its policies.
pub struct Past<'a, A: ?Sized> {
    /// Its log.
    pub archive: &'a mut A,
    /// States that are kept; `&mut ()` keeps none.
    pub checkpoints: &'a mut dyn Checkpoints,
    /// The policies that its records name.
    pub policies: &'a dyn PolicySource,
}

impl<A: ?Sized> Debug for Past<'_, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Past").finish_non_exhaustive()
    }
}

/// Why a state is not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReachError<E> {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Archive(#[source] E),
    /// The records do not lead there.
    #[error(transparent)]
    Past(#[from] PastError),
}

impl<A: Archive + ?Sized> Past<'_, A> {
    /// The state after an entry, from the nearest that is known: `present`, if given, a
    /// checkpoint, or the beginning. Checkpoints that are worth it are kept on the way.
    ///
    /// # Errors
    /// [`ReachError`] when the entry does not exist or the log cannot be read.
    pub fn state(
        &mut self,
        place: LogPlace,
        present: Option<&State>,
    ) -> Result<State, ReachError<A::Error>> {
        if place < LogPlace::FIRST {
            return Err(PastError::Records { wanted: place }.into());
        }
        let (known, size) = match self.checkpoint(place)? {
            Some((state, size)) => (Some(state), size),
            None => (None, 0),
        };
        let start = known.as_ref().map_or(LogPlace::FIRST, State::place);
        if let Some(present) = present
            && is_nearer(present.place(), start, place)
        {
            return self.back(present.clone(), place);
        }
        let state = match known {
            Some(state) => state,
            None => self.first(place)?,
        };
        self.forward(state, place, Spacing::after(size))
    }

    /// Who wrote each value after an entry, from all records up to it.
    ///
    /// # Errors
    /// [`ReachError`] when the entry does not exist or the log cannot be read.
    pub fn blame(&mut self, place: LogPlace) -> Result<Blame, ReachError<A::Error>> {
        let mut blame = Blame::new();
        let mut policy: Option<std::sync::Arc<Policy>> = None;
        let mut next = LogPlace::FIRST;
        while next <= place {
            for record in &self.read(next, place)? {
                let held = policy
                    .take()
                    .filter(|held| held.hash() == record.header.policy_hash);
                let found = held.or_else(|| self.policies.policy(record.header.policy_hash));
                let found = found.ok_or(PastError::Policy {
                    place: record.place(),
                    policy: record.header.policy_hash,
                })?;
                blame
                    .take(record, &found)
                    .map_err(|source| PastError::Effects {
                        place: record.place(),
                        source,
                    })?;
                policy = Some(found);
                next = record.place().next();
            }
        }
        Ok(blame)
    }

    /// The nearest checkpoint that is usable, and its bytes.
    fn checkpoint(
        &mut self,
        place: LogPlace,
    ) -> Result<Option<(State, usize)>, ReachError<A::Error>> {
        while let Some((at, bytes)) = self.checkpoints.nearest(place) {
            let record = one(self.archive, at).map_err(ReachError::Archive)?;
            let state = record
                .filter(|_| at <= place)
                .and_then(|record| checkpoint::decode(&bytes, &record, self.policies));
            if let Some(state) = state {
                return Ok(Some((state, bytes.len())));
            }
            self.checkpoints.forget(at);
            if self
                .checkpoints
                .nearest(place)
                .is_some_and(|(next, _)| next >= at)
            {
                // The store does not drop it, so there is no use in asking again.
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn first(&mut self, wanted: LogPlace) -> Result<State, ReachError<A::Error>> {
        let first = one(self.archive, LogPlace::FIRST).map_err(ReachError::Archive)?;
        let first = first.ok_or(PastError::Records { wanted })?;
        Ok(State::first(&first, self.policies)?)
    }

    fn forward(
        &mut self,
        mut state: State,
        place: LogPlace,
        mut spacing: Spacing,
    ) -> Result<State, ReachError<A::Error>> {
        while state.place() < place {
            let records = self.read(state.place().next(), place)?;
            let mut rest = &records[..];
            while !rest.is_empty() {
                let end = rest.iter().position(|record| spacing.passes(record));
                let (before, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
                state.forward(before, self.policies)?;
                if let (Some(_), Some(record)) = (end, before.last()) {
                    spacing = self.keep(&state, record.hash);
                }
                rest = after;
            }
        }
        Ok(state)
    }

    fn keep(&mut self, state: &State, entry: Hash) -> Spacing {
        let Some(bytes) = checkpoint::encode(state, entry) else {
            return Spacing::after(usize::MAX);
        };
        let spacing = Spacing::after(bytes.len());
        self.checkpoints.keep(state.place(), bytes);
        spacing
    }

    fn back(&mut self, mut state: State, place: LogPlace) -> Result<State, ReachError<A::Error>> {
        let mut records = Downward {
            archive: self.archive,
            read: Vec::new(),
            next: Some(state.place()),
            failed: None,
        };
        let reached = state.back(place, &mut records, self.policies);
        if let Some(error) = records.failed {
            return Err(ReachError::Archive(error));
        }
        reached?;
        Ok(state)
    }

    /// Some records from a place on, or from the beginning of the next epoch where that one has
    /// ended; none beyond the wanted one, and at least one.
    fn read(
        &mut self,
        from: LogPlace,
        wanted: LogPlace,
    ) -> Result<Vec<Record>, ReachError<A::Error>> {
        for from in [from, LogPlace::start_of(from.epoch.next())] {
            if from > wanted {
                continue;
            }
            let count = match from.epoch == wanted.epoch {
                true => (wanted.seq.0 - from.seq.0).saturating_add(1),
                false => u64::MAX,
            };
            let count = usize::try_from(count).map_or(READ_AT_ONCE, |all| all.min(READ_AT_ONCE));
            let records = self
                .archive
                .records(from, count)
                .map_err(ReachError::Archive)?;
            if !records.is_empty() {
                return Ok(records);
            }
        }
        Err(PastError::Records { wanted }.into())
    }
}

/// Whether the way back from the present is shorter than the one forward from `start`.
fn is_nearer(present: LogPlace, start: LogPlace, wanted: LogPlace) -> bool {
    if present.epoch != wanted.epoch || present < wanted {
        return false;
    }
    let forward = match start.epoch == wanted.epoch {
        true => wanted.seq.0 - start.seq.0,
        // The epochs before come on top.
        false => wanted.seq.0.saturating_add(1),
    };
    present.seq.0 - wanted.seq.0 < forward
}

/// Records from one downward, read in pieces.
struct Downward<'a, A: Archive + ?Sized> {
    archive: &'a mut A,
    read: Vec<Record>,
    next: Option<LogPlace>,
    failed: Option<A::Error>,
}

impl<A: Archive + ?Sized> Downward<'_, A> {
    fn refill(&mut self) -> Result<(), A::Error> {
        let Some(LogPlace { epoch, seq }) = self.next else {
            return Ok(());
        };
        let count = seq.0.saturating_add(1).min(READ_AT_ONCE as u64);
        let from = LogPlace::new(epoch, Seq(seq.0 + 1 - count));
        self.read = self
            .archive
            .records(from, READ_AT_ONCE.min(count as usize))?;
        self.next = match from.seq {
            Seq(0) => self.archive.last_before(epoch)?,
            Seq(seq) => Some(LogPlace::new(epoch, Seq(seq - 1))),
        };
        Ok(())
    }
}

impl<A: Archive + ?Sized> Iterator for Downward<'_, A> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.read.is_empty()
            && let Err(error) = self.refill()
        {
            self.failed = Some(error);
        }
        self.read.pop()
    }
}
