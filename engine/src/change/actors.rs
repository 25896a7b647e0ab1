//! Actor ids: who may use which.
//!
//! Automerge keeps actors sorted and renumbers columns when one is inserted in the middle, so
//! clients' ids begin with the time. The first byte tells the classes apart; a time in milliseconds
//! begins with neither `00` nor `ff` between the years 2004 and 10,800.

use automerge::ActorId;

use crate::id::{EntityId, Epoch, Hash};
use crate::time::Timestamp;

const GENESIS_FIRST_BYTE: u8 = 0x00;
const SERVER_FIRST_BYTE: u8 = 0xff;
/// What Automerge puts before an actor id when it needs a second one for the same actor.
const DERIVED_PREFIX: [u8; 4] = [0x13, 0xb2, 0x23, 0x09];
const SERVER_DOMAIN: &[u8] = b"indelible/server-actor/1\0";
const ACTOR_BYTES: usize = 16;

/// What an actor id is reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorClass {
    /// The actor that makes an entity's containers and defaults.
    Genesis,
    /// An actor under which the server writes for a principal.
    Server,
    /// An actor that Automerge derived from another; not accepted from anybody.
    Derived,
    /// Any other: for clients.
    Client,
}

impl ActorClass {
    /// The class of an actor id.
    pub fn of(actor: &ActorId) -> Self {
        match actor.to_bytes() {
            bytes if is_derived(bytes) => Self::Derived,
            [GENESIS_FIRST_BYTE, ..] => Self::Genesis,
            [SERVER_FIRST_BYTE, ..] => Self::Server,
            _ => Self::Client,
        }
    }
}

pub(super) fn is_derived(actor: &[u8]) -> bool {
    actor.starts_with(&DERIVED_PREFIX)
}

/// The actor that makes the genesis of every entity: 16 zero bytes.
pub fn genesis_actor() -> ActorId {
    ActorId::from(&[GENESIS_FIRST_BYTE; ACTOR_BYTES][..])
}

/// The actor under which the server writes for a principal in one epoch of an entity: `ff`, then the
/// first 15 bytes of the SHA-256 of `"indelible/server-actor/1"`, a zero byte, the entity's name, a
/// zero byte, the epoch as 8 bytes (big-endian), and the principal's id.
pub fn server_actor(entity: &EntityId, epoch: Epoch, principal_id: &str) -> ActorId {
    let name = entity.to_string();
    let digest = Hash::of(&[
        SERVER_DOMAIN,
        name.as_bytes(),
        &[0],
        &epoch.0.to_be_bytes(),
        principal_id.as_bytes(),
    ]);
    let mut bytes = [SERVER_FIRST_BYTE; ACTOR_BYTES];
    bytes[1..].copy_from_slice(&digest.0[..ACTOR_BYTES - 1]);
    ActorId::from(&bytes[..])
}

/// An actor id for a client, in the layout of a UUID version 7 (RFC 9562, section 5.7): the time
/// first, so that new actors sort after old ones. A client draws one per replica and keeps it.
pub fn client_actor(now: Timestamp, random: [u8; 10]) -> ActorId {
    // 2004-11-03: below it the first byte would be that of the genesis actor.
    const EARLIEST_MS: u64 = 1 << 40;
    const LATEST_MS: u64 = (0xff << 40) - 1;
    let ms = u64::try_from(now.0)
        .unwrap_or(0)
        .clamp(EARLIEST_MS, LATEST_MS);
    let mut bytes = [0; ACTOR_BYTES];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    ActorId::from(&bytes[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_do_not_overlap() {
        let entity: EntityId = "team/jane".parse().unwrap();
        let server = server_actor(&entity, Epoch(1), "alice");
        assert_eq!(ActorClass::of(&genesis_actor()), ActorClass::Genesis);
        assert_eq!(ActorClass::of(&server), ActorClass::Server);
        assert_eq!(server.to_bytes().len(), 16);
        let derived = ActorId::from(&[0x13, 0xb2, 0x23, 0x09, 1, 0xff][..]);
        assert_eq!(ActorClass::of(&derived), ActorClass::Derived);
        for ms in [i64::MIN, 0, 1_770_000_000_000, i64::MAX] {
            let actor = client_actor(Timestamp(ms), [0xff; 10]);
            assert_eq!(ActorClass::of(&actor), ActorClass::Client, "{ms}");
        }
    }

    #[test]
    fn server_actors_differ_by_entity_epoch_and_principal() {
        let actor = |entity: &str, epoch, principal| {
            server_actor(&entity.parse().unwrap(), Epoch(epoch), principal)
        };
        let one = actor("team/jane", 1, "alice");
        assert_eq!(one, actor("team/jane", 1, "alice"));
        for other in [
            actor("team/joe", 1, "alice"),
            actor("team/jane", 2, "alice"),
            actor("team/jane", 1, "bob"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn client_actors_sort_by_time() {
        let early = client_actor(Timestamp(1_770_000_000_000), [0xff; 10]);
        let late = client_actor(Timestamp(1_770_000_000_001), [0; 10]);
        assert!(early < late);
        assert_eq!(early.to_bytes()[6] >> 4, 7);
    }
}
