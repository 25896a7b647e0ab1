//! The layout of keys: a format, fixed with storage format 1.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `entries` | entity ‖ 00 ‖ epoch ‖ seq | hash (32) ‖ encoded entry |
//! | `refusals` | entity ‖ 00 ‖ epoch ‖ number | hash (32) ‖ encoded refusal |
//! | `refusal-counts` | entity ‖ 00 ‖ epoch ‖ principal | total (8) ‖ kept (8) |
//! | `asked` | length of principal (2) ‖ principal ‖ proposal (16) | digest of what was asked (32) ‖ what was answered, where it does not follow from an entry |
//! | `policies` | policy hash (32) | the policy's text |
//! | `heads` (cache) | entity ‖ 00 | epoch (8) ‖ seq (8) ‖ hash (32) ‖ presence (1) |
//! | `refusal-heads` (cache) | entity ‖ 00 | next number (8) ‖ hash of the last (32) |
//! | `global` (cache) | global seq | entity ‖ 00 ‖ epoch ‖ seq |
//! | `proposals` (cache) | length of principal (2) ‖ principal ‖ proposal (16) | entity ‖ 00 ‖ epoch ‖ seq |
//! | `changes` (cache) | entity ‖ 00 ‖ epoch ‖ change hash (32) | seq (8) |
//! | `effects` (cache) | entity ‖ 00 ‖ epoch ‖ seq | encoded effects |
//! | `snapshots` (cache) | entity ‖ 00 ‖ epoch ‖ seq | length of document (8) ‖ document ‖ state |
//! | `claims` (cache) | kind ‖ 00 ‖ claim (32) ‖ entity | nothing |
//! | `meta` | name | bytes |
//!
//! The entity is its name in ASCII (`team/jane-doe`, `settings`), which holds no zero byte, so no
//! key is the beginning of another entity's. All numbers are unsigned, 64 bits, big-endian: bytewise
//! order is the order of the log. The entities of a kind lie together: the singleton's keys begin
//! with `kind 00`, the others' with `kind/`. The names in `meta` are `format` and `caches` (4 bytes
//! each: the format's version and that of the caches), `tail` (global seq, latest time as 64 bits
//! two's complement, number of appends), `claims/KIND` (the signature of the kind's claims, 32
//! bytes), and `note/…` for what the server itself notes down.
//!
//! Invariant: a key decodes to what it was made from.

use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, Kind, ProposalId, Seq};

use super::{Place, StoreError, StoreResult};

/// The key of an entity as such: the beginning of all its other keys.
pub fn entity(entity: &EntityId) -> Vec<u8> {
    let mut key = entity.to_string().into_bytes();
    key.push(0);
    key
}

/// The beginning of an epoch's keys.
pub fn epoch(id: &EntityId, epoch: Epoch) -> Vec<u8> {
    let mut key = entity(id);
    key.extend(epoch.0.to_be_bytes());
    key
}

/// The key of the number-th thing in an epoch: an entry, a refusal.
pub fn numbered(id: &EntityId, in_epoch: Epoch, number: u64) -> Vec<u8> {
    let mut key = epoch(id, in_epoch);
    key.extend(number.to_be_bytes());
    key
}

/// The key of a place.
pub fn place(place: &Place) -> Vec<u8> {
    numbered(&place.entity, place.epoch, place.seq.0)
}

/// The key of a change in an epoch.
pub fn change(id: &EntityId, in_epoch: Epoch, change: Hash) -> Vec<u8> {
    let mut key = epoch(id, in_epoch);
    key.extend(change.0);
    key
}

/// The key of a principal's refusals in an epoch.
pub fn refusal_count(id: &EntityId, in_epoch: Epoch, principal: &str) -> Vec<u8> {
    let mut key = epoch(id, in_epoch);
    key.extend(principal.as_bytes());
    key
}

/// The key of a principal's proposal. Ids longer than their length can say share it; they differ
/// in what follows, and no principal of ours has one.
pub fn proposal(principal: &str, proposal: ProposalId) -> Vec<u8> {
    let length = u16::try_from(principal.len()).unwrap_or(u16::MAX);
    let mut key = length.to_be_bytes().to_vec();
    key.extend(principal.as_bytes());
    key.extend(proposal.0);
    key
}

/// The key of a place in the global order.
pub fn global(global: GlobalSeq) -> Vec<u8> {
    global.0.to_be_bytes().to_vec()
}

/// The beginning of the keys of a kind's claims.
pub fn claims(kind: &Kind) -> Vec<u8> {
    [kind.as_str().as_bytes(), &[0]].concat()
}

