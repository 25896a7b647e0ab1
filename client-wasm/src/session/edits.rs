//! Edits of a session, and what the program does about those of its values that did not become
//! current.

use indelible_engine::id::EntityId;
use indelible_engine::pointer::Pointer;
use indelible_engine::time::Timestamp;
use serde_json::Value;

use super::Session;
use crate::error::CallError;
use crate::replica::{Author, EditOptions, Edited, Located, Replica, TypedEdit};

impl Session {
    /// Merges a JSON value into an entity: applied at once, sent as soon as that is possible.
    ///
    /// # Errors
    /// [`CallError`]; with [`CallError::Policy`] the rules that the edit breaks.
    pub fn edit(
        &mut self,
        entity: &str,
        body: &str,
        options: &EditOptions,
        now: Timestamp,
    ) -> Result<Edited, CallError> {
        self.write(entity, now, |replica, author, ordinal| {
            let body: Value = replica.read(body)?;
            replica.edit(author, ordinal, &body, options)
        })
    }

    /// Replaces a part of a text, at the place that the author saw: applied at once, sent as soon as
    /// that is possible. A string that is not merged letter by letter is replaced as a whole.
    ///
    /// # Errors
    /// [`CallError`], as for [`Self::edit`]; [`CallError::Document`] when the place is not there.
    pub fn splice(
        &mut self,
        entity: &str,
        typed: &TypedEdit,
        now: Timestamp,
    ) -> Result<Edited, CallError> {
        self.write(entity, now, |replica, author, ordinal| {
            replica.splice(author, ordinal, typed)
        })
    }

    /// Writes something again that was dropped, given as the JSON that a status has for it. An item
    /// or entry of an open map that existed only here is made again, under its id, with everything
    /// that the status has as dropped of it: some of that may be required, or written only at first.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::NothingToBringBack`] where it is not a value of its own, and where
    /// what it lies in cannot be made again from what was dropped.
    pub fn bring_back(
        &mut self,
        entity: &str,
        lost: &str,
        now: Timestamp,
    ) -> Result<Edited, CallError> {
        let id: EntityId = entity.parse()?;
        let subscription = self.subscriptions.get(&id);
        let subscription = subscription.ok_or_else(|| CallError::NotOpen(id.to_string()))?;
        if subscription.replica().is_none() {
            return Err(CallError::NotReady(id.to_string()));
        }
        let dropped = subscription.dropped().to_vec();
        self.write(entity, now, |replica, author, ordinal| {
            replica.bring_back(author, ordinal, (lost, &dropped))
        })
    }

    /// Writes our value of the conflict at `pointer` again, as an ordinary edit.
    ///
    /// # Errors
    /// [`CallError`]; with [`CallError::NoConflict`] there is none at that field.
    pub fn keep(
        &mut self,
        entity: &str,
        pointer: &str,
        now: Timestamp,
    ) -> Result<Edited, CallError> {
        let pointer: Pointer = pointer.parse()?;
        self.write(entity, now, |replica, author, ordinal| {
            replica.keep(author, ordinal, &pointer)
        })
    }

    /// Forgets the conflict at `pointer`: the other value stays.
    pub fn dismiss(&mut self, entity: &str, pointer: &str) {
        let (Ok(id), Ok(pointer)) = (entity.parse(), pointer.parse()) else {
            return;
        };
        if let Some(replica) = self.subscriptions.replica_mut(&id) {
            replica.dismiss(&pointer);
        }
    }

    /// Finds a place in the value of a replica; `None` when there is no replica or no such item.
    pub fn locate(&self, entity: &str, pointer: &str) -> Option<Located> {
        let subscription = self.subscriptions.get(&entity.parse().ok()?)?;
        let principal = self.handshake.principal()?;
        subscription
            .replica()?
            .locate(&pointer.parse().ok()?, principal)
    }

    /// The ordinal of the last edit of an entity; 0: none. `saved` and `refused` events name it.
    pub fn edits(&self, entity: &str) -> u64 {
        let id = entity.parse().ok();
        let subscription = id.and_then(|id| self.subscriptions.get(&id));
        subscription.map_or(0, |subscription| subscription.edits())
    }

    fn write(
        &mut self,
        entity: &str,
        now: Timestamp,
        write: impl FnOnce(&mut Replica, &Author<'_>, u64) -> Result<(Edited, bool), CallError>,
    ) -> Result<Edited, CallError> {
        let id: EntityId = entity.parse()?;
        let subscription = self.subscriptions.get_mut(&id);
        let subscription = subscription.ok_or_else(|| CallError::NotOpen(id.to_string()))?;
        // What others did is reported before, so that what is reported as local is nothing else.
        self.events.extend(subscription.poll_value(false));
        subscription.editable()?;
        let fresh = || self.ids.draw(now);
        let author = self.handshake.author(now, fresh);
        let author = author.ok_or_else(|| CallError::NotReady(id.to_string()))?;
        let (edited, is_written) = subscription.edit(&author, write)?;
        if is_written {
            self.events.extend(subscription.poll_value(true));
        }
        Ok(edited)
    }
}
