//! Ids and actors, drawn from a seed that comes from outside.
//!
//! The same seed and the same calls give the same ids, so that a session can be replayed; two seeds
//! of 32 random bytes never collide.

use indelible_engine::id::{Hash, ProposalId};
use indelible_engine::time::Timestamp;

/// A source of UUIDv7-shaped ids (RFC 9562, section 5.7).
#[derive(Clone)]
pub(crate) struct Ids {
    seed: [u8; 32],
    drawn: u64,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids")
            .field("drawn", &self.drawn)
            .finish_non_exhaustive()
    }
}

impl Ids {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// 16 bytes: 48 bits of time, so that they sort by it, the rest random.
    pub(crate) fn draw(&mut self, now: Timestamp) -> [u8; 16] {
        self.drawn += 1;
        let random = Hash::of(&[
            b"indelible/client/id/1\0",
            &self.seed,
            &self.drawn.to_be_bytes(),
        ]);
        let mut id = [0; 16];
        id.copy_from_slice(&random.as_bytes()[..16]);
        id[..6].copy_from_slice(&now.0.max(0).to_be_bytes()[2..]);
        id[6] = 0x70 | (id[6] & 0x0f);
        id[8] = 0x80 | (id[8] & 0x3f);
        id
    }

    pub(crate) fn proposal(&mut self, now: Timestamp) -> ProposalId {
        ProposalId(self.draw(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_in_the_order_of_time() {
        let mut ids = Ids::new([7; 32]);
        let [first, second, third] = [1_000, 2_000, 2_000].map(|ms| ids.draw(Timestamp(ms)));
        assert!(first < second);
        assert_ne!(second, third);
        assert_eq!((first[6] >> 4, first[8] >> 6), (7, 2));
        assert_eq!(Ids::new([7; 32]).draw(Timestamp(1_000)), first);
    }
}
