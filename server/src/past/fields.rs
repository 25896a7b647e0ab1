//! Which fields there ever were, and which are meant by a name that there never was.
//!
//! Invariant: a field was there when a schema of the log declares it and entries made each item and
//! map entry on the way to it. A part of a value that is kept whole is not a field.

use std::collections::BTreeSet;

use indelible_engine::effects::EffectChange;
use indelible_engine::history::Record;
use indelible_engine::id::LogPlace;
use indelible_engine::near;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Policy, PolicySource, Shape};
use serde_json::Value;

use super::{HistoryError, Past, named_at};

/// Corrections of a name that are followed further.
const FOLLOWED_MAX: usize = 5;

/// What a pointer is to the log of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// A field, an item or a map entry.
    Field,
    /// A place in a value that has no fields in it: the field of that value, and what it is.
    Within(Pointer, &'static str),
    /// There never was such a place.
    Never,
}

impl Past {
    /// What a pointer is.
    pub(crate) fn knows(&self, field: &Pointer) -> Known {
        let policies = self.named_policies();
        let found = policies
            .iter()
            .map(|policy| self.knows_under(policy, field));
        let found: Vec<Known> = found.collect();
        if found.contains(&Known::Field) {
            return Known::Field;
        }
        let mut found = found.into_iter();
        found
            .find(|known| *known != Known::Never)
            .unwrap_or(Known::Never)
    }

    fn knows_under(&self, policy: &Policy, field: &Pointer) -> Known {
        let (mut node, mut at) = (policy.root(), Pointer::root());
        for token in field.tokens() {
            let whole = match &policy.node(node).shape {
                Shape::Object { .. } | Shape::Keyed { .. } => None,
                Shape::List { .. } => Some("is a list of single values"),
                Shape::Text(_) => Some("is one text"),
                _ => Some("is kept as one value"),
            };
            if let Some(whole) = whole {
                return Known::Within(at, whole);
            }
            let Some(child) = policy.child(node, token) else {
                return Known::Never;
            };
            let is_declared = match &policy.node(node).shape {
                Shape::Object { properties, .. } => properties.contains_key(token),
                _ => false,
            };
            // Items and map entries are there only once an entry has made them.
            if !is_declared && !self.made_in(&at).contains(token) {
                return Known::Never;
            }
            at.push(token.clone());
            node = child;
        }
        Known::Field
    }

    /// The fields that the schemas declare outside of items and maps, and all that entries changed.
    pub(crate) fn fields(&self) -> BTreeSet<String> {
        let effects = self.records().flat_map(|record| &record.effects);
        let mut fields: BTreeSet<String> = effects
            .map(|effect| effect.pointer.to_string())
            .filter(|text| !text.is_empty())
            .collect();
        for policy in self.named_policies() {
            for node in policy.declared_below(policy.root()) {
                fields.insert(policy.place(node).to_string());
            }
        }
        fields
    }

    /// The fields that were probably meant by a pointer, the nearest first; as far as the way to it
    /// can be corrected.
    pub(crate) fn nearest_fields(&self, field: &Pointer) -> Vec<Pointer> {
        let mut ways = vec![(0, Pointer::root())];
        let mut is_corrected = false;
        for token in field.tokens() {
            let mut next: Vec<(usize, Pointer)> = Vec::new();
            for (far, way) in &ways {
                let names = self.names_in(way);
                if names.contains(token) {
                    next.push((*far, way.child(token)));
                    continue;
                }
                let near = names.iter().filter_map(|name| {
                    let distance = near::distance(token, name)?;
                    Some((far + 1 + distance, way.child(name)))
                });
                next.extend(near);
            }
            if next.is_empty() {
                break;
            }
            next.sort();
            next.truncate(FOLLOWED_MAX);
            is_corrected = next.iter().all(|(far, _)| *far > 0);
            ways = next;
        }
        let found = ways.into_iter().filter(|_| is_corrected);
        let found: Vec<Pointer> = found.map(|(_, pointer)| pointer).collect();
        match found.is_empty() {
            true => self.named_elsewhere(field),
            false => found,
        }
    }

    /// The fields in other places whose names are near the last one of a pointer, the nearest first.
    fn named_elsewhere(&self, field: &Pointer) -> Vec<Pointer> {
        let Some(name) = field.last() else {
            return Vec::new();
        };
        let mut found = BTreeSet::new();
        for policy in self.named_policies() {
            for node in policy.declared_below(policy.root()) {
                let at = policy.place(node);
                if let Some(distance) = at.last().and_then(|last| near::distance(name, last)) {
                    found.insert((distance, at.tokens().len(), at));
                }
            }
        }
        found.into_iter().map(|(.., at)| at).collect()
    }

