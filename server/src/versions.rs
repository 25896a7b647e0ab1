//! Versions of values, as clients see them: opaque text that the server can open again.
//!
//! A version names the last entry that a reader could see: its place (epoch, seq) and the
//! beginning of its hash, which covers all entries before it. So one version never names two
//! values, not even where a log went on differently from the same place: on a copy of the data
//! directory, or on a restored backup. Numbers would show how many changes there were that the
//! reader could not see, so they are sealed with AES-256-GCM-SIV (RFC 8452) under a key of the
//! server. The same entry gives the same text, so versions can be compared (ETags); the entity and
//! the projection are bound in, so a version of one means nothing for another.
//!
//! Invariant: `open` gives an entry only for text that `seal` made, under the same key, for the same
//! entity and projection.

use std::fmt;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indelible_engine::id::{EntityId, Epoch, Hash, Seq};

use crate::keys::Keys;

const PURPOSE: &str = "indelible/versions/2";

/// Always the same: sealing is to be deterministic, and GCM-SIV then reveals equality, nothing else.
const NONCE: [u8; 12] = *b"indelible/2\0";

/// Bytes of an entry's hash that a version holds: enough that no two entries share them.
const HASH_BYTES: usize = 16;

/// Sixteen bytes of place, the hash's and sixteen of tag, in base64.
pub(crate) const TEXT_BYTES: usize = 64;

/// The entry that a version names, as far as the version says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The epoch of the entry.
    pub epoch: Epoch,
    /// Its place in that epoch.
    pub seq: Seq,
    hash: [u8; HASH_BYTES],
}

impl Opened {
    /// Whether the entry at the version's place, which has this hash, is the one it was made of.
    pub fn is_of(&self, hash: &Hash) -> bool {
        hash.as_bytes().starts_with(&self.hash)
    }
}

/// Seals and opens versions.
#[derive(Clone)]
pub struct Versions {
    cipher: Aes256GcmSiv,
}

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Versions(…)")
    }
}

impl Versions {
    /// Versions under a key derived from these.
    pub fn new(keys: &Keys) -> Self {
        Self {
            cipher: Aes256GcmSiv::new(&keys.derive(PURPOSE).into()),
        }
    }

    /// The version of an entity's projection after the entry with this place and hash, as
    /// base64url text.
    pub fn seal(
        &self,
        entity: &EntityId,
        projection: &str,
        (epoch, seq, hash): (Epoch, Seq, &Hash),
    ) -> String {
        let mut entry = [0; 16 + HASH_BYTES];
        entry[..8].copy_from_slice(&epoch.0.to_be_bytes());
        entry[8..16].copy_from_slice(&seq.0.to_be_bytes());
        entry[16..].copy_from_slice(&hash.as_bytes()[..HASH_BYTES]);
        let aad = associated(entity, projection);
        let payload = Payload {
            msg: &entry,
            aad: &aad,
        };
        let sealed = self.cipher.encrypt(&Nonce::from(NONCE), payload);
        URL_SAFE_NO_PAD.encode(sealed.expect("so few bytes are within what AES-GCM-SIV takes"))
    }

    /// The entry that a version names, or nothing when it is not a version of this entity and
    /// projection, sealed by this server. Whether the log has that entry is to be asked with
    /// [`Opened::is_of`].
    pub fn open(&self, entity: &EntityId, projection: &str, text: &str) -> Option<Opened> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let aad = associated(entity, projection);
        let payload = Payload {
            msg: &sealed,
            aad: &aad,
        };
        let entry = self.cipher.decrypt(&Nonce::from(NONCE), payload).ok()?;
        let (epoch, rest) = entry.split_first_chunk::<8>()?;
        let (seq, hash) = rest.split_first_chunk::<8>()?;
        Some(Opened {
            epoch: Epoch(u64::from_be_bytes(*epoch)),
            seq: Seq(u64::from_be_bytes(*seq)),
            hash: hash.try_into().ok()?,
        })
    }
}

fn associated(entity: &EntityId, projection: &str) -> Vec<u8> {
    format!("{entity}\0{projection}").into_bytes()
}

#[cfg(test)]
mod tests {
    //! Guards against versions that show how much happened, that open where they do not belong, or
    //! that name two entries at one place.

    use super::*;

    fn versions(dir: &tempfile::TempDir) -> Versions {
        Versions::new(&Keys::open_or_create(dir.path()).unwrap())
    }

    #[test]
    fn a_version_opens_only_where_it_belongs() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let here = versions(&dir);
        let [jane, john]: [EntityId; 2] = ["team/jane", "team/john"].map(|id| id.parse().unwrap());
        let hash = Hash::of(&[b"an entry"]);
        let entry = (Epoch(2), Seq(u64::MAX), &hash);
        let text = here.seal(&jane, "public", entry);
        assert_eq!(text, versions(&dir).seal(&jane, "public", entry));
        assert_eq!(text.len(), TEXT_BYTES);
        let opened = here.open(&jane, "public", &text).unwrap();
        assert_eq!((opened.epoch, opened.seq), (Epoch(2), Seq(u64::MAX)));
        assert!(opened.is_of(&hash));
        assert_eq!(here.open(&john, "public", &text), None);
        assert_eq!(here.open(&jane, "editor", &text), None);
        assert_eq!(versions(&other).open(&jane, "public", &text), None);
        for bad in [
            "",
            "x",
            &text[1..],
            &text.to_uppercase(),
            &"é".repeat(TEXT_BYTES),
        ] {
            assert_eq!(here.open(&jane, "public", bad), None, "{bad:?}");
        }
    }

    #[test]
    fn neighbours_look_unrelated() {
        let dir = tempfile::tempdir().unwrap();
        let jane: EntityId = "team/jane".parse().unwrap();
        let hash = Hash::of(&[b"an entry"]);
        let seal = |seq| versions(&dir).seal(&jane, "public", (Epoch::FIRST, Seq(seq), &hash));
        let (one, two) = (seal(1), seal(2));
        let same = one.bytes().zip(two.bytes()).filter(|(a, b)| a == b).count();
        assert!(same < TEXT_BYTES / 2, "{one} {two}");
    }

    #[test]
    fn two_entries_at_one_place_have_two_versions() {
        let dir = tempfile::tempdir().unwrap();
        let jane: EntityId = "team/jane".parse().unwrap();
        let [lost, other] = ["lost", "other"].map(|text| Hash::of(&[text.as_bytes()]));
        let seal = |hash| versions(&dir).seal(&jane, "public", (Epoch::FIRST, Seq(1), hash));
        assert_ne!(seal(&lost), seal(&other));
        let opened = versions(&dir).open(&jane, "public", &seal(&lost)).unwrap();
        assert!(opened.is_of(&lost) && !opened.is_of(&other));
    }
}