/// The beginning of the keys of all who have a claim.
pub fn holders(kind: &Kind, claim: Hash) -> Vec<u8> {
    let mut key = claims(kind);
    key.extend(claim.0);
    key
}

/// The key of an entity's claim.
pub fn claim(id: &EntityId, claim: Hash) -> Vec<u8> {
    let mut key = holders(id.kind(), claim);
    key.extend(id.to_string().as_bytes());
    key
}

/// The keys of all entities of a kind lie in these two ranges: the singleton's, the others'.
pub fn kind_ranges(kind: &Kind) -> [(Vec<u8>, Vec<u8>); 2] {
    let bounded = |from: u8, to: u8| {
        let key = |byte| [kind.as_str().as_bytes(), &[byte]].concat();
        (key(from), key(to))
    };
    [bounded(0, 1), bounded(b'/', b'/' + 1)]
}

/// The first key after all that begin with this one; there is one, as no key is all 255s.
pub fn after_all(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last < u8::MAX {
            key.push(last + 1);
            break;
        }
    }
    key
}

/// Reads the entity from a key that begins with one; gives the rest.
pub fn split_entity(key: &[u8]) -> StoreResult<(EntityId, &[u8])> {
    let split = || {
        let end = key.iter().position(|&byte| byte == 0)?;
        let name = std::str::from_utf8(&key[..end]).ok()?;
        Some((name.parse().ok()?, &key[end + 1..]))
    };
    split().ok_or_else(|| damaged("a key without an entity"))
}

/// Reads a place.
pub fn split_place(key: &[u8]) -> StoreResult<Place> {
    let (entity, rest) = split_entity(key)?;
    let (epoch, rest) = split_number(rest)?;
    let (seq, _) = split_number(rest)?;
    Ok(Place {
        entity,
        epoch: Epoch(epoch),
        seq: Seq(seq),
    })
}

/// Reads a number; gives the rest.
pub fn split_number(bytes: &[u8]) -> StoreResult<(u64, &[u8])> {
    let (number, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| damaged("a number cut short"))?;
    Ok((u64::from_be_bytes(*number), rest))
}

/// Reads a hash; gives the rest.
pub fn split_hash(bytes: &[u8]) -> StoreResult<(Hash, &[u8])> {
    let (hash, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| damaged("a hash cut short"))?;
    Ok((Hash(*hash), rest))
}

pub(super) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into() }
}

#[cfg(test)]
mod tests {
    //! Guards against a change of the layout, and against keys of one entity or kind that lie
    //! among those of another.

    use super::*;

    #[test]
    fn the_layout_stays_as_it_is() {
        let jane: EntityId = "team/jane".parse().unwrap();
        let hex = |key: Vec<u8>| {
            key.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(
            hex(numbered(&jane, Epoch(1), 258)),
            "7465616d2f6a616e65000000000000000001\
             0000000000000102"
        );
        assert_eq!(
            hex(proposal("al", ProposalId([7; 16]))),
            "0002616c07070707070707070707070707070707"
        );
        assert_eq!(hex(global(GlobalSeq(3))), "0000000000000003");
        assert_eq!(
            hex(refusal_count(&jane, Epoch(1), "al")).len(),
            2 * (10 + 8 + 2)
        );
    }

    #[test]
    fn keys_are_read_back() {
        for name in ["settings", "team/jane", "team/a.b~c_d"] {
            let at = Place {
                entity: name.parse().unwrap(),
                epoch: Epoch(2),
                seq: Seq(u64::MAX),
            };
            assert_eq!(split_place(&place(&at)).unwrap(), at);
        }
        assert!(split_place(b"team/jane").is_err());
        assert!(split_place(b"team/jane\0\0\0").is_err());
        assert!(split_place(b"Team\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").is_err());
    }

    #[test]
    fn a_kind_s_entities_lie_together_and_apart() {
        let inside = |kind: &str, name: &str| {
            let key = entity(&name.parse().unwrap());
            kind_ranges(&kind.parse().unwrap())
                .iter()
                .any(|(from, to)| *from <= key && key < *to)
        };
        assert!(
            inside("team", "team")
                && inside("team", "team/jane")
                && inside("team", "team/~".replace('~', "z~").as_str())
        );
        for other in ["tea/m", "team-a", "team-a/b", "team0/x", "teams", "teams/a"] {
            assert!(!inside("team", other), "{other}");
        }
    }

    #[test]
    fn after_all_is_just_beyond() {
        assert_eq!(after_all(&[1, 2]), [1, 3]);
        assert_eq!(after_all(&[1, 255]), [2]);
    }
}
