//! Edits that the server acknowledged and does not have any more: it was put back to an earlier
//! state.
//!
//! Invariant: they are reported with their values, and never proposed again by themselves: the
//! operator may have gone back because of them.

use std::sync::Arc;

use super::mend::{everything, views};
use super::{Edit, Replica};
use crate::edit::{Author, FORGOTTEN, Mended};

/// Bytes of acknowledged changes that are kept. Of those that a server forgets, the latest ones
/// are.
const ACKNOWLEDGED_BYTES_MAX: usize = 1 << 20;

impl Replica {
    /// Keeps edits that are in the server's log.
    pub(super) fn acknowledge(&mut self, saved: &[Edit]) {
        self.acknowledged.extend(saved.iter().cloned());
        let edits = self.acknowledged.iter();
        let mut bytes: usize = edits.map(|edit| edit.change.len()).sum();
        while bytes > ACKNOWLEDGED_BYTES_MAX {
            let Some(oldest) = self.acknowledged.pop_front() else {
                break;
            };
            bytes -= oldest.change.len();
        }
    }

    /// What of the acknowledged edits a snapshot lacks; `fresh`, which was made from it, goes on
    /// with the others. An epoch that begins holds no changes of the one before it.
    pub(super) fn forgotten(&self, fresh: &mut Self, author: &Author<'_>) -> Mended {
        if fresh.confirmed.epoch() > self.confirmed.epoch() {
            return Mended::default();
        }
        let acknowledged = self.acknowledged.iter().cloned();
        let (held, lost): (Vec<Edit>, Vec<Edit>) =
            acknowledged.partition(|edit| fresh.confirmed.holds(&edit.change));
        fresh.acknowledge(&held);
        let Some(last) = lost.last() else {
            return Mended::default();
        };
        let policy = Arc::clone(self.policy());
        let rebased = everything((&self.confirmed, author), &policy, &lost, FORGOTTEN);
        let value = self.confirmed.presented();
        let mut dropped = views(&policy, (&policy, &value), &rebased.dropped);
        for one in &mut dropped {
            (one.reason, one.rule) = (FORGOTTEN, None);
        }
        Mended {
            dropped,
            // None of those that wait to be saved is among them.
            first: self.edits().last().unwrap_or(last).of.saturating_add(1),
            settled: 0,
        }
    }
}
