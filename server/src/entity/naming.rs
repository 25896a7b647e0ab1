//! The name of an entity that is to be created.

use indelible_engine::id::{EntityId, Hash, IdError, ProposalId};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;

use super::outcome::WriteError;

/// Hexadecimal digits of an id that the server picks: 96 bits.
const GENERATED_ID_DIGITS: usize = 24;

/// The name of an entity that is to be created: the one that was asked for, or one that follows
/// from the author and the id of the write, so that a repeat leads to the same entity.
///
/// # Errors
/// [`WriteError::Name`] when the name cannot be used.
pub(crate) fn name_for_creation(
    policy: &Policy,
    id: Option<&str>,
    author: &Principal,
    write: ProposalId,
) -> Result<EntityId, WriteError> {
    let bad = |error: IdError| WriteError::Name(error.to_string());
    match (policy.is_singleton(), id) {
        (true, None) => EntityId::new(policy.kind().clone(), None).map_err(bad),
        (true, Some(_)) => Err(WriteError::Name(
            "there is only one of this kind, without an id".to_owned(),
        )),
        (false, Some(_)) if !policy.readable(author) => {
            // A caller who may not read the kind must not find out whether an id is taken.
            Err(WriteError::Name(
                "the server picks the ids of this kind".to_owned(),
            ))
        }
        (false, Some(id)) => EntityId::new(policy.kind().clone(), Some(id)).map_err(bad),
        (false, None) => {
            let text = Hash::of(&[
                b"indelible/entity-id/1\0",
                policy.kind().as_str().as_bytes(),
                b"\0",
                author.id.as_bytes(),
                b"\0",
                write.as_bytes(),
            ]);
            let id = &text.to_string()[..GENERATED_ID_DIGITS];
            EntityId::new(policy.kind().clone(), Some(id)).map_err(bad)
        }
    }
}
