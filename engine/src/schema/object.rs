//! Places that hold an object: its properties, which of them are required, and whether others may
//! be added.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Mistake;
use super::bind::{Binder, Field, Place, inner_place};
use super::gather::{Source, gather};
use super::scalar;
use super::vocabulary::{EXTENSION, suggested, types_concerned};
use crate::id::check_map_key;
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Rules, Shape, Types};

impl<'a> Binder<'a, '_> {
    pub(super) fn object(&mut self, field: &Field<'a>) -> Option<Shape> {
        if field.place.name == NodeName::Root {
            self.check_keywords(field, Types::OBJECT);
        }
        self.permit(
            field,
            &match field.place.name {
                NodeName::Property(_) => vec!["write", "narrowed", "read", "was", "merge"],
                NodeName::Item | NodeName::Additional => {
                    vec!["write", "narrowed", "read", "delete"]
                }
                NodeName::Root | NodeName::Element => vec![],
            },
            "an object here",
        );
        if let Some(word) = &field.extension.merge {
            let reason = "an object merges by its properties; only \"atomic\" can be said here";
            self.report.add(Mistake::Merge, word.at.clone(), reason);
        }
        let (declared, additional) = self.declared(field);
        let required = self.required(field, &declared, additional.is_some());
        let mut properties = BTreeMap::new();
        for (name, sources) in declared {
            let place = Place {
                sources,
                parent: Some(field.id),
                required: required.contains_key(&name),
                name: NodeName::Property(name.clone()),
                ..inner_place(field)
            };
            properties.insert(name, self.bind(place));
        }
        let additional = additional.map(|sources| {
            self.bind(Place {
                sources,
                name: NodeName::Additional,
                in_collection: true,
                ..inner_place(field)
            })
        });
        self.check_additional(additional);
        self.check_siblings(&properties, &required);
        Some(Shape::Object {
            properties,
            additional,
            delete: field
                .extension
                .delete
                .as_ref()
                .map(|word| word.value.clone()),
        })
    }

    /// The schemas of the declared properties and of all others.
    #[allow(
        clippy::type_complexity,
        reason = "a name would only hide two standard types"
    )]
    fn declared(
        &mut self,
        field: &Field<'a>,
    ) -> (BTreeMap<String, Vec<Source<'a>>>, Option<Vec<Source<'a>>>) {
        let mut declared: BTreeMap<String, Vec<Source<'a>>> = BTreeMap::new();
        let mut additional = Vec::new();
        for part in &field.parts {
            let properties = part.keywords.get("properties").and_then(Value::as_object);
            let at = part.at.child("properties");
            for (name, value) in properties.into_iter().flatten() {
                let source = part.inner(value, at.child(name));
                if field.place.key.as_deref() == Some(name) {
                    self.presented_key(source);
                    continue;
                }
                if check_map_key(name).is_err() || name == "__proto__" {
                    let reason = "cannot be the name of a property: names have 1 to 128 bytes, no \
                                  control characters, and do not begin with $, which is reserved; \
                                  nor may one be __proto__";
                    self.report.add(Mistake::Name, at.child(name), reason);
                }
                declared.entry(name.clone()).or_default().push(source);
            }
            match part.keywords.get("additionalProperties") {
                None | Some(Value::Bool(false)) => {}
                Some(Value::Bool(true)) => {
                    let reason = "say what other properties hold: a schema, or false for none";
                    self.report.add(
                        Mistake::Additional,
                        part.at.child("additionalProperties"),
                        reason,
                    );
                }
                Some(value) => {
                    let at = part.at.child("additionalProperties");
                    additional.push(part.inner(value, at));
                }
            }
        }
        for part in &field.parts {
            let beside = part.keywords.get("properties").and_then(Value::as_object);
            let unseen = declared
                .keys()
                .find(|name| !beside.is_some_and(|beside| beside.contains_key(*name)));
            if part.keywords.contains_key("additionalProperties")
                && let Some(name) = unseen
            {
                let reason = format!(
                    "JSON Schema applies this to {name:?} too, which is declared elsewhere: \
                     additionalProperties sees only the properties beside it; put it where all \
                     properties are, or write \"unevaluatedProperties\": false"
                );
                self.report.add(
                    Mistake::Additional,
                    part.at.child("additionalProperties"),
                    reason,
                );
            }
        }
        if self.rules >= Rules::V5 {
            self.check_unevaluated(field, &declared);
        }
        (declared, (!additional.is_empty()).then_some(additional))
    }

    /// Refuses `"unevaluatedProperties": false` where it does not see all declared properties: it
    /// would forbid those, and is not enforced.
    fn check_unevaluated(
        &mut self,
        field: &Field<'a>,
        declared: &BTreeMap<String, Vec<Source<'a>>>,
    ) {
        for part in &field.parts {
            if part.keywords.get("unevaluatedProperties") != Some(&Value::Bool(false)) {
                continue;
            }
            let mut seen = BTreeSet::new();
            see(self.root, part.keywords, PARTS_DEEP, &mut seen);
            if let Some(name) = declared.keys().find(|name| !seen.contains(name.as_str())) {
                let reason = format!(
                    "JSON Schema applies this to {name:?} too, which is declared elsewhere: \
                     unevaluatedProperties sees only the properties beside it and those of its own \
                     allOf and $ref; say it where the object is declared"
                );
                let at = part.at.child("unevaluatedProperties");
                self.report.add(Mistake::Additional, at, reason);
            }
        }
    }

    /// Checks the declaration of the property that presents an item's id.
    fn presented_key(&mut self, source: Source<'a>) {
        let at = source.at.clone();
        let parts = gather(self.root, vec![source], self.report);
        let annotations = [
            "type",
            "title",
            "description",
            "readOnly",
            "$comment",
            "$ref",
            "examples",
        ];
        let other = parts.iter().find_map(|part| {
            let mut keywords = part.keywords.keys();
            keywords.find(|keyword| {
                !annotations.contains(&keyword.as_str()) && types_concerned(keyword).is_some()
            })
        });
        if scalar::types(&parts) != Some(Types::STRING) {
            let reason = "presents the generated id of the item, which is a string";
            self.report.add(Mistake::Derived, at, reason);
        } else if let Some(keyword) = other {
            let reason = format!(
                "presents the generated id of the item, so {keyword} has no place here; name \
                 another property by \"x-indelible\": {{\"key\": …}} on the list if this one is \
                 to be written"
            );
            self.report.add(Mistake::Derived, at, reason);
        }
    }

    /// The names of the required properties and the places that require them.
    fn required(
        &mut self,
        field: &Field<'a>,
        declared: &BTreeMap<String, Vec<Source<'a>>>,
        open: bool,
    ) -> BTreeMap<String, Pointer> {
        let mut required = BTreeMap::new();
        for (names, at) in field.all("required") {
            for (index, name) in names.as_array().into_iter().flatten().enumerate() {
                let Some(name) = name.as_str() else { continue };
                let at = at.child(index.to_string());
                let is_key = field.place.key.as_deref() == Some(name);
                if !declared.contains_key(name) && !open && !is_key {
                    let meant = suggested(name, declared.keys().map(String::as_str));
                    let reason = format!("requires {name:?}, which is not declared{meant}");
                    self.report.add(Mistake::Undeclared, at.clone(), reason);
                }
                required.insert(name.to_owned(), at);
            }
        }
        required
    }

    /// What may be the value of an open map.
    fn check_additional(&mut self, additional: Option<NodeId>) {
        let Some(node) = additional.and_then(|id| self.nodes[id.index()].as_ref()) else {
            return;
        };
        let good = matches!(
            node.shape,
            Shape::Object { .. } | Shape::Scalar(_) | Shape::Atomic(_)
        );
        if !good {
            let reason = format!(
                "{} cannot be the value of an open map: concurrent edits would hide one another; \
                 use an object that holds it",
                node.shape.description()
            );
            let at = node.schema_pointer.clone();
            self.report.add(Mistake::Additional, at, reason);
        }
    }

    fn check_siblings(
        &mut self,
        properties: &BTreeMap<String, NodeId>,
        required: &BTreeMap<String, Pointer>,
    ) {
        let mut former = BTreeSet::new();
        for (name, id) in properties {
            let Some(node) = &self.nodes[id.index()] else {
                continue;
            };
            if let (Shape::Tally, Some(at)) = (&node.shape, required.get(name)) {
                let reason = format!("{name:?} is a tally, which the value does not hold");
                self.report.add(Mistake::Derived, at.clone(), reason);
            }
            if let Some(was) = &node.was {
                let at = node.schema_pointer.child(EXTENSION).child("was");
                if properties.contains_key(was) {
                    let reason = format!("there is a property {was:?}, so it was not renamed");
                    self.report.add(Mistake::Was, at, reason);
                } else if !former.insert(was.clone()) {
                    let reason = format!("two properties cannot both have been {was:?}");
                    self.report.add(Mistake::Was, at, reason);
                }
            }
        }
    }
}

/// How deep schemas that add to one another are looked into; deeper ones are refused elsewhere.
const PARTS_DEEP: usize = 64;

/// Collects the names of the properties that a schema declares, with its `allOf` and `$ref`.
fn see<'a>(
    root: &'a Value,
    keywords: &'a Map<String, Value>,
    deep: usize,
    seen: &mut BTreeSet<&'a str>,
) {
    let Some(deep) = deep.checked_sub(1) else {
        return;
    };
    let properties = keywords.get("properties").and_then(Value::as_object);
    seen.extend(
        properties
            .into_iter()
            .flat_map(|named| named.keys().map(String::as_str)),
    );
    let members = keywords.get("allOf").and_then(Value::as_array);
    let target = keywords.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|target| root.pointer(target.strip_prefix('#')?));
    for inner in members.into_iter().flatten().chain(target) {
        if let Some(keywords) = inner.as_object() {
            see(root, keywords, deep, seen);
        }
    }
}
