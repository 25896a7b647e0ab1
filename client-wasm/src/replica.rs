//! One replica: the server's state of an entity, our pending edits, and both together.
//!
//! Invariant: `confirmed` is the log and nothing else; what is shown is `confirmed` with the pending
//! edits applied, in their order. A proposal in flight keeps its id and its changes until it is
//! answered, so that it can be sent again after any loss of the connection.
//! Must never know: frames, connections, what is told to the program.

mod conflicts;
mod forgotten;
mod mend;
mod typed;

use std::collections::VecDeque;
use std::sync::Arc;

use indelible_engine::admission::{self, Origin, Proposal};
use indelible_engine::entity::{Entity, LoadError, Logged};
use indelible_engine::id::{EntityId, Epoch, Hash, ProposalId, Seq};
use indelible_engine::ledger::EntryKind;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{self, MergeError, MergeOptions, Merged};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::Policy;
use indelible_engine::protocol::EntryReport;
use indelible_engine::rebase::{Followed, Read};
use indelible_engine::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use self::conflicts::Conflicts;
use crate::edit::{Author, EditOptions, Edited, FRAME_OVERHEAD_BYTES, Proposed, Settled, Snapshot};
use crate::error::CallError;
use crate::session::json_error;

/// How many earlier states can be named as the base of an edit.
const REVISIONS_MAX: usize = 512;

/// One local edit, or a part of one that is more than a change may hold.
#[derive(Debug, Clone)]
struct Edit {
    /// The last edit that is durable as a whole when this is.
    ordinal: u64,
    /// The edit that it belongs to; its parts follow one another.
    of: u64,
    change: Vec<u8>,
}

/// A state that was shown, and that later edits may be based on.
#[derive(Debug)]
struct Revision {
    name: u64,
    heads: Vec<Hash>,
    /// The document does not hold them, so they are kept.
    stamps: Map<String, Value>,
    /// What it was shown under.
    policy: Arc<Policy>,
}

/// A proposal that is sent, or to be sent again, until it is answered.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) id: ProposalId,
    edits: Vec<Edit>,
    /// Whether these are the parts of one edit, which may not be admitted in part.
    whole: bool,
    /// Whether it has been sent on the present connection.
    sent: bool,
}

