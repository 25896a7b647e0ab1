//! The layout of values, beside that of keys: see the table there.
//!
//! Invariant: what is written here is read back here, and what cannot be read is reported as damage.

use indelible_engine::id::{Epoch, GlobalSeq, Hash, Seq};
use indelible_engine::time::Timestamp;

use super::keys::{self, damaged, split_hash, split_number};
use super::sealing::RefusalHead;
use super::{Head, Place, PolicyText, Presence, RefusalCount, Snapshot, StoreResult, Stored, Tail};

pub(super) fn stored(value: &[u8]) -> StoreResult<Stored> {
    let (hash, bytes) = split_hash(value)?;
    Ok(Stored {
        hash,
        bytes: bytes.to_vec(),
    })
}

pub(super) fn record_value(hash: Hash, bytes: &[u8]) -> Vec<u8> {
    [&hash.0, bytes].concat()
}

pub(super) fn head_value(head: &Head) -> Vec<u8> {
    let mut value = head.epoch.0.to_be_bytes().to_vec();
    value.extend(head.seq.0.to_be_bytes());
    value.extend(head.hash.0);
    value.push(head.presence as u8);
    value
}

pub(super) fn read_head(value: &[u8]) -> StoreResult<Head> {
    let (epoch, rest) = split_number(value)?;
    let (seq, rest) = split_number(rest)?;
    let (hash, rest) = split_hash(rest)?;
    let presence = match rest {
        [0] => Presence::Unborn,
        [1] => Presence::Present,
        [2] => Presence::Deleted,
        _ => return Err(damaged("a head that is neither present nor absent")),
    };
    Ok(Head {
        epoch: Epoch(epoch),
        seq: Seq(seq),
        hash,
        presence,
    })
}

pub(super) fn tail_value(tail: &Tail) -> Vec<u8> {
    [
        tail.global.0.to_be_bytes(),
        tail.at.0.to_be_bytes(),
        tail.appends.to_be_bytes(),
    ]
    .concat()
}

pub(super) fn read_tail(value: Option<&[u8]>) -> StoreResult<Tail> {
    let Some(value) = value else {
        return Ok(Tail::START);
    };
    let (global, rest) = split_number(value)?;
    let (at, rest) = split_number(rest)?;
    let (appends, _) = split_number(rest)?;
    Ok(Tail {
        global: GlobalSeq(global),
        at: Timestamp(at.cast_signed()),
        appends,
    })
}

pub(super) fn read_refusal_head(value: Option<&[u8]>) -> StoreResult<RefusalHead> {
    let Some(value) = value else {
        return Ok(RefusalHead::START);
    };
    let (next, rest) = split_number(value)?;
    Ok(RefusalHead {
        next,
        hash: split_hash(rest)?.0,
    })
}

pub(super) fn refusal_head_value(head: &RefusalHead) -> Vec<u8> {
    [&head.next.to_be_bytes()[..], &head.hash.0].concat()
}

pub(super) fn count_value(count: &RefusalCount) -> Vec<u8> {
    [count.total.to_be_bytes(), count.kept.to_be_bytes()].concat()
}

pub(super) fn read_count(value: Option<&[u8]>) -> StoreResult<RefusalCount> {
    let Some(value) = value else {
        return Ok(RefusalCount::default());
    };
    let (total, rest) = split_number(value)?;
    Ok(RefusalCount {
        total,
        kept: split_number(rest)?.0,
    })
}

/// A policy's text is stored under its own hash.
pub(super) fn check_policy(policy: &PolicyText) -> StoreResult<()> {
    if Hash::of(&[policy.text.as_bytes()]) == policy.hash {
        Ok(())
    } else {
        Err(damaged(format!("the text of policy {}", policy.hash)))
    }
}

pub(super) fn read_policy(key: &[u8], value: &[u8]) -> StoreResult<PolicyText> {
    let text = std::str::from_utf8(value).map_err(|_| damaged("a policy that is not text"))?;
    let policy = PolicyText {
        hash: split_hash(key)?.0,
        text: text.to_owned(),
    };
    check_policy(&policy)?;
    Ok(policy)
}

pub(super) fn snapshot_value(snapshot: &Snapshot) -> Vec<u8> {
    let length = snapshot.document.len() as u64;
    [
        &length.to_be_bytes()[..],
        &snapshot.document,
        &snapshot.state,
    ]
    .concat()
}

pub(super) fn read_snapshot(key: &[u8], value: &[u8]) -> StoreResult<Snapshot> {
    let Place { epoch, seq, .. } = keys::split_place(key)?;
    let (length, rest) = split_number(value)?;
    let split = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length));
    let (document, state) = split.ok_or_else(|| damaged("a snapshot cut short"))?;
    Ok(Snapshot {
        epoch,
        seq,
        document: document.to_vec(),
        state: state.to_vec(),
    })
}
