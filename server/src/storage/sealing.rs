//! The outcome of an append, given what is stored: places checked, records sealed.
//!
//! Invariant: the same request on the same state has the same outcome, with any database;
//! global seqs have no gaps and time does not run back.

use indelible_engine::id::{Epoch, GlobalSeq, Hash, Seq};
use indelible_engine::ledger::{RefusalDraft, Sealed, SealedRefusal};
use indelible_engine::time::Timestamp;

use super::{Append, Conflict, Head, Place, Presence, RefusalCount, Tail};

/// A change chunk's hash covers everything behind the magic number and the checksum.
const CHANGE_HASH_FROM: usize = 8;

/// The end of an entity's chain of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RefusalHead {
    pub(super) next: u64,
    pub(super) hash: Hash,
}

impl RefusalHead {
    pub(super) const START: Self = Self {
        next: 0,
        hash: Hash::ZERO,
    };
}

impl Tail {
    pub(super) const START: Self = Self {
        global: GlobalSeq(0),
        at: Timestamp(i64::MIN),
        appends: 0,
    };
}

/// The hash of an admitted change. Admission takes plain change chunks only, whose hash is that of
/// their bytes.
pub(super) fn change_hash(change: &[u8]) -> Hash {
    Hash::of(&[change.get(CHANGE_HASH_FROM..).unwrap_or_default()])
}

/// Seals a request's entries if they go on where the log ends; moves the head and the tail on.
pub(super) fn seal_entries(
    request: &Append,
    head: &mut Option<Head>,
    tail: &mut Tail,
) -> Result<Vec<Sealed>, Conflict> {
    let (mut new_head, mut new_tail) = (*head, *tail);
    let mut sealed = Vec::with_capacity(request.entries.len());
    for new in &request.entries {
        let draft = &new.draft;
        let header = &draft.header;
        if header.entity != request.entity
            || !follows(new_head, header.place.epoch, header.place.seq)
        {
            return Err(Conflict {
                expected: Place {
                    entity: header.entity.clone(),
                    epoch: header.place.epoch,
                    seq: header.place.seq,
                },
                found: *head,
            });
        }
        new_tail.global = new_tail.global.next();
        let previous = new_head.map_or(Hash::ZERO, |head| head.hash);
        let entry = draft.clone().seal(new_tail.global, new_tail.at, previous);
        new_tail.at = entry.entry.header.at;
        new_head = Some(Head {
            epoch: header.place.epoch,
            seq: header.place.seq,
            hash: entry.hash,
            presence: Presence::after(new_head.map(|head| head.presence), draft.kind),
        });
        sealed.push(entry);
    }
    (*head, *tail) = (new_head, new_tail);
    Ok(sealed)
}

/// Whether a place is the next one: the next in its epoch, or the first of a later epoch.
fn follows(head: Option<Head>, epoch: Epoch, seq: Seq) -> bool {
    match head {
        None => seq == Seq(0),
        Some(head) => {
            (epoch == head.epoch && seq == head.seq.next()) || (epoch > head.epoch && seq == Seq(0))
        }
    }
}

/// Counts a refusal and says whether it gets a record, sealed then.
///
/// The first `kept_max` of a principal do. Of those after, every one that doubles their number
/// does, and counts those since the last record: what a flood leaves behind grows with its
/// logarithm, and the chain still says how large it was.
pub(super) fn seal_refusal(
    mut draft: RefusalDraft,
    kept_max: u64,
    count: &mut RefusalCount,
    head: &mut RefusalHead,
    tail: &mut Tail,
) -> Option<SealedRefusal> {
    count.total = count.total.saturating_add(1);
    let beyond = count.total.saturating_sub(kept_max);
    if beyond > 0 {
        if !beyond.is_power_of_two() {
            return None;
        }
        draft.further = (beyond / 2).saturating_sub(1);
    }
    count.kept += 1;
    let sealed = draft.seal(head.next, tail.at, head.hash);
    tail.at = sealed.record.header.at;
    *head = RefusalHead {
        next: head.next + 1,
        hash: sealed.hash,
    };
    Some(sealed)
}
