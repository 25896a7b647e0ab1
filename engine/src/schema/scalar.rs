//! Places that hold one value: registers, texts, counters, stamps, tallies; and defaults.

use serde_json::Value;
#[cfg(feature = "whole-entity")]
use serde_json::{Map, json};

use super::Mistake;
use super::bind::{Binder, Field, stated_types};
use super::extension::Merge;
use super::gather::Part;
use super::lengths;
use crate::pointer::Pointer;
#[cfg(feature = "whole-entity")]
use crate::policy::validator::Validator;
use crate::policy::{Constraint, NodeId, NodeName, Rules, ScalarFault, ScalarRule, Shape, Types};
use crate::value::{self, INTEGER_MAX};

/// The types that a place may have, from `type` or else from `enum` and `const`.
pub(super) fn types(parts: &[Part<'_>]) -> Option<Types> {
    stated_types(parts).or_else(|| {
        let of_values = |part: &Part<'_>| match part.keywords.get("enum") {
            Some(Value::Array(values)) => {
                let types = values.iter().map(inferred);
                types.reduce(Types::or)
            }
            _ => part.keywords.get("const").map(inferred),
        };
        parts.iter().filter_map(of_values).reduce(Types::and)
    })
}

/// The type of a place that may hold a value. A whole number beyond those that every reader
/// distinguishes from their neighbours is a number, since no place of integers accepts it.
fn inferred(value: &Value) -> Types {
    match value {
        Value::Number(number) if value::double(number).abs() > INTEGER_MAX as f64 => Types::NUMBER,
        _ => Types::of(value),
    }
}

/// The constraints that the schemas state.
fn constraints(rules: Rules, parts: &[Part<'_>]) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    for part in parts {
        let found = part
            .keywords
            .iter()
            .filter_map(|(keyword, value)| Constraint::parse(rules, keyword, value));
        constraints.extend(found);
    }
    constraints
}

