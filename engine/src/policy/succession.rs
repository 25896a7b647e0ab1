//! Which place of a schema follows which place of an earlier version of it.
//!
//! Every place of the new schema either follows exactly one place of the old one, or is new; a
//! place that cannot follow is a misfit, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{NodeId, NodeName, Policy, Shape};
use crate::pointer::Pointer;

/// Where the content of a new place comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was at the same key.
    Kept(NodeId),
    /// It was at the key that `was` names, or has the name back that the old schema's `was` names.
    Renamed(NodeId),
    /// There was nothing.
    New,
}

/// A place that cannot follow another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) node: NodeId,
    pub(crate) reason: String,
}

/// How the places of two versions of one kind's schema belong together.
#[derive(Debug)]
pub(crate) struct Succession {
    origins: Vec<Origin>,
    /// Places of the old schema that nothing follows; what lies below them is not listed.
    pub(crate) removed: Vec<NodeId>,
    pub(crate) misfits: Vec<Misfit>,
    narrowed: BTreeSet<NodeId>,
    dropped: BTreeSet<NodeId>,
}

impl Succession {
    pub(crate) fn new(old: &Policy, new: &Policy) -> Self {
        let mut matcher = Matcher {
            old,
            new,
            found: Self {
                origins: vec![Origin::New; new.nodes().count()],
                removed: Vec::new(),
                misfits: Vec::new(),
                narrowed: BTreeSet::new(),
                dropped: BTreeSet::new(),
            },
        };
        if old.kind() != new.kind() || old.is_singleton() != new.is_singleton() {
            let reason = "a kind cannot become another, and \"singleton\" cannot change";
            matcher.misfit(NodeId::ROOT, reason.to_owned());
        }
        matcher.follow(Origin::Kept(NodeId::ROOT), NodeId::ROOT);
        matcher.narrow();
        matcher.found
    }

    /// The same, with every place that fewer may write keeping what it holds.
    pub(crate) fn keeping(mut self) -> Self {
        self.dropped.clear();
        self
    }

    /// Where the content of a place of the new schema comes from.
    pub(crate) fn origin(&self, new: NodeId) -> Origin {
        self.origins[new.index()]
    }

    /// Whether a principal could write a value that a place of the new schema shows, and may not
    /// write it there.
    pub(crate) fn is_narrowed(&self, new: NodeId) -> bool {
        self.narrowed.contains(&new)
    }

    /// Whether a place begins without its values, because it is narrowed and the new schema says so.
    pub(crate) fn is_dropped(&self, new: NodeId) -> bool {
        self.dropped.contains(&new)
    }
}

struct Matcher<'a> {
    old: &'a Policy,
    new: &'a Policy,
    found: Succession,
}

