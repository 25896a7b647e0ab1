//! What a program does about values of ours that did not stand beside others.

use indelible_engine::id::EntityId;
use indelible_engine::pointer::Pointer;
use indelible_engine::time::Timestamp;

use crate::edit::Edited;
use crate::error::CallError;
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
        let pointer = parse::<Pointer>(pointer)?;
        self.write(entity, now, |replica, author, ordinal| {
            replica.keep(author, ordinal, &pointer)
        })
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
