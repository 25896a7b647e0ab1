//! What a program does about values of ours that did not stand beside others.

use indelible_engine::id::EntityId;
use indelible_engine::pointer::Pointer;
use indelible_engine::time::Timestamp;

use crate::edit::{Author, Edited};
use crate::error::CallError;
use crate::followed::Known;
use crate::session::{Session, parse};

impl Session {
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
        let id = parse::<EntityId>(entity)?;
        let pointer = parse::<Pointer>(pointer)?;
        let followed = self
            .followed
            .get_mut(&id)
            .ok_or_else(|| CallError::NotOpen(id.to_string()))?;
        let Known::Replica(replica) = &mut followed.known else {
            return Err(CallError::NoConflict(pointer.to_string()));
        };
        let Some(principal) = &self.principal else {
            return Err(CallError::NotReady(id.to_string()));
        };
        let author = Author {
            principal,
            limits: &self.limits,
            now,
            fresh: self.ids.draw(now),
        };
        let (edited, written) = replica.keep(&author, followed.edits + 1, &pointer)?;
        if written {
            followed.edits += 1;
            followed.refusal = None;
        }
        Ok(edited)
    }

    /// Forgets the conflict at `pointer`: the other value is to stand.
    pub fn dismiss(&mut self, entity: &str, pointer: &str) {
        let (Ok(id), Ok(pointer)) = (parse::<EntityId>(entity), parse::<Pointer>(pointer)) else {
            return;
        };
        let followed = self.followed.get_mut(&id);
        if let Some(replica) = followed.and_then(|followed| followed.replica()) {
            replica.dismiss(&pointer);
        }
    }
}