impl Matcher<'_> {
    fn misfit(&mut self, node: NodeId, reason: String) {
        self.found.misfits.push(Misfit { node, reason });
    }

    /// Finds the places that fewer may write than that which their values come from.
    fn narrow(&mut self) {
        let mut sources: Vec<Option<NodeId>> = Vec::new();
        for (id, node) in self.new.nodes() {
            let source = match self.found.origin(id) {
                Origin::Kept(source) | Origin::Renamed(source) => Some(source),
                Origin::New => node
                    .parent
                    .zip(node.parent.and_then(|parent| sources[parent.index()]))
                    .and_then(|(parent, source)| self.part(source, parent, &node.name)),
            };
            sources.push(source);
            let is_narrower = |source: NodeId| {
                let source = self.old.node(source);
                let derived = source.shape.is_derived() || node.shape.is_derived();
                !derived && !source.write.is_within(&node.write)
            };
            if source.is_some_and(is_narrower) {
                self.found.narrowed.insert(id);
                if node.drops {
                    self.found.dropped.insert(id);
                }
            }
        }
    }

    /// What a new place in `parent`, whose content comes from `source`, takes its values from.
    fn part(&self, source: NodeId, parent: NodeId, name: &NodeName) -> Option<NodeId> {
        let (old, new) = (&self.old.node(source).shape, &self.new.node(parent).shape);
        match old {
            // A key of an open map may have become a property.
            Shape::Object { additional, .. } => {
                additional.filter(|_| matches!(name, NodeName::Property(_)))
            }
            // What was stored in another form was all there.
            _ => (std::mem::discriminant(old) != std::mem::discriminant(new)).then_some(source),
        }
    }

    /// Notes where a new place comes from, and matches what lies below the two.
    fn follow(&mut self, origin: Origin, to: NodeId) {
        self.found.origins[to.index()] = origin;
        let (Origin::Kept(from) | Origin::Renamed(from)) = origin else {
            return;
        };
        match (&self.old.node(from).shape, &self.new.node(to).shape) {
            (Shape::Object { .. }, Shape::Object { .. }) => self.objects(from, to),
            (Shape::Keyed { item: from, .. }, Shape::Keyed { item: to, .. })
            | (Shape::List { element: from }, Shape::List { element: to }) => {
                self.follow(Origin::Kept(*from), *to);
            }
            _ => {}
        }
    }

    fn objects(&mut self, from: NodeId, to: NodeId) {
        let old: BTreeMap<&str, NodeId> = self.old.children(from).collect();
        let mut left = old.clone();
        let properties: Vec<(&str, NodeId)> = self.new.children(to).collect();
        let declared: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
        for (name, child) in &properties {
            if let Some(&source) = old.get(name) {
                left.remove(name);
                self.property(Origin::Kept(source), source, *child);
                continue;
            }
            let was = self.new.node(*child).was.as_deref();
            let Some((was, &source)) = was.and_then(|was| Some((was, old.get(was)?))) else {
                self.back(name, *child, &mut left, &declared);
                continue;
            };
            if declared.contains(&was) {
                let reason = format!("{was:?} is still declared, so nothing was renamed");
                self.misfit(*child, reason);
            } else if left.remove(was).is_none() {
                let reason = format!("another property was {was:?} too");
                self.misfit(*child, reason);
            } else {
                self.property(Origin::Renamed(source), source, *child);
            }
        }
        self.found.removed.extend(left.into_values());
        let additional = |policy: &Policy, id: NodeId| match policy.node(id).shape {
            Shape::Object { additional, .. } => additional,
            _ => None,
        };
        match (additional(self.old, from), additional(self.new, to)) {
            (Some(source), Some(child)) => self.property(Origin::Kept(source), source, child),
            (Some(source), None) => self.found.removed.push(source),
            (None, _) => {}
        }
    }

    /// A name that the old schema has renamed is there again, and the other one is not: an earlier
    /// schema comes back.
    fn back(
        &mut self,
        name: &str,
        child: NodeId,
        left: &mut BTreeMap<&str, NodeId>,
        declared: &[&str],
    ) {
        let renamed = |&(now, source): &(&str, NodeId)| {
            !declared.contains(&now) && self.old.node(source).was.as_deref() == Some(name)
        };
        let found = left.iter().map(|(now, source)| (*now, *source));
        if let Some((now, source)) = found.into_iter().find(renamed)
            && fits(&self.old.node(source).shape, &self.new.node(child).shape)
        {
            left.remove(now);
            self.property(Origin::Renamed(source), source, child);
        }
    }

    fn property(&mut self, origin: Origin, source: NodeId, child: NodeId) {
        let (old, new) = (&self.old.node(source).shape, &self.new.node(child).shape);
        // Stamps and tallies store nothing, so nothing can be carried over either way.
        if old.is_derived() || new.is_derived() {
            if old.is_derived() && new.is_derived() {
                self.follow(origin, child);
            } else {
                self.found.removed.push(source);
            }
            return;
        }
        let alike = std::mem::discriminant(old) == std::mem::discriminant(new);
        match origin {
            _ if alike => self.follow(origin, child),
            Origin::Renamed(_) if fits(old, new) => self.follow(origin, child),
            Origin::Renamed(_) => {
                let reason = format!(
                    "no value of what it was ({}) can be one of what it is ({})",
                    old.description(),
                    new.description()
                );
                self.misfit(child, reason);
            }
            _ => {
                let reason = format!(
                    "was {} and is {}; give the property another name and say \"was\" to carry \
                     the values over",
                    old.description(),
                    new.description()
                );
                self.misfit(child, reason);
            }
        }
    }
}

/// Whether a value of one shape can be one of another.
fn fits(old: &Shape, new: &Shape) -> bool {
    !old.types().is_disjoint(new.types())
}

impl Policy {
    /// The place of a node; items, elements and values of open maps are named `*`.
    pub fn place(&self, id: NodeId) -> Pointer {
        let mut tokens = Vec::new();
        let mut at = id;
        while let Some(parent) = self.node(at).parent {
            tokens.push(match &self.node(at).name {
                NodeName::Property(name) => name.clone(),
                _ => "*".to_owned(),
            });
            at = parent;
        }
        tokens.into_iter().rev().collect()
    }
}
