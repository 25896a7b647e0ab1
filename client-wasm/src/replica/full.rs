//! One replica: the server's state of an entity, our pending edits, and both together.

use std::collections::VecDeque;
use std::sync::Arc;

use indelible_engine::admission::{self, Origin, Proposal};
use indelible_engine::entity::{Entity, LoadError};
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, ProposalId, Seq};
use indelible_engine::ledger::{EntryKind, Logged};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{self, MergeError, MergeOptions, Merged};
use indelible_engine::policy::Policy;
use indelible_engine::protocol::EntryReport;
use indelible_engine::rebase::{Followed, Read};
use indelible_engine::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::conflicts::Conflicts;
use super::flight::{Edit, Pending, bytes_in_frame};
use super::forgotten::Acknowledged;
use super::reported::Reported;
use super::state::State;
use super::{Author, EditOptions, Edited, Proposed, Settled, Snapshot};
use crate::error::CallError;
use crate::frame::payload_bytes_max;

/// How many earlier states can be named as the base of an edit.
const REVISIONS_MAX: usize = 512;

/// A state that was shown, and that later edits may be based on.
#[derive(Debug)]
pub(super) struct Revision {
    name: u64,
    heads: Vec<Hash>,
    /// The document does not hold them, so they are kept.
    stamps: Map<String, Value>,
    /// What it was shown under.
    policy: Arc<Policy>,
}

/// The server's state of an entity and our edits on top of it.
#[derive(Debug)]
pub(crate) struct Replica {
    /// The id of the principal whose edits these are.
    pub(super) me: String,
    pub(super) state: State,
    /// Under which the next edits are made; `None`: under a fresh one.
    pub(super) actor: Option<[u8; 16]>,
    pub(super) pending: Pending,
    /// Edits that the server acknowledged, in case it forgets them.
    pub(super) acknowledged: Acknowledged,
    pub(super) revisions: VecDeque<Revision>,
    /// What the program knows.
    pub(super) reported: Option<Reported>,
    /// The last answer was a refusal for how the changes were made, not for what they do.
    pub(super) doubted: bool,
    pub(super) conflicts: Conflicts,
    /// How often a value was compared with what was reported of it.
    #[cfg(test)]
    pub(super) comparisons: usize,
}

impl Replica {
    /// `me` is the id of the principal whose edits these will be.
    pub(crate) fn load(
        id: &EntityId,
        me: &str,
        policy: &Arc<Policy>,
        snapshot: &Snapshot<'_>,
    ) -> Result<Self, LoadError> {
        let place = (snapshot.seq, snapshot.hash);
        let confirmed =
            Entity::from_document(id, snapshot.epoch, policy, snapshot.document, place)?;
        Ok(Self {
            me: me.to_owned(),
            state: State::new(confirmed, snapshot.stamps),
            actor: None,
            pending: Pending::default(),
            acknowledged: Acknowledged::default(),
            revisions: VecDeque::new(),
            reported: None,
            doubted: false,
            conflicts: Conflicts::default(),
            #[cfg(test)]
            comparisons: 0,
        })
    }

    /// Reads what is to be written. Only replicas take any, so that the reader core needs no reader
    /// of numbers as they are written.
    #[allow(clippy::unused_self, reason = "the reader core has nothing to read")]
    pub(crate) fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, CallError> {
        let value = indelible_engine::json::parse(text.as_bytes())?;
        Ok(serde_json::from_value(value)?)
    }

    pub(super) fn confirmed(&self) -> &Entity {
        self.state.confirmed()
    }

    /// What is shown: the server's state with our edits.
    pub(crate) fn shown(&self) -> &Entity {
        self.state.shown()
    }

    /// Where the server's log is known up to.
    pub(crate) fn place(&self) -> (Epoch, Seq, Hash) {
        let confirmed = self.confirmed();
        (confirmed.epoch(), confirmed.seq(), confirmed.hash())
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        self.confirmed().policy()
    }

    /// How many edits are not known to be durable.
    pub(crate) fn pending(&self) -> usize {
        self.pending.count()
    }

    /// Remembers the shown state as one that later edits may name as their base.
    pub(crate) fn remember(&mut self, revision: u64) {
        if self.revisions.len() == REVISIONS_MAX {
            self.revisions.pop_front();
        }
        let (heads, stamps) = (self.shown().heads(), self.shown().stamp_fields());
        self.revisions.push_back(Revision {
            name: revision,
            heads,
            stamps,
            policy: Arc::clone(self.policy()),
        });
    }