    /// The last entry up to `place` that took away what was at a field, in it or around it, and what
    /// that entry removed.
    ///
    /// # Errors
    /// [`HistoryError`] when a policy is not known.
    pub(crate) fn removal(
        &self,
        place: LogPlace,
        field: &Pointer,
    ) -> Result<Option<(&Record, Pointer)>, HistoryError> {
        let formerly = self.former_names(place, field)?;
        let upto = self.records.iter().rev();
        for record in upto.skip_while(|record| record.place() > place) {
            let name = named_at(&formerly, record.place(), field);
            let Some(policy) = self.policies.policy(record.header.policy_hash) else {
                continue;
            };
            let mut effects = record.effects.iter().rev();
            let removed = effects.find(|effect| {
                let EffectChange::Put {
                    from: Some(from),
                    to,
                    ..
                } = &effect.change
                else {
                    return false;
                };
                let has = |value| has(&policy, (&effect.pointer, value), name);
                match to {
                    None if name.contains(&effect.pointer) => true,
                    to => {
                        effect.pointer.contains(name) && has(from) && !to.as_ref().is_some_and(has)
                    }
                }
            });
            if let Some(removed) = removed {
                return Ok(Some((record, removed.pointer.clone())));
            }
        }
        Ok(None)
    }

    /// The names of what there ever was directly in a place.
    fn names_in(&self, at: &Pointer) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut has_fields = false;
        for policy in self.named_policies() {
            let shape = policy.find(at).map(|node| &policy.node(node).shape);
            has_fields |= matches!(shape, Some(Shape::Object { .. } | Shape::Keyed { .. }));
            if let Some(Shape::Object { properties, .. }) = shape {
                names.extend(properties.keys().cloned());
            }
        }
        if has_fields {
            names.extend(self.made_in(at));
        }
        names
    }

    /// The names of what entries made or changed directly in a place.
    fn made_in(&self, at: &Pointer) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let policies = self.named_policies();
        for effect in self.records().flat_map(|record| &record.effects) {
            let depth = at.tokens().len();
            if let Some(name) = effect.pointer.tokens().get(depth) {
                if at.contains(&effect.pointer) {
                    names.insert(name.clone());
                }
                continue;
            }
            let EffectChange::Put { from, to, .. } = &effect.change else {
                continue;
            };
            if !effect.pointer.contains(at) {
                continue;
            }
            for value in [from, to].into_iter().flatten() {
                for policy in &policies {
                    names.extend(names_of(policy, (&effect.pointer, value), at));
                }
            }
        }
        names
    }
}

/// Whether a value that was put at or around a place has anything there.
fn has(policy: &Policy, put: (&Pointer, &Value), at: &Pointer) -> bool {
    let Some((last, way)) = at.tokens().split_last() else {
        return true;
    };
    let way: Pointer = way.iter().cloned().collect();
    put.0 == at || names_of(policy, put, &way).contains(last)
}

/// The names of what is directly in a place, of a value that was put around or at it.
fn names_of(policy: &Policy, put: (&Pointer, &Value), at: &Pointer) -> BTreeSet<String> {
    let named = || {
        let (from, mut value) = put;
        let mut node = policy.find(from)?;
        for token in &at.tokens()[from.tokens().len()..] {
            value = match (&policy.node(node).shape, value) {
                (Shape::Keyed { key, .. }, Value::Array(items)) => {
                    let is_it =
                        |item: &&Value| item.get(key).and_then(Value::as_str) == Some(token);
                    items.iter().find(is_it)?
                }
                (Shape::Object { .. }, Value::Object(map)) => map.get(token)?,
                _ => return None,
            };
            node = policy.child(node, token)?;
        }
        match (&policy.node(node).shape, value) {
            (Shape::Keyed { key, .. }, Value::Array(items)) => {
                let ids = items.iter().filter_map(|item| item.get(key)?.as_str());
                Some(ids.map(str::to_owned).collect())
            }
            (Shape::Object { .. }, Value::Object(map)) => {
                let key = policy.presented_key(node);
                let names = map.keys().filter(|name| Some(name.as_str()) != key);
                Some(names.cloned().collect())
            }
            _ => None,
        }
    };
    named().unwrap_or_default()
}
