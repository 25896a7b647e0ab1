//! Finds policies by their hash: an entry names the one that it was judged by.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Policies, Policy};
use crate::id::Hash;

/// Knows policies by their hash, past ones too.
pub trait PolicySource {
    /// The policy with this hash, if it is known.
    fn policy(&self, hash: Hash) -> Option<Arc<Policy>>;
}

/// Only this one.
impl PolicySource for Arc<Policy> {
    fn policy(&self, hash: Hash) -> Option<Arc<Policy>> {
        (self.hash() == hash).then(|| Self::clone(self))
    }
}

/// The present policies of all kinds.
impl PolicySource for Policies {
    fn policy(&self, hash: Hash) -> Option<Arc<Policy>> {
        self.iter().find(|policy| policy.hash() == hash).cloned()
    }
}

/// Policies of any kinds and times.
#[derive(Debug, Clone, Default)]
pub struct PolicyBook {
    policies: BTreeMap<Hash, Arc<Policy>>,
}

impl PolicyBook {
    /// Adds a policy.
    pub fn insert(&mut self, policy: Arc<Policy>) {
        self.policies.insert(policy.hash(), policy);
    }

    /// All policies, in the order of their hashes.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }
}

impl PolicySource for PolicyBook {
    fn policy(&self, hash: Hash) -> Option<Arc<Policy>> {
        self.policies.get(&hash).cloned()
    }
}

impl Extend<Arc<Policy>> for PolicyBook {
    fn extend<I: IntoIterator<Item = Arc<Policy>>>(&mut self, policies: I) {
        policies.into_iter().for_each(|policy| self.insert(policy));
    }
}

impl FromIterator<Arc<Policy>> for PolicyBook {
    fn from_iter<I: IntoIterator<Item = Arc<Policy>>>(policies: I) -> Self {
        let mut book = Self::default();
        book.extend(policies);
        book
    }
}