    /// Applies entries of the server's log; those we have already are skipped.
    ///
    /// # Errors
    /// When they do not follow; the replica must start over then.
    pub(crate) fn apply(
        &mut self,
        entries: &[EntryReport],
        stamps: Map<String, Value>,
        limits: &Limits,
    ) -> Result<Settled, LoadError> {
        let place = self.confirmed().seq();
        let news: Vec<&EntryReport> = entries.iter().filter(|entry| entry.seq > place).collect();
        let changes: Vec<Vec<Vec<u8>>> = news
            .iter()
            .map(|entry| entry.changes.iter().map(|change| change.to_vec()).collect())
            .collect();
        let (epoch, policy_hash) = (self.confirmed().epoch(), self.policy().hash());
        let logged = news.iter().zip(&changes).map(|(entry, changes)| Logged {
            kind: EntryKind::Changes,
            place: LogPlace::new(epoch, entry.seq),
            policy_hash,
            hash: entry.hash,
            at: entry.at,
            author: &entry.by.id,
            claimed: None,
            changes,
        });
        let heads = self.confirmed().heads();
        self.state.advance(logged)?;
        let news: Vec<_> = news.into_iter().zip(changes).collect();
        self.notice(heads, &news);
        self.state.stamp(stamps);
        let mut saved = Vec::new();
        for entry in entries {
            saved.extend(self.land(entry));
        }
        self.acknowledged.extend(&saved);
        self.rebuild()?;
        Ok(self.settled(&saved, limits))
    }

