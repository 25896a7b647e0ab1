//! Versions of values, as clients see them: opaque text that the server can open again.
//!
//! A version stands for the place (epoch, seq) of the last entry that a reader could see. Numbers
//! would tell how many changes there were that the reader could not see, so they are sealed with
//! AES-256-GCM-SIV (RFC 8452) under a key of the server. The same place gives the same text, so
//! versions can be compared (ETags); the entity and the projection are bound in, so a version of
//! one means nothing for another.
//!
//! Invariant: `open` gives a place only for text that `seal` made, under the same key, for the same
//! entity and projection.
//! Must never know: what a projection leaves out, HTTP, frames.

use std::fmt;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indelible_engine::id::{EntityId, Epoch, Seq};

use crate::keys::Keys;

const PURPOSE: &str = "indelible/versions/1";

/// Always the same: sealing is to be deterministic, and GCM-SIV then tells equality, nothing else.
const NONCE: [u8; 12] = *b"indelible/1\0";

/// Sixteen bytes of place and sixteen of tag, in base64.
pub(crate) const TEXT_BYTES: usize = 43;

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

    /// The version of an entity's projection at a place in its log, as base64url text.
    pub fn seal(&self, entity: &EntityId, projection: &str, epoch: Epoch, seq: Seq) -> String {
        let mut place = [0; 16];
        place[..8].copy_from_slice(&epoch.0.to_be_bytes());
        place[8..].copy_from_slice(&seq.0.to_be_bytes());
        let aad = associated(entity, projection);
        let sealed = self
            .cipher
            .encrypt(
                &Nonce::from(NONCE),
                Payload {
                    msg: &place,
                    aad: &aad,
                },
            )
            .expect("sixteen bytes are within what AES-GCM-SIV takes");
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The place that a version stands for, or nothing when it is not a version of this entity and
    /// projection, sealed by this server.
    pub fn open(&self, entity: &EntityId, projection: &str, text: &str) -> Option<(Epoch, Seq)> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let aad = associated(entity, projection);
        let payload = Payload {
            msg: &sealed,
            aad: &aad,
        };
        let place = self.cipher.decrypt(&Nonce::from(NONCE), payload).ok()?;
        let (epoch, seq) = place.split_first_chunk::<8>()?;
        let seq = seq.try_into().ok()?;
        Some((
            Epoch(u64::from_be_bytes(*epoch)),
            Seq(u64::from_be_bytes(seq)),
        ))
    }
}

fn associated(entity: &EntityId, projection: &str) -> Vec<u8> {
    format!("{entity}\0{projection}").into_bytes()
}

#[cfg(test)]
mod tests {
    //! Guards against versions that tell how much happened, or that open where they do not belong.

    use super::*;

    fn versions(dir: &tempfile::TempDir) -> Versions {
        Versions::new(&Keys::open_or_create(dir.path()).unwrap())
    }

    #[test]
    fn a_version_opens_only_where_it_belongs() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let here = versions(&dir);
        let [jane, john]: [EntityId; 2] = ["team/jane", "team/john"].map(|id| id.parse().unwrap());
        let place = (Epoch(2), Seq(u64::MAX));
        let text = here.seal(&jane, "public", place.0, place.1);
        assert_eq!(text, versions(&dir).seal(&jane, "public", place.0, place.1));
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(here.open(&jane, "public", &text), Some(place));
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
        let seal = |seq| versions(&dir).seal(&jane, "public", Epoch::FIRST, Seq(seq));
        let (one, two) = (seal(1), seal(2));
        let same = one.bytes().zip(two.bytes()).filter(|(a, b)| a == b).count();
        assert!(same < TEXT_BYTES / 2, "{one} {two}");
    }
}