impl<'a> Binder<'a, '_> {
    pub(super) fn scalar(
        &mut self,
        field: &Field<'a>,
        types: Types,
    ) -> Option<(Shape, Option<Value>)> {
        let mut rule = ScalarRule::new(types, constraints(self.rules, &field.parts));
        if self.rules >= Rules::V4 {
            rule = rule.with_length_first(lengths::unstated(self.root, &field.parts));
        }
        self.check_options(field, types);
        let merge = field.extension.merge.as_ref().map(|word| word.value);
        let is_property = matches!(field.place.name, NodeName::Property(_));
        let shape: fn(ScalarRule) -> Shape = match merge {
            Some(Merge::Text) if is_property => {
                self.permit(
                    field,
                    &["write", "narrowed", "read", "was", "merge"],
                    "a text",
                );
                self.check_merged(field, types, ("text", "string"));
                Shape::Text
            }
            Some(Merge::Counter) if is_property => {
                let words = ["write", "narrowed", "read", "was", "merge", "index"];
                self.permit(field, &words, "a counter");
                self.check_merged(field, types, ("counter", "integer"));
                Shape::Counter
            }
            _ => {
                self.check_register(field, types);
                Shape::Scalar
            }
        };
        let default = self.default(field, |value| rule.check(value));
        Some((shape(rule), default))
    }

    fn check_register(&mut self, field: &Field<'a>, types: Types) {
        match &field.place.name {
            NodeName::Property(_) => {
                let words = [
                    "write", "narrowed", "read", "was", "merge", "unique", "index",
                ];
                self.permit(field, &words, "a single value");
            }
            NodeName::Additional => {
                self.permit(
                    field,
                    &["write", "narrowed", "read", "merge"],
                    "a value of an open map",
                );
            }
            _ => self.permit(field, &[], "the elements of a list; say it on the list"),
        }
        if let Some(word) = &field.extension.merge
            && word.value != Merge::Register
        {
            let reason = match word.value {
                Merge::Text | Merge::Counter => "only a property can merge like this; wrap it in \
                                                 an object"
                    .to_owned(),
                _ => format!("{} does not merge like this", types),
            };
            self.report.add(Mistake::Merge, word.at.clone(), reason);
        }
        if field.place.in_collection {
            let words = [
                ("unique", field.extension.unique.as_ref()),
                ("index", field.extension.index.as_ref()),
            ];
            for (name, word) in words {
                if let Some(word) = word {
                    let reason = format!(
                        "{name:?} cannot be said inside lists and open maps, where an entity has \
                         many such values"
                    );
                    self.report.add(Mistake::Misplaced, word.at.clone(), reason);
                }
            }
        }
        if let Some(word) = &field.extension.unique {
            if self.singleton {
                let reason = "there is only one entity of this kind, so every value is unique";
                self.report.add(Mistake::Unique, word.at.clone(), reason);
            } else if field.all("default").next().is_some() {
                let reason = "a value that every entity has from the beginning is not unique; \
                              leave the default out";
                self.report.add(Mistake::Unique, word.at.clone(), reason);
            }
        }
    }

    /// A text or a counter is one exact type, and not one of a few values.
    fn check_merged(&mut self, field: &Field<'a>, types: Types, (word, needed): (&str, &str)) {
        let at = match &field.extension.merge {
            Some(merge) => merge.at.clone(),
            None => field.at.clone(),
        };
        if Types::named(needed) != Some(types) {
            let reason = format!(
                "\"{word}\" needs \"type\": \"{needed}\", and this is {}",
                types
            );
            self.report.add(Mistake::Type, at, reason);
            return;
        }
        for keyword in ["enum", "const"] {
            if field.all(keyword).next().is_some() {
                let reason = format!(
                    "a {word} changes in small steps, which {keyword} does not allow; leave \
                     merge out"
                );
                self.report.add(Mistake::Merge, at.clone(), reason);
            }
        }
        let index = field.extension.index.as_ref();
        if let Some(word) = index.filter(|_| field.place.in_collection) {
            let reason = "\"index\" cannot be said inside lists and open maps, where an entity \
                          has many such values";
            self.report.add(Mistake::Misplaced, word.at.clone(), reason);
        }
    }

    /// Every option of `enum` and `const` should be possible.
    fn check_options(&mut self, field: &Field<'a>, types: Types) {
        for part in &field.parts {
            let options = part.keywords.get("enum").and_then(Value::as_array);
            let options = options.into_iter().flatten().enumerate();
            let places = options.map(|(index, option)| {
                let at = part.at.child("enum").child(index.to_string());
                (option, at)
            });
            let single = part.keywords.get("const");
            let single = single.map(|option| (option, part.at.child("const")));
            for (option, at) in places.chain(single) {
                if !Types::of(option).is_within(types) {
                    let reason = format!("can never be: the value is {}", types);
                    self.report.add(Mistake::Contradiction, at, reason);
                }
            }
        }
    }

    pub(super) fn stamp(&mut self, field: &Field<'a>) -> Option<Shape> {
        let word = field.extension.stamp.as_ref()?;
        self.permit(
            field,
            &["stamp", "read", "index"],
            "a stamp, which is never written",
        );
        if field.place.parent != Some(NodeId::ROOT)
            || !matches!(field.place.name, NodeName::Property(_))
        {
            let reason = "a stamp is about the entity, so it must be a property of the root";
            self.report.add(Mistake::Misplaced, word.at.clone(), reason);
        }
        if field.types != Some(Types::STRING) {
            let reason = "a stamp is a string: write \"type\": \"string\"";
            self.report.add(Mistake::Type, field.at.clone(), reason);
        }
        for part in &field.parts {
            for (keyword, value) in part.keywords {
                let is_time = word.value.is_time() && value == "date-time";
                let good = match Constraint::parse(self.rules, keyword, value) {
                    Some(Constraint::Format(..)) => is_time,
                    Some(_) => false,
                    None => keyword != "default" && !super::bind::WHOLE.contains(&keyword.as_str()),
                };
                if !good {
                    let reason = "the server makes stamps, so nothing can be demanded of them";
                    self.report
                        .add(Mistake::Derived, part.at.child(keyword), reason);
                }
            }
        }
        Some(Shape::Stamp(word.value))
    }

    pub(super) fn tally(&mut self, field: &Field<'a>) -> Option<Shape> {
        self.permit(field, &["tally", "read"], "a tally");
        let word = field.extension.tally.as_ref()?;
        if field.place.in_collection || !matches!(field.place.name, NodeName::Property(_)) {
            let reason = "a tally belongs to the entity; it cannot be in lists and open maps";
            self.report.add(Mistake::Misplaced, word.at.clone(), reason);
        }
        if field.types != Some(Types::INTEGER) {
            let reason = "a tally is an integer: write \"type\": \"integer\"";
            self.report.add(Mistake::Type, field.at.clone(), reason);
        }
        for part in &field.parts {
            for (keyword, value) in part.keywords {
                let from_zero = ["default", "minimum"].contains(&keyword.as_str())
                    && value::same(value, &Value::from(0));
                let demands = keyword == "default"
                    || Constraint::parse(self.rules, keyword, value).is_some()
                    || super::bind::WHOLE.contains(&keyword.as_str());
                if demands && !from_zero {
                    let reason = "a tally counts from 0; nothing else can be said about it";
                    self.report
                        .add(Mistake::Derived, part.at.child(keyword), reason);
                }
            }
        }
        Some(Shape::Tally)
    }

    /// The default of a field, after a check. Only one schema may state it.
    pub(super) fn default(
        &mut self,
        field: &Field<'a>,
        check: impl Fn(&Value) -> Result<(), ScalarFault>,
    ) -> Option<Value> {
        let stated: Vec<(Value, Pointer)> = field
            .all("default")
            .map(|(value, at)| (value.clone(), at))
            .collect();
        let (first, _) = stated.first()?;
        let first = first.clone();
        for (value, at) in stated {
            if !value::same(&first, &value) {
                let reason = "contradicts another default of the same field";
                self.report.add(Mistake::Contradiction, at, reason);
            } else if let Err(fault) = check(&value) {
                let reason = format!("the default does not fit its own schema: it {fault}");
                self.report.add(Mistake::Default, at, reason);
            } else if matches!(
                field.place.name,
                NodeName::Element | NodeName::Additional | NodeName::Item
            ) {
                let reason = "only a declared property can have a default";
                self.report.add(Mistake::Default, at, reason);
            }
        }
        Some(first)
    }

    /// An object or keyed list begins empty, or with what its properties begin with.
    pub(super) fn empty_default(&mut self, field: &Field<'a>, empty: &Value) -> Option<Value> {
        let stated: Vec<_> = field
            .all("default")
            .filter(|(value, _)| *value != empty)
            .map(|(_, at)| at)
            .collect();
        for at in stated {
            let reason = if empty.is_object() {
                "put defaults on the properties of the object"
            } else {
                "a list of objects begins empty, since its items need ids"
            };
            self.report.add(Mistake::Default, at, reason);
        }
        None
    }

    /// Whether a default fits what is judged on whole values, by the code that judges those.
    #[cfg(feature = "whole-entity")]
    pub(super) fn check_whole_default(&mut self, id: NodeId, parts: &[Part<'a>]) {
        let stated = parts
            .iter()
            .find_map(|part| Some((part.keywords.get("default")?, part.at.child("default"))));
        let (Some((value, at)), Some(schemas)) = (stated, self.whole.get(&id)) else {
            return;
        };
        let harmless = [Mistake::Contradiction, Mistake::Default, Mistake::Misplaced];
        let is_told = |(place, _, mistake): &(Pointer, String, Mistake)| {
            // What refers to nothing, or to itself, cannot be judged by.
            !harmless.contains(mistake)
                || (*mistake == Mistake::Default && place.to_string().starts_with(&at.to_string()))
        };
        if self.rules < Rules::V3 || self.report.mistakes.iter().any(is_told) {
            return;
        }
        let schemas = Value::Array(schemas.clone());
        let mut definitions = Map::new();
        definitions_of(self.root, &schemas, &mut definitions);
        let schema = json!({ "$defs": definitions, "allOf": schemas });
        let schema = super::name_patterns::spelt_out(&schema);
        let Ok(whole) = Validator::new(self.rules, &schema) else {
            return;
        };
        if let Some(fault) = whole.faults(&value::normal(value)).first() {
            let reason = format!(
                "the default does not fit its own schema: it {}",
                fault.message
            );
            self.report.add(Mistake::Default, at, reason);
        }
    }

    pub(super) fn list_default(&mut self, field: &Field<'a>, element: NodeId) -> Option<Value> {
        let (value, at) = field.all("default").next()?;
        let value = value.clone();
        let Some(values) = value.as_array() else {
            self.report
                .add(Mistake::Default, at, "the default of a list must be a list");
            return None;
        };
        let faults: Vec<_> = values
            .iter()
            .enumerate()
            .filter_map(|(index, value)| {
                let fault = self.rule_of(element)?.check(value).err()?;
                Some((index, fault))
            })
            .collect();
        for (index, fault) in faults {
            let reason = format!("the default does not fit its own schema: it {fault}");
            self.report
                .add(Mistake::Default, at.child(index.to_string()), reason);
        }
        self.check_list_default(field, values, &at);
        Some(value)
    }
}

/// The definitions that a schema refers to, and those that they refer to.
#[cfg(feature = "whole-entity")]
fn definitions_of(root: &Value, schema: &Value, found: &mut Map<String, Value>) {
    match schema {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            let target = target.and_then(|target| target.strip_prefix("#/$defs/"));
            let name = target.and_then(|target| target.split('/').next());
            if let Some(name) = name.map(|name| name.replace("~1", "/").replace("~0", "~"))
                && !found.contains_key(&name)
                && let Some(definition) = root["$defs"].get(&name)
            {
                found.insert(name, definition.clone());
                definitions_of(root, definition, found);
            }
            for member in members.values() {
                definitions_of(root, member, found);
            }
        }
        Value::Array(members) => {
            for member in members {
                definitions_of(root, member, found);
            }
        }
        _ => {}
    }
}