    /// The confirmed state with edits on top.
    pub(super) fn with_edits<'a>(
        &self,
        edits: impl Iterator<Item = &'a Edit>,
    ) -> Result<Entity, LoadError> {
        let changes: Vec<Vec<u8>> = edits.map(|edit| edit.change.clone()).collect();
        let confirmed = self.confirmed();
        self.state.with(Logged {
            kind: EntryKind::Changes,
            place: confirmed.place().next(),
            policy_hash: self.policy().hash(),
            hash: confirmed.hash(),
            at: Timestamp(0),
            author: &self.me,
            claimed: None,
            changes: &changes,
        })
    }

    /// Makes what is shown from the confirmed state and the edits that are still pending.
    pub(super) fn rebuild(&mut self) -> Result<(), LoadError> {
        let local = match self.pending() {
            0 => None,
            _ => Some(self.with_edits(self.pending.edits())?),
        };
        self.state.show(local);
        Ok(())
    }

    /// The edits that an entry holds, where it is our proposal in flight. One of which the log holds
    /// only a part waits for its answer.
    fn land(&mut self, entry: &EntryReport) -> Vec<Edit> {
        let holds = |edit: &Edit| entry.changes.iter().any(|change| **change == edit.change);
        let landed = self.pending.land(entry.proposal, holds);
        self.doubted &= landed.is_none();
        landed.unwrap_or_default()
    }

    /// What became of edits that are in the log now.
    fn settled(&self, saved: &[Edit], limits: &Limits) -> Settled {
        match saved.last() {
            Some(last) => Settled::Saved(last.ordinal, self.gone(saved, limits)),
            None => Settled::Nothing,
        }
    }

    /// The server says that it admitted a proposal, in the entry at `seq`.
    ///
    /// # Errors
    /// When that entry is not here, or later edits do not apply without it: then the replica must
    /// start over, and gets the answer again.
    pub(crate) fn admitted(
        &mut self,
        (id, seq): (ProposalId, Seq),
        limits: &Limits,
    ) -> Result<Settled, LoadError> {
        if !self.is_in_flight(id) {
            return Ok(Settled::Nothing);
        }
        if seq > self.confirmed().seq() {
            let (entity, after) = (self.confirmed().id().clone(), self.confirmed().seq());
            return Err(LoadError::Order {
                entity,
                after,
                found: seq,
            });
        }
        let Some(flight) = self.pending.take_flight() else {
            return Ok(Settled::Nothing);
        };
        self.doubted = false;
        // The refusal of what is not in the log was lost: it is proposed and judged again.
        let (saved, rest): (Vec<Edit>, Vec<Edit>) = flight
            .edits
            .into_iter()
            .partition(|edit| self.confirmed().holds(&edit.change));
        self.pending.put_back(rest);
        self.acknowledged.extend(&saved);
        self.rebuild()?;
        Ok(self.settled(&saved, limits))
    }

    /// Whether this is the proposal in flight.
    pub(crate) fn is_in_flight(&self, id: ProposalId) -> bool {
        self.pending.is_in_flight(id)
    }

    /// What was in flight was not taken, or that is not known: it must be sent again.
    pub(crate) fn send_again(&mut self) {
        self.pending.send_again();
    }

    /// The proposal to send now, if one is due.
    pub(crate) fn next_proposal(
        &mut self,
        limits: &Limits,
        id: impl FnOnce() -> ProposalId,
    ) -> Option<Proposed> {
        self.pending.next(limits, id)
    }

    /// Merges `body`: an edit that is shown at once and pending. Also returns whether anything was
    /// written.
    pub(crate) fn edit(
        &mut self,
        author: &Author<'_>,
        ordinal: u64,
        body: &Value,
        options: &EditOptions,
    ) -> Result<(Edited, bool), CallError> {
        let actor = *self.actor.get_or_insert(author.fresh);
        let followed = options
            .revision
            .map(|revision| self.followed(revision, body));
        let (base, body) = match followed.transpose()? {
            Some(Followed { lost, .. }) if !lost.is_empty() => {
                return Err(MergeError::Refused(lost).into());
            }
            Some(Followed { base, body, .. }) => (Some(base), body),
            None => (None, body.clone()),
        };
        let options = MergeOptions {
            protected: options.protected,
            absent: options.absent,
            remake: options.remake,
            base,
            limits: author.limits.clone(),
            ..MergeOptions::default()
        };
        let merged = merge::merge(
            self.shown(),
            author.principal,
            &actor.into(),
            &body,
            &options,
        )?;
        self.take_in(author, ordinal, merged)
    }

    /// Judges and shows what a merge made, if it made anything.
    pub(super) fn take_in(
        &mut self,
        author: &Author<'_>,
        ordinal: u64,
        mut merged: Merged,
    ) -> Result<(Edited, bool), CallError> {
        let mut edited = Edited {
            changed: Vec::new(),
            preserved: std::mem::take(&mut merged.preserved),
        };
        let changes = std::mem::take(&mut merged.changes);
        if changes.is_empty() {
            return Ok((edited, false));
        }
        let max = payload_bytes_max(author.limits);
        let bytes = changes.iter().map(|change| bytes_in_frame(change)).sum();
        if bytes > max {
            return Err(CallError::TooBig { bytes, max });
        }
        let proposal = Proposal {
            id: ProposalId(author.fresh),
            author: author.principal.clone(),
            session: None,
            origin: match changes.len() {
                1 => Origin::Client,
                _ => Origin::Edit,
            },
            changes: changes.clone(),
            claimed: None,
        };
        let verdict = admission::admit(self.shown(), &proposal, author.now, author.limits);
        if let Some(mut refusal) = verdict.refused {
            merged.name_as_given(&mut refusal.violations);
            return Err(MergeError::Refused(refusal.violations).into());
        }
        let Some(admitted) = verdict.admitted else {
            return Ok((edited, false));
        };
        let (entity, _, effects) = admitted.into_parts();
        self.conflicts.edited(self.actor.unwrap_or(author.fresh));
        self.state.show_edit(entity, &effects);
        self.pending.push(ordinal, changes);
        edited.changed = effects.into_iter().map(|effect| effect.pointer).collect();
        edited.changed.dedup();
        Ok((edited, true))
    }

    /// Brings a body, and the state that it was made from, to what is shown now.
    pub(super) fn followed(&self, revision: u64, body: &Value) -> Result<Followed, CallError> {
        let known = self.revisions.iter().find(|known| known.name == revision);
        let known = known.ok_or(CallError::UnknownBase)?;
        let read = Read {
            value: None,
            policy: Arc::clone(&known.policy),
            heads: known.heads.clone(),
            stamps: known.stamps.clone(),
        };
        read.follow(self.shown(), body, (&[], &[]))
            .map_err(|_| CallError::UnknownBase)
    }
}