/// The server's state of an entity and our edits on top of it.
#[derive(Debug)]
pub(crate) struct Replica {
    me: String,
    confirmed: Entity,
    /// `confirmed` with the pending edits; `None` where there are none.
    local: Option<Entity>,
    stamps: Map<String, Value>,
    actor: Option<[u8; 16]>,
    flight: Option<Flight>,
    unsent: VecDeque<Edit>,
    /// Edits that the server acknowledged, the latest last, in case it forgets them.
    acknowledged: VecDeque<Edit>,
    revisions: VecDeque<Revision>,
    told: Option<typed::Told>,
    /// The last answer was a refusal for how the changes were made, not for what they do.
    doubted: bool,
    conflicts: Conflicts,
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
        let mut confirmed =
            Entity::from_document(id, snapshot.epoch, policy, snapshot.document, place)?;
        confirmed.set_stamps(snapshot.stamps.clone());
        Ok(Self {
            me: me.to_owned(),
            confirmed,
            local: None,
            stamps: snapshot.stamps.clone(),
            actor: None,
            flight: None,
            unsent: VecDeque::new(),
            acknowledged: VecDeque::new(),
            revisions: VecDeque::new(),
            told: None,
            doubted: false,
            conflicts: Conflicts::default(),
        })
    }

    /// Reads what is to be written. Only replicas take any, so that a module for visitors needs no
    /// reader of numbers as they are written.
    #[allow(clippy::unused_self, reason = "who has no replica has nothing to read")]
    pub(crate) fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, CallError> {
        let read = indelible_engine::json::parse(text.as_bytes());
        read.and_then(serde_json::from_value).map_err(json_error)
    }

    fn edits(&self) -> impl Iterator<Item = &Edit> {
        self.flight
            .iter()
            .flat_map(|flight| &flight.edits)
            .chain(&self.unsent)
    }

    /// The confirmed state with edits on top.
    fn with_edits<'a>(&self, edits: impl Iterator<Item = &'a Edit>) -> Result<Entity, LoadError> {
        let changes: Vec<Vec<u8>> = edits.map(|edit| edit.change.clone()).collect();
        let (seq, hash) = (self.confirmed.seq(), self.confirmed.hash());
        let mut entity = self.confirmed.clone();
        let ours = Logged {
            kind: EntryKind::Changes,
            epoch: self.confirmed.epoch(),
            policy_hash: self.policy().hash(),
            seq: seq.next(),
            hash,
            at: Timestamp(0),
            author: &self.me,
            claimed: None,
            changes: &changes,
        };
        entity.apply_log([ours])?;
        Ok(self.placed(entity))
    }

    /// Edits take no place in the log before the server gives them one, and leave no stamp.
    fn placed(&self, mut entity: Entity) -> Entity {
        entity.stand_at(self.confirmed.seq(), self.confirmed.hash());
        entity.set_stamps(self.stamps.clone());
        entity
    }

    /// What is shown: the server's state with our edits.
    pub(crate) fn shown(&self) -> &Entity {
        self.local.as_ref().unwrap_or(&self.confirmed)
    }

    /// Where the server's log is known up to.
    pub(crate) fn place(&self) -> (Epoch, Seq, Hash) {
        (
            self.confirmed.epoch(),
            self.confirmed.seq(),
            self.confirmed.hash(),
        )
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        self.confirmed.policy()
    }

    /// How many edits are not known to be durable.
    pub(crate) fn pending(&self) -> usize {
        let mut last = None;
        let edits = self.edits();
        edits
            .filter(|edit| last.replace(edit.of) != Some(edit.of))
            .count()
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
        let place = self.confirmed.seq();
        let news: Vec<&EntryReport> = entries.iter().filter(|entry| entry.seq > place).collect();
        let changes: Vec<Vec<Vec<u8>>> = news
            .iter()
            .map(|entry| entry.changes.iter().map(|change| change.to_vec()).collect())
            .collect();
        let (epoch, policy_hash) = (self.confirmed.epoch(), self.policy().hash());
        let logged = news.iter().zip(&changes).map(|(entry, changes)| Logged {
            kind: EntryKind::Changes,
            epoch,
            policy_hash,
            seq: entry.seq,
            hash: entry.hash,
            at: entry.at,
            author: &entry.by.id,
            claimed: None,
            changes,
        });
        let heads = self.confirmed.heads();
        self.confirmed.apply_log(logged)?;
        let news: Vec<_> = news.into_iter().zip(changes).collect();
        self.notice(heads, &news);
        self.confirmed.set_stamps(stamps.clone());
        self.stamps = stamps;
        let mut saved = Vec::new();
        for entry in entries {
            saved.extend(self.note(entry));
        }
        self.acknowledge(&saved);
        self.rebuild()?;
        Ok(self.settled(&saved, limits))
    }

    /// Makes what is shown anew from the confirmed state and the edits that are still pending.
    fn rebuild(&mut self) -> Result<(), LoadError> {
        self.local = match self.pending() {
            0 => None,
            _ => Some(self.with_edits(self.edits())?),
        };
        Ok(())
    }

    /// Sees whether an entry is our proposal in flight. One of which the log holds only a part
    /// waits for its answer.
    fn note(&mut self, entry: &EntryReport) -> Vec<Edit> {
        let Some(flight) = self
            .flight
            .take_if(|flight| entry.proposal == Some(flight.id))
        else {
            return Vec::new();
        };
        let whole = flight
            .edits
            .iter()
            .all(|edit| entry.changes.iter().any(|change| **change == edit.change));
        if !whole {
            self.flight = Some(flight);
            return Vec::new();
        }
        self.doubted = false;
        flight.edits
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
        if seq > self.confirmed.seq() {
            let (entity, after) = (self.confirmed.id().clone(), self.confirmed.seq());
            return Err(LoadError::Order {
                entity,
                after,
                found: seq,
            });
        }
        let Some(flight) = self.flight.take() else {
            return Ok(Settled::Nothing);
        };
        self.doubted = false;
        // Of what is not in the log the refusal was lost: it is proposed and judged again.
        let (saved, rest): (Vec<Edit>, Vec<Edit>) = flight
            .edits
            .into_iter()
            .partition(|edit| self.confirmed.holds(&edit.change));
        for edit in rest.into_iter().rev() {
            self.unsent.push_front(edit);
        }
        self.acknowledge(&saved);
        self.rebuild()?;
        Ok(self.settled(&saved, limits))
    }

    /// Whether this is the proposal in flight.
    pub(crate) fn is_in_flight(&self, id: ProposalId) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.id == id)
    }

    /// Brings `body` in: as an edit that is shown at once and pending. `None`: nothing differs.
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
                return Err(explain(MergeError::Refused(lost)));
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
        )
        .map_err(explain)?;
        self.bring_in(author, ordinal, merged)
    }

    /// Takes in what a merge made, if it made anything.
    fn bring_in(
        &mut self,
        author: &Author<'_>,
        ordinal: u64,
        mut merged: Merged,
    ) -> Result<(Edited, bool), CallError> {
        let preserved = std::mem::take(&mut merged.preserved);
        let changes = std::mem::take(&mut merged.changes);
        if changes.is_empty() {
            return Ok((
                Edited {
                    changed: Vec::new(),
                    preserved,
                },
                false,
            ));
        }
        let max = room(author.limits);
        let bytes = changes.iter().map(|change| in_frame(change)).sum();
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
            let violations = refusal.violations.into_iter().map(Into::into).collect();
            return Err(CallError::Policy(violations));
        }
        let Some(admitted) = verdict.admitted else {
            return Ok((
                Edited {
                    changed: Vec::new(),
                    preserved,
                },
                false,
            ));
        };
        let (entity, _, effects) = admitted.into_parts();
        self.conflicts.edited(self.actor.unwrap_or(author.fresh));
        self.local = Some(self.placed(entity));
        let last = changes.len() - 1;
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
        let mut changed: Vec<Pointer> = effects.into_iter().map(|effect| effect.pointer).collect();
        changed.dedup();
        Ok((Edited { changed, preserved }, true))
    }

    /// What a body and the state that it was made from are by now.
    fn followed(&self, revision: u64, body: &Value) -> Result<Followed, CallError> {
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

    /// What was in flight was not taken, or nobody knows: it must be sent again.
    pub(crate) fn send_again(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.sent = false;
        }
    }

    /// The proposal to send now, if one is due: one is in flight at a time.
    pub(crate) fn next_proposal(
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
    /// of several parts goes alone, and whether the batch is that.
    fn take_batch(&mut self, limits: &Limits) -> (Vec<Edit>, bool) {
        let max = room(limits);
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
            bytes += in_frame(&edit.change);
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

/// How many bytes of changes one frame takes.
fn room(limits: &Limits) -> usize {
    limits.frame_bytes_max.saturating_sub(FRAME_OVERHEAD_BYTES)
}

/// The bytes that a change takes in a frame.
fn in_frame(change: &[u8]) -> usize {
    change.len() + 9
}

fn explain(error: MergeError) -> CallError {
    match error {
        MergeError::Refused(violations) => {
            CallError::Policy(violations.into_iter().map(Into::into).collect())
        }
        MergeError::UnknownBase => CallError::UnknownBase,
        MergeError::TooLarge { bytes, max } => CallError::TooBig { bytes, max },
        MergeError::Document(reason) => CallError::Document(reason),
    }
}
