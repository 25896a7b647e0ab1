//! Keywords that no value can satisfy, of which loading a schema says nothing.
//!
//! Owns what follows from what the schemas of one place state together: values that are listed and
//! all refused, bounds that leave nothing between them, parts that have to be there and cannot be.
//! Two patterns that exclude each other, say, are beyond it.
//! Invariant: what is reported is certain; and nothing here decides whether a schema loads: what was
//! served stays good.

mod bounds;
mod place;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::search::{Context, Search};
use crate::pointer::Pointer;
use crate::policy::{NodeName, Policy, Shape, Types};

/// A keyword that no value can satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Where in the file.
    pub pointer: Pointer,
    /// Why no value satisfies it.
    pub reason: String,
}

/// The keywords of a schema that no value can satisfy at their place.
#[must_use]
pub fn unmet_keywords(policy: &Policy) -> Vec<Unmet> {
    let mut search = Search::new(policy.rules(), policy.schema());
    let mut found = BTreeMap::new();
    for (_, node) in policy.nodes() {
        let context = match &node.shape {
            Shape::Stamp(_) | Shape::Tally => continue,
            Shape::Object { .. } if node.name == NodeName::Item => Context::Item,
            Shape::Object { .. } | Shape::Keyed { .. } => Context::Container,
            _ => Context::Whole,
        };
        let types = node.shape.types();
        for at in search.places(&node.schema_pointer, context) {
            let within = match at == node.schema_pointer {
                true => types,
                false => Types::ALL,
            };
            for dead in search.keywords(&at, within, context) {
                found.entry(dead.at).or_insert(dead.reason);
            }
        }
    }
    let found = found.into_iter();
    let unmet = found.map(|(pointer, reason)| Unmet { pointer, reason });
    unmet.collect()
}
