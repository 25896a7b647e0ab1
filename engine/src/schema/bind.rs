//! From schemas to nodes: what each place stores, and which rules apply there.
//!
//! Every place that a schema declares gets exactly one node, parents before children. Rules are
//! inherited here, and a rule that widens an inherited one is a mistake.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::constrain::{self, Context};
use super::extension::{Extension, Merge, Narrowed};
use super::gather::{Part, Source, gather};
use super::scalar;
use super::vocabulary::{EXTENSION, type_names, types_concerned};
use super::{Mistake, Report};
use crate::pointer::Pointer;
use crate::policy::constraint::count;
use crate::policy::{
    AtomicRule, NESTING_MAX, Node, NodeId, NodeName, ReadRule, Rules, ScalarRule, Shape, Types,
    WriteRule,
};
use crate::value::normal;

/// How many nodes a policy may have; more come only from definitions that multiply.
const NODES_MAX: usize = 10_000;

/// Keywords about whole values, or about more than one scalar.
pub(super) const WHOLE: [&str; 18] = [
    "anyOf",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "maxItems",
    "maxProperties",
    "minContains",
    "minItems",
    "minProperties",
    "not",
    "oneOf",
    "propertyNames",
    "required",
    "then",
    "uniqueItems",
];

/// The nodes of a schema and what is left to be judged on whole values.
pub(super) struct Bound {
    pub(super) nodes: Vec<Node>,
    /// For each node the schemas, in the terms of plain JSON Schema, that its value must satisfy.
    pub(super) whole: BTreeMap<NodeId, Vec<Value>>,
}

/// A place to make a node for.
pub(super) struct Place<'a> {
    pub(super) sources: Vec<Source<'a>>,
    pub(super) parent: Option<NodeId>,
    pub(super) name: NodeName,
    pub(super) required: bool,
    pub(super) write: WriteRule,
    pub(super) read: ReadRule,
    /// What becomes of values when a change of the schema narrows who may write them.
    pub(super) narrowed: Narrowed,
    pub(super) depth: usize,
    /// Whether it lies in an item, an open map or a list.
    pub(super) in_collection: bool,
    /// For an item: the property that presents its id.
    pub(super) key: Option<String>,
}

/// A place and all that the schemas say about it.
pub(super) struct Field<'a> {
    pub(super) id: NodeId,
    pub(super) place: Place<'a>,
    pub(super) at: Pointer,
    pub(super) parts: Vec<Part<'a>>,
    pub(super) types: Option<Types>,
    pub(super) extension: Extension,
}

impl Field<'_> {
    /// Every value that the schemas give for a keyword, with the place of the keyword.
    pub(super) fn all<'f>(
        &'f self,
        keyword: &'f str,
    ) -> impl Iterator<Item = (&'f Value, Pointer)> {
        self.parts.iter().filter_map(move |part| {
            let value = part.keywords.get(keyword)?;
            Some((value, part.at.child(keyword)))
        })
    }
}

/// Binds a schema; none when a place in it cannot be bound.
pub(super) fn bind(
    rules: Rules,
    schema: &Value,
    singleton: bool,
    report: &mut Report,
) -> Option<Bound> {
    let binder = bound(rules, schema, singleton, report);
    let nodes: Option<Vec<Node>> = binder.nodes.into_iter().collect();
    Some(Bound {
        nodes: nodes?,
        whole: binder.whole,
    })
}

/// The nodes of a schema, without those that cannot be made.
pub(super) fn nodes(
    rules: Rules,
    schema: &Value,
    singleton: bool,
    report: &mut Report,
) -> Vec<Option<Node>> {
    bound(rules, schema, singleton, report).nodes
}

fn bound<'a, 'r>(
    rules: Rules,
    schema: &'a Value,
    singleton: bool,
    report: &'r mut Report,
) -> Binder<'a, 'r> {
    let mut binder = Binder {
        rules,
        root: schema,
        report,
        nodes: Vec::new(),
        whole: BTreeMap::new(),
        keys: BTreeMap::new(),
        constraints: 0,
        singleton,
    };
    binder.bind(Place {
        sources: vec![Source {
            value: schema,
            at: Pointer::root(),
            refs: Vec::new(),
        }],
        parent: None,
        name: NodeName::Root,
        required: true,
        write: WriteRule::Edit,
        read: ReadRule::Kind,
        narrowed: Narrowed::Keep,
        depth: 0,
        in_collection: false,
        key: None,
    });
    binder
}

