//! What was decided on the writes of a batch, and what is answered once its commit is over.
//!
//! Invariant: a verdict that rests on something that is not on disk is answered as not judged,
//! whatever it was.

use std::sync::Arc;

use indelible_engine::entity::Entity;
use indelible_engine::id::Hash;
use indelible_engine::violation::Refusal;

use super::super::super::outcome::{Outcome, WriteError, Written};
use super::super::super::writes::WriterSession;
use crate::storage::Append;
use crate::values::Present;

/// The result of a batch.
pub(in super::super) struct Verdicts {
    /// What is to be committed, if anything.
    pub(in super::super) request: Option<Append>,
    /// The state after the commit, if it differs.
    pub(in super::super) entity: Option<Entity>,
    /// The state before the last deletion in the batch, if there was one.
    pub(in super::super) was: Option<Entity>,
    /// One for each write, in order.
    pub(in super::super) decided: Vec<Decided>,
}

/// A verdict, and whether it holds only if the commit succeeds.
#[derive(Debug, Clone)]
pub(in super::super) struct Decided {
    pub(super) judged: Judged,
    /// Whether it was judged on, or made, something that the commit has yet to write.
    pub(super) rests_on_commit: bool,
    /// Changes that it refused, for the session to remember.
    pub(super) dropped: Vec<Hash>,
}

/// How the commit of a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Ending {
    /// It is on disk, or there was nothing to commit.
    Committed,
    /// Nothing of it was written: the state before it is that of the disk.
    NotWritten,
    /// The state before it may not be that of the disk either.
    Unknown,
}

impl Decided {
    /// What to answer, now that the commit is over. What was judged on a state that is not on disk
    /// was not judged.
    pub(in super::super) fn outcome(
        self,
        session: Option<&WriterSession>,
        present: Option<&Arc<Present>>,
        ending: Ending,
    ) -> Outcome {
        let holds = match ending {
            Ending::Committed => true,
            Ending::NotWritten => !self.rests_on_commit,
            Ending::Unknown => false,
        };
        if !holds {
            return Outcome::Failed(WriteError::Storage);
        }
        if let Some(session) = session {
            session.remember_refused(&self.dropped);
        }
        self.judged.outcome(present)
    }
}

/// What was decided on a write.
#[derive(Debug, Clone)]
pub(super) enum Judged {
    /// It is in an entry of this commit.
    Admitted(Written),
    /// It is in an entry of an earlier commit, or nothing of it was new.
    Stands(Written),
    /// A merge that comes for the first time changes nothing.
    Idle(Written),
    /// It, or its rest, was refused; `partly` when an entry of this commit holds its beginning.
    Refused { refusal: Refusal, partly: bool },
    /// It could not be judged.
    Failed(WriteError),
}

impl Judged {
    fn outcome(self, present: Option<&Arc<Present>>) -> Outcome {
        let with_value = |mut written: Written| {
            written.present = present.cloned();
            written
        };
        match self {
            Self::Admitted(written) => Outcome::Written(with_value(written)),
            Self::Stands(written) | Self::Idle(written) => Outcome::Unchanged(with_value(written)),
            Self::Refused { refusal, .. } => Outcome::Refused(refusal),
            Self::Failed(error) => Outcome::Failed(error),
        }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::Refused {
            refusal,
            partly: false,
        }
    }

    /// What its repeat in the same commit is answered.
    pub(super) fn again(&self) -> Self {
        let mut again = self.clone();
        if let Self::Admitted(written) = &mut again {
            written.changed.clear();
        }
        again
    }

    /// Whether its id belongs to it from now on.
    pub(super) fn takes_its_id(&self) -> bool {
        matches!(
            self,
            Self::Admitted(_) | Self::Idle(_) | Self::Refused { partly: true, .. }
        )
    }
}
