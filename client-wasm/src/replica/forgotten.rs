//! Edits that the server acknowledged and does not have any more: it went back to an earlier state.
//!
//! They are reported with their values and not proposed again: the operator may have gone back
//! because of them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::flight::Edit;
use super::losses::views;
use super::recover::everything;
use super::{Author, FORGOTTEN, Losses, Replica};

/// Bytes of acknowledged changes that are kept. Of those that a server forgets, the latest ones
/// are.
const ACKNOWLEDGED_BYTES_MAX: usize = 1 << 20;

/// Edits that are in the server's log, the latest last.
#[derive(Debug, Default)]
pub(super) struct Acknowledged(VecDeque<Edit>);

impl Acknowledged {
    pub(super) fn extend(&mut self, saved: &[Edit]) {
        self.0.extend(saved.iter().cloned());
        let mut bytes: usize = self.0.iter().map(|edit| edit.change.len()).sum();
        while bytes > ACKNOWLEDGED_BYTES_MAX {
            let Some(oldest) = self.0.pop_front() else {
                break;
            };
            bytes -= oldest.change.len();
        }
    }
}

impl Replica {
    /// The acknowledged edits that a snapshot lacks; `fresh`, which was made from it, keeps the
    /// others. An epoch that begins holds no changes of the one before it.
    pub(super) fn forgotten(&self, fresh: &mut Self, author: &Author<'_>) -> Losses {
        if fresh.confirmed().epoch() > self.confirmed().epoch() {
            return Losses::default();
        }
        let acknowledged = self.acknowledged.0.iter().cloned();
        let (held, lost): (Vec<Edit>, Vec<Edit>) =
            acknowledged.partition(|edit| fresh.confirmed().holds(&edit.change));
        fresh.acknowledged.extend(&held);
        let Some(last) = lost.last() else {
            return Losses::default();
        };
        let policy = Arc::clone(self.policy());
        let rebased = everything((self.confirmed(), author), &policy, &lost, FORGOTTEN);
        let value = self.confirmed().presented();
        let mut dropped = views(&policy, (&policy, &value), &rebased.dropped);
        for one in &mut dropped {
            (one.reason, one.rule) = (FORGOTTEN, None);
        }
        Losses {
            dropped,
            // None of those that wait to be saved is among them.
            first: self
                .pending
                .edits()
                .last()
                .unwrap_or(last)
                .of
                .saturating_add(1),
            settled: 0,
        }
    }
}