pub(super) struct Binder<'a, 'r> {
    pub(super) rules: Rules,
    pub(super) root: &'a Value,
    pub(super) report: &'r mut Report,
    pub(super) nodes: Vec<Option<Node>>,
    pub(super) whole: BTreeMap<NodeId, Vec<Value>>,
    /// For each item node the property that presents its id.
    pub(super) keys: BTreeMap<NodeId, String>,
    /// How many schemas that only constrain have been looked at.
    pub(super) constraints: usize,
    pub(super) singleton: bool,
}

impl<'a> Binder<'a, '_> {
    pub(super) fn bind(&mut self, place: Place<'a>) -> NodeId {
        let id = NodeId::from_index(self.nodes.len());
        self.nodes.push(None);
        if let Some(key) = &place.key {
            self.keys.insert(id, key.clone());
        }
        let at = place
            .sources
            .first()
            .map(|s| s.at.clone())
            .unwrap_or_default();
        if self.nodes.len() > NODES_MAX || place.depth > NESTING_MAX {
            let reason = format!(
                "the schema is too large: at most {NODES_MAX} fields, nested at most \
                 {NESTING_MAX} deep"
            );
            self.report.add(Mistake::Size, Pointer::root(), reason);
            return id;
        }
        let parts = gather(self.root, place.sources.clone(), self.report);
        let mut extension = Extension::default();
        for (index, part) in parts.iter().enumerate() {
            if place.name != NodeName::Root {
                extension.add(part.keywords, &part.at, self.report);
            } else if index > 0 && part.keywords.contains_key(EXTENSION) {
                let reason = "what is said about the kind must be at the root itself";
                self.report
                    .add(Mistake::Misplaced, part.at.child(EXTENSION), reason);
            }
        }
        let mut field = Field {
            id,
            types: scalar::types(&parts),
            place,
            at,
            parts,
            extension,
        };
        self.inherit(&mut field);
        if let Some((shape, default)) = self.shape(&field) {
            self.finish(field, shape, default);
        }
        id
    }

    fn finish(&mut self, field: Field<'a>, shape: Shape, default: Option<Value>) {
        if !shape.is_derived() && !matches!(shape, Shape::Atomic(_)) {
            self.keep_whole(&field, &shape);
        }
        let unique_items = field
            .all("uniqueItems")
            .any(|(stated, _)| stated == &Value::Bool(true));
        let bound = match &shape {
            Shape::Text(_) => "maxLength",
            Shape::Object { .. } => "maxProperties",
            _ => "maxItems",
        };
        let maxima = field.all(bound).filter_map(|(max, _)| count(max));
        let count_max = maxima.min();
        let Field {
            id,
            place,
            at,
            extension,
            ..
        } = field;
        self.nodes[id.index()] = Some(Node {
            parent: place.parent,
            name: place.name,
            write: if shape.is_derived() {
                WriteRule::System
            } else {
                place.write
            },
            read: place.read,
            drops: place.narrowed == Narrowed::Drop,
            required: place.required,
            // As it will be read from documents, so that it can be recognised there.
            default: default.as_ref().map(normal),
            unique: extension.unique.is_some(),
            unique_items,
            count_max,
            index: extension.index.is_some(),
            was: extension.was.map(|word| word.value),
            schema_pointer: at,
            shape,
        });
        // Only now do all nodes exist that the constraints may be about.
        self.check_constraints(id, &field.parts);
        self.check_satisfiable(id, &field.parts, field.types.unwrap_or(Types::ALL));
        #[cfg(feature = "whole-entity")]
        self.check_whole_default(id, &field.parts);
    }

    /// Works out the effective rules, from the inherited ones and those stated here.
    fn inherit(&mut self, field: &mut Field<'a>) {
        let mut stated = field.extension.write.clone();
        if let Some(at) = &field.extension.read_only {
            match &stated {
                Some(word) if word.value != WriteRule::System => self.report.add(
                    Mistake::Contradiction,
                    word.at.clone(),
                    "contradicts \"readOnly\": true, which means \"write\": \"system\"",
                ),
                _ => {
                    stated = Some(super::extension::Word {
                        value: WriteRule::System,
                        at: at.clone(),
                    });
                }
            }
        }
        if let Some(word) = stated {
            if !word.value.is_within(&field.place.write) {
                let reason = format!(
                    "widens: above it only {} may write; a field may only narrow what it inherits",
                    field.place.write
                );
                self.report.add(Mistake::Widens, word.at, reason);
            }
            field.place.write = word.value;
        }
        if let Some(word) = &field.extension.narrowed {
            field.place.narrowed = word.value;
        }
        if let Some(word) = &field.extension.read {
            let rule = ReadRule::Roles(word.value.clone());
            if !rule.is_within(&field.place.read) {
                let reason =
                    "widens: fewer roles may read what it lies in; a field may only narrow";
                self.report.add(Mistake::Widens, word.at.clone(), reason);
            }
            field.place.read = rule;
        }
    }

    fn shape(&mut self, field: &Field<'a>) -> Option<(Shape, Option<Value>)> {
        let merge = field.extension.merge.as_ref().map(|word| word.value);
        if field.place.name == NodeName::Root {
            if field.types != Some(Types::OBJECT) {
                let reason = "an entity is an object: write \"type\": \"object\"";
                self.report.add(Mistake::Type, Pointer::root(), reason);
                return None;
            }
            for keyword in ["default", "readOnly"] {
                for (_, at) in field.all(keyword) {
                    self.report.add(
                        Mistake::Misplaced,
                        at,
                        "has no effect here; say it on the properties",
                    );
                }
            }
            return self.object(field).map(|shape| (shape, None));
        }
        if field.extension.stamp.is_some() {
            return self.stamp(field).map(|shape| (shape, None));
        }
        if field.extension.tally.is_some() {
            return self.tally(field).map(|shape| (shape, None));
        }
        if merge == Some(Merge::Atomic) {
            return self.atomic(field);
        }
        let Some(types) = field.types else {
            // A schema that is not an object has been reported at its place.
            if !field.parts.is_empty() {
                let reason = "say which type of value is here: \"type\": …";
                self.report.add(Mistake::Type, field.at.clone(), reason);
            }
            return None;
        };
        if types != Types::NONE {
            self.check_keywords(field, types);
        }
        match types {
            Types::OBJECT => {
                let default = self.empty_default(field, &Value::Object(Map::new()));
                self.object(field).map(|shape| (shape, default))
            }
            Types::ARRAY => self.array(field),
            _ if types.is_within(Types::SCALARS) && types != Types::NONE => {
                self.scalar(field, types)
            }
            Types::NONE => {
                let reason = "the types that are stated here exclude one another";
                self.report
                    .add(Mistake::Contradiction, field.at.clone(), reason);
                None
            }
            _ => {
                let reason = "an object or a list always exists and merges by its parts, so it \
                              cannot be another type too; leave the other types out, or say \
                              \"merge\": \"atomic\" to replace the value as one";
                self.report.add(Mistake::Type, field.at.clone(), reason);
                None
            }
        }
    }

    fn atomic(&mut self, field: &Field<'a>) -> Option<(Shape, Option<Value>)> {
        let mut words = vec!["write", "narrowed", "read", "merge"];
        match field.place.name {
            NodeName::Property(_) => words.push("was"),
            NodeName::Additional => {}
            _ => {
                let reason = "what a list holds cannot be atomic by itself; say it on the list";
                self.report.add(Mistake::Merge, field.at.clone(), reason);
                return None;
            }
        }
        self.permit(field, &words, "an atomic value");
        let rule = AtomicRule::new(field.types.unwrap_or(Types::ALL));
        let default = self.default(field, |value| rule.check(value));
        let says_more = |part: &Part<'_>| {
            let keywords = &mut part.keywords.keys();
            keywords
                .any(|keyword| keyword != "type" && keyword != "default" && keyword != EXTENSION)
        };
        if field.parts.iter().any(says_more) {
            let without_marks = field.place.sources.iter().map(|s| s.value.clone());
            self.whole.insert(field.id, without_marks.collect());
        }
        Some((Shape::Atomic(rule), default))
    }

    /// Keeps what is judged on the whole value.
    fn keep_whole(&mut self, field: &Field<'a>, shape: &Shape) {
        // A scalar's own rule knows these two; an object or list is compared once it is merged.
        let container = matches!(
            shape,
            Shape::Object { .. } | Shape::Keyed { .. } | Shape::List { .. }
        ) && self.rules >= Rules::V2;
        let is_whole = |keyword: &str| {
            WHOLE.contains(&keyword) || (container && ["const", "enum"].contains(&keyword))
        };
        for part in &field.parts {
            let kept: Map<String, Value> = part
                .keywords
                .iter()
                .filter(|(keyword, _)| is_whole(keyword))
                .map(|(keyword, value)| (keyword.clone(), value.clone()))
                .collect();
            if !kept.is_empty() {
                let whole = self.whole.entry(field.id).or_default();
                whole.push(Value::Object(kept));
            }
        }
    }

    /// Checks the schemas at a place that only constrain.
    fn check_constraints(&mut self, id: NodeId, parts: &[Part<'a>]) {
        let atomic = matches!(
            self.nodes[id.index()].as_ref().map(|node| &node.shape),
            Some(Shape::Atomic(_))
        );
        let context = if atomic {
            Context::Atomic
        } else {
            Context::Node(id)
        };
        for part in parts {
            constrain::check(self, part, context);
        }
    }

    /// Refuses keywords that say nothing about the type, and those that bind nothing.
    pub(super) fn check_keywords(&mut self, field: &Field<'a>, types: Types) {
        for part in &field.parts {
            for (keyword, value) in part.keywords {
                let concerned = types_concerned(keyword).unwrap_or(Types::ALL);
                let at = part.at.child(keyword);
                if concerned.is_disjoint(types) {
                    let reason = format!("{keyword} says nothing about {}", types);
                    self.report.add(Mistake::Misplaced, at, reason);
                } else if constrain::is_for_atomic(keyword, value) {
                    let reason = format!(
                        "{keyword} can only be used inside a value with \"merge\": \"atomic\""
                    );
                    self.report.add(Mistake::Misplaced, at, reason);
                }
            }
        }
    }

    /// Refuses the words of `x-indelible` that mean nothing on such a field.
    pub(super) fn permit(&mut self, field: &Field<'a>, words: &[&str], what: &str) {
        for (word, at) in field.extension.words() {
            if !words.contains(&word) {
                let reason = format!("{word:?} means nothing on {what}");
                self.report.add(Mistake::Misplaced, at.clone(), reason);
            }
        }
    }

    pub(super) fn rule_of(&self, id: NodeId) -> Option<&ScalarRule> {
        match &self.nodes[id.index()].as_ref()?.shape {
            Shape::Scalar(rule) | Shape::Text(rule) | Shape::Counter(rule) => Some(rule),
            _ => None,
        }
    }
}

/// A place inside a field, which inherits its rules.
pub(super) fn inner_place<'a>(field: &Field<'a>) -> Place<'a> {
    Place {
        sources: Vec::new(),
        parent: Some(field.id),
        name: NodeName::Root,
        required: false,
        write: field.place.write.clone(),
        read: field.place.read.clone(),
        narrowed: field.place.narrowed,
        depth: field.place.depth + 1,
        in_collection: field.place.in_collection,
        key: None,
    }
}

/// The types that the values of `type` leave.
pub(super) fn stated_types(parts: &[Part<'_>]) -> Option<Types> {
    parts
        .iter()
        .filter_map(|part| named_types(part.keywords.get("type")?))
        .reduce(Types::and)
}

/// As [`type_names`]; a type that is named twice, which is a mistake, is named all the same.
fn named_types(value: &Value) -> Option<Types> {
    let Value::Array(names) = value else {
        return type_names(value);
    };
    let each = names.iter().map(type_names);
    each.reduce(|all, one| Some(all?.or(one?))).flatten()
}
