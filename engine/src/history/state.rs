//! The state of an entity at a place of its log: the value, stamps and presence after exactly the
//! entries up to there, reached from another state by effects.

use std::borrow::Borrow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::apply::{Applying, Misfit};
use super::record::Record;
use crate::entity::Entity;
use crate::id::{Epoch, Hash, LogPlace, Seq};
use crate::ledger::{EntryKind, Presence, Stamps};
use crate::policy::{Policy, PolicySource};

/// Why a state cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PastError {
    /// A record does not follow the one before it, or records are missing before `wanted`.
    #[error("the records do not lead to epoch {} seq {}", wanted.epoch, wanted.seq)]
    Records {
        /// The place that the next record should have, or that is asked for.
        wanted: LogPlace,
    },
    /// The effects of a record are not those of its entry.
    #[error("the effects of epoch {} seq {}", place.epoch, place.seq)]
    Effects {
        /// The record's place.
        place: LogPlace,
        /// What does not fit.
        #[source]
        source: Misfit,
    },
    /// A record names a policy that is not at hand.
    #[error("epoch {} seq {} names a policy that is not known: {policy}", place.epoch, place.seq)]
    Policy {
        /// The record's place.
        place: LogPlace,
        /// The policy's hash.
        policy: Hash,
    },
}

/// An entity's value, stamps and presence after one entry of its log.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) place: LogPlace,
    pub(super) presence: Presence,
    pub(super) value: Map<String, Value>,
    pub(super) stamps: Stamps,
    pub(super) policy: Arc<Policy>,
}

impl State {
    /// The present state of an entity.
    #[must_use]
    pub fn of(entity: &Entity) -> Self {
        Self {
            place: entity.place(),
            presence: entity.presence(),
            value: Map::clone(entity.value()),
            stamps: entity.stamps().clone(),
            policy: Arc::clone(entity.policy()),
        }
    }

    /// The state after the first record of a log, its genesis.
    ///
    /// # Errors
    /// [`PastError`] when the record is not a genesis, its policy is not known, or its effects do not
    /// lead to anything.
    pub fn first(record: &Record, policies: &dyn PolicySource) -> Result<Self, PastError> {
        let place = record.place();
        if record.kind != EntryKind::Genesis {
            let wanted = LogPlace::start_of(place.epoch);
            return Err(PastError::Records { wanted });
        }
        let policy = policies
            .policy(record.header.policy_hash)
            .ok_or(PastError::Policy {
                place,
                policy: record.header.policy_hash,
            })?;
        let mut state = Self {
            place: LogPlace::start_of(Epoch(0)),
            presence: Presence::Unborn,
            value: Map::new(),
            stamps: Stamps::default(),
            policy,
        };
        state.forward([record], policies)?;
        Ok(state)
    }

    /// The epoch and seq of the last entry that it knows.
    #[must_use]
    pub fn place(&self) -> LogPlace {
        self.place
    }

    /// Whether the entity was there.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// The value without stamps.
    #[must_use]
    pub fn value(&self) -> &Map<String, Value> {
        &self.value
    }

    /// The stamps as they were then.
    #[must_use]
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// The policy as it was then.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The value as a reader got it then, stamps included.
    #[must_use]
    pub fn presented(&self) -> Value {
        let mut map = self.value.clone();
        map.extend(self.stamps.fields(&self.policy));
        Value::Object(map)
    }

    /// Advances by the records that follow, in the order of the log.
    ///
    /// # Errors
    /// [`PastError`]; the state is unusable then.
    pub fn forward<R: Borrow<Record>>(
        &mut self,
        records: impl IntoIterator<Item = R>,
        policies: &dyn PolicySource,
    ) -> Result<(), PastError> {
        let mut value = Applying::new(Arc::clone(&self.policy), std::mem::take(&mut self.value));
        for record in records {
            let record = record.borrow();
            let place = record.place();
            let follows = match record.kind {
                EntryKind::Genesis | EntryKind::Epoch => {
                    record.header.place.epoch > self.place.epoch
                }
                _ => place == self.place.next(),
            };
            if !follows {
                let wanted = self.place.next();
                return Err(PastError::Records { wanted });
            }
            if self.take_policy(record, policies)? {
                value.turn(Arc::clone(&self.policy));
            }
            let done = value.forward(&record.effects);
            done.map_err(|source| PastError::Effects { place, source })?;
            self.stamps = self.stamps.after(&record.logged());
            self.presence = Presence::after(Some(self.presence), record.kind);
            self.place = place;
        }
        self.value = value.finish();
        Ok(())
    }

    /// Goes back to `place` by the records from this state's own downward. The record of `place` is
    /// followed by those before it, down to one that is stamped (its time and author are the stamps)
    /// or to the beginning of the log; no more are read than needed.
    ///
    /// # Errors
    /// [`PastError`]; the state is unusable then.
    pub fn back<R: Borrow<Record>>(
        &mut self,
        place: LogPlace,
        records: impl IntoIterator<Item = R>,
        policies: &dyn PolicySource,
    ) -> Result<(), PastError> {
        if place == self.place {
            return Ok(());
        }
        let mut value = Applying::new(Arc::clone(&self.policy), std::mem::take(&mut self.value));
        let mut arrived = false;
        for record in records {
            let record = record.borrow();
            let own = record.place();
            let expected = match self.place.seq {
                EPOCH_END => own.epoch <= self.place.epoch,
                _ => own == self.place,
            };
            if !arrived && (!expected || own < place) {
                return Err(PastError::Records { wanted: place });
            }
            if own > place {
                if self.take_policy(record, policies)? {
                    value.turn(Arc::clone(&self.policy));
                }
                let done = value.back(&record.effects);
                done.map_err(|source| PastError::Effects { place: own, source })?;
                self.place = before(own, record.kind);
                continue;
            }
            if !arrived {
                self.take_policy(record, policies)?;
                (arrived, self.place) = (true, own);
            }
            if record.kind.is_stamped() {
                self.stamps.updated_at = Some(record.header.at);
                self.stamps.updated_by = Some(record.header.author.id.clone());
                self.presence = Presence::after(None, record.kind);
                self.value = value.finish();
                return Ok(());
            }
            if record.kind == EntryKind::Genesis {
                self.stamps = Stamps::default().after(&record.logged());
                self.presence = Presence::Unborn;
                self.value = value.finish();
                return Ok(());
            }
        }
        Err(PastError::Records { wanted: place })
    }

    /// Continues under the policy of a record, and returns whether it differs.
    pub(super) fn take_policy(
        &mut self,
        record: &Record,
        policies: &dyn PolicySource,
    ) -> Result<bool, PastError> {
        if record.header.policy_hash == self.policy.hash() {
            return Ok(false);
        }
        let found = policies.policy(record.header.policy_hash);
        self.policy = found.ok_or(PastError::Policy {
            place: record.place(),
            policy: record.header.policy_hash,
        })?;
        Ok(true)
    }
}

/// The last seq of an epoch, before its record says which that is.
pub(super) const EPOCH_END: Seq = Seq(u64::MAX);

/// The place of an entity before the entry at `place`.
pub(super) fn before(place: LogPlace, kind: EntryKind) -> LogPlace {
    let LogPlace { epoch, seq } = place;
    match kind {
        EntryKind::Genesis | EntryKind::Epoch => {
            LogPlace::new(Epoch(epoch.0.saturating_sub(1)), EPOCH_END)
        }
        _ => LogPlace::new(epoch, Seq(seq.0.saturating_sub(1))),
    }
}
